"""A whole small network in Yosys, contents left in: memories as placed, weights as in ONNX."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from qonnx_nets import Net, codes
from yosys_memories import CELLS, FLOW, SAVE

from zynqfire.board import yosys
from zynqfire.board.catalog import load
from zynqfire.board.contents import KINDS, block_rams, instances, library, memories, tally, words
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import count
from zynqfire.hls.choose import Choice, choose
from zynqfire.hls.cuts import Row
from zynqfire.hls.fold import Fold
from zynqfire.hls.lower import from_onnx
from zynqfire.hls.memory import Kind, Placed

SHAPES = {
    **{"first": (16, 3, (3, 3)), "slow": (16, 16, (3, 3))},
    **{"fast": (36, 16, (1, 1)), "last": (10, 52, (1, 1))},
}
FOLDS = {
    **{"first": {"pe": 4, "simd": 9}, "slow": {"pe": 1, "simd": 1}},
    **{"fast": {"pe": 2, "simd": 4}, "last": {"pe": 2, "simd": 26}},
}
# Of weights: columns with LUTs beside, two rows, and LUTs, a few words of them in LUT6_2. The
# other memories go where so few LUTs let them.
CUTS = {
    "first": (Row(12, 512, 108),),
    "slow": (Row(2048, 2048, 4), Row(256, 512, 3)),
    "fast": (),
}
BOARD = replace(load("pynq-z2"), lut=600)
# The weights of `slow` are values of 8 bits, and its memories hold their places among these
TABLE = np.array([*range(-120, 0, 16), *range(7, 128, 17)])


@dataclass(frozen=True)
class Built:
    """The network: codes of its weights as ONNX means them, what was chosen, Yosys's netlist."""

    weights: dict[str, np.ndarray]
    choice: Choice
    modules: dict


def placed_as_cut(choice: Choice) -> Choice:
    """Return `choice` with the weights of CUTS placed so."""
    placed = tuple(
        replace(each, cut=CUTS[each.memory.layer])
        if each.memory.kind is Kind.WEIGHTS and each.memory.layer in CUTS
        else each
        for each in choice.placed
    )
    return replace(choice, placement=replace(choice.placement, placed=placed))


