"""Foldings: the order of weights, steps, and what is no folding."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import conv

from zynqfire import Refusal
from zynqfire.hls import ir
from zynqfire.hls.fold import PIXELS, Fold, fold_weights
from zynqfire.hls.packing import packings


@pytest.mark.parametrize(
    ("pe", "simd"), [(1, 1), (2, 3), (4, 9), (8, 18), (2, 54), (1, 6), (4, 27)]
)
def test_folded_weights_meet_the_window_in_the_documented_order(pe, simd):
    """Walk the folded words as the window does and rebuild every dot product."""
    op = conv()
    outputs, kh, kw, channels = op.weights.shape
    fold = Fold.of(op, pe, simd)
    window = np.random.default_rng(1).integers(0, 16, (kh, kw, channels))
    words = iter(fold_weights(op, fold))
    got = []
    for _group in range(outputs // pe):
        acc = np.zeros(pe, int)
        steps = {1: [(y, x) for y in range(kh) for x in range(kw)], kh: range(kw)}
        for step in steps.get(fold.taps, [None]):
            for deep in range(channels // fold.lanes):
                part = slice(deep * fold.lanes, (deep + 1) * fold.lanes)
                if fold.taps == 1:
                    lanes = window[*step, part]
                elif fold.taps == kh:
                    lanes = window[:, step, part].ravel()
                else:
                    lanes = window[:, :, part].ravel()
                acc += lanes @ next(words)
        got += list(acc)
    assert next(words, None) is None
    assert np.array_equal(got, (op.weights * window).sum((1, 2, 3)))


def test_fold_takes_the_fewest_taps():
    op = conv()
    assert Fold.of(op, 2, 6) == Fold(2, 1, 6)
    assert Fold.of(op, 2, 9) == Fold(2, 3, 3)
    assert Fold.of(op, 2, 27) == Fold(2, 9, 3)
    assert Fold.of(op, 2, 27).cycles(op) == 5 * 4 * 2 * 4


def test_fold_refuses_what_does_not_divide():
    with pytest.raises(Refusal, match=r"layer c: pe must divide its 8 output channels, not 3"):
        Fold.of(conv(), 3, 1)
    with pytest.raises(Refusal, match=r"layer c: simd must be t\*s .* 6 input channels, not 4"):
        Fold.of(conv(), 1, 4)


def wide(width=5, **options):
    """Return a convolution whose map is 5 high and `width` wide."""
    op = conv(**options)
    kernel = op.kernel
    pads = tuple(k // 2 for k in kernel) * 2
    output = ir.Tensor("acc", (5, width, op.output.shape[2]), op.output.qtype)
    return replace(op, output=output, pads=pads)


@pytest.mark.parametrize(
    ("width", "pixels", "steps"), [(4, 1, 20), (4, 2, 10), (5, 2, 15), (5, 4, 10), (3, 4, 5)]
)
def test_pixels_share_a_step_within_their_row(width, pixels, steps):
    op = wide(width)
    fold = Fold.of(op, 4, 3, pixels)
    assert fold.steps(op) == steps
    assert fold.cycles(op) == steps * 18 * 2
    assert (fold.weights, fold.multipliers, fold.dsps) == (12, 12 * pixels, 0)


def test_a_pointwise_map_is_one_row():
    op = wide(5, kernel=(1, 1))
    assert [Fold.of(op, 8, 1, pixels).steps(op) for pixels in PIXELS] == [25, 13, 7]


def test_packed_products_share_dsps():
    op = wide()
    for packing in packings(4, True, 4, 25):
        fold = Fold.of(op, 4, 3, 4, packing)
        assert fold.dsps == 4 * 3 * 4 // packing.products


def test_fold_refuses_pixels_that_a_step_cannot_have():
    op = wide(kernel=(1, 1))
    rule = "layer c: pixels must be 1 or 2 or 4 where a product has 6 words, not 3"
    with pytest.raises(Refusal, match=f"^{rule}$"):
        Fold.of(op, 8, 1, 3)
    for pixels in (0, -1, 8):
        with pytest.raises(Refusal, match=f"has 6 words, not {pixels}$"):
            Fold.of(op, 8, 1, pixels)
    with pytest.raises(Refusal, match=r"pixels must be 1 or 2 where a product has 3 words, not 4$"):
        Fold.of(op, 8, 2, 4)
    with pytest.raises(Refusal, match=r"pixels must be 1 where a product has 1 words, not 2$"):
        Fold.of(op, 8, 6, 2)
    assert Fold.of(op, 8, 6, 1).cycles(op) == 25
