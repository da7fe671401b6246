"""The notebook of an archive as JSON, nbformat 4: sample images, predictions, latency, frames/s."""

from __future__ import annotations

import json
from typing import Any

_TEXT = """\
# Classify with {name}

On a board with PYNQ as it is; with the environment variable `ZYNQFIRE_DEVICE=sim` on the simulated
RTL, where zynqfire is installed and times are those of the simulation."""
_CELLS = [
    """\
import os
import time

import matplotlib.pyplot as plt
import numpy as np

from selftest import connect, golden

images, right = golden()
accelerator = connect(os.environ.get("ZYNQFIRE_DEVICE", "pynq"))
accelerator.status()""",
    "## Sample images and predictions",
    """\
best = accelerator.top_k(images, 1)[:, 0]
shown = images.astype(int) - images.min() if images.dtype == np.int8 else images
shown = shown if images.shape[-1] == 3 else shown[..., 0]
columns = min(8, len(images))
rows = -(-len(images) // columns)
figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, 1.9 * rows), squeeze=False)
for axis in axes.flat:
    axis.axis("off")
for axis, image, number in zip(axes.flat, shown, best):
    axis.imshow(image, cmap="gray")
    axis.set_title(f"class {number}")
plt.show()""",
    """\
assert np.array_equal(accelerator(images), right), "the logits differ from the golden vectors"
assert np.array_equal(best, np.argsort(-right, axis=1, kind="stable")[:, 0])
print(f"{len(images)} frames, {right.size} logits: all equal")""",
    "## Latency and frames a second",
    """\
def seconds(count, repeats):
    batch = np.resize(images, (count, *images.shape[1:]))
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        accelerator(batch)
        found.append(time.perf_counter() - start)
    return np.array(found)


single = seconds(1, 50)
batches = [1, 2, 4, 8, 16, 32, 64]
speed = [count / seconds(count, 5).min() for count in batches]

figure, (left, right_side) = plt.subplots(1, 2, figsize=(11, 3.6))
left.hist(1e3 * single, bins=20)
left.set_xlabel("latency of one image, ms")
left.set_ylabel("calls")
right_side.plot([str(count) for count in batches], speed, marker="o")
right_side.set_xlabel("images in a batch")
right_side.set_ylabel("frames/s")
right_side.set_ylim(bottom=0)
figure.tight_layout()
plt.show()
print(f"{1e3 * np.median(single):.3f} ms an image, {max(speed):.0f} frames/s")""",
    """\
status = accelerator.status()
clock_mhz = {clock}
for what in ("latency_cycles", "interval_cycles"):
    print(f"{{what}}: {{status[what]}}, {{status[what] / clock_mhz:.2f}} us at {{clock_mhz:g}} MHz")
accelerator.close()""",
]


def notebook(name: str, clock_mhz: float) -> str:
    """Return classify.ipynb of the network `name` at a clock."""
    last = _CELLS[-1].format(clock=clock_mhz)
    texts = [_TEXT.format(name=name), *_CELLS[:-1], last]
    cells = [_cell(number, text) for number, text in enumerate(texts)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1) + "\n"


def _cell(number: int, text: str) -> dict[str, Any]:
    made = {"id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    if text.startswith("#"):
        return {"cell_type": "markdown"} | made
    return {"cell_type": "code", "execution_count": None, "outputs": []} | made
