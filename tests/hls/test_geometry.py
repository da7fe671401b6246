"""The window's needs and frees against brute force."""

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
    Window(36, 1, 1, 1, 1, 1, 0, 0, 36, 1),
    Window(10, 10, 3, 3, 1, 1, 0, 0, 8, 8),
]


def pixels(window: Window, y: int, x: int) -> list[int]:
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


@pytest.mark.parametrize("window", WINDOWS)
def test_need_covers_every_pixel_read_and_done_none(window):
    under = [pixels(window, y, x) for y in range(window.out_h) for x in range(window.out_w)]
    need, done = window.need(), window.done()
    for index, read in enumerate(under):
        assert max(read) < need[index]
        later = [pixel for others in under[index:] for pixel in others]
        assert min(later) >= done[index]
    assert (np.diff(done) >= 0).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_ring_holds_the_window(window):
    assert window.rows() * window.in_w >= (window.need() - window.done()).max()


def test_same_padding_of_three_keeps_three_rows_and_stride_two_four():
    """One row less than whole rows would take, since places are freed pixel by pixel."""
    assert Window(32, 32, 3, 3, 1, 1, 1, 1, 32, 32).rows() == 3
    assert Window(32, 32, 3, 3, 2, 2, 1, 1, 16, 16).rows() == 4
