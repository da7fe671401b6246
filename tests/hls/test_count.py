"""Counting without writing: what fits, what would make it fit, the matrix, the picture."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest

from zynqfire import Refusal
from zynqfire.board.catalog import load as load_board
from zynqfire.board.catalog import names as board_names
from zynqfire.hls import advise as advising
from zynqfire.hls import interpret, verify
from zynqfire.hls.advise import advise, in_words
from zynqfire.hls.budget import budget
from zynqfire.hls.compile import build
from zynqfire.hls.count import capacity, counted, least_bits
from zynqfire.hls.fewer_bits import all_at_most, weight_bits, with_weight_bits
from zynqfire.hls.lower import from_onnx
from zynqfire.hls.matrix import matrix
from zynqfire.hls.picture import draw
from zynqfire.model.config import load
from zynqfire.model.sketch import sketch

NET = """\
input = 16
classes = 4
weight_bits = 8

[modules]
conv1 = { channels = 16 }
fire2 = { squeeze = 32, expand1 = 64, expand3 = 64, stride = 2 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
PYNQ = load_board("pynq-z2")


def silent(text):
    """Say nothing."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return a network of 193,600 weight bits or so, most of them in expand3."""
    file = tmp_path_factory.mktemp("net") / "net.toml"
    file.write_text(NET)
    return from_onnx(sketch(load(file)))


@pytest.fixture(scope="module")
def report(network):
    """Return its budget on a board that holds it."""
    return counted(network, PYNQ, 4096, silent)


def test_a_build_says_what_was_counted(network, tmp_path):
    """The same report, from the manifest."""
    build(network, PYNQ, tmp_path / "build", interval=4096)
    assert budget(tmp_path / "build") == counted(network, PYNQ, 4096, silent)


def test_a_board_that_just_holds_it(network, report, tmp_path):
    """A network one block RAM too large is refused, one that just fits is taken."""
    blocks, luts = report["used"]["bram36"], report["luts"]["memory"]
    assert blocks >= 2
    # no LUTs to evade to: what memories take in them now is half of what there is
    tight = replace(PYNQ, name="tight", bram36=int(np.ceil(blocks)))
    assert counted(network, tight, 4096, silent)["fits"]
    build(network, tight, tmp_path / "taken", interval=4096)
    need = least_bits(network)
    small = replace(PYNQ, name="small", lut=2 * luts, slicem_lut=luts, bram36=1)
    while capacity(small) < need:
        small = replace(small, bram36=small.bram36 + 1)
    result = counted(network, small, 4096, silent)
    assert not result["fits"]
    with pytest.raises(Refusal, match=r"^network net: .*small.*; --over-budget writes the RTL"):
        build(network, small, tmp_path / "refused", interval=4096)
    assert not (tmp_path / "refused").exists()


def test_what_cannot_fit_is_refused_at_once(network, tmp_path):
    """By the bits of weights and rows, without a search; and counted all the same."""
    tiny = replace(PYNQ, name="tiny", lut=200, slicem_lut=100, bram36=2)
    need, have = least_bits(network), capacity(tiny)
    assert need > have == 2 * 36864 + 100 * 64
    rule = f"must fit tiny's {have} bits of on-chip memory, its weights and rows alone need {need}"
    with pytest.raises(Refusal, match=rf"^network net: {rule}; --over-budget writes"):
        build(network, tiny, tmp_path / "build")
    result = counted(network, tiny, None, silent)
    assert not result["fits"] and result["used"]["bram36"] > 2
    assert 0 < result["interval_cycles"] <= 16 * 4 * 16 * 16


def test_over_budget_is_written_with_a_warning(network, tmp_path):
    """And its manifest says so."""
    small, said = replace(PYNQ, name="small", lut=6000, dsp=100), []
    result = build(
        network, small, tmp_path / "build", interval=4096, must_fit=False, report=said.append
    )
    assert result["fits"] is False and result["over_budget"]
    pattern = r"^warning: network net must fit small's \d+ \S+, it needs about \d+; this is written"
    assert any(re.match(pattern, text) for text in said)
    assert budget(tmp_path / "build")["over"][0]["need"] == result["over_budget"][0]["need"]


def test_an_interval_for_which_a_board_has_no_folding_is_over(network):
    """Not refused: there is something to count. One that no board could keep is refused."""
    tiny = replace(PYNQ, name="tiny", lut=2000, slicem_lut=400, dsp=4, bram36=8)
    result = counted(network, tiny, 1024, silent)
    assert not result["fits"] and result["over"]
    with pytest.raises(Refusal, match="interval must be at least 256 cycles, not 9"):
        counted(network, PYNQ, 9, silent)


def test_least_bits_are_there(network, report):
    """Every design holds at least as many."""
    held = sum(row["bits"] for row in report["memories"] if row["kind"] in ("weights", "window"))
    weights = sum(conv.weights.size * 8 for conv in network.convolutions)
    rows = 2 * (16 * 3 * 8 + 16 * 16 * 4 + 8 * 32 * 4)
    assert least_bits(network) == weights + rows <= held


# ---------------------------------------------------------------------------------- fewer bits
def test_fewer_weight_bits(network):
    """Narrow, legal, and close: a code is what is left of the old one, the scale grows."""
    fewer = with_weight_bits(network, {"fire2/expand3": 3, "conv10": 2, "conv1": 8})
    verify.check(fewer)
    assert weight_bits(fewer) == weight_bits(network) | {"fire2/expand3": 3, "conv10": 2}
    old, new = (
        next(c for c in net.convolutions if c.name == "fire2/expand3") for net in (network, fewer)
    )
    assert np.array_equal(new.weights, np.clip(np.trunc(old.weights / 32), -3, 3))
    assert new.output.qtype.frac == old.output.qtype.frac - 5
    assert new.output.qtype.bits <= old.output.qtype.bits - 4
    frames = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3))
    assert interpret.outputs(fewer, frames).shape == (2, 4)


