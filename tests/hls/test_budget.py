"""The budget of hand-written manifests: sums, limits, what it says when something is over."""

import json

import pytest

from zynqfire import Refusal
from zynqfire.hls.budget import budget

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


@pytest.fixture
def build(tmp_path):
    """Return a function that writes a manifest and returns its folder."""

    def write(rows, **limits):
        manifest = {"format": 1, "board": "small", "limits": LIMITS | limits, "memories": rows}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    return write


def test_sums(build):
    """Totals by primitive; weights without biases; a RAMB18 is half a RAMB36."""
    result = budget(build(ROWS))
    assert result == {
        "board": "small",
        "fits": True,
        "used": {"bram36": 3.0, "uram": 0, "lut_rom_bits": 960, "lutram_bits": 512, "lut": 60},
        "available": {
            "bram36": 10,
            "uram": 0,
            "lut_rom_bits": 64000,
            "lutram_bits": 19200,
            "lut": 1000,
        },
        "weight_bits": 27640,
        "weight_fill": 27000 / (36864 + 18432),
        "advice": None,
        "memories": ROWS,
    }


def test_half_a_memory(build):
    """Two memories in one block RAM count half each."""
    rows = [row(f"l{n}", "weights", 100, 10, 10, "RAMB36", 0.5) for n in range(3)]
    assert budget(build(rows))["used"]["bram36"] == 1.5


def test_no_weights_in_block_ram(build):
    """There is no fill then."""
    assert budget(build(ROWS[3:]))["weight_fill"] is None


@pytest.mark.parametrize(
    ("limits", "start"),
    [
        ({"bram36": 2}, "block RAM: 3 of small's 2 RAMB36, conv1 alone 3; "),
        ({"slicem_lut": 23}, "LUT RAM: 24 of small's 23 LUTs, fc alone 24; "),
        ({"lut": 59}, "memory in LUTs: 60 of small's 59 LUTs, fc alone 40; "),
        ({"lut": 59, "bram36": 2}, "block RAM: 3 of small's 2 RAMB36, conv1 alone 3; "),
    ],
)
def test_over(build, limits, start):
    """One line names what is over, by how much and where; what is most over comes first."""
    result = budget(build(ROWS, **limits))
    assert not result["fits"]
    assert result["advice"].startswith(start)
    assert "\n" not in result["advice"]


def test_uram_on_a_board_without(build):
    """None is available."""
    result = budget(build([*ROWS, row("fc", "weights", 9, 72, 4096, "URAM288", 2)]))
    assert not result["fits"]
    assert result["advice"].startswith("UltraRAM: 2 of small's 0 URAM288, fc alone 2; ")


def test_exactly_full_fits(build):
    """The limit itself is allowed."""
    assert budget(build(ROWS, bram36=3, slicem_lut=24, lut=60))["fits"]


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
