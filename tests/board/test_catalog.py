"""Every board of the table, and what a board file must be."""

import re

import pytest

from zynqfire import Refusal
from zynqfire.board.catalog import load, names, parse

TABLE = {  # part, LUT, FF, DSP, RAMB36, URAM
    "zybo-z7-10": ("xc7z010clg400-1", 17_600, 35_200, 80, 60, 0),
    "arty-z7-10": ("xc7z010clg400-1", 17_600, 35_200, 80, 60, 0),
    "pynq-z1": ("xc7z020clg400-1", 53_200, 106_400, 220, 140, 0),
    "pynq-z2": ("xc7z020clg400-1", 53_200, 106_400, 220, 140, 0),
    "zedboard": ("xc7z020clg484-1", 53_200, 106_400, 220, 140, 0),
    "zc706": ("xc7z045ffg900-2", 218_600, 437_200, 900, 545, 0),
    "ultra96": ("xczu3eg-sbva484-1-e", 70_560, 141_120, 360, 216, 0),
    "kv260": ("xck26-sfvc784-2LV-c", 117_120, 234_240, 1_248, 144, 64),
    "zcu104": ("xczu7ev-ffvc1156-2-e", 230_400, 460_800, 1_728, 312, 96),
    "zcu102": ("xczu9eg-ffvb1156-2-e", 274_080, 548_160, 2_520, 912, 0),
    "zcu111": ("xczu28dr-ffvg1517-2-e", 425_280, 850_560, 4_272, 1_080, 80),
    "rfsoc2x2": ("xczu28dr-ffvg1517-2-e", 425_280, 850_560, 4_272, 1_080, 80),
}
TOTAL_KB = {
    "xc7z010clg400-1": 2_160,
    "xc7z020clg400-1": 5_040,
    "xc7z045ffg900-2": 19_620,
    "xczu3eg-sbva484-1-e": 7_776,
    "xck26-sfvc784-2LV-c": 23_616,
    "xczu7ev-ffvc1156-2-e": 38_880,
    "xczu9eg-ffvb1156-2-e": 32_832,
    "xczu28dr-ffvg1517-2-e": 61_920,
}
GOOD = """part = "p"
family = "xc7"
clock_mhz = 100
lut = 1
ff = 1
dsp = 1
slicem_lut = 1
bram36 = 1
uram = 0
"""


def test_all_boards_are_there():
    """None is missing and none is unknown."""
    assert names() == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_limits(name):
    """Each board has the limits of its part."""
    board = load(name)
    assert board.name == name
    assert (board.part, board.lut, board.ff, board.dsp, board.bram36, board.uram) == TABLE[name]
    assert board.ff == 2 * board.lut
    assert 0 < board.slicem_lut < board.lut
    assert board.family == ("xc7" if board.part.startswith("xc7") else "xcup")
    assert 50 <= board.clock_mhz <= 300
    assert re.fullmatch(r"[a-z.*]+:[a-z0-9_*-]+:part0", board.board_part)
    if board.part in TOTAL_KB:
        assert 36 * board.bram36 + 288 * board.uram == TOTAL_KB[board.part]


def test_unknown_board():
    """The names are listed."""
    with pytest.raises(Refusal, match=r"^board: must be one of arty-z7-10, .*, not zx81$"):
        load("zx81")
    with pytest.raises(Refusal, match=r"not \.\./boards/pynq-z2$"):
        load("../boards/pynq-z2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "luts = 3\n", "board b: keys must be part, family, .*, uram, board_part, not luts"),
        (GOOD.replace("lut = 1\n", "", 1), "board b: the key lut is missing"),
        (GOOD.replace("dsp = 1", "dsp = 1.5"), "board b: dsp must be a whole number, not 1.5"),
        (GOOD.replace("dsp = 1", "dsp = true"), "board b: dsp must be a whole number, not True"),
        (GOOD.replace("ff = 1", "ff = -1"), "board b: ff must be a whole number, not -1"),
        (GOOD.replace("100", '"fast"'), "board b: clock_mhz must be a number, not 'fast'"),
        (GOOD.replace('"p"', '""'), "board b: part must be a name, not ''"),
        (GOOD + "board_part = 7\n", "board b: board_part must be a name, not 7"),
        (GOOD.replace("xc7", "ice40"), "board b: family must be xc7 or xcup, not ice40"),
        ("lut = = 3", "board b: its file must be TOML: .*"),
    ],
)
def test_bad_file(text, message):
    """One sentence names the board, the rule and the value."""
    with pytest.raises(Refusal, match=f"^{message}$"):
        parse("b", text)


def test_good_file():
    """What the bad files are made from is good."""
    assert parse("b", re.sub("100", "66.7", GOOD)).clock_mhz == 66.7
    assert parse("b", GOOD).board_part == ""
    assert parse("b", GOOD + 'board_part = "v:b:part0"\n').board_part == "v:b:part0"