def test_weights_cannot_be_widened(network):
    """Nothing says what their other bits would be."""
    assert set(weight_bits(all_at_most(network, 5)).values()) == {5}
    rule = "weights must be counted with at most the 4 bits they have, not 6"
    with pytest.raises(Refusal, match=rf"^model net: {rule}$"):
        all_at_most(all_at_most(network, 4), 6)


@pytest.mark.parametrize("name", ["resnet-8", "zynqnet-32"])
def test_fewer_bits_of_other_networks_are_legal(name):
    """Also where sums are added or pooled before anything quantizes them."""
    verify.check(all_at_most(from_onnx(sketch(load(name, {"per_channel": True}))), 2))


# -------------------------------------------------------------------------------------- advice
def test_advice_fits(network):
    """Each change, made, fits: a slower interval, fewer bits, another board."""
    boards = [load_board(name) for name in board_names()]
    over = counted(network, PYNQ, 1024, silent)
    assert not over["fits"]
    over["advice"] = found = advise(network, PYNQ, 1024, boards, silent)
    assert [advice["change"] for advice in found] == ["interval", "weight_bits", "board"]
    for advice in found:
        changed = network
        if advice["change"] == "weight_bits":
            changed = with_weight_bits(network, advice["layers"])
        board = load_board(advice["board"]) if advice["change"] == "board" else PYNQ
        result = counted(changed, board, advice.get("interval", 1024), silent)
        assert result["fits"] and advice["fits"] is True
        assert result["used"] == advice["used"]
        assert advice["interval_cycles"] == result["interval_cycles"]
    slower, fewer, larger = found
    assert slower["interval"] == counted(network, PYNQ, None, silent)["interval_cycles"] > 1024
    assert re.match(r"fewer weight bits in \d of 5 layers: .*fire2/expand3 8 to \d", fewer["text"])
    assert larger["boards"] == [larger["board"]]
    text = in_words(over)
    assert "; would fit: 1. --interval " in text and "\n" not in text


