"""The data set `glyphs`: coloured characters before clutter, made when they are asked for.

Picture i depends on nothing but the seed, the split, the size and i, whatever it is made together
with: its numbers are its own (`dice.py`), and all that follows is arithmetic on every picture
by itself, without functions that libraries round differently. From back to front: paper of two
colours that run into each other; two bars; two stray characters at the edge; the character of the
class; a thin scratch. Then all is blurred and gets noise. docs/glyphs.md says more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .dice import Dice
from .faces import CLASSES, Masks, masks

SEED = 20160217
SIZES = (32, 64)
LENGTHS = {"test": 250 * len(CLASSES), "train": 1000 * len(CLASSES)}
CHUNK = 32  # pictures at a time: what they need stays in a core's cache

# What makes the pictures hard. Fixed: the accuracies in docs/glyphs.md are for these numbers.
# Lengths are shares of the picture's side, colours shares of 255.
SCALE = (0.7, 1.08)
STRETCH = 0.2  # higher and narrower, or the other way
TURN = 0.2  # radians, either way
SLANT = 0.25  # sideways for a length upwards, either way
SHIFT = 0.09  # either way
CONTRAST = (0.3, 0.85)  # of ink and paper before tint
TINT = 0.15  # of a colour's channel, either way
BETWEEN = (0.2, 1)  # colour of clutter on its way from paper to ink, before tint
BAR, SCRATCH = (0.02, 0.12), (0.01, 0.04)  # half their widths
STRAY = (0.6, 0.85)  # from the middle of the picture to a stray character's
CLEAR = (0.3, 1)  # stray characters' opacity; bars' is any
BLUR = 0.3  # at most, the weight of each neighbour
NOISE = (2, 22)  # deviation, in levels


class Glyphs(Sequence):
    """The pictures of one split, indexed like an array; none is kept.

    Parameters
    ----------
    split : str
        ``train`` or ``test``, which share no typeface.
    size : int
        32 or 64, width and height. Both show the same scenes, with the same blur in pixels and
        other noise.
    seed : int
        Of everything random.

    Attributes
    ----------
    labels : numpy.ndarray
        int64 (pictures,): the classes' numbers, in turn.

    Raises
    ------
    Refusal
        Where a typeface is not installed.
    """

    def __init__(self, split: str, size: int, seed: int = SEED):
        self.split, self.size = split, size
        self.key = seed * len(LENGTHS) + list(LENGTHS).index(split)
        self.labels = np.arange(LENGTHS[split]) % len(CLASSES)
        self.masks = masks(split, size)

    def __len__(self) -> int:
        """Return how many pictures the split has."""
        return len(self.labels)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        """Return the pictures at `index` as uint8 (..., size, size, 3)."""
        chosen = np.arange(len(self))[index]
        flat = chosen.reshape(-1)
        pictures = np.empty((len(flat), self.size, self.size, 3), np.uint8)
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            pictures[part] = self._painted(flat[part])
        return pictures.reshape(*chosen.shape, self.size, self.size, 3)

    def _painted(self, index: np.ndarray) -> np.ndarray:
        size, dice = self.size, Dice(self.key, index)
        ink, paper = _colours(dice)
        canvas = _paper(dice, paper, size)
        for _ in range(2):
            _cover(canvas, _bar(dice, BAR, size), _between(dice, paper, ink))
        stray = [_character(dice, self.masks, None, size) for _ in range(2)]
        _cover(canvas, np.maximum(*stray) * dice(*CLEAR), _between(dice, paper, ink))
        _cover(canvas, _character(dice, self.masks, self.labels[index], size), ink)
        _cover(canvas, _bar(dice, SCRATCH, size), _between(dice, paper, ink))
        _blur(canvas, dice(0, BLUR)[..., None])
        canvas += dice.noise(canvas.shape) * dice(*NOISE)[..., None]
        np.clip(np.rint(canvas, out=canvas), 0, 255, out=canvas)
        return canvas.astype(np.uint8).transpose(0, 2, 3, 1)


def _colours(dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Return ink and paper, (pictures, 3, 1) in levels, apart by `CONTRAST` before their tint."""
    contrast = dice(*CONTRAST)
    dark = dice(0, 1) * (1 - contrast)
    light = dark + contrast
    swapped = dice(-1, 1) < 0
    ink, paper = np.where(swapped, light, dark), np.where(swapped, dark, light)
    return _tinted(dice, ink * 255), _tinted(dice, paper * 255)


def _tinted(dice: Dice, level: np.ndarray) -> np.ndarray:
    tint = np.concatenate([dice(-TINT, TINT) for _ in range(3)], 1)
    return np.clip(level + 255 * tint, 0, 255)


