"""The hook that hls4ml finds through the entry point `hls4ml.backends`.

hls4ml loads it in the middle of its own import, and only prints what goes wrong; so this module
imports nothing from hls4ml by itself, and `ensure_registered` checks the outcome.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import Refusal

NAME = "zynqfire"


def register(register_backend: Callable, register_writer: Callable) -> None:
    """Register the backend `zynqfire` and its writer with hls4ml."""
    from .plugin import ZynqfireBackend, ZynqfireWriter

    register_writer(NAME, ZynqfireWriter)
    register_backend(NAME, ZynqfireBackend)


def ensure_registered() -> None:
    """Make sure that hls4ml knows the backend, also where the package is not installed.

    Raises
    ------
    Refusal
        Where hls4ml could not take the backend.

    """
    from hls4ml.backends.backend import get_available_backends, register_backend
    from hls4ml.writer.writers import register_writer

    if NAME not in get_available_backends():
        register(register_backend, register_writer)
    if NAME not in get_available_backends():
        raise Refusal(
            f"hls4ml: the backend {NAME} could not be registered, it has only "
            f"{', '.join(get_available_backends())}"
        )
