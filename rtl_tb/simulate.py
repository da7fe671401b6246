"""Simulate a build folder: whole frames through the emitted top, equal to the interpreter or not.

The stimulus and the check work on files: `zynqfire.rtl_tb.wrapper` puts a SystemVerilog source and
sink around the top, and the cocotb bench (`zynqfire.rtl_tb.test_network`) waits for their end. When
the outputs differ or nothing moves any more, the same run is repeated with the probes on, which
tells where.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import Refusal
from ..hls import interpret, ir
from . import locate, simulator, vectors, wrapper

FORMAT = 1  # of manifest.json
REPORT_SECONDS = 2.0  # between two progress messages
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST)
Report = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """A build folder opened for simulation."""

    folder: Path
    manifest: dict[str, Any]
    network: ir.Network

    @classmethod
    def open(cls, folder: str | Path) -> Bench:
        """Read the description of a build, or refuse it."""
        folder = Path(folder)
        if not folder.is_dir():
            raise Refusal(f"{folder}: must be a build folder (zynqfire compile), found none")
        texts = {}
        for name in ("manifest.json", "network.json"):
            try:
                texts[name] = (folder / name).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise Refusal(f"{folder}: a build folder has a {name}, {error}") from error
        try:
            manifest = json.loads(texts["manifest.json"])
            network = ir.loads(texts["network.json"])
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, Refusal):
                raise
            raise Refusal(f"{folder}: manifest and network must be whole JSON, {error}") from error
        if manifest.get("format") != FORMAT:
            raise Refusal(
                f"{folder}/manifest.json: format must be {FORMAT}, not {manifest.get('format')}"
            )
        return cls(folder.absolute(), manifest, network)

    @property
    def patience(self) -> int:
        """Clocks without a beat on any stream after which a run is stuck."""
        return 2 * int(self.manifest["interval_cycles"]) + 10_000


@dataclass(frozen=True)
class Run:
    """What one simulation left behind; `outputs` has the frames that came out whole."""

    outputs: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    cycles: int
    seconds: float
    faults: tuple[str, ...]
    stuck: bool


def simulate(
    build: str | Path,
    *,
    frames: int | None = None,
    inputs: str | Path | np.ndarray | None = None,
    stalls: int | None = None,
    waves: bool = False,
    reset_at: int | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Simulate `build` and compare every output with the interpreter and the golden vectors.

    Parameters
    ----------
    build : path
        Build folder, as ``zynqfire compile`` writes it.
    frames : int, optional
        How many; by default all of `inputs`, or all golden vectors, or 8 random frames.
    inputs : path or ndarray, optional
        Integer input codes (frames, height, width, channels); default the golden vectors.
    stalls : int, optional
        Seed of random stalls on both ends; without it both run at full speed.
    waves : bool
        Also write ``BUILD/sim/waves.vcd`` (or ``.fst``).
    reset_at : int, optional
        Clock at which to reset the design once and start over.
    report : callable, optional
        Receives progress messages.

    Returns
    -------
    dict
        `frames`, `bit_exact`, `mismatches` (wrong or missing output codes), `interval_cycles`
        (from one frame's last output to the next one's; None below three frames), `latency_cycles`
        (first input beat taken to last output beat, first frame), `cycles_per_second` (build not
        counted), `outputs` (path of an .npy), `output_frac`; where it differs also `message`, and
        `first_mismatch` or `stalled`; with `waves` also `waves`.

    Raises
    ------
    Refusal
        The build, the input or a tool cannot be used.
    """
    say = report or (lambda text: None)
    bench = Bench.open(build)
    codes, golden = vectors.choose(bench.folder, bench.network, frames, inputs)
    expected = interpret.outputs(bench.network, codes).reshape(len(codes), -1)
    folder = bench.folder / "sim"
    try:
        folder.mkdir(exist_ok=True)
        built = _built(bench, waves, say)
        with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as name:
            work = Path(name)
            (work / "frames.bin").write_bytes(vectors.pack(codes, bench.manifest["input"]["lanes"]))
            settings = {"stall_seed": stalls, "reset_at": reset_at}
            np.save(work / "expected.npy", expected)
            recorded = folder / "waves" if waves else None
            run = _run(bench, built, work, len(codes), settings, say, recorded)
            result = _result(bench, run, expected, golden)
            if not result["bit_exact"]:
                result |= _explain(bench, built, work, codes, run, expected, golden, settings, say)
            np.save(work / "outputs.npy", run.outputs)
            (work / "outputs.npy").replace(folder / "outputs.npy")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise Refusal(f"{folder}: must be writable and have room, {error.strerror}") from error
    result["outputs"] = str(folder / "outputs.npy")
    if waves:
        result["waves"] = f"{recorded}.{built.waves}"
    return result


def _built(bench: Bench, waves: bool, say: Report) -> simulator.Built:
    """Return the simulator of the whole top, cached by content."""
    sources = [bench.folder / source for source in bench.manifest["sources"]]
    testbench = bench.folder / "sim" / f"{wrapper.TOPLEVEL}.sv"
    testbench.write_text(wrapper.testbench(bench.manifest))
    say("building the simulator")
    start = time.perf_counter()
    try:
        built = simulator.build(
            wrapper.TOPLEVEL,
            [*wrapper.SOURCES, *sources, testbench],
            options=("--timing", "-Wno-fatal"),
            fast=True,
            waves=waves,
            cache=os.environ.get(simulator.CACHE) or bench.folder / "sim",
        )
    except simulator.SimulationError as error:
        raise Refusal(
            f"{bench.folder}: Verilator must compile its SystemVerilog, {_reason(str(error))}"
        ) from error
    say(f"built the simulator in {time.perf_counter() - start:.1f} s")
    return built