def _between(dice: Dice, paper: np.ndarray, ink: np.ndarray) -> np.ndarray:
    return _tinted(dice, paper + (ink - paper) * dice(*BETWEEN))


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y and x of every pixel's middle from -0.5 to 0.5, (1, size, 1) and (1, 1, size)."""
    middle = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(size) - np.float32(0.5)
    return middle[None, :, None], middle[None, None, :]


def _turn(half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine of the angle whose half has the tangent `half`."""
    below = 1 + half * half
    return (1 - half * half) / below, 2 * half / below


def _paper(dice: Dice, paper: np.ndarray, size: int) -> np.ndarray:
    """Return the canvas (pictures, 3, size, size), running from `paper` to a tint of it."""
    y, x = _grid(size)
    way = np.clip(0.5 + dice(-1, 1) * y + dice(-1, 1) * x, 0, 1)[:, None]
    return paper[..., None] + way * (_tinted(dice, paper) - paper)[..., None]


def _bar(dice: Dice, width: tuple[float, float], size: int) -> np.ndarray:
    """Return the mask (pictures, size, size) of a straight bar across the picture."""
    y, x = _grid(size)
    cosine, sine = _turn(dice(-1, 1))
    away = np.abs(cosine * y + sine * x - dice(-0.6, 0.6))
    return np.clip((dice(*width) - away) * size + 0.5, 0, 1) * dice(0, 1)


def _character(dice: Dice, drawn: Masks, label: np.ndarray | None, size: int) -> np.ndarray:
    """Return masks (pictures, size, size) from 0 to 1 of warped characters.

    Those of class `label` in the middle; without it, any characters beside the middle.
    """
    face = dice.whole(len(drawn.count))
    style = drawn.first[face] + dice.whole(drawn.count[face])
    if label is None:
        label = dice.whole(len(CLASSES))
        cosine, sine = _turn(dice(-1, 1))
        away = dice(*STRAY) * np.where(dice(-1, 1) < 0, -1, 1).astype(np.float32)
        down, right = sine * away, cosine * away
    else:
        down, right = dice(-SHIFT, SHIFT), dice(-SHIFT, SHIFT)
    scale, stretch = dice(*SCALE), dice(-STRETCH, STRETCH)
    high, wide = scale * (1 + stretch), scale * (1 - stretch)
    cosine, sine = _turn(dice(-TURN / 2, TURN / 2))
    # Where in its mask a pixel finds the character: moved back, turned back, scaled back, upright.
    row = cosine / high, -sine / high
    slant = dice(-SLANT, SLANT)
    column = sine / wide + slant * row[0], cosine / wide + slant * row[1]
    y, x = _grid(size)
    y, x = y - down, x - right
    places = [((by_y * y + 0.5) * size - 0.5) + by_x * x * size for by_y, by_x in (row, column)]
    return _sampled(drawn.ink, style * len(CLASSES) + label, *places)


def _sampled(ink: np.ndarray, which: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return masks `which` at `row` and `column`, in pixels, mixed from the four around."""
    size = ink.shape[-1]
    top, left = (
        np.clip(place, 0, size - 1.001, out=place).astype(np.int32) for place in (row, column)
    )
    row -= top
    column -= left
    top *= size
    top += left
    top += (which * size * size).astype(np.int32)[:, None, None]
    flat = ink.reshape(-1)
    above, right, below, last = (
        flat.take(top + step).astype(np.float32) for step in (0, 1, size, size + 1)
    )
    _mix(above, right, column)
    _mix(below, last, column)
    _mix(above, below, row)
    above *= np.float32(1 / 255)
    return above


def _mix(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> None:
    """Move `one` by `share` of the way to `other`, which is lost."""
    other -= one
    other *= share
    one += other


def _cover(canvas: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> None:
    """Paint `colour` (pictures, 3, 1) on `canvas` where `mask` says how much of it."""
    change = colour[..., None] - canvas
    change *= mask[:, None]
    canvas += change


def _blur(canvas: np.ndarray, weight: np.ndarray) -> None:
    """Mix every pixel with its neighbours, `weight` of each: above and below, then beside."""
    for axis in (2, 3):
        lines = np.moveaxis(canvas, axis, 0)
        around = np.empty_like(canvas)
        sums = np.moveaxis(around, axis, 0)
        np.add(lines[:-2], lines[2:], out=sums[1:-1])
        np.add(lines[0], lines[1], out=sums[0])
        np.add(lines[-2], lines[-1], out=sums[-1])
        around *= weight
        canvas *= 1 - 2 * weight
        canvas += around
