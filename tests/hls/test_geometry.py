"""The window's needs and frees against brute force."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from zynqfire.hls.passes.geometry import Window

WINDOWS = [
    Window(8, 8, 3, 3, 1, 1, 1, 1, 8, 8),
    Window(9, 7, 3, 3, 2, 2, 1, 1, 5, 4),
    Window(8, 8, 3, 3, 2, 2, 1, 1, 4, 4),
    Window(7, 9, 5, 3, 1, 2, 0, 1, 3, 5),
    Window(3, 3, 7, 7, 1, 1, 3, 3, 3, 3),
    Window(6, 6, 1, 1, 2, 2, 0, 0, 3, 3),
    Window(1, 36, 1, 1, 1, 1, 0, 0, 1, 36),
    Window(10, 10, 3, 3, 1, 1, 0, 0, 8, 8),
]
CASES = list(product(WINDOWS, (1, 2, 4)))


def under(window: Window, y: int, x: int) -> list[int]:
    """Return the raster indices of the input pixels under the window of output (y, x)."""
    rows = range(
        y * window.stride_h - window.pad_top, y * window.stride_h - window.pad_top + window.kernel_h
    )
    columns = range(
        x * window.stride_w - window.pad_left,
        x * window.stride_w - window.pad_left + window.kernel_w,
    )
    return [
        r * window.in_w + c
        for r in rows
        for c in columns
        if 0 <= r < window.in_h and 0 <= c < window.in_w
    ]


def steps(window: Window, pixels: int) -> list[list[int]]:
    """Return the raster indices of the input pixels that each step reads."""
    found = []
    for y in range(window.out_h):
        for first in range(0, window.out_w, pixels):
            columns = range(first, min(first + pixels, window.out_w))
            found.append([pixel for x in columns for pixel in under(window, y, x)])
    return found


@pytest.mark.parametrize(("window", "pixels"), CASES)
def test_need_covers_every_pixel_read_and_done_none(window, pixels):
    reads = steps(window, pixels)
    need, done = window.need(pixels), window.done(pixels)
    assert len(reads) == len(need) == len(done) == window.out_h * window.steps(pixels)
    for index, read in enumerate(reads):
        assert max(read) < need[index]
        later = [pixel for others in reads[index:] for pixel in others]
        assert min(later) >= done[index]
    assert (np.diff(done) >= 0).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_a_pixel_needs_no_more_than_its_own_window(window):
    """Of one pixel a step, the last one read; what hangs over the right edge costs nothing."""
    for index, read in enumerate(steps(window, 1)):
        assert window.need()[index] == max(read) + 1


@pytest.mark.parametrize(("window", "pixels"), CASES)
def test_places_hold_an_even_flow_of_frames(window, pixels):
    """Play four frames: inputs come evenly, steps leave evenly, as early as the first frame can.

    A place is taken when its pixel comes, and free when a step comes up after which none reads it.
    """
    inputs, need, done = window.in_h * window.in_w, window.need(pixels), window.done(pixels)
    between = Fraction(inputs, len(need))  # input pixels' time between two steps
    start = max(int(n) - i * between for i, n in enumerate(need))
    frees = [  # when, and how many pixels nobody reads from then on
        (start + (frame * len(need) + index) * between, frame * inputs + int(free))
        for frame in range(5)
        for index, free in enumerate(done)
    ]
    most = 0
    for pixel in range(inputs, 4 * inputs):
        free = max((count for when, count in frees if when <= pixel), default=0)
        most = max(most, pixel + 1 - free)
    places = window.places(pixels)
    assert places >= (need - done).max(), "less than a window locks up"
    assert places >= most
    if inputs > 1 and places > 2 * pixels + 2:
        assert places <= max(most + 3, (need - done).max()), "more than it takes"


def test_a_row_of_points_keeps_a_step_read_and_a_step_written():
    assert [Window(1, 99, 1, 1, 1, 1, 0, 0, 1, 99).places(p) for p in (1, 2, 4)] == [4, 6, 10]


@pytest.mark.parametrize(("window", "pixels"), CASES)
def test_units_that_read_a_column_keep_whole_rows_of_it(window, pixels):
    places = window.places(pixels, whole_rows=True)
    if window.kernel_h > 1:
        assert places % window.in_w == 0
        assert places >= max(window.places(pixels), window.kernel_h * window.in_w)


def test_same_padding_of_three_keeps_three_rows_and_stride_two_four():
    """One row less than whole rows would take, since places are freed pixel by pixel."""
    same, strided = (
        Window(32, 32, 3, 3, 1, 1, 1, 1, 32, 32),
        Window(32, 32, 3, 3, 2, 2, 1, 1, 16, 16),
    )
    assert 2 * 32 < same.places() <= same.places(whole_rows=True) == 3 * 32
    assert 3 * 32 < strided.places() <= strided.places(whole_rows=True) == 4 * 32
