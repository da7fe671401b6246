"""zf_window_write: addresses and enables of every memory against places counted one by one."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _case(copies=1, columns=1, stride=1, rows=1, deep=1, depth=8, banked=0) -> Case:
    parameters = {
        "Copies": copies,
        "Columns": columns,
        "StrideW": stride,
        "Rows": rows,
        "Deep": deep,
        "Depth": depth,
        "Banked": banked,
    }
    bits = max(1, (depth - 1).bit_length())
    ports = {"store_i": 1, "last_i": 1, "addr_o": copies * bits, "we_o": copies * rows}
    return Case(parameters, ports)


CASES = {
    "one": _case(),
    "single_place": _case(depth=1),
    "deep": _case(deep=3, depth=15),
    "rows": _case(rows=3, depth=10, deep=2),
    "columns": _case(copies=3, columns=3, rows=3, depth=7),
    "pixels": _case(copies=4, stride=2, deep=2, depth=18),
    "pixels_power": _case(copies=2, deep=2, depth=16),
    "window": _case(copies=6, columns=3, stride=2, rows=4, deep=1, depth=9),
    "banked_two": _case(copies=2, deep=3, depth=6, banked=1),
    "banked_four": _case(copies=4, depth=5, banked=1),
    "banked_power": _case(copies=4, deep=2, depth=16, banked=1),
}
QUICK = ("rows", "pixels", "banked_two", "banked_four")


def writes(p: dict[str, int], count: int) -> list[dict[tuple[int, int], int]]:
    """Return for each word of input its address by (copy, row) where it is stored."""
    found = []
    for index in range(count):
        pixel, word = divmod(index, p["Deep"])
        if p["Banked"]:
            entry, copy = divmod(pixel, p["Copies"])
            found.append({(copy, 0): (entry * p["Deep"] + word) % p["Depth"]})
            continue
        row = index // p["Depth"] % p["Rows"]
        places = {}
        for copy in range(p["Copies"]):
            step, column = divmod(copy, p["Columns"])
            left = (column + step * p["StrideW"]) * p["Deep"]
            places[copy, row] = (index - left) % p["Depth"]
        found.append(places)
    return found


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Fill some rings, with pauses, and once more after a reset in the middle of a pixel."""
    part, p = Part(dut, name), CASES[name].parameters
    expected = writes(p, 5 * p["Depth"] * max(p["Rows"], p["Copies"]) + 1)
    bits = max(1, (p["Depth"] - 1).bit_length())
    Clock(part.clk_i, 4, "ns").start()
    for count in (len(expected), len(expected) // 2, len(expected)):
        part.drive(rst_i=1, store_i=1, last_i=1)
        await RisingEdge(part.clk_i)
        part.drive(rst_i=0)
        for index in range(count):
            while True:
                store = random.random() < 0.7
                last = index % p["Deep"] == p["Deep"] - 1
                part.drive(store_i=store, last_i=last)
                await RisingEdge(part.clk_i)
                addr, we = part.read("addr_o", "we_o")
                if store:
                    break
                assert we == 0, index
            stored = {}
            for place in range(p["Copies"] * p["Rows"]):
                if we >> place & 1:
                    copy, row = divmod(place, p["Rows"])
                    stored[copy, row] = addr >> copy * bits & ((1 << bits) - 1)
            assert stored == expected[index], index


def test_zf_window_write(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_window_write", CASES, tmp_path)
