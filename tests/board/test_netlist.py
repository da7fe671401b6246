"""The netlist of a ROM, followed by hand-made examples: what is read, and what is refused."""

import copy

import pytest

from zynqfire import Refusal
from zynqfire.board.contents import words

ADDRESS, ENABLE, DATA, PARITY, OUT = range(2, 8), 20, range(30, 38), 40, range(50, 59)
ROM = {
    "attributes": {},
    "ports": {
        "addr_i": {"direction": "input", "bits": [*ADDRESS]},
        "en_i": {"direction": "input", "bits": [ENABLE]},
        "data_o": {"direction": "output", "bits": [*OUT]},
    },
    "cells": {
        "ram": {
            "type": "RAMB18E1",
            "parameters": {
                "READ_WIDTH_A": f"{9:032b}",
                "READ_WIDTH_B": f"{0:032b}",
                "INIT_00": "1" + "0" * 254 + "1",  # word 0, bit 0, and word 31, bit 7
                "INIT_01": "1" * 256,
                "INITP_00": "10".rjust(256, "0"),  # of word 1
            },
            "port_directions": {"DOADO": "output", "DOPADOP": "output"},
            "connections": {
                "ADDRARDADDR": ["0", "0", "0", *ADDRESS, "0", "0", "0", "0", "0"],
                "ENARDEN": ["1"],
                "RSTRAMARSTRAM": ["0"],
                "WEA": ["0", "0"],
                "WEBWE": ["0"] * 4,
                "DOADO": [*DATA, *range(100, 108)],
                "DOPADOP": [PARITY, 108],
            },
        },
        "q": {
            "type": "$dff",
            "parameters": {},
            "port_directions": {"D": "input", "Q": "output"},
            "connections": {"D": [*DATA, PARITY], "Q": [*OUT]},
        },
    },
}


def test_data_and_parity_are_where_the_nets_lead():
    """Nine bits a word; and swapped wires swap bits, of data and of addresses."""
    found = words({"rom": ROM}, "rom", 64)
    expected = {(0, 0), (1, 8), (31, 7)} | {
        (word, bit) for word in range(32, 64) for bit in range(8)
    }
    assert set(zip(*map(list, found.nonzero()), strict=True)) == expected
    other = copy.deepcopy(ROM)
    other["ports"]["data_o"]["bits"].reverse()
    other["ports"]["addr_i"]["bits"].reverse()
    for word, bits in enumerate(words({"rom": other}, "rom", 64)):
        assert (bits[::-1] == found[int(f"{word:06b}"[::-1], 2)]).all()


@pytest.mark.parametrize(
    ("cell", "part", "key", "value", "text"),
    [
        ("ram", "connections", "WEA", [20, 20], r"data_o must follow from addr_i, not en_i$"),
        ("ram", "connections", "WEA", ["0", "1"], r"ram \(RAMB18E1\) of rom: WEA must be 0 where"),
        ("ram", "connections", "ENARDEN", ["0"], r"ENARDEN must be 1 where contents are read$"),
        ("ram", "connections", "ADDRARDADDR", ["x"] * 14, r"ADDRARDADDR must be known where"),
        ("ram", "connections", "DOADO", [*range(100, 108), *DATA], r"in 8 bits, not 9 where"),
        (
            "ram",
            "parameters",
            "READ_WIDTH_A",
            "x" * 32,
            r"READ_WIDTH_A must be known, not x+ where",
        ),
        ("ram", "parameters", "DOA_REG", "1", r"DOA_REG must be 0 or NONE, not 1 where"),
        ("ram", "parameters", "RAM_EXTENSION_A", "LOWER", r"must be 0 or NONE, not LOWER where"),
        ("ram", "parameters", "INIT_00", "x" * 256, r"must be known, bit 0 of word 0 is not$"),
        ("q", "connections", "D", [*OUT], r"module rom: net 50 must not depend on itself$"),
        ("q", "connections", "D", [*range(60, 69)], r"module rom: net 60 must have a driver$"),
    ],
)
def test_what_is_no_rom_is_refused(cell, part, key, value, text):
    """Contents that may change or are unknown, and other ports than the address."""
    wrong = copy.deepcopy(ROM)
    wrong["cells"][cell][part][key] = value
    with pytest.raises(Refusal, match=text):
        words({"rom": wrong}, "rom", 2)


def test_cells_and_addresses_that_are_not_there_are_refused():
    """Logic that no ROM of the library has, and more words than addresses."""
    wrong = copy.deepcopy(ROM)
    wrong["cells"]["q"]["type"] = "$adff"
    with pytest.raises(Refusal, match=r"cell q \(\$adff\) of rom: it must be a register, a memory"):
        words({"rom": wrong}, "rom", 2)
    with pytest.raises(Refusal, match=r"^module rom: addr_i must reach 65 words, it has 6 bits$"):
        words({"rom": ROM}, "rom", 65)
