"""Products in lanes of a DSP: every extreme of the operands, through the lanes and back."""

from itertools import product

import numpy as np
import pytest

from zynqfire.hls.ir import QType
from zynqfire.hls.packing import LONGEST, NARROW_PORT, SUM_BITS, WIDE_PORTS, Packing, packings

WIDTHS = [(2, 2), (2, 4), (3, 5), (4, 4), (4, 8), (5, 3), (6, 6), (8, 2), (8, 8)]
CASES = list(product(WIDTHS, (True, False), WIDE_PORTS.values()))


def ends(packing, weight_bits, code_bits, narrow):
    """Return the ends of each code, of the port's, and of each weight."""
    codes = [(0, (1 << code_bits) - 1), (-(1 << code_bits - 1), (1 << code_bits - 1) - 1)]
    most = (1 << weight_bits - 1) - 1
    return codes[: packing.pixels], [(-most - (not narrow), most)] * packing.channels


def lanes(packing, codes, weights):
    """Return the products that share a DSP by the bit at which their lane begins."""
    return {
        pixel * packing.code_at + channel * packing.weight_at: code * weight
        for pixel, code in enumerate(codes)
        for channel, weight in enumerate(weights)
    }


def operands(packing, codes, weights):
    """Return the two numbers that the DSP multiplies."""
    code = codes[0] + (codes[-1] << packing.code_at if packing.pixels == 2 else 0)
    weight = weights[0] + (weights[-1] << packing.weight_at if packing.channels == 2 else 0)
    return code, weight


def taken_apart(total, starts):
    """Return the numbers in the lanes of a 48-bit sum, each signed, from the lowest up."""
    starts, found = sorted(starts), {}
    total &= (1 << SUM_BITS) - 1
    for start, end in zip(starts, [*starts[1:], SUM_BITS], strict=True):
        bits = end - start
        value = total >> start & (1 << bits) - 1 if bits else 0
        value -= value >> bits - 1 << bits if bits else 0
        found[start] = value
        total = total - (value << start) & (1 << SUM_BITS) - 1
    return found


def holds(packing, code_ends, weight_ends, chain):
    """Return whether a cascade's lanes hold the sums of all extreme operands."""
    count = packing.pixels * packing.channels
    for chosen in product(*code_ends, *weight_ends):
        codes, weights = chosen[: packing.pixels], chosen[packing.pixels :]
        code, weight = operands(packing, codes, weights)
        expected = {start: chain * value for start, value in lanes(packing, codes, weights).items()}
        if len(expected) < count or taken_apart(chain * code * weight, expected) != expected:
            return False
    return True


def fits(packing, code_ends, weight_ends, wide_port):
    """Return whether both operands are signed numbers of their ports."""
    widths = []
    for parts, at in ((code_ends, packing.code_at), (weight_ends, packing.weight_at)):
        low, high = (sum(end[i] << at * n for n, end in enumerate(parts)) for i in (0, 1))
        widths.append(QType.holding(min(low, -1), high, 0).bits)
    return min(widths) <= NARROW_PORT and max(widths) <= wide_port


@pytest.mark.parametrize(("widths", "narrow", "port"), CASES)
def test_a_cascade_holds_every_extreme(widths, narrow, port):
    """And one DSP more overflows, where the cascade is not as long as one may be."""
    for packing in packings(widths[0], narrow, widths[1], port):
        code_ends, weight_ends = ends(packing, *widths, narrow)
        assert fits(packing, code_ends, weight_ends, port)
        for chain in range(1, packing.chain + 1):
            assert holds(packing, code_ends, weight_ends, chain), (packing, chain)
        assert packing.chain <= LONGEST
        if packing.chain < LONGEST:
            assert not holds(packing, code_ends, weight_ends, packing.chain + 1), packing


@pytest.mark.parametrize(("widths", "narrow", "port"), CASES)
def test_a_cascade_of_anything_comes_apart(widths, narrow, port):
    """Every DSP of it with operands of its own."""
    rng = np.random.default_rng(sum(widths) + port)
    for packing in packings(widths[0], narrow, widths[1], port):
        code_ends, weight_ends = ends(packing, *widths, narrow)
        for _ in range(50):
            total, expected = 0, {}
            for _ in range(packing.chain):
                drawn = [
                    [int(rng.integers(lo, hi, endpoint=True)) for lo, hi in side]
                    for side in (code_ends, weight_ends)
                ]
                code, weight = operands(packing, *drawn)
                total += code * weight
                for start, value in lanes(packing, *drawn).items():
                    expected[start] = expected.get(start, 0) + value
            assert taken_apart(total, expected) == expected


@pytest.mark.parametrize(
    ("widths", "port"), [((4, 4), 25), ((4, 4), 27), ((3, 5), 25), ((8, 8), 27)]
)
def test_no_other_offsets_make_a_longer_cascade(widths, port):
    for narrow in (True, False):
        found = {(p.pixels, p.channels): p for p in packings(widths[0], narrow, widths[1], port)}
        for pixels, channels in product((1, 2), (1, 2)):
            best = 0
            for code_at, weight_at in product(
                range(1, port) if pixels == 2 else (0,), range(1, port) if channels == 2 else (0,)
            ):
                other = Packing(pixels, channels, code_at, weight_at, 0)
                both = ends(other, *widths, narrow)
                if fits(other, *both, port):
                    while best < LONGEST and holds(other, *both, best + 1):
                        best += 1
            if channels == 2 and not narrow:  # what a weight borrows from the one above must fit
                assert (pixels, channels) not in found
            elif best:
                assert found[pixels, channels].chain == best
            else:
                assert (pixels, channels) not in found


def test_four_products_of_four_bits_in_a_dsp():
    """Offsets and cascades that prototypes have shown, in a DSP48E1 and in a DSP48E2."""
    first, second = packings(4, True, 4, 25)[0], packings(4, True, 4, 27)[0]
    assert (first.products, first.code_at, first.weight_at, first.chain) == (4, 11, 21, 9)
    assert (second.products, second.code_at, second.weight_at, second.chain) == (4, 12, 23, 16)
    assert [p.products for p in packings(8, False, 8, 25)] == [2, 1]
    assert [p.products for p in packings(8, True, 8, 27)] == [2, 2, 1]


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [False, True])
def test_offsets_make_the_first_code_unsigned_and_the_second_signed(bits, signed):
    """Or none of them moves where a DSP has one code."""
    qtype = QType(bits, signed, 0)
    pair, single = Packing(2, 1, 12, 0, 16), Packing(1, 2, 0, 12, 16)
    for pixel in range(4):
        low, high = (code + pair.offset(pixel, signed, bits) for code in (qtype.lo, qtype.hi))
        assert (low, high) == ((0, (1 << bits) - 1), (-(1 << bits - 1), (1 << bits - 1) - 1))[
            pixel % 2
        ]
        assert qtype.lo + single.offset(pixel, signed, bits) == 0


@pytest.mark.parametrize("simd", [1, 8, 9, 10, 27, 64, 100])
def test_cascades_side_by_side_take_all_lanes(simd):
    packing = packings(4, True, 4, 25)[0]
    chains, stages = packing.chains(simd), packing.stages(simd)
    assert stages <= packing.chain
    assert chains * stages >= simd > chains * (stages - 1)
    assert chains == 1 or (chains - 1) * packing.chain < simd
