"""A sheet of pictures of the data set `glyphs`.

``python -m zynqfire.model.glyphs.sheet docs/glyphs.png`` draws the picture of docs/glyphs.md; a
test holds that it shows what `sheet` returns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from .faces import CLASSES
from .pictures import Glyphs

COLUMNS = 22
ROWS = 2  # of pictures of every class, from either split
LARGE = "A3Rbet7KSQ4"  # classes shown at 64 by 64 below, from the test split
GAP = 6


def sheet() -> Image.Image:
    """Return pictures of every class: training rows above test rows, and some at 64 by 64."""
    bands = []
    for start in range(0, len(CLASSES), COLUMNS):
        for split in ("train", "test"):
            images, classes = Glyphs(split, 32), np.arange(start, start + COLUMNS)
            index = classes + len(CLASSES) * np.arange(ROWS)[:, None]
            pictures = images[index]
            pictures[:, classes >= len(CLASSES)] = 255
            bands.append(_joined(pictures))
    images = Glyphs("test", 64)
    bands.append(_joined(images[np.array([[CLASSES.index(name) for name in LARGE]])]))
    gap = np.full((GAP, bands[0].shape[1], 3), 255, np.uint8)
    rows = [part for band in bands for part in (band, gap)][:-1]
    # A palette makes the file three times smaller; noise hides that colours are few.
    return Image.fromarray(np.concatenate(rows)).quantize(256, dither=Image.Dither.NONE)


def _joined(pictures: np.ndarray) -> np.ndarray:
    """Return (rows, columns, height, width, 3) as one picture."""
    rows, columns, height, width, _ = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw a sheet of the data set glyphs.")
    parser.add_argument("file", type=Path, help="PNG file to write, such as docs/glyphs.png")
    sheet().save(parser.parse_args().file, "PNG", optimize=True)
