"""One archive of a build for the board: bitstream, driver, self-test, notebook, golden vectors."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from .. import Refusal, __version__
from ..hls import interpret, ir_text
from ..hls import manifest as form
from . import c_network, driver, vivado
from .notebook import notebook

HERE = Path(__file__).parent
FRAMES = 16  # of golden vectors, where a build has none
_TIME = (1980, 1, 1, 0, 0, 0)  # the same build gives the same bytes
_KEYS = ("name", "input", "output", "instances", "loads", "signatures", "board", "clock_mhz")


def package(
    build: Path | str, out: Path | str, report: Callable[[str], object] | None = None
) -> dict[str, Any]:
    """Write the archive `out` of a build.

    Parameters
    ----------
    build : path
        Folder that `compile` wrote; its bitstream is taken along where Vivado made one.
    out : path
        The .zip file to write.
    report : callable, optional
        Receives progress messages.

    Returns
    -------
    dict
        `archive`, `files` (their names), `bytes`, `bitstream` (whether there is one).

    Raises
    ------
    Refusal
        The folder is no build, or the file cannot be written.
    """
    build, out = Path(build), Path(out)
    if out.suffix != ".zip":
        raise Refusal(f"archive {out}: must end in .zip, not {out.suffix or 'in nothing'}")
    manifest = form.with_ports(build, *_KEYS)
    say = report or (lambda text: None)
    say(f"packing {manifest['name']} for {manifest['board']}")
    files = dict(sorted(_files(build, manifest, say)))
    beside = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, content)
        beside.replace(out)
    except OSError as error:
        raise Refusal(f"archive {out}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # of the folder, which may not be one
            beside.unlink(missing_ok=True)
    return {
        "archive": str(out),
        "files": list(files),
        "bytes": out.stat().st_size,
        "bitstream": driver.BITSTREAM in files,
    }


def _files(
    build: Path, manifest: Mapping[str, Any], say: Callable[[str], object]
) -> Iterator[tuple[str, bytes]]:
    made = list(_bitstream(build))
    yield from made
    named = {form.NAME, "network.json", *manifest["ip"]["sources"]}
    for instance in manifest["instances"]:
        named |= set(form.memories(instance))
    named |= {load["file"] for load in manifest["loads"]}
    for name in named:
        for file in form.contents(build, name):
            yield file.relative_to(build).as_posix(), file.read_bytes()
    yield "golden.npz", _golden(build, say)
    yield "driver.py", Path(driver.__file__).read_bytes()
    yield "selftest.py", (HERE / "archive" / "selftest.py").read_bytes()
    clock = _clock(build, manifest) if made else manifest["clock_mhz"]
    yield "classify.ipynb", notebook(manifest["name"], clock).encode()
    for file in sorted((HERE / "baremetal").iterdir()):
        yield f"baremetal/{file.name}", file.read_bytes()
    yield "baremetal/network.h", c_network.header(manifest).encode()
    yield "baremetal/weights.c", c_network.weights(build, manifest).encode()
    yield "README.md", _readme(manifest, clock, bool(made)).encode()


def _bitstream(build: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the bitstream and its description, of which one is nothing without the other."""
    bit = build / vivado.FOLDER / driver.BITSTREAM
    pair = [bit, bit.with_suffix(".hwh")]
    there = [file for file in pair if file.is_file()]
    if len(there) == 1:
        raise Refusal(
            f"build {build}: vivado must hold {pair[0].name} and {pair[1].name} or none of them, "
            f"not {there[0].name} alone"
        )
    for file in there:
        yield file.name, file.read_bytes()


def _clock(build: Path, manifest: Mapping[str, Any]) -> float:
    """Return the MHz that Vivado was asked for, the board's where its results do not say."""
    return (vivado.facts(build / vivado.FOLDER) or manifest)["clock_mhz"]


def _golden(build: Path, say: Callable[[str], object]) -> bytes:
    """Return the build's golden vectors; of random images, where it has none."""
    file = build / "golden.npz"
    if file.is_file():
        return file.read_bytes()
    say(f"no golden vectors in {build}: {FRAMES} random frames through the interpreter instead")
    network = ir_text.read(build / "network.json")
    tensor = network.input.output
    low, high = tensor.qtype.lo, tensor.qtype.hi
    draw = np.random.default_rng(0).integers
    codes = draw(low, high, (FRAMES, *tensor.shape), dtype=np.int64, endpoint=True)
    text = io.BytesIO()
    np.savez_compressed(text, inputs=codes, outputs=interpret.outputs(network, codes))
    return text.getvalue()


def _readme(manifest: Mapping[str, Any], clock: float, made: bool) -> str:
    height, width, channels = manifest["input"]["shape"]
    interval = manifest["ip"]["interval_cycles"]
    without = "There is no bitstream in it: run `zynqfire synth --tool vivado`, then pack again."
    return Template((HERE / "archive" / "README.md.in").read_text(encoding="utf-8")).substitute(
        name=manifest["name"],
        board=manifest["board"],
        version=__version__,
        bitstream="The bitstream is `zynqfire.bit`." if made else without,
        height=height,
        width=width,
        channels=channels,
        codes="int8" if manifest["input"]["signed"] else "uint8",
        outputs=manifest["output"]["beats"],
        interval=f"{interval:,}",
        fps=f"{clock * 1e6 / interval:,.0f}",
        clock=f"{clock:g}",
    )
