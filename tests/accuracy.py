"""`make accuracy`: the table of accuracies in docs/results.md and the sweeps beside it.

Every cell is a run of its own under runs/accuracy, resumed where it was stopped. The float weights
of a data set and seed are trained once; all variants start from them. RTL is that of the first
seed: held-out pictures through the simulated chip, compared with the network in PyTorch.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from zynqfire.board.catalog import load as load_board
from zynqfire.hls.compile import compile_model
from zynqfire.model.config import load
from zynqfire.model.exact import integers
from zynqfire.model.export import export_run
from zynqfire.model.packed import pack
from zynqfire.model.run import load_run
from zynqfire.model.train import train
from zynqfire.rtl_tb.simulate import simulate

ROOT = Path(__file__).resolve().parents[1]
RUNS, RESULTS = ROOT / "runs" / "accuracy", ROOT / "docs" / "results.md"
NET, BOARD, INTERVAL = "zynqnet-32", "pynq-z2", 16_384
BEGIN, END = "<!-- accuracy: begin -->\n", "<!-- accuracy: end -->\n"
DATA = {
    "digits": {},
    "glyphs": {
        "classes": 43,
        "head": 64,
        "training.float_epochs": 5,
        "training.sparse_epochs": 2,
        "training.quantized_epochs": 2,
        "training.merged_epochs": 2,
        "training.batch": 64,
    },
}
FLOAT = "W4A4"  # the variant whose run trains the float weights, too
VARIANTS = {
    "W4A4": {},
    "W8A8": {
        "weight_bits": 8,
        "activation_bits": 8,
        "training.quantized_epochs": 1,
        "training.merged_epochs": 1,
    },
    "W3A4": {"weight_bits": 3},
    "codebook-4, A8": {"codebook_bits": 4, "activation_bits": 8},
    "pruned 67 %, W4A4": {"training.sparsity": 0.67},
}
HALF = {
    "width": 0.5,
    "training.float_epochs": 2,
    "training.quantized_epochs": 0,
    "training.merged_epochs": 1,
}
SWEEPS = {  # of the half-wide network, so that its size still matters
    "SR": (0.125, 0.25, 0.5, 1.0),
    "pct3x3": (0.0625, 0.25, 0.5, 0.9375),
}


def say(text):
    """Show `text` on stderr."""
    print(text, file=sys.stderr, flush=True)


def folder(data, name, seed):
    """Return the run folder of a cell."""
    plain = "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
    return RUNS / data / f"{plain}-{seed}"


def trained(data, name, changes, seed, init=None):
    """Return the result of the cell's training."""
    config = load(NET, {**DATA[data], **changes})
    return train(config, data, folder(data, name, seed), seed=seed, init=init, report=say)


def cell(data, name, seed):
    """Return the result of variant `name`, from the float weights of its data set and seed."""
    if name == FLOAT:
        return trained(data, name, VARIANTS[name], seed)
    trained(data, FLOAT, VARIANTS[FLOAT], seed)
    changes = VARIANTS[name] | {"training.float_epochs": 0}
    return trained(data, name, changes, seed, init=folder(data, FLOAT, seed))


def through_rtl(data, name, frames):
    """Return what the chip of the first seed's run computes, counted and compared; kept."""
    run = folder(data, name, 0)
    kept = run / "rtl.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    model, build = run / "model.onnx", run / "build"
    export_run(run, model, report=say)
    packed = pack.pack(model, run / "model.zfz")
    compiled = compile_model(model, load_board(BOARD), build, interval=INTERVAL, report=say)
    network, pictures = load_run(run)
    pictures = pictures[:frames]
    simulated = simulate(build, inputs=pictures, report=say)
    equal = (np.load(simulated["outputs"]) == integers(network, pictures)[0]).all(axis=1)
    result = {
        "frames": len(pictures),
        "equal": int(equal.sum()) if simulated["bit_exact"] else 0,
        "bram36": compiled["estimate"]["bram36"],
        "packed_bits": 8 * packed["bytes"],
        "model_bits": sum(row["quantized_bits"] for row in packed["layers"]),
    }
    kept.write_text(json.dumps(result, indent=1) + "\n")
    return result


