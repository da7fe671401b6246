"""A build folder on the bench: built with Verilator, run once or again with the probes on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import Refusal
from ..hls import ir, ir_text
from ..hls import manifest as form
from ..hls.register_map import REGISTERS
from . import simulator, vectors, wrapper

NETWORK = "network.json"
KEYS = (
    "top",
    "sources",
    "input",
    "output",
    "streams",
    "instances",
    "interval_cycles",
    "loads",
    "signatures",
)  # of the manifest
_STATE = REGISTERS["MEMORY"][3]
LOADED_AND_READ = 1 << _STATE["loaded"][0] | 1 << _STATE["signed"][0]
REPORT_SECONDS = 2.0  # between two progress messages
FAULTS = {
    "unstable": "output beats are withdrawn or change before they are taken",
    "bad_last": "output beats have a wrong tlast",
    "extra": "output beats follow the last frame",
    "bad_answers": "accesses of registers were answered with an error",
}


@dataclass(frozen=True)
class Run:
    """What one simulation left behind.

    Attributes
    ----------
    outputs : ndarray of int64, (frames that came out whole, outputs)
    starts, ends : ndarray of int64
        Clock of each frame's first input beat, and of its last output beat.
    cycles, seconds
        Clocks simulated and the time that took.
    faults : tuple of str
        Rules of the output stream that were broken.
    stuck : bool
        No beat moved any more before the last frame was out.
    load_cycles : int
        Clocks until the last memory was loaded; 0 where there is none to load.
    wrong_signatures : tuple of str
        Memories that the layers did not read as they must be, and how.
    """

    outputs: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    cycles: int
    seconds: float
    faults: tuple[str, ...]
    stuck: bool
    load_cycles: int = 0
    wrong_signatures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """A build folder opened for simulation; `say` receives progress messages."""

    folder: Path
    manifest: dict[str, Any]
    network: ir.Network
    say: Callable[[str], None]

    @classmethod
    def open(cls, folder: str | Path, say: Callable[[str], None]) -> Bench:
        """Read the description of a build, or refuse it."""
        folder = Path(folder)
        if not folder.is_dir():
            raise Refusal(f"{folder}: must be a build folder (zynqfire compile), found none")
        manifest = form.read(folder, *KEYS)
        try:
            network = ir_text.loads((folder / NETWORK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refusal(f"build {folder}: must hold {NETWORK}, as compile writes") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refusal(
                f"build {folder}: {NETWORK} must be as compile writes: {error}"
            ) from error
        for name in manifest["sources"]:
            form.contents(folder, name)
        named = [name for instance in manifest["instances"] for name in form.memories(instance)]
        for name in named + [load["file"] for load in manifest["loads"]]:
            form.contents(folder, name)
        return cls(folder.absolute(), manifest, network, say)

    @property
    def patience(self) -> int:
        """Clocks without a beat on any stream after which a run is stuck."""
        return 2 * int(self.manifest["interval_cycles"]) + 10_000

    def build(self, waves: bool = False) -> simulator.Built:
        """Return the simulator of the whole top, cached by content in ``BUILD/sim``."""
        sources = [self.folder / source for source in self.manifest["sources"]]
        testbench = self.folder / "sim" / f"{wrapper.TOPLEVEL}.sv"
        testbench.write_text(wrapper.testbench(self.manifest))
        self.say("building the simulator")
        start = time.perf_counter()
        try:
            built = simulator.build(
                wrapper.TOPLEVEL,
                [*wrapper.SOURCES, *sources, testbench],
                options=("--timing", "-Wno-fatal"),
                waves=waves,
                cache=os.environ.get(simulator.CACHE) or self.folder / "sim",
            )
        except simulator.SimulationError as error:
            raise Refusal(
                f"{self.folder}: Verilator must compile its SystemVerilog, {reason(str(error))}"
            ) from error
        self.say(f"built the simulator in {time.perf_counter() - start:.1f} s")
        return built

    def run(
        self,
        built: simulator.Built,
        work: Path,
        frames: int,
        settings: dict[str, int | None],
        waves: Path | None = None,
    ) -> Run:
        """Simulate the first `frames` frames of ``work/frames.bin``.

        `settings` are the plusargs of the testbench: `stall_seed`, `reset_at`, `probe_frame`.
        """
        settings = {**settings, "frames": frames, "patience": self.patience}
        plusargs = [f"+{key}={value}" for key, value in settings.items() if value is not None]
        (work / "result.json").unlink(missing_ok=True)
        plan = (f"{load['words32']} {load['file']}\n" for load in self.manifest["loads"])
        (work / "loads.txt").write_text("".join(plan))
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(work / "ends.bin", frames, stop))
        watcher.start()
        failure = ""
        try:
            simulator.run(
                built,
                "zynqfire.rtl_tb.test_network",
                plusargs=[f"+run_dir={work}", *plusargs],
                cwd=self.folder,
                waves=waves,
            )
        except simulator.SimulationError as error:
            failure = str(error)  # also where outputs differ; then there is a result
        finally:
            stop.set()
            watcher.join()
        try:
            counts = json.loads((work / "result.json").read_text())
        except FileNotFoundError:
            raise Refusal(f"{self.folder}: its simulation must end, {reason(failure)}") from None
        return self._collect(work, counts)

    def _collect(self, work: Path, counts: dict[str, Any]) -> Run:
        leave, done = self.manifest["output"], counts["frames"]
        raw = (work / "outputs.bin").read_bytes()
        outputs = vectors.unpack(raw, 1, leave["tdata_bits"], leave["signed"])
        wanted = done * leave["beats"]
        if outputs.size < wanted:
            raise Refusal(
                f"{work.parent}: must have room for the {wanted} outputs of {done} frames, only "
                f"{outputs.size} could be written"
            )
        return Run(
            outputs[:wanted].reshape(done, leave["beats"]),
            np.fromfile(work / "starts.bin", "<i8"),
            np.fromfile(work / "ends.bin", "<i8")[:done],
            counts["cycle"],
            counts["seconds"],
            tuple(f"{counts[key]} {text}" for key, text in FAULTS.items() if counts[key]),
            bool(counts["stuck"]),
            counts["load_cycles"],
            () if counts["stuck"] else tuple(self._signatures(work)),
        )

    def _signatures(self, work: Path) -> Iterator[str]:
        """Yield what is wrong with each memory's state and signature, as its register said."""
        memories = self.manifest["signatures"]
        lines = (work / "signatures.txt").read_text().splitlines() if memories else []
        for memory, line in zip(memories, lines, strict=True):
            state, signature = map(int, line.split())
            what = f"memory {memory['memory']} (layer {memory['layer']})"
            if state != LOADED_AND_READ:
                yield f"{what} must be loaded and read whole, its state is {state}"
            elif signature != memory["signature"]:
                yield (
                    f"{what}: the layer read words of the signature {signature:08x}, "
                    f"it must be {memory['signature']:08x}"
                )

    def _watch(self, ends: Path, frames: int, stop: threading.Event) -> None:
        while not stop.wait(REPORT_SECONDS):
            done = ends.stat().st_size // 8 if ends.exists() else 0  # the sink's eight bytes each
            self.say(f"simulated {done} of {frames} frames")


def reason(text: str) -> str:
    """Return the line of a tool's output that tells what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "%Error" in line or "%Fatal" in line]
    return (telling or lines or ["it ended without a word"])[0]
