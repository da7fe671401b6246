"""The model of communication: its formulas, and that the page shows what they give."""

import pytest

from zynqfire.model.scaling import (
    PAGE,
    PICTURE,
    SIZES,
    between_marks,
    draw,
    measured_table,
    seconds,
    tables,
)


def test_the_three_ways():
    """A million float32 numbers are 32 Mbit, 32 ms a link of 1 Gbit/s."""
    for processes, server, tree, ring in (
        (2, 64, 64, 32),
        (8, 256, 192, 56),
        (128, 4096, 448, 63.5),
    ):
        for way, expected in (
            ("parameter server", server),
            ("reduction tree", tree),
            ("ring", ring),
        ):
            assert seconds(way, 10**6, processes, 1) == pytest.approx(expected / 1000)
            assert seconds(way, 10**6, processes, 100) == pytest.approx(expected / 1e5)


def test_the_page_shows_the_model():
    page = PAGE.read_text()
    assert between_marks(page, "model", tables()) == page
    # squeezenet-v1.1 with a parameter server of 1 Gbit/s: 1,235,496 * 32 bit * 2 / 1e9 = 79.07 ms
    assert "| 1 | parameter server | 79.07 |" in page


def test_the_page_s_picture_is_the_model_s(tmp_path):
    draw(tmp_path / PICTURE)
    assert (tmp_path / PICTURE).read_bytes() == PAGE.with_name(PICTURE).read_bytes()


def test_a_measurement_beside_the_model():
    """The largest message gives the bandwidth: 16,000,000 * 32 bit in 0.512 s are 1 Gbit/s."""
    table = measured_table([0.01, 0.05, 0.512])
    assert "ring at 1.00 Gbit/s" in table
    assert f"| {SIZES[0]:,} | 10.00 | {SIZES[0] * 32 / 1e6:.2f} |" in table
    assert f"| {SIZES[2]:,} | 512.00 | 512.00 |" in table