def table(data, seeds, frames):
    """Return the lines of the table of one data set."""
    results = {name: [cell(data, name, seed) for seed in range(seeds)] for name in VARIANTS}
    floats = [100 * result["accuracy_float"] for result in results[FLOAT]]
    parameters = sum(node.weights for node in load(NET, DATA[data]).convolutions())
    lines = [
        f"| {data} | bits | packed bits | RAMB36 | accuracy, {seeds} seeds, % | lost, points "
        "| RTL equal |",
        "|---|---:|---:|---:|---:|---:|---:|",
        f"| float | {32 * parameters:,} | | | {spread(floats)} | | |",
    ]
    for name, runs in results.items():
        shares = [100 * run["accuracy_quantized"] for run in runs]
        lost = [a - b for a, b in zip(floats, shares, strict=True)]
        chip = through_rtl(data, name, frames)
        lines.append(
            f"| {name} | {chip['model_bits']:,} | {chip['packed_bits']:,} | {chip['bram36']:g} | "
            f"{spread(shares)} | {spread(lost)} | {chip['equal']} of {chip['frames']} |"
        )
    return lines


def spread(values):
    """Return the mean of `values`, and their standard deviation where there are several."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def sweep(key):
    """Return (value, weights, accuracy in float, at W4A4) for each value of metaparameter `key`."""
    points = []
    for value in SWEEPS[key]:
        changes = HALF | {key: value}
        result = trained("glyphs", f"{key}-{value}", changes, 0)
        config = load(NET, DATA["glyphs"] | changes)
        weights = sum(node.weights for node in config.convolutions())
        points.append((value, weights, result["accuracy_float"], result["accuracy_quantized"]))
    return points


def draw(sweeps, path):
    """Draw the sweeps: accuracy by metaparameter, each point with its network's weights."""
    figure, axes = plt.subplots(1, len(sweeps), figsize=(10, 3.8), layout="constrained")
    for axis, (key, points) in zip(np.atleast_1d(axes), sweeps.items(), strict=True):
        values, weights, floats, shares = zip(*points, strict=True)
        for label, ys, mark in (("float", floats, "o-"), ("W4A4", shares, "s--")):
            axis.plot(values, [100 * y for y in ys], mark, label=label, markersize=5)
        for value, count, y in zip(values, weights, floats, strict=True):
            axis.annotate(
                f"{count / 1000:.0f} k",
                (value, 100 * y),
                textcoords="offset points",
                xytext=(0, 7),
                ha="center",
                fontsize=8,
            )
        axis.set_xlabel({"SR": "squeeze ratio SR", "pct3x3": "share of 3x3, pct3x3"}[key])
        axis.set_ylabel("accuracy on glyphs, %")
        axis.margins(y=0.15)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def written(parts):
    """Put the tables between the marks in docs/results.md."""
    text = RESULTS.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n\n".join("\n".join(lines) for lines in parts)
    RESULTS.write_text(f"{before}{BEGIN}\n{body}\n\n{END}{after}")


def main():
    """Train what is missing, write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=256, help="pictures through RTL")
    parser.add_argument("--only", help="train one cell: DATA, DATA:SEED, SR or pct3x3")
    given = parser.parse_args()
    only = given.only
    if only in SWEEPS:
        print(sweep(only))
    elif only:
        data, _, seed = only.partition(":")
        seeds = [int(seed)] if seed else range(given.seeds)
        for name in VARIANTS:
            print(name, [cell(data, name, each)["accuracy_quantized"] for each in seeds])
    else:
        parts = [table(data, given.seeds, given.frames) for data in DATA]
        sweeps = {key: sweep(key) for key in SWEEPS}
        draw(sweeps, ROOT / "docs" / "sweeps.svg")
        for key, points in sweeps.items():
            lines = [f"| {key} | weights | float, % | W4A4, % |", "|---:|---:|---:|---:|"]
            lines += [f"| {v:g} | {n:,} | {100 * f:.2f} | {100 * q:.2f} |" for v, n, f, q in points]
            parts.append(lines)
        written(parts)
        say(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
