"""Simulate a build folder: whole frames through the emitted top, equal to the interpreter or not.

The stimulus and the check work on files: `zynqfire.rtl_tb.wrapper` puts a SystemVerilog source and
sink around the top, and the cocotb bench (`zynqfire.rtl_tb.test_network`) waits for their end. When
the outputs differ or nothing moves any more, the same run is repeated with the probes on, which
tells where.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import Refusal
from ..hls import interpret
from . import locate, vectors
from .bench import Bench, Run

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST)


@dataclass(frozen=True)
class Reference:
    """Input codes, what the interpreter makes of them, and golden outputs of the first ones."""

    codes: np.ndarray
    expected: np.ndarray
    golden: np.ndarray | None

    def wrong(self, outputs: np.ndarray) -> np.ndarray:
        """Return which of `outputs` differ from the interpreter or from the golden vectors."""
        wrong = outputs != self.expected[: len(outputs)]
        if self.golden is not None:
            both = min(len(outputs), len(self.golden))
            wrong[:both] |= outputs[:both] != self.golden[:both]
        return wrong


def simulate(
    build: str | Path,
    *,
    frames: int | None = None,
    inputs: str | Path | np.ndarray | None = None,
    stalls: int | None = None,
    waves: bool = False,
    reset_at: int | None = None,
    report: Callable[[str], None] | None = None,
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
        counted), `outputs` (path of an .npy, frames that came out x outputs, int64), `output_frac`
        and `output_divisor` (a value is its code * 2**-output_frac / output_divisor);
        where weights are in block RAM or UltraRAM, `signatures_ok` (the layers read what they must;
        else `bit_exact` is False, too), and where they are loaded, `load_cycles`;
        where it differs also `message`, and `first_mismatch` or `stalled`; with `waves` also
        `waves`.

    Raises
    ------
    Refusal
        The build, the input or a tool cannot be used.

    """
    bench = Bench.open(build, report or (lambda text: None))
    codes, golden = vectors.choose(bench.folder, bench.network, frames, inputs)
    reference = Reference(codes, interpret.outputs(bench.network, codes), golden)
    settings = {"stall_seed": stalls, "reset_at": reset_at}
    folder = bench.folder / "sim"
    try:
        folder.mkdir(exist_ok=True)
        built = bench.build(waves)
        with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as name:
            work = Path(name)
            (work / "frames.bin").write_bytes(vectors.pack(codes, bench.manifest["input"]["lanes"]))
            beat = f"<i{bench.manifest['output']['tdata_bits'] // 8}"  # as the sink records them
            np.save(work / "expected.npy", reference.expected.astype(beat))
            recorded = folder / "waves" if waves else None
            run = bench.run(built, work, len(codes), settings, recorded)
            result = _result(bench, reference, run)
            result["outputs"] = str(folder / "outputs.npy")
            if waves:
                result["waves"] = f"{recorded}.{built.waves}"
            if not result["bit_exact"]:
                frame = _first_wrong(reference, run)
                if frame is not None:
                    bench.say(f"frame {frame} is wrong: simulating it again to find where")
                    # Frames before it may have left the fault's cause; a stuck run needs them all
                    last = len(codes) if run.stuck else frame + 1
                    bench.run(built, work, last, {**settings, "probe_frame": frame})
                result |= _explain(bench, reference, run, work, frame)
            np.save(work / "outputs.npy", run.outputs)
            (work / "outputs.npy").replace(folder / "outputs.npy")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise Refusal(f"{folder}: must be writable and have room, {error.strerror}") from error
    return result


def _result(bench: Bench, reference: Reference, run: Run) -> dict[str, Any]:
    """Return what `simulate` promises, but for paths."""
    done = len(run.outputs)
    interval = None
    if done >= 3:  # the first frame fills the pipeline
        interval = round((int(run.ends[-1]) - int(run.ends[1])) / (done - 2))
    mismatches = int(reference.wrong(run.outputs).sum()) + reference.expected[done:].size
    right = not run.faults and not run.stuck and not run.wrong_signatures
    checked = {"signatures_ok": not run.stuck and not run.wrong_signatures}
    loaded = {"load_cycles": run.load_cycles}
    return {
        "frames": len(reference.codes),
        "bit_exact": mismatches == 0 and right,
        "mismatches": mismatches,
        "interval_cycles": interval,
        "latency_cycles": int(run.ends[0] - run.starts[0]) if done else None,
        "cycles_per_second": round(run.cycles / run.seconds),
        "output_frac": bench.network.output.output.qtype.frac,
        "output_divisor": bench.network.output.divisor,
        **(checked if bench.manifest["signatures"] else {}),
        **(loaded if bench.manifest["loads"] else {}),
    }


def _first_wrong(reference: Reference, run: Run) -> int | None:
    """Return the first frame that differs from the interpreter, or in which nothing moves."""
    done = len(run.outputs)
    wrong = np.flatnonzero((run.outputs != reference.expected[:done]).any(axis=1))
    if len(wrong):
        return int(wrong[0])
    return done if run.stuck else None


def _explain(
    bench: Bench, reference: Reference, run: Run, work: Path, frame: int | None
) -> dict[str, Any]:
    """Say what is wrong; the streams of `frame`, if it is one, are recorded in `work`."""
    parts, explained = [*run.faults, *run.wrong_signatures], {}
    if frame is not None:
        codes = reference.codes[frame : frame + 1]
        tensors = {
            **interpret.run(bench.network, codes),
            "s_axis": codes,
            "m_axis": reference.expected[frame],
        }
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
    if not parts:
        wrong = reference.wrong(run.outputs)
        at, code = (int(index[0]) for index in np.nonzero(wrong))
        parts.append(
            f"frame {at}, output {code}: the golden vectors expect {reference.golden[at, code]}, "
            f"hardware and interpreter agree on {run.outputs[at, code]}"
        )
    return {"message": "; ".join(parts), **explained}
