"""zf_window_credit: its two flags on every cycle against the formulas of `geometry`."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _window(size, kernel, stride=(1, 1), pads=(0, 0, 0, 0)) -> Window:
    (h, w), (kh, kw), (sh, sw), (top, left, bottom, right) = size, kernel, stride, pads
    out_h, out_w = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    return Window(h, w, kh, kw, sh, sw, top, left, out_h, out_w)


WINDOWS = {
    "one": _window((1, 1), (1, 1)),
    "column": _window((9, 1), (1, 1)),
    "square": _window((4, 4), (3, 3), pads=(1, 1, 1, 1)),
    "bare": _window((5, 6), (3, 3)),
    "strided": _window((8, 8), (3, 3), (2, 2), (1, 1, 1, 1)),
    "wasted": _window((8, 7), (3, 2), (2, 2)),  # rows and columns that no window reads
    "skipping": _window((7, 6), (1, 1), (2, 2)),
    "lower_right": _window((6, 5), (3, 3), (2, 1), (0, 0, 1, 1)),
    "upper_left": _window((5, 5), (3, 3), (1, 2), (2, 2, 0, 0)),
    "wide": _window((3, 9), (1, 5), (1, 2), (0, 2, 0, 1)),
    "tall": _window((9, 3), (5, 1), (2, 1), (3, 0, 2, 0)),
    "post": _window((6, 1), (3, 1), pads=(1, 0, 1, 0)),
    "seven": _window((6, 7), (7, 7), (2, 2), (3, 3, 3, 3)),
    "larger": _window((2, 3), (5, 7), pads=(4, 6, 4, 5)),
    "drop": _window((1, 5), (3, 3), pads=(1, 1, 1, 1)),
}


def _rows(window: Window, spare: int) -> int:
    """Return the fewest rows that never lock up, and `spare` more."""
    return -(-int((window.need() - window.done()).max()) // window.in_w) + spare


def _case(window: Window, spare: int) -> Case:
    ports = dict.fromkeys(("stored_i", "pixel_i", "ready_o", "room_o"), 1)
    return Case(
        {
            **window.parameters(),
            "Rows": _rows(window, spare),
        },
        ports,
    )


CASES = {name: _case(window, index % 3) for index, (name, window) in enumerate(WINDOWS.items())}
QUICK = ("square", "strided", "upper_left")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Both flags equal the formulas while input and output wander as far apart as they allow."""
    part, window = Part(dut, name), WINDOWS[name]
    capacity = CASES[name].parameters["Rows"] * window.in_w
    inputs, outputs = window.in_h * window.in_w, window.out_h * window.out_w
    need, done = window.need().tolist(), window.done().tolist()
    Clock(part.clk_i, 4, "ns").start()
    full = empty = 0
    for eager in ((1, 1), (1, 0.1), (0.1, 1), (0.6, 0.6), (1, 0.5), (0.5, 1)):
        part.drive(rst_i=1, stored_i=1, pixel_i=1)
        await RisingEdge(part.clk_i)
        part.drive(rst_i=0)
        stored = read = 0
        end = random.randrange(2 * outputs, 5 * outputs + 1)
        while read < end:
            frame, pixel = divmod(read, outputs)
            ready = stored >= frame * inputs + need[pixel]
            room = stored - (frame * inputs + done[pixel]) < capacity
            store, step = room and random.random() < eager[0], ready and random.random() < eager[1]
            part.drive(stored_i=store, pixel_i=step)
            await RisingEdge(part.clk_i)
            assert part.read("ready_o", "room_o") == [ready, room], (frame, pixel)
            assert ready or room, "locked up"
            full, empty = full + (not room), empty + (not ready)
            stored, read = stored + store, read + step
    assert full > 5 and empty > 5


def test_zf_window_credit(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_window_credit", CASES, tmp_path)