def model(weights: dict[str, np.ndarray]):
    """Return a residual block whose shortcut waits in a FIFO, and an expansion beside it."""
    net = Net((3, 8, 8))

    def layer(x, name):
        weight = None
        if name == "slow":
            weight = net.looked_up(TABLE, np.searchsorted(TABLE, weights[name]), name=name)
        pads = [weights[name].shape[2] // 2] * 4
        y = net.conv(x, weights[name], 4, name=name, pads=pads, weight=weight)
        return net.quant(net.relu(y), 3, 4, False)

    x = layer(net.last, "first")
    total = net.quant(net.add(x, layer(x, "slow")), 3, 4, False)
    net.conv(net.concat(layer(x, "fast"), total), weights["last"], 4, name="last")
    return net.model()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the network, built and elaborated once."""
    rng = np.random.default_rng(0)
    weights = {name: codes(rng, *shape) for name, shape in SHAPES.items()}
    weights["slow"] = TABLE[weights["slow"] + 8]
    out = tmp_path_factory.mktemp("network") / "build"
    chosen = []

    def chooses(*wanted):
        chosen.append(placed_as_cut(choose(*wanted)))
        return chosen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count, "choose", chooses)
        network = from_onnx(model(weights))
        hls_compile.build(network, BOARD, out, folding=FOLDS, must_fit=False)
    return Built(weights, chosen[0], elaborated(out))


def elaborated(build: Path) -> dict:
    """Return Yosys's modules of a build folder, block RAMs mapped."""
    manifest = json.loads((build / "manifest.json").read_text())
    read = [f"read_verilog -sv -defer {name}" for name in manifest["sources"]]
    top = f"hierarchy -check -top {manifest['top']}"
    flow = FLOW.format(family=manifest["family"])
    yosys.run("\n".join([CELLS, *read, top, flow, SAVE, ""]), build)
    return json.loads((build / "netlist.json").read_text())["modules"]


def placed_by_instance(choice: Choice) -> dict[str, list[Placed]]:
    """Return the placed memories of each instance of the design."""
    placed = iter(choice.placed)
    return {i.name: [next(placed) for _ in i.memories] for i in choice.design.instances}


def counted(placed: Iterable[Placed]) -> Counter:
    """Return how often there is a memory of that kind, so many RAMB18 and so many RAMB36."""
    found = Counter()
    for one in placed:
        blocks = Counter()
        for row in one.rows():
            assert row["count"] % one.memory.copies == 0
            blocks[row["primitive"]] += row["count"] // one.memory.copies
        key = (one.memory.kind, blocks["RAMB18"], blocks["RAMB36"])
        found[key] += one.memory.copies if any(key[1:]) else 0
    return +found


def test_every_memory_has_the_block_rams_that_its_placement_says(built):
    """Weights, windows and FIFOs, each copy by itself, and none elsewhere."""
    top, cells = built.modules["zynqfire_top"]["cells"], tally(built.modules)
    kinds = set()
    for name, placed in placed_by_instance(built.choice).items():
        found = Counter(
            (KINDS[memory], blocks["RAMB18"], blocks["RAMB36"])
            for memory, blocks in memories(cells, top[name]["type"])
            if blocks
        )
        assert found == counted(placed), name
        kinds |= {kind for kind, *_ in found}
    assert kinds == {Kind.WEIGHTS, Kind.WINDOW, Kind.FIFO}
    rows = [row for one in built.choice.placed for row in one.rows()]
    assert block_rams(cells, "zynqfire_top") == {
        kind: sum(row["count"] for row in rows if row["primitive"] == kind)
        for kind in ("RAMB18", "RAMB36")
    }


def test_weights_read_back_are_those_of_onnx(built):
    """Out of the INIT of block RAMs and tables, the order of words undone; so are the IR's."""
    top, design = built.modules["zynqfire_top"]["cells"], built.choice.design
    read = []
    for instance in design.instances:
        if instance.module != "zf_conv":
            continue
        conv, fold = instance.operation, design.folds[instance.operation.name]
        (rom,) = (
            module
            for path, module in instances(built.modules, top[instance.name]["type"])
            if path == ("u_mvu", "g_dsp.u_rom") and library(module) == "zf_weights"
        )
        found = unfolded(stored(built.modules, rom, instance.memories[0].depth, fold), conv, fold)
        assert np.array_equal(found, conv.weights)
        assert np.array_equal(found, built.weights[conv.name].transpose(0, 2, 3, 1))
        read.append(conv.name)
    assert sorted(read) == sorted(SHAPES)


def stored(modules: dict, rom: str, depth: int, fold: Fold) -> np.ndarray:
    """Return the words of a zf_weights, (depth, bits): of each lane what its stage takes."""
    data, rest, use_rest = (
        words(modules, rom, depth, data=port) for port in ("data_o", "rest_o", "use_rest_o")
    )
    lane = np.arange(data.shape[1]) // (data.shape[1] // fold.simd)
    stage = use_rest.shape[1] - 1 - lane // fold.packing.chains(fold.simd)
    return np.where(use_rest[:, stage], rest, data)


def unfolded(bits: np.ndarray, conv, fold: Fold) -> np.ndarray:
    """Return weights as the convolution has them from the bits of words, as hls.fold tells."""
    outputs, kh, kw, channels = conv.weights.shape
    width = conv.stored_bits
    places = bits.reshape(len(bits), fold.simd, fold.pe, width).astype(int)
    held = places @ [1 << n for n in range(width)]
    if conv.codebook:
        held = np.array(conv.codebook)[held]
    else:
        held -= places[..., -1] << width
        if fold.packing.channels == 2:  # each second one has lent to a negative neighbour
            held[..., 1::2] += held[..., 0::2] < 0
    rows, columns = range(kh), range(kw)
    if fold.taps == 1:
        turns = [[(y, x)] for y in rows for x in columns]
    elif fold.taps == kh:
        turns = [[(y, x) for y in rows] for x in columns]
    else:
        turns = [[(y, x) for y in rows for x in columns]]
    found, each = np.zeros(conv.weights.shape, int), iter(held)
    for first in range(0, outputs, fold.pe):
        for taps in turns:
            for deep in range(0, channels, fold.lanes):
                word = next(each)
                for t, (y, x) in enumerate(taps):
                    lanes = word[t * fold.lanes : (t + 1) * fold.lanes]
                    found[first : first + fold.pe, y, x, deep : deep + fold.lanes] = lanes.T
    assert next(each, None) is None
    return found