def test_bits_are_taken_from_what_takes_most(network):
    """One bit a step, down to two everywhere."""
    steps = advising._steps(network)
    assert steps[0] == {"fire2/expand3": 7}
    assert steps[-1] == dict.fromkeys(weight_bits(network), 2)
    assert len(steps) == 6 * len(weight_bits(network))
    sums = [sum((weight_bits(network) | step).values()) for step in steps]
    assert all(old - new == 1 for old, new in pairwise(sums))


def test_no_advice(network):
    """Where nothing helps, it says so."""
    tiny = replace(PYNQ, name="tiny", lut=200, slicem_lut=100, ff=400, dsp=1, bram36=2)
    result = counted(network, tiny, None, silent)
    result["advice"] = advise(network, tiny, None, [tiny], silent)
    assert result["advice"] == []
    assert in_words(result).endswith("; no change found that fits")


# -------------------------------------------------------------------------------------- matrix
def test_matrix(network):
    """A cell for each board and width, as counted alone; twins once; the impossible not at all."""
    said = []
    tiny = replace(PYNQ, name="tiny", lut=200, slicem_lut=100, bram36=2)
    twin = replace(PYNQ, name="twin", clock_mhz=5.0)
    networks = {n: all_at_most(network, n) for n in (2, 8)}
    cells = matrix(networks, [PYNQ, tiny, twin], 4096, said.append)
    assert [(c["board"], c["bits"]) for c in cells] == [
        (board, bits) for board in ("pynq-z2", "tiny", "twin") for bits in (2, 8)
    ]
    for cell in cells[:2]:
        alone = counted(networks[cell["bits"]], PYNQ, 4096, silent)
        assert cell["fits"] and all(cell[k] == alone[k] for k in ("used", "weight_fill"))
    assert [cell | {"board": "pynq-z2"} for cell in cells[4:]] == cells[:2]
    assert not cells[3]["fits"] and cells[3]["used"] is None
    assert re.fullmatch(r"0\.\d\d of 0\.08 Mbit", cells[3]["why"])
    assert said[0].startswith("4 cells, 1 of them impossible") and said[-1].startswith("4 of 4: ")


# ------------------------------------------------------------------------------------- picture
def test_picture_as_svg(report, tmp_path):
    """The same bytes every time; a number in every cell that is taken, the totals on top."""
    draw(report, tmp_path / "a.svg")
    draw(report, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "net on pynq-z2" in texts and "fits" in texts
    assert any(f"{report['used']['bram36']:g} of 140 RAMB36" in text for text in texts)
    for entry in report["layers"]:
        assert entry["layer"] in texts
    paths = len(list(root.iter("{http://www.w3.org/2000/svg}path")))
    assert paths > 140  # a cell each


def test_picture_as_png(report, tmp_path):
    """Cells that the board does not have are framed in red."""
    draw(report, tmp_path / "fits.png")
    over = report | {"available": report["available"] | {"bram36": 1}, "fits": False}
    draw(over, tmp_path / "over.png")
    red = np.array([0xC5, 0x30, 0x30]) / 255

    def reds(name):
        pixels = matplotlib.image.imread(tmp_path / name)[..., :3]
        return int((np.abs(pixels - red).max(axis=2) < 0.02).sum())

    assert reds("fits.png") == 0 < reds("over.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fits.png", "over.png"]


def test_picture_elsewhere(report, tmp_path):
    """Another ending or a place that cannot be written is refused."""
    with pytest.raises(Refusal, match=r"^picture a\.gif: must end in \.svg or \.png, not '\.gif'$"):
        draw(report, tmp_path.relative_to(tmp_path) / "a.gif")
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match=r"^picture .*: cannot be written: "):
        draw(report, tmp_path / "file" / "a.svg")
