"""What memories hold of weights with a codebook: places, or in shallow LUTs the weights."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board.catalog import load
from zynqfire.hls import advise, emit
from zynqfire.hls.choose import choose
from zynqfire.hls.compile import build
from zynqfire.hls.count import counted, least_bits
from zynqfire.hls.cuts import whole
from zynqfire.hls.fewer_bits import with_weight_bits
from zynqfire.hls.fold import Fold, fold_weights
from zynqfire.hls.ir import QType
from zynqfire.hls.memory import Kind, Placed, placements, rom_luts
from zynqfire.hls.packing import packings
from zynqfire.hls.passes.convolution import weight_words
from zynqfire.hls.passes.wiring import wire
from zynqfire.hls.resources import logic

BOARD = load("pynq-z2")
PAIRS = next(p for p in packings(8, True, 4, 25) if p.channels == 2)


def network(values=16, outputs=32):
    """Return a network of one convolution of 8-bit weights, narrow, of so many values."""
    draws = iter((values,)).__next__
    build = Builder(np.random.default_rng(1), (8, 8, 16), QType(4, False, 4), draws)
    pixels = build.operations[0].output
    tensor = build.convolution("conv", pixels, outputs, (3, 3), (1, 1), (1,) * 4, bits=8)
    conv = build.operations[-1]
    np.maximum(conv.weights, -127, out=conv.weights)
    build.operations[-1] = replace(conv, codebook=tuple(np.unique(conv.weights).tolist()))
    return build.output(tensor)


def unit(fold, values=16):
    """Return the zf_conv of that network."""
    design = wire(network(values), {"conv": fold})
    return design, next(i for i in design.instances if i.module == "zf_conv")


def emitted(design, place):
    """Return the manifest's parameters of the zf_conv and its words, weights placed by `place`."""
    placed = {
        i.name: tuple(placements(memory, BOARD)[0] for memory in i.memories)
        for i in design.instances
    }
    name = next(i.name for i in design.instances if i.module == "zf_conv")
    placed[name] = (place(placed[name][0].memory), *placed[name][1:])
    files = emit.emit(design, placed, {"family": "xc7"})
    words = [int(line, 16) for line in files["mem/conv.weights.mem"].split()]
    text = files["rtl/zynqfire_top.sv"]
    return text[text.index("zf_conv #(") : text.index(") u_conv (")], words


def lanes(words, bits, count):
    """Return words as lanes of unsigned numbers, lane 0 lowest."""
    mask = (1 << bits) - 1
    return np.array([[word >> bits * lane & mask for lane in range(count)] for word in words])


@pytest.mark.parametrize("packing", [None, PAIRS])
def test_block_ram_holds_places(packing):
    design, instance = unit(Fold(4, 1, 4, 1, packing))
    conv, fold = instance.operation, design.folds["conv"]
    memory = instance.memories[0]
    assert (memory.width, memory.bits) == (4 * 16, 4 * conv.weights.size)
    assert not memory.split

    def place(_):
        return Placed(memory, whole(memory.width, memory.depth), "xc7")

    text, words = emitted(design, place)
    assert ".IndexBits(4)" in text and ".WBits(8)" in text and ".RestInit" not in text
    found = np.array(conv.codebook)[lanes(words, 4, 16)]
    assert np.array_equal(found.reshape(-1, 4, 4), fold_weights(conv, fold))
    table = int(text[text.index("'h", text.index(".Codebook(")) + 2 :].split(")")[0], 16)
    entries = [table >> 8 * n & 255 for n in range(len(conv.codebook))]
    assert entries == [value % 256 for value in conv.codebook]


