"""The budget of hand-written manifests: sums, limits, what it says when something is over."""

import json

import pytest

from zynqfire import Refusal
from zynqfire.hls.budget import budget, full_maps
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load
from zynqfire.model.sketch import sketch

LIMITS = {"lut": 1000, "ff": 2000, "dsp": 10, "slicem_lut": 300, "bram36": 10, "uram": 0}


def row(layer, kind, bits, width, depth, primitive, count):
    """Return a row of the manifest's memories."""
    keys = ("layer", "kind", "bits", "width", "depth", "primitive", "count")
    return dict(zip(keys, (layer, kind, bits, width, depth, primitive, count), strict=True))


ROWS = [
    row("conv1", "weights", 18000, 72, 250, "RAMB36", 1),
    row("conv1", "weights", 9000, 36, 250, "RAMB18", 1),
    row("conv1", "window", 4096, 32, 128, "RAMB18", 3),
    row("conv1", "bias", 320, 20, 16, "LUTROM", 20),
    row("fc", "weights", 640, 16, 40, "LUTROM", 16),
    row("fc", "fifo", 512, 32, 16, "LUTRAM", 24),
]
COST = ("lut", "lutram", "srl", "ff", "bram36", "dsp")
FULL_MAPS = {"maps": 2, "bits": 100, "bram36": 2, "double_bits": 200, "double_bram36": 4}


def cost(*values):
    """Return what the manifest says of a cost."""
    return dict(zip(COST, values, strict=True))


COSTS = {"conv1": cost(220, 0, 5, 100, 3, 2), "fc": cost(116, 24, 0, 50, 0, 0)}


@pytest.fixture
def build(tmp_path):
    """Return a function that writes a manifest and returns its folder."""

    def write(rows, costs=COSTS, **limits):
        manifest = {"format": 1, "name": "net", "board": "small", "interval_cycles": 9}
        manifest |= {"limits": LIMITS | limits, "memories": rows, "full_maps": FULL_MAPS}
        manifest |= {"estimate": cost(*(sum(c[k] for c in costs.values()) for k in COST))}
        manifest |= {"estimate_by_layer": costs}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    return write


def test_sums(build):
    """Totals by primitive; weights without biases; a RAMB18 is half a RAMB36."""
    result = budget(build(ROWS))
    layers = result.pop("layers")
    assert result == {
        "name": "net",
        "board": "small",
        "interval_cycles": 9,
        "fits": True,
        "used": {"bram36": 3.0, "uram": 0, "lut_rom_bits": 960, "lutram_bits": 512, "lut": 60},
        "available": {
            "bram36": 10,
            "uram": 0,
            "lut_rom_bits": 32000,
            "lutram_bits": 19200,
            "lut": 500,
        },
        "luts": {"memory": 60, "logic": 305, "all": 365, "board": 1000},
        "placement": None,
        "weight_bits": 27640,
        "weight_fill": 27000 / (36864 + 18432),
        "parameters": {"bits": 27960, "bram36": 1.5, "uram": 0, "lut": 36},
        "activations": {"bits": 4608, "bram36": 1.5, "uram": 0, "lut": 24},
        "full_maps": FULL_MAPS,
        "over": [],
        "advice": [],
        "memories": ROWS,
    }
    assert [layer["layer"] for layer in layers] == ["conv1", "fc"]
    assert layers[0]["logic_lut"] == 205 and layers[1]["logic_lut"] == 100
    assert layers[0]["weights"] == {"bits": 27000, "bram36": 1.5, "uram": 0, "lut": 0}
    assert layers[1]["fifo"] == {"bits": 512, "bram36": 0, "uram": 0, "lut": 24}
    assert layers[1]["window"] == {"bits": 0, "bram36": 0, "uram": 0, "lut": 0}
    for key in ("bits", "bram36", "lut"):
        kinds = ("weights", "bias", "window", "fifo")
        assert all(layer[key] == sum(layer[kind][key] for kind in kinds) for layer in layers)


def test_half_a_memory(build):
    """Two memories in one block RAM count half each."""
    rows = [row(f"l{n}", "weights", 100, 10, 10, "RAMB36", 0.5) for n in range(3)]
    assert budget(build(rows))["used"]["bram36"] == 1.5


@pytest.mark.parametrize(("count", "fits"), [(6, True), (7, False)])
def test_half_a_block_ram_too_many_is_over(build, count, fits):
    """A RAMB18 more than the board has."""
    rows = [row("l", "weights", 100, 10, 10, "RAMB18", count)]
    assert budget(build(rows, bram36=3))["fits"] is fits


