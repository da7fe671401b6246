"""Random numbers of the data set `glyphs`: picture i's depend on the seed, the split and i alone.

They come from splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
OOPSLA 2014), whose n-th number is a function of n: picture i has the numbers from `DRAWS` · i on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

DRAWS = 96  # random numbers a picture may use
TABLE = 1 << 19  # noise values, of which a picture takes a stretch
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Dice:
    """Random numbers of the pictures `index`, the next one of each with every call.

    Parameters
    ----------
    key : int
        Tells sequences apart: another seed or split, another key.
    index : numpy.ndarray
        Of the pictures.
    """

    def __init__(self, key: int, index: np.ndarray):
        counter = index.astype(np.uint64)[:, None] * np.uint64(DRAWS)
        counter = counter + np.arange(1, DRAWS + 1, dtype=np.uint64)
        words = _mixed(_mixed(np.full(1, key, np.uint64)) + counter * GOLDEN)
        self.shares = (words >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        self.used = 0

    def __call__(self, low: float, high: float) -> np.ndarray:
        """Return float32 (pictures, 1, 1), evenly spread from `low` up to `high`."""
        share = self.shares[:, self.used]
        self.used += 1
        return (np.float32(low) + share * np.float32(high - low))[:, None, None]

    def whole(self, count: np.ndarray | int) -> np.ndarray:
        """Return whole numbers from 0 to `count` - 1, (pictures,)."""
        share = self(0, 1)[:, 0, 0]
        return np.minimum((share * count).astype(np.int64), np.asarray(count) - 1)

    def noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return float32 of `shape`, pictures first, with mean 0 and deviation 1.

        A stretch of one table: drawing every value anew would take half of all the time.
        """
        length = int(np.prod(shape[1:]))
        stretches = np.lib.stride_tricks.sliding_window_view(_table(), length)
        return stretches[self.whole(len(stretches))].reshape(shape)


def _mixed(state: np.ndarray) -> np.ndarray:
    """Return what splitmix64 makes of the state of its counter, uint64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@lru_cache
def _table() -> np.ndarray:
    """Return the table of noise: a value adds up the eight bytes of a word, nearly a normal one."""
    words = _mixed(np.arange(1, TABLE + 1, dtype=np.uint64) * GOLDEN)
    total = words.view(np.uint8).reshape(TABLE, 8).sum(1, dtype=np.int32) - 8 * 255 // 2
    return total.astype(np.float32) * np.float32((8 * (256**2 - 1) / 12) ** -0.5)