def _run(
    bench: Bench,
    built: simulator.Built,
    work: Path,
    frames: int,
    settings: dict[str, int | None],
    say: Report,
    waves: Path | None = None,
) -> Run:
    """Simulate the first `frames` frames of ``work/frames.bin``."""
    settings = {**settings, "frames": frames, "patience": bench.patience}
    plusargs = [f"+{key}={value}" for key, value in settings.items() if value is not None]
    (work / "result.json").unlink(missing_ok=True)
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(work / "ends.bin", frames, say, stop))
    watcher.start()
    failure = ""
    try:
        simulator.run(
            built,
            "zynqfire.rtl_tb.test_network",
            plusargs=[f"+run_dir={work}", *plusargs],
            cwd=bench.folder,
            waves=waves,
        )
    except simulator.SimulationError as error:
        failure = str(error)
    finally:
        stop.set()
        watcher.join()
    try:
        counts = json.loads((work / "result.json").read_text())
    except FileNotFoundError:
        raise Refusal(f"{bench.folder}: the simulation must end, {_reason(failure)}") from None
    leave, done = bench.manifest["output"], counts["frames"]
    outputs = vectors.unpack(
        (work / "outputs.bin").read_bytes(), 1, leave["tdata_bits"], leave["signed"]
    )
    if outputs.size < done * leave["beats"]:
        raise Refusal(
            f"{work.parent}: must have room for {done} frames, only {outputs.size} of their "
            f"{done * leave['beats']} outputs could be written"
        )
    faults = {
        "unstable": "output beats are withdrawn or change before they are taken",
        "bad_last": "output beats have a wrong tlast",
        "extra": "output beats follow the last frame",
    }
    return Run(
        outputs[: done * leave["beats"]].reshape(done, leave["beats"]),
        np.fromfile(work / "starts.bin", "<i8"),
        np.fromfile(work / "ends.bin", "<i8")[:done],
        counts["cycle"],
        counts["seconds"],
        tuple(f"{counts[key]} {text}" for key, text in faults.items() if counts[key]),
        bool(counts["stuck"]),
    )


def _watch(ends: Path, frames: int, say: Report, stop: threading.Event) -> None:
    """Report how many frames are done; the sink writes eight bytes a frame."""
    while not stop.wait(REPORT_SECONDS):
        done = ends.stat().st_size // 8 if ends.exists() else 0
        say(f"simulated {done} of {frames} frames")


def _result(
    bench: Bench, run: Run, expected: np.ndarray, golden: np.ndarray | None
) -> dict[str, Any]:
    """Return what `simulate` promises, but for the path of the outputs."""
    done = len(run.outputs)
    wrong = run.outputs != expected[:done]
    if golden is not None:
        both = min(done, len(golden))
        wrong[:both] |= run.outputs[:both] != golden[:both]
    interval = None
    if done >= 3:  # the first frame fills the pipeline
        interval = round((int(run.ends[-1]) - int(run.ends[1])) / (done - 2))
    mismatches = int(wrong.sum()) + expected[done:].size
    return {
        "frames": len(expected),
        "bit_exact": mismatches == 0 and not run.faults and not run.stuck,
        "mismatches": mismatches,
        "interval_cycles": interval,
        "latency_cycles": int(run.ends[0] - run.starts[0]) if done else None,
        "cycles_per_second": round(run.cycles / run.seconds),
        "outputs": "",
        "output_frac": bench.network.output.output.qtype.frac,
    }


def _explain(
    bench: Bench,
    built: simulator.Built,
    work: Path,
    codes: np.ndarray,
    run: Run,
    expected: np.ndarray,
    golden: np.ndarray | None,
    settings: dict[str, int | None],
    say: Report,
) -> dict[str, Any]:
    """Say what is wrong, repeating the run up to the first wrong frame with the probes on."""
    wrong = np.flatnonzero((run.outputs != expected[: len(run.outputs)]).any(axis=1))
    if not len(wrong) and not run.stuck:
        if run.faults:
            return {"message": "; ".join(run.faults)}
        return _golden_difference(run.outputs, golden)
    frame = int(wrong[0]) if len(wrong) else len(run.outputs)
    say(f"frame {frame} is wrong: simulating it again to find where")
    last = len(codes) if run.stuck else frame + 1
    _run(bench, built, work, last, {**settings, "probe_frame": frame}, say)
    found = None
    explained: dict[str, Any] = {}
    parts = list(run.faults)
    if frame < len(codes):
        tensors = dict(interpret.run(bench.network, codes[frame : frame + 1]))
        tensors["m_axis"] = expected[frame]
        tensors["s_axis"] = codes[frame]
        found = locate.first_difference(bench.manifest, tensors, work, frame)
    if found is not None:
        explained["first_mismatch"] = found.as_dict()
        parts.append(str(found))
    if run.stuck:
        explained["stalled"] = locate.stalled(bench.manifest, work)
        parts.append(
            f"frame {len(run.outputs)}: no beat moved for {bench.patience} clocks; "
            + locate.describe(explained["stalled"])
        )
    return {"message": "; ".join(parts), **explained}


def _golden_difference(outputs: np.ndarray, golden: np.ndarray) -> dict[str, Any]:
    frame, code = (int(i[0]) for i in np.nonzero(outputs[: len(golden)] != golden))
    return {
        "message": f"frame {frame}, output {code}: the golden vectors expect "
        f"{golden[frame, code]}, hardware and interpreter agree on {outputs[frame, code]}"
    }


def _reason(text: str) -> str:
    """Return the line of a tool's output that tells what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "%Error" in line or "%Fatal" in line]
    return (telling or lines or ["it ended without a word"])[0]
