"""k-means of weights, which lie on a line: what the entries of a codebook start from."""

from __future__ import annotations

import numpy as np


def cluster(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centroids of `values` and which of them each value is nearest to.

    Lloyd's iteration to its end, from centroids spread evenly between the least and the largest
    value, which keeps the few large weights (Han et al. 2016, section 3.2). A centroid that no
    value is nearest to moves to the value that is farthest from its own. Where values are exactly
    zero, as pruned weights are, one centroid is zero and stays there.

    Parameters
    ----------
    values : ndarray
        Of any shape, at least one value.
    entries : int
        Centroids at most; fewer where there are fewer different values.

    Returns
    -------
    centroids : ndarray of float64, (K,)
        Ascending.
    indices : ndarray of int64
        In the shape of `values`.
    """
    ordered = np.sort(values.ravel().astype(np.float64))
    different = ordered[np.append(True, np.diff(ordered) > 0)]
    if len(different) <= entries:
        centroids = different
    else:
        centroids = _settled(ordered, entries, pinned=bool(np.any(different == 0)))
    return centroids, nearest(values, centroids)


def nearest(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return which of the ascending `centroids` each value is nearest to, of two the lower."""
    return np.searchsorted(_middles(centroids), values.astype(np.float64))


def _middles(centroids: np.ndarray) -> np.ndarray:
    return (centroids[1:] + centroids[:-1]) / 2


def _settled(ordered: np.ndarray, entries: int, pinned: bool) -> np.ndarray:
    """Return where Lloyd's iteration ends on `ordered`, which has more different values.

    Each cluster is a run of `ordered`, so that its sum is a difference of two prefix sums.
    """
    sums = np.append(0.0, np.cumsum(ordered))
    centroids = np.linspace(ordered[0], ordered[-1], entries)
    before = None
    while True:
        if pinned:
            centroids[np.argmin(np.abs(centroids))] = 0.0
        inner = np.searchsorted(ordered, _middles(centroids), side="right")
        bounds = np.concatenate([[0], inner, [len(ordered)]])
        counts = np.diff(bounds)
        if counts.all():
            if np.array_equal(bounds, before):
                return centroids
            before = bounds
            zero = centroids == 0.0 if pinned else False
            centroids = np.where(zero, 0.0, np.diff(sums[bounds]) / counts)
        else:
            own = np.repeat(centroids, counts)
            centroids[np.argmin(counts)] = ordered[np.argmax(np.abs(ordered - own))]
            centroids.sort()