def test_no_weights_in_block_ram(build):
    """There is no fill then."""
    assert budget(build(ROWS[3:]))["weight_fill"] is None


@pytest.mark.parametrize(
    ("limits", "texts"),
    [
        ({"bram36": 2}, ["block RAM: 3 of small's 2 RAMB36, conv1 alone 3"]),
        ({"slicem_lut": 23}, ["LUT RAM: 24 of small's 23 LUTs for RAM, fc alone 24"]),
        ({"ff": 149}, ["registers: 150 of small's 149 flip-flops, conv1 alone 100"]),
        ({"dsp": 1}, ["products: 2 of small's 1 DSPs, conv1 alone 2"]),
        ({"lut": 364}, ["logic and memory: 365 of small's 364 LUTs, conv1 alone 225"]),
        (
            {"lut": 119, "bram36": 2},
            [
                "logic and memory: 365 of small's 119 LUTs, conv1 alone 225",
                "block RAM: 3 of small's 2 RAMB36, conv1 alone 3",
                "memory in LUTs: 60 of small's 59 LUTs for memory, fc alone 40",
            ],
        ),
    ],
)
def test_over(build, limits, texts):
    """A line each says what is over, by how much and where; what is most over comes first."""
    result = budget(build(ROWS, **limits))
    assert not result["fits"]
    assert [need["text"] for need in result["over"]] == texts


def test_uram_on_a_board_without(build):
    """None is available."""
    result = budget(build([*ROWS, row("fc", "weights", 9, 72, 4096, "URAM288", 2)]))
    assert not result["fits"]
    assert result["over"][0]["text"] == "UltraRAM: 2 of small's 0 URAM288, fc alone 2"


def test_exactly_full_fits(build):
    """The limit itself is allowed."""
    assert budget(build(ROWS, bram36=3, slicem_lut=24, ff=150, dsp=2, lut=365))["fits"]
    costs = {"conv1": cost(36, 0, 0, 0, 3, 0), "fc": cost(0, 24, 0, 0, 0, 0)}
    assert budget(build(ROWS, costs, lut=120))["fits"]
    assert not budget(build(ROWS, costs, lut=119))["fits"]


def test_no_build(tmp_path):
    """A folder without a manifest, or with a broken one, is refused in one sentence."""
    with pytest.raises(Refusal, match=r"^build .*: must be a folder with a manifest\.json, as"):
        budget(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(Refusal, match=r"^build .*: manifest\.json must be JSON that can be read: "):
        budget(tmp_path)


def test_garbled_manifests(build):
    """A manifest that is not as compile writes it is refused, naming the place in it."""
    good = json.loads((build(ROWS) / "manifest.json").read_text())
    for change, place in (
        ({"format": 2}, "format: 1 was expected"),
        ({"board": 5}, r"board: 5 is not of type 'string'"),
        ({"memories": [{}]}, r"memories\[0\]: '\w+' is a required property"),
        ({"memories": [{**ROWS[0], "kind": "fly"}]}, r"memories\[0\]\.kind: 'fly' is not one of"),
        ({"limits": {"slicem_lut": 1}}, "limits: '\\w+' is a required property"),
    ):
        folder = build(ROWS)
        (folder / "manifest.json").write_text(json.dumps(good | change))
        with pytest.raises(Refusal, match=f"^build .*: manifest.json must be as .*: {place}"):
            budget(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(Refusal, match=r"as compile writes it: it: \[\] is not of type 'object'$"):
        budget(folder)


def test_full_maps():
    """The input, what convolutions write as it is passed on, the sum; not what is put together."""
    bits = 32 * 32 * 3 * 8 + 32 * 32 * 16 * 4
    modules = [(16, 8, 32), (16, 8, 32), (8, 16, 64), (8, 16, 64), *[(4, 32, 128)] * 4]
    bits += sum(size * size * channels * 4 for size, *parts in modules for channels in parts)
    network = from_onnx(sketch(load("zynqnet-32")))
    bits += 4 * 4 * 10 * network.tensor("conv10/acc").qtype.bits
    bits += 10 * network.tensor("pool").qtype.bits
    found = full_maps(network)
    assert found["bits"] == bits and found["double_bits"] == 2 * bits
    assert found["maps"] == 28
    # the input, conv1 (65,536 bits) and the others each in block RAMs of their own
    assert found["bram36"] == 28 + 1 and found["double_bram36"] == 58
