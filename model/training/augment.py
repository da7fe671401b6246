"""Batches of training pictures: shuffled, and every picture varied anew in every epoch.

Order, moves and flips depend on the seed and the epoch, all else on the seed, the epoch and the
picture's number: a training that resumes, or is shared out over processes, sees the same pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from ..data import Dataset
from .recipe import Augment

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of ITU-R BT.601


def batches(
    dataset: Dataset,
    augment: Augment,
    batch: int,
    seed: int,
    first: int,
    part: Callable[[int], slice],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pictures and labels of batch after batch, from the epoch `first` on without end.

    Parameters
    ----------
    batch : int
        Pictures of all processes together; what does not fill a batch is left to the next epoch.
    part : callable
        From the size of a batch to this process's slice of it.
    """
    images, labels = dataset.train_images, dataset.train_labels
    mine = part(batch)
    for epoch in itertools.count(first):
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(labels))
        for start in range(0, len(labels) - batch + 1, batch):
            chosen = order[start : start + batch]
            index = chosen[mine]
            moved = _moved(rng, images[index], augment, dataset.mirrored, batch, mine)
            yield varied(moved, augment, [seed, epoch], index), labels[index]


def _moved(
    rng: np.random.Generator,
    images: np.ndarray,
    augment: Augment,
    mirrored: bool,
    batch: int,
    mine: slice,
) -> np.ndarray:
    """Move and mirror `images`, the part `mine` of a batch, by numbers drawn for all of it."""
    _, height, width, _ = images.shape
    room = int(max(height, width) * augment.shift)
    padded = np.pad(images, ((0, 0), (room, room), (room, room), (0, 0)), mode="edge")
    tops, lefts = rng.integers(0, 2 * room + 1, (2, batch))[:, mine]
    flips = (rng.random(batch) < 0.5 * (mirrored and augment.mirror))[mine]
    moved = np.empty_like(images)
    for n, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        picture = padded[n, top : top + height, left : left + width]
        moved[n] = picture[:, ::-1] if flip else picture
    return moved


def varied(
    images: np.ndarray, augment: Augment, seed: list[int], numbers: np.ndarray
) -> np.ndarray:
    """Return `images`, uint8 (N, H, W, 3), turned, scaled, recoloured, with noise and holes.

    `numbers` are the pictures' in the data set; with `seed` they decide everything.
    """
    if not any((augment.rotate, augment.scale, augment.colour, augment.noise, augment.erase)):
        return images
    rngs = [np.random.default_rng([*seed, int(number), 1]) for number in numbers]
    draws = np.stack([rng.random(12) for rng in rngs]).astype(np.float32)
    signed = 2 * draws - 1
    pictures = images.astype(np.float32)
    if augment.rotate or augment.scale:
        angle = np.radians(augment.rotate) * signed[:, 0]
        pictures = _warped(pictures, angle, (1 + augment.scale) ** signed[:, 1])
    if augment.colour:
        pictures = _recoloured(pictures, 1 + augment.colour * signed[:, 2:5])
    for n, rng in enumerate(rngs):
        if augment.noise:
            deviation = 255 * augment.noise * draws[n, 5]
            pictures[n] += deviation * rng.standard_normal(pictures[n].shape, np.float32)
        if augment.erase:
            _erase(pictures[n], augment.erase * draws[n, 6], draws[n, 7:9], draws[n, 9:12])
    return np.rint(pictures).clip(0, 255).astype(np.uint8)


def _warped(pictures: np.ndarray, angle: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """Turn each picture about its middle and enlarge it; what was outside repeats the edge."""
    count, height, width, _ = pictures.shape
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix = np.zeros((count, 2, 3), np.float32)  # from places in the result to the picture's
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, -sin * height / width
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * width / height, cos
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(matrix), list(x.shape), align_corners=False
    )
    y = torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return y.permute(0, 2, 3, 1).contiguous().numpy()


def _recoloured(pictures: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Scale brightness, then contrast about the mean grey, then distance from grey."""
    bright, contrast, saturation = (factors[:, n, None, None, None] for n in range(3))
    pictures = pictures * bright
    mean = (pictures @ GREY).mean((1, 2))[:, None, None, None]
    pictures = mean + contrast * (pictures - mean)
    grey = (pictures @ GREY)[..., None]
    return grey + saturation * (pictures - grey)


def _erase(picture: np.ndarray, side: float, place: np.ndarray, colour: np.ndarray) -> None:
    """Paint a square of `side`, a share of the picture's, somewhere inside it."""
    height, width = (round(side * n) for n in picture.shape[:2])
    top, left = (
        int(share * (n - size + 1))
        for share, n, size in zip(place, picture.shape, (height, width), strict=False)
    )
    picture[top : top + height, left : left + width] = 255 * colour