@pytest.mark.parametrize(
    ("fold", "values", "plain"),
    [
        (Fold(32, 9, 16, 1, PAIRS), 16, True),  # one word: constants
        (Fold(4, 1, 8, 1, PAIRS), 32, True),  # 144 words of 5 bits, and a LUT a bit to decode
        (Fold(4, 1, 4, 1, PAIRS), 16, False),  # 288 words
        (Fold(4, 1, 8), 16, False),  # a place goes into the product's table
    ],
)
def test_luts_hold_what_is_smaller(fold, values, plain):
    design, instance = unit(fold, values)
    conv, memory = instance.operation, instance.memories[0]
    assert bool(instance.plain) == bool(memory.table) == plain
    (in_luts,) = (each for each in placements(memory, BOARD) if not each.block)
    bits = conv.weight_bits if plain else conv.stored_bits
    assert in_luts.memory.width == bits * fold.weights
    (row,) = in_luts.rows()
    assert (row["width"], row["bits"]) == (bits * fold.weights, conv.stored_bits * 16 * 9 * 32)
    text, words = emitted(design, lambda _: in_luts)
    assert (".IndexBits(" in text) != plain
    shown = replace(conv, codebook=()) if plain else conv
    expected = weight_words(shown, fold) % (1 << bits)
    assert np.array_equal(lanes(words, bits, fold.weights), expected)

    # the sum of table and logic is the smaller of the two
    depth, dsps = memory.depth, fold.packing is not None
    costs = []
    for coded in (False, True):
        own = replace(conv, codebook=conv.codebook if coded else ())
        other = replace(
            design.network,
            operations=tuple(own if op is conv else op for op in design.network.operations),
        )
        each = next(i for i in wire(other, {"conv": fold}).instances if i.module == "zf_conv")
        table = rom_luts(own.stored_bits * fold.weights, depth, dsps and not coded)
        costs.append(table + logic(replace(each, plain=None)).lut)
    assert (costs[0] < costs[1]) == plain


def test_bits_are_counted_of_places():
    """In the budget, in its bound below, and in what advice would save of them."""
    net = network(outputs=64)
    conv = net.convolutions[0]
    plain = replace(
        net,
        operations=tuple(replace(op, codebook=()) if op is conv else op for op in net.operations),
    )
    assert least_bits(plain) - least_bits(net) == 4 * conv.weights.size
    fewer = with_weight_bits(net, {"conv": 2})
    assert least_bits(net) - least_bits(fewer) == 2 * conv.weights.size
    assert advise._bits(net, {"conv": 2}) == least_bits(fewer)
    for each, bits in ((net, 4), (plain, 8)):
        result = counted(each, BOARD, 9216, lambda text: None)
        assert result["weight_bits"] == bits * conv.weights.size


def test_indices_leave_room_where_weights_do_not_fit(tmp_path):
    """The same network with weights themselves takes about twice the memory for them."""
    small = replace(BOARD, lut=4000)
    net = network(outputs=64)
    conv = net.convolutions[0]
    plain = replace(
        net,
        operations=tuple(replace(op, codebook=()) if op is conv else op for op in net.operations),
    )
    held = []
    for each in (net, plain):
        choice = choose(each, small, {}, 9216, lambda text: None)
        (weights,) = (p for p in choice.placed if p.memory.kind is Kind.WEIGHTS)
        held.append(sum(row["bits"] for row in weights.rows()))
    assert held == [4 * conv.weights.size, 8 * conv.weights.size]
    result = build(net, small, tmp_path / "build", interval=9216, must_fit=False)
    (layer,) = result["layers"]
    assert (layer["weight_bits"], layer["codebook"]) == (4, 16)


@pytest.mark.parametrize("values", [0, 9])
def test_a_depthwise_unit_decodes_with_cells_of_its_family(values):
    build = Builder(np.random.default_rng(1), (4, 4, 4), QType(4, False, 4), lambda: values)
    where = (3, 3), (1, 1), (1,) * 4
    net = build.output(build.depthwise("deep", build.operations[0].output, *where, bits=8))
    design = wire(net, {})
    placed = {
        i.name: tuple(placements(memory, BOARD)[0] for memory in i.memories)
        for i in design.instances
    }
    text = emit.emit(design, placed, {"family": "xc7"})["rtl/zynqfire_top.sv"]
    unit = text[text.index("zf_depthwise #(") :].split(") u_")[0]
    assert (".IndexBits(4)" in unit) == (".Primitives(Primitives)" in unit) == (values > 0)
