"""zf_window_walk: every word's flags against plain loops over steps, products, taps and groups."""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

ENDS = {"end_product_o": 1, "end_step_o": 1, "outermost_o": 5}
NEXT = {"next_o": 1, "next_end_step_o": 1}


def _case(
    size, kernel, stride=(1, 1), pads=(0, 0, 0, 0), taps=1, deep=1, groups=1, pixels=1
) -> Case:
    (h, w), (kh, kw), (sh, sw), (top, left, bottom, right) = size, kernel, stride, pads
    out_h, out_w = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    parameters = {
        "InH": h,
        "InW": w,
        "KernelH": kh,
        "KernelW": kw,
        "StrideH": sh,
        "StrideW": sw,
        "PadTop": top,
        "PadLeft": left,
        "OutH": out_h,
        "OutW": out_w,
        "Pixels": pixels,
        "Taps": taps,
        "Deep": deep,
        "Columns": 1 if taps == kh * kw else kw,
        "Lines": kh if taps == 1 else 1,
        "Groups": groups,
    }
    place = {"y_o": _bits(out_h), "x_o": _bits(-(-out_w // pixels))}
    ports = {"step_i": 1, **ENDS, **NEXT, "inside_o": pixels * taps, **place}
    return Case(parameters, ports)


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


SAME, BOTH = (1, 1, 1, 1), (2, 2)
CASES = {
    "one": _case((1, 1), (1, 1)),
    "serial": _case((4, 5), (3, 3), pads=SAME, deep=3, groups=2),
    "column": _case((5, 4), (3, 3), (2, 1), SAME, taps=3, groups=3),
    "full": _case((4, 4), (3, 3), pads=SAME, taps=9, deep=2),
    "strided": _case((8, 7), (3, 3), BOTH, SAME, groups=2),
    "bare": _case((5, 6), (3, 3), taps=9),
    "upper_left": _case((5, 5), (3, 3), (1, 2), (2, 2, 0, 0), taps=3),
    "lower_right": _case((6, 5), (3, 3), (2, 1), (0, 0, 2, 2), taps=9, groups=2),
    "oblong": _case((3, 9), (1, 5), (1, 2), (0, 2, 0, 1), deep=2),
    "larger": _case((2, 3), (5, 7), pads=(4, 6, 4, 5), taps=35),
    "framed": _case((3, 4), (1, 1), pads=SAME, deep=2),
    "far": _case((3, 4), (3, 3), BOTH, (5, 4, 3, 7), taps=3),
    # several pixels a step
    "two": _case((4, 6), (3, 3), pads=SAME, groups=2, pixels=2),
    "two_odd": _case((4, 7), (3, 3), (1, 1), SAME, taps=3, deep=2, pixels=2),
    "two_strided": _case((6, 9), (3, 3), BOTH, SAME, taps=9, groups=2, pixels=2),
    "two_points": _case((1, 9), (1, 1), deep=3, groups=2, pixels=2),
    "two_upper_left": _case((5, 5), (3, 5), (1, 2), (2, 4, 0, 0), taps=3, pixels=2),
    "four": _case((3, 8), (3, 3), pads=SAME, deep=2, pixels=4),
    "four_odd": _case((3, 9), (1, 3), (1, 2), (0, 1, 0, 1), groups=3, pixels=4),
    "four_of_three": _case((4, 3), (3, 3), pads=SAME, taps=9, pixels=4),
    "four_larger": _case((2, 3), (5, 7), pads=(4, 6, 4, 5), taps=35, pixels=4),
}
QUICK = ("serial", "column", "full", "strided", "two_odd")


def words(p):
    """Yield the step, the ends, the outermost and the taps inside of every word of a frame."""
    steps = -(-p["OutW"] // p["Pixels"])
    counts = [p["OutH"], steps, *(p[key] for key in ("Groups", "Lines", "Columns", "Deep"))]
    for place in itertools.product(*map(range, counts)):
        y, x, _, line, column, _ = place
        last = [at == count - 1 for at, count in zip(place, counts, strict=True)]
        ends = [all(last[level:]) for level in (4, 3, 2, 1, 0)]
        inside = 0
        for index, (pixel, tap) in enumerate(
            itertools.product(range(p["Pixels"]), range(p["Taps"]))
        ):
            row, col = divmod(tap, p["KernelW"])  # the whole window at once
            if p["Taps"] == 1:
                row, col = line, column
            elif p["Taps"] != p["KernelH"] * p["KernelW"]:
                row, col = tap, column
            at_y = y * p["StrideH"] - p["PadTop"] + row
            at_x = (x * p["Pixels"] + pixel) * p["StrideW"] - p["PadLeft"] + col
            inside |= (0 <= at_y < p["InH"] and 0 <= at_x < p["InW"]) << index
        outermost = 1 << sum(ends) - 1 if any(ends) else 0
        yield (y, x), [ends[1], ends[2], outermost, inside]


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Three frames with pauses, a reset in the middle of the second."""
    part, frame = Part(dut, name), list(words(CASES[name].parameters))
    Clock(part.clk_i, 4, "ns").start()
    for steps in (len(frame) + len(frame) // 2, 3 * len(frame)):
        part.drive(rst_i=1, step_i=1)
        await RisingEdge(part.clk_i)
        part.drive(rst_i=0, step_i=0)
        await RisingEdge(part.clk_i)  # the cycle before the first word
        done = 0
        while done < steps:
            step = random.random() < 0.7
            part.drive(step_i=step)
            await RisingEdge(part.clk_i)
            assert part.read(*ENDS, "inside_o") == frame[done % len(frame)][1], done
            assert part.read(*NEXT) == [step, frame[(done + 1) % len(frame)][1][1]], done
            assert tuple(part.read("y_o", "x_o")) == frame[(done + 1) % len(frame)][0], done
            done += step


def test_zf_window_walk(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_window_walk", CASES, tmp_path)
