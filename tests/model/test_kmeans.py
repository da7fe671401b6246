"""K-means on a line: the entries that a codebook begins with."""

import itertools

import numpy as np
import pytest
from sklearn.cluster import KMeans

from zynqfire.model.kmeans import cluster, nearest


def _error(values, centroids, indices):
    return np.square(values - centroids[indices]).sum()


def test_few_values_are_all_kept():
    values = np.array([[3.0, -1.0], [0.5, 3.0]])
    centroids, indices = cluster(values, 4)
    assert np.array_equal(centroids, [-1, 0.5, 3]) and np.array_equal(indices, [[2, 0], [1, 2]])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("entries", [2, 3, 4])
def test_separated_values_are_clustered_as_well_as_can_be(seed, entries):
    """Clusters on a line are runs of the sorted values, so that all of them can be tried."""
    rng = np.random.default_rng(seed)
    values = rng.permutation(
        np.repeat(np.arange(entries), 4) * 3.0 + rng.normal(0, 0.3, 4 * entries)
    )
    centroids, indices = cluster(values, entries)
    ordered = np.sort(values)
    best = min(
        sum(np.square(run - run.mean()).sum() for run in np.split(ordered, cuts))
        for cuts in itertools.combinations(range(1, len(values)), entries - 1)
    )
    assert _error(values, centroids, indices) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("entries", [4, 8, 16, 32])
def test_it_ends_where_no_value_and_no_centroid_wants_to_move(entries):
    values = np.random.default_rng(entries).normal(size=(20, 50))
    centroids, indices = cluster(values, entries)
    assert len(np.unique(indices)) == len(centroids) == entries
    assert np.all(np.diff(centroids) > 0)
    distances = np.abs(values[..., None] - centroids)
    assert np.array_equal(distances.argmin(-1), indices)
    means = [values[indices == entry].mean() for entry in range(entries)]
    assert np.allclose(centroids, means, rtol=1e-12, atol=1e-14)


def test_it_is_scikit_learn_s_k_means_from_evenly_spread_centroids():
    values = np.random.default_rng(1).normal(size=400)
    centroids, indices = cluster(values, 8)
    start = np.linspace(values.min(), values.max(), 8)[:, None]
    other = KMeans(8, init=start, n_init=1, tol=0, max_iter=1000).fit(values[:, None])
    assert np.allclose(centroids, np.sort(other.cluster_centers_[:, 0]))
    assert np.isclose(_error(values, centroids, indices), other.inertia_)


def test_no_centroid_is_wasted_on_a_gap():
    values = np.append(np.random.default_rng(2).normal(size=500), [40.0, 41.0])
    centroids, indices = cluster(values, 8)
    assert len(np.unique(indices)) == 8
    assert np.all(np.diff(centroids) > 0)
    assert _error(values, centroids, indices) < 0.1 * np.square(values[:500]).sum()


@pytest.mark.parametrize("entries", [4, 16])
def test_zeros_stay_zeros(entries):
    values = np.random.default_rng(3).normal(0.2, 1, (30, 30))
    pruned = np.abs(values) < 0.6
    values[pruned] = 0
    centroids, indices = cluster(values, entries)
    assert len(centroids) == entries
    assert np.all(centroids[indices][pruned] == 0)
    assert np.count_nonzero(centroids == 0) == 1


def test_ties_go_to_the_lower():
    assert np.array_equal(
        nearest(np.array([-1.0, 0.0, 1.0, 9.0]), np.array([-1.0, 1.0])), [0, 0, 1, 1]
    )
