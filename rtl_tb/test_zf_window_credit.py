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
    # windows that lie in the padding
    "framed": _window((4, 5), (1, 1), pads=(1, 1, 1, 1)),
    "framed_strided": _window((5, 4), (1, 1), (2, 2), (2, 1, 3, 4)),
    "far": _window((3, 4), (3, 3), pads=(5, 7, 4, 3)),
    "far_strided": _window((3, 4), (3, 1), (2, 2), (6, 3, 3, 5)),
    "missed": _window((1, 1), (1, 1), (2, 2), (1, 1, 1, 1)),
}
SEVERAL = {  # pixels a step
    "row": (_window((1, 12), (1, 1)), 2),
    "row_odd": (_window((1, 11), (1, 1)), 4),
    "square": (_window((4, 4), (3, 3), pads=(1, 1, 1, 1)), 2),
    "square_odd": (_window((5, 7), (3, 3), pads=(1, 1, 1, 1)), 4),
    "bare": (_window((5, 7), (3, 3)), 2),
    "strided": (_window((8, 9), (3, 3), (2, 2), (1, 1, 1, 1)), 2),
    "wasted": (_window((8, 9), (3, 2), (2, 2)), 4),
    "skipping": (_window((7, 10), (1, 1), (2, 2)), 2),
    "upper_left": (_window((5, 5), (3, 5), (1, 2), (2, 4, 0, 0)), 2),
    "lower_right": (_window((6, 5), (3, 3), (2, 1), (0, 0, 1, 1)), 2),
    "larger": (_window((2, 3), (5, 7), pads=(4, 6, 4, 5)), 4),
    "framed": (_window((4, 5), (1, 1), pads=(1, 1, 1, 1)), 2),
    "far": (_window((3, 4), (3, 3), (1, 2), (5, 9, 4, 3)), 4),
    "one_step": (_window((5, 3), (3, 3), pads=(1, 1, 1, 1)), 4),
}
STEPS = {name: (window, 1) for name, window in WINDOWS.items()} | {
    f"{name}_by{pixels}": (window, pixels) for name, (window, pixels) in SEVERAL.items()
}


def _case(window: Window, pixels: int, spare: int) -> Case:
    """Return a case of the fewest places that never lock up, and `spare` more."""
    ports = dict.fromkeys(("stored_i", "step_i", "ready_o", "room_o"), 1)
    ports |= {"y_i": _bits(window.out_h), "x_i": _bits(window.steps(pixels))}
    places = int((window.need(pixels) - window.done(pixels)).max()) + spare
    return Case({**window.parameters(), "Pixels": pixels, "Places": places}, ports)


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


CASES = {
    name: _case(window, pixels, (0, 1, window.in_w)[index % 3])
    for index, (name, (window, pixels)) in enumerate(STEPS.items())
}
QUICK = ("square", "strided", "upper_left", "strided_by2")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Both flags equal the formulas while input and output wander as far apart as they allow."""
    part, (window, pixels) = Part(dut, name), STEPS[name]
    capacity, width = CASES[name].parameters["Places"], window.steps(pixels)
    inputs, steps = window.in_h * window.in_w, window.out_h * width
    need, done = window.need(pixels).tolist(), window.done(pixels).tolist()
    Clock(part.clk_i, 4, "ns").start()
    full = empty = 0
    for eager in ((1, 1), (1, 0.1), (0.1, 1), (0.6, 0.6), (1, 0.5), (0.5, 1)):
        part.drive(rst_i=1, stored_i=1, step_i=1, y_i=0, x_i=0)
        await RisingEdge(part.clk_i)
        part.drive(rst_i=0)
        stored = read = 0
        end = random.randrange(2 * steps, 5 * steps + 1)
        while read < end:
            frame, now = divmod(read, steps)
            ready = stored >= frame * inputs + need[now]
            room = stored - (frame * inputs + done[now]) < capacity
            store, step = room and random.random() < eager[0], ready and random.random() < eager[1]
            after = (now + 1) % steps if step else random.randrange(steps)  # else it means nothing
            part.drive(stored_i=store, step_i=step, y_i=after // width, x_i=after % width)
            await RisingEdge(part.clk_i)
            assert part.read("ready_o", "room_o") == [ready, room], (frame, now)
            assert ready or room, "locked up"
            full, empty = full + (not room), empty + (not ready)
            stored, read = stored + store, read + step
    assert full > 5 and empty > 5


def test_zf_window_credit(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_window_credit", CASES, tmp_path)
