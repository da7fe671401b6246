"""The whole way on real pictures: train, export, compile, simulate every held-out one, budget.

Each step leaves a stamp: what went into it (the sources of its stage and the step before) and what
came out. A second run repeats only the steps whose stamp no longer holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NETWORK, DATA, BOARD = "zynqnet-32", "digits", "pynq-z2"
SLOW_FRAMES = 32  # for qonnx and the C++ emulation: half pictures, half random bytes
PACKAGE = Path(__file__).parent
Report = Callable[[str], None]


@dataclass
class Steps:
    """Runs steps in `folder`, or takes their results from the stamps of an earlier run.

    `key` is a hash of all that the next step depends on: sources, and what earlier steps wrote.
    """

    folder: Path
    say: Report
    key: str = ""

    def do(
        self,
        name: str,
        sources: Iterable[str],
        work: Callable[[], Mapping[str, Any]],
        outputs: Iterable[Path] = (),
    ) -> dict[str, Any]:
        """Return the result of `work`, or the kept one if nothing it depends on has changed.

        Parameters
        ----------
        name : str
            Of the stamp, ``NAME.json``.
        sources : iterable of str
            Patterns of the package's files that the step runs.
        work : callable
            The step; its result must be JSON.
        outputs : iterable of path
            Files and folders that the step writes.
        """
        found = {path for pattern in sources for path in PACKAGE.glob(pattern)}
        files = sorted(p for p in found if p.is_file() and p.parent.name != "__pycache__")
        self.key = _digest(files, self.key)
        stamp = self.folder / f"{name}.json"
        entry = _stamp(stamp)
        if entry.get("key") == self.key and entry.get("outputs") == _digest(outputs):
            self.say(f"{name}: done before, {stamp.name} still holds")
        else:
            self.say(f"{name}: started")
            started = time.monotonic()
            entry = {"key": self.key, "result": work(), "outputs": _digest(outputs)}
            beside = stamp.with_suffix(".new")
            beside.write_text(json.dumps(entry, indent=1, default=_plain) + "\n")
            os.replace(beside, stamp)
            self.say(f"{name}: {time.monotonic() - started:.0f} s")
            entry = _stamp(stamp)
        self.key = _digest([], self.key + entry["outputs"])
        return entry["result"]


def run(folder: Path, *, report: Report) -> dict[str, Any]:
    """Run the demo in `folder`.

    Returns
    -------
    dict
        The steps' results by name, `accuracy` (float, quantized, rtl), `equal` (frames on which an
        executor equals the interpreter, and frames compared), `passed`, `seconds`, and `table`.
    """
    started = time.monotonic()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(folder, report)
    trained, model, build = folder / "run", folder / "model.onnx", folder / "build"
    golden, frames = model.with_suffix(".golden.npz"), folder / "frames.npz"
    hls = ["hls/**/*.py", "hls/rtl/*", "board/catalog.py", "board/boards/*"]

    def do(name: str, sources: list[str], work: Callable[..., Any], *outputs: Path) -> Any:
        results[name] = steps.do(name, sources, work, outputs)
        return results[name]

    results: dict[str, Any] = {}
    do("train", ["model/**/*"], lambda: _train(trained, steps.key, report), trained)
    do(
        "export",
        ["demo.py"],
        lambda: _export(trained, model, frames, report),
        model,
        golden,
        frames,
    )
    do("compile", hls, lambda: _compile(model, build, report), *_built(build))
    do("budget", [], lambda: _budget(build))
    run = do("simulate", ["rtl_tb/**/*"], lambda: _simulate(build, frames, report))
    outputs = Path(run["outputs"])
    do("compare", ["demo.py"], lambda: _compare(folder, outputs, report), outputs)
    compare, memory = results["compare"], results["budget"]
    equal = all(same == of for same, of in compare["equal"].values())
    seconds = round(time.monotonic() - started, 1)
    return {
        **results,
        "accuracy": compare["accuracy"],
        "equal": compare["equal"],
        "passed": equal and results["simulate"]["bit_exact"] and memory["fits"],
        "seconds": seconds,
        "table": _table(results, seconds),
    }


def _train(folder: Path, key: str, report: Report) -> dict[str, Any]:
    from .model.config import load
    from .model.train import train

    mark = folder.with_suffix(".key")
    if not mark.is_file() or mark.read_text() != key:  # what lies there was trained by other code
        shutil.rmtree(folder, ignore_errors=True)
        mark.write_text(key)
    return train(load(NETWORK), DATA, folder, report=report)


def _export(trained: Path, model: Path, frames: Path, report: Report) -> dict[str, Any]:
    from .model.export import export_run

    result = export_run(trained, model, report=report)
    with np.load(trained / "heldout.npz") as heldout, np.load(result["golden"]) as golden:
        random = golden["inputs"][len(golden["inputs"]) // 2 :]
        inputs = np.concatenate([heldout["images"], random])
        np.savez(frames, inputs=inputs, labels=heldout["labels"])
    return result


def _compile(model: Path, build: Path, report: Report) -> dict[str, Any]:
    from .board.catalog import load
    from .hls.compile import compile_model

    board = load(BOARD)
    result = compile_model(model, board, build, report=report)
    return result | {"clock_mhz": board.clock_mhz}


def _budget(build: Path) -> dict[str, Any]:
    from .hls.budget import budget

    return budget(build)


def _simulate(build: Path, frames: Path, report: Report) -> dict[str, Any]:
    from .rtl_tb.simulate import simulate

    with np.load(frames) as data:
        result = simulate(build, inputs=data["inputs"], report=report)
    if "message" in result:
        report(result["message"])
    return result


def _compare(folder: Path, outputs: Path, report: Report) -> dict[str, Any]:
    """Run all executors on the simulated frames, the slow ones on some, and count equal frames."""
    from .hls import executors, interpret, ir_text
    from .model.exact import integers
    from .model.run import load_run

    model = folder / "model.onnx"
    network = ir_text.loads((folder / "build" / "network.json").read_text(encoding="utf-8"))
    with np.load(folder / "frames.npz") as data:
        inputs, labels = data["inputs"], data["labels"]
    some = np.r_[: SLOW_FRAMES // 2, len(inputs) - SLOW_FRAMES // 2 : len(inputs)]
    expected = interpret.outputs(network, inputs)
    report(f"compare: Brevitas on {len(inputs)} frames")
    answers = {
        "RTL": np.load(outputs),
        "Brevitas": integers(load_run(folder / "run")[0], inputs)[0],
    }
    report(f"compare: qonnx on {len(some)} frames")
    answers["qonnx"] = executors.by_qonnx(model, inputs[some])
    report(f"compare: hls4ml's C++ emulation, compiled, on {len(some)} frames")
    answers["Vitis emulation"] = executors.by_vitis(model, inputs[some])
    equal = {}
    for name, answer in answers.items():
        wanted = expected if name in ("RTL", "Brevitas") else expected[some]
        equal[name] = [int((answer == wanted).all(axis=1).sum()), len(wanted)]
    pictures = len(labels)
    hits = {"quantized": answers["Brevitas"], "RTL": answers["RTL"]}
    return {
        "pictures": pictures,
        "frames": len(inputs),
        "equal": equal,
        "accuracy": {
            name: float((codes[:pictures].argmax(axis=1) == labels).mean())
            for name, codes in hits.items()
        },
    }


def _table(results: Mapping[str, Any], seconds: float) -> list[tuple[str, str]]:
    """Return the rows that `zynqfire demo` shows."""
    train, built, run = results["train"], results["compile"], results["simulate"]
    compare, memory = results["compare"], results["budget"]
    used, whole = memory["used"], memory["available"]
    clock = built["clock_mhz"]
    accuracy = {"float": train["accuracy_float"]} | compare["accuracy"]
    kinds: dict[str, float] = {}
    for row in memory["memories"]:
        kinds[row["primitive"]] = kinds.get(row["primitive"], 0) + row["count"]
    same = [f"{name} {equal} of {of}" for name, (equal, of) in compare["equal"].items()]
    return [
        ("network", f"{NETWORK} on {DATA}, {built['multipliers']:,} multipliers on {BOARD}"),
        (
            f"accuracy on {compare['pictures']} held-out pictures",
            ", ".join(f"{name} {100 * accuracy[name]:.2f} %" for name in accuracy),
        ),
        ("frames equal to the interpreter's", ", ".join(same)),
        (
            "cycles a frame",
            f"{run['interval_cycles']:,} simulated, {built['interval_cycles']:,} predicted: "
            f"{clock * 1e6 / run['interval_cycles']:,.0f} frames/s at {clock:g} MHz",
        ),
        (
            "latency",
            f"{run['latency_cycles']:,} cycles, {run['latency_cycles'] / clock:,.0f} us",
        ),
        ("memory", ", ".join(f"{count:g} {kind}" for kind, count in kinds.items())),
        (
            "block RAM",
            f"{used['bram36']:g} of {whole['bram36']:g} RAMB36 on the board"
            f" ({100 * used['bram36'] / whole['bram36']:.1f} %)",
        ),
        ("time", f"{seconds:.0f} s"),
    ]


def _stamp(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _built(build: Path) -> list[Path]:
    return [build / name for name in ("manifest.json", "network.json", "rtl", "mem", "golden.npz")]


def _digest(paths: Iterable[Path], text: str = "") -> str:
    """Return a hash of `text` and of the files, or the files in the folders, at `paths`."""
    state = hashlib.sha256(text.encode())
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            state.update(f"\0{file.relative_to(path.parent)}\0".encode())
            state.update(file.read_bytes() if file.is_file() else b"none")
    return state.hexdigest()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
