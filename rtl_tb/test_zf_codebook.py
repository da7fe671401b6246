"""zf_codebook: every index at every lane, alone and in pairs, as logic and as tables."""

import random
from itertools import product

import cocotb
import numpy as np
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized

SIZES = {  # lanes, bits of an index and of a value, pairs
    **{"one": (1, 1, 2, 0), "some": (3, 4, 8, 0), "five": (2, 5, 7, 0)},
    **{"pair": (2, 4, 8, 1), "pairs": (4, 3, 5, 1), "wide": (2, 5, 8, 1), "two": (2, 1, 8, 1)},
}
KINDS = {"behaviour": (0, 0), "cells": (1, 0), "merged": (2, 1)}  # Primitives, Merged
FORMS = {
    f"{name}_{kind}": (*size, *how) for name, size in SIZES.items() for kind, how in KINDS.items()
}
QUICK = ("some_cells", "pair_behaviour", "pair_cells", "pair_merged", "wide_cells")


def _table(index_bits: int, bits: int) -> np.ndarray:
    """Return different values, ascending: all that there are room for, or all but one."""
    high = 1 << (bits - 1)
    count = min((1 << index_bits) - (1 < index_bits < 5), 2 * high - 1)
    drawn = np.random.default_rng(count).permutation(np.arange(1 - high, high))[:count]
    return np.sort(drawn)


def _case(lanes: int, index_bits: int, bits: int, pairs: int, primitives: int, merged: int) -> Case:
    table = reference.pack(_table(index_bits, bits), bits)
    parameters = {"Lanes": lanes, "IndexBits": index_bits, "Bits": bits, "Pairs": pairs}
    parameters |= {"Table": sized(table, 256), "Primitives": primitives, "Merged": merged}
    ports = {"index_i": lanes * index_bits, "value_o": lanes * bits}
    return Case(parameters, ports, False, False)


CASES = {name: _case(*form) for name, form in FORMS.items()}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Every index beside every other, in any order."""
    part, (lanes, index_bits, bits, pairs, *_) = Part(dut, name), FORMS[name]
    table = _table(index_bits, bits)
    order = list(product(range(len(table)), repeat=2))
    random.shuffle(order)
    seen = np.zeros(lanes, int)
    for first, second in order:
        places = [random.randrange(len(table)) for _ in range(lanes)]
        at = random.randrange(0, lanes, 2)
        places[at : at + 2] = [first, second][: lanes - at]
        part.drive(index_i=reference.pack(places, index_bits))
        await Timer(1, "ns")
        values = table[places]
        values[1::2] -= pairs * (values[: lanes // 2 * 2 : 2] < 0)
        found = reference.unpack(part.read("value_o")[0], bits, False, lanes)
        assert found == [int(value) % (1 << bits) for value in values], places
        seen += values < 0
    assert seen.all()


def test_zf_codebook(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_codebook", CASES, tmp_path)
