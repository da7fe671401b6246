"""The accelerator in this process: the RTL of a build as a library, behind registers and DMA.

`SimDevice` is a device of `zynqfire.board.driver`. `library` builds what it loads, of which
`rtl_tb/device/zynqfire_sim.h` is the C interface; a C program may link it, too.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .. import Refusal
from ..hls import manifest as form
from . import simulator
from .bench import reason

HARNESS = Path(__file__).parent / "device" / "zynqfire_sim.cpp"
CLOCKS = 2_000  # that pass before the time is looked at, and other threads have their turn
BUSY, TOO_LONG, DEAD = 1, 2, 3  # of zynqfire_sim.h
SENT, RECEIVED = 1, 2
_WORDS = re.compile(rb"[0-9a-fA-F\s]+")
_FUNCTIONS = {
    "open": (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32),
    "close": (None, ctypes.c_void_p),
    "read": (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32),
    "write": (None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32),
    "send": (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
    "receive": (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
    "abort": (None, ctypes.c_void_p),
    "sending": (ctypes.c_int, ctypes.c_void_p),
    "receiving": (ctypes.c_int, ctypes.c_void_p),
    "received": (ctypes.c_size_t, ctypes.c_void_p),
    "step": (ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int),
    "clocks": (ctypes.c_uint64, ctypes.c_void_p),
}


def say(text: str) -> None:
    """Report progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def library(build: Path | str, report: Callable[[str], object] = say) -> Path:
    """Return the shared library of a build's accelerator, made where it is not in the cache.

    Raises
    ------
    Refusal
        The folder is no build, is one without the accelerator's ports, or a tool is missing.
    """
    build = Path(build).absolute()
    ip = described(build)["ip"]
    sources = [build / name for name in ip["sources"]]
    try:
        found = simulator.build(
            ip["top"],
            sources,
            options=("-Wno-fatal",),
            cache=os.environ.get(simulator.CACHE) or build / "sim",
            harness=HARNESS,
            report=report,
        )
    except simulator.SimulationError as error:
        raise Refusal(
            f"build {build}: Verilator must compile its SystemVerilog, {reason(str(error))}"
        ) from None
    return found.program


def described(build: Path | str) -> dict[str, Any]:
    """Return the manifest of a build that has the accelerator's ports and all of its memories."""
    build = Path(build)
    manifest = form.with_ports(build, "input", "output", "instances", "loads", "signatures")
    named = [name for instance in manifest["instances"] for name in form.memories(instance)]
    for name in (*manifest["ip"]["sources"], *(each["file"] for each in manifest["loads"])):
        form.contents(build, name)
    for file in (file for name in named for file in form.contents(build, name)):
        if not _WORDS.fullmatch(file.read_bytes()):  # Verilator would end the process
            raise Refusal(f"build {build}: {file.name} must hold words in hexadecimal alone")
    return manifest


class SimDevice:
    """The RTL of the folder `build` as a device of `Accelerator`; frames take simulated clocks.

    Parameters
    ----------
    build : path
    seed : int
        Of what registers hold before reset.
    report : callable
        Receives messages while the library is built, which takes from seconds to minutes.
    """

    patience = 120.0

    def __init__(
        self, build: Path | str, *, seed: int = 1, report: Callable[[str], object] = say
    ) -> None:
        path = library(build, report)
        # The GIL is held while a model opens, for it changes the working folder for a moment
        self._functions = {}
        for loader, names in ((ctypes.PyDLL, ["open"]), (ctypes.CDLL, [*_FUNCTIONS])):
            try:
                loaded = loader(str(path))
            except OSError as error:
                what = "must be a library of this machine, delete it if it is not"
                raise Refusal(f"simulator {path}: {what}: {error}") from None
            for name in names:
                function = getattr(loaded, f"zf_sim_{name}")
                function.restype, *function.argtypes = _FUNCTIONS[name]
                self._functions.setdefault(name, function)
        self._entry, self._lock = threading.Lock(), threading.Lock()
        self._sends = self._receives = None
        self._sim = self._functions["open"](os.fsencode(Path(build).absolute()), seed)
        if not self._sim:
            raise Refusal(f"build {build}: must be a folder that can be entered")

    @property
    def clocks(self) -> int:
        """How many clocks have passed."""
        return self._call("clocks")

    @property
    def received(self) -> int:
        """How many bytes the last packet had that came."""
        return self._call("received")

    def read(self, offset: int) -> int:
        """Return a register."""
        return self._call("read", offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self._call("write", offset, int(value))

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array."""
        return np.zeros(shape, dtype)

    def send(self, buffer: np.ndarray) -> None:
        """Start the packet `buffer`."""
        self._sends = buffer
        self._call("send", buffer.ctypes.data, buffer.nbytes, 0)

    def receive(self, buffer: np.ndarray) -> None:
        """Start to take a packet into `buffer`."""
        self._receives = buffer  # kept alive until it is filled
        self._call("receive", buffer.ctypes.data, buffer.nbytes)

    def wait_sent(self, timeout: float) -> bool:
        """Tell whether the packet has been sent, at the latest after `timeout` seconds."""
        return self._wait("sending", SENT, timeout)

    def wait_received(self, timeout: float) -> bool:
        """Tell whether the packet has been received, at the latest after `timeout` seconds."""
        if not self._wait("receiving", RECEIVED, timeout):
            return False
        came, wanted = self.received, self._receives.nbytes
        if came != wanted:
            raise RuntimeError(f"simulated DMA: a packet must have {wanted} bytes, not {came}")
        return True

    def _wait(self, what: str, until: int, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while (state := self._call(what)) == BUSY:
            if time.monotonic() > end:
                return False
            self._call("step", CLOCKS, until)
        if state == TOO_LONG:
            raise RuntimeError("simulated DMA: a packet must end with its buffer, it was longer")
        if state == DEAD:
            rule = "must answer each access and keep its assertions, it did not"
            raise RuntimeError(f"simulated accelerator: {rule}")
        return True

    def reset(self) -> None:
        """Give up both transfers."""
        self._call("abort")
        self._sends = self._receives = None

    def close(self) -> None:
        """Free the model."""
        with self._turn():
            if self._sim:
                self._functions["close"](self._sim)
            self._sim = None

    def _call(self, name: str, *arguments: Any) -> Any:
        with self._turn():
            if not self._sim:
                raise RuntimeError("simulated accelerator: must be open, it is closed")
            return self._functions[name](self._sim, *arguments)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Take turns: a thread that waits for a packet must not keep the others off."""
        with self._entry:
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()
