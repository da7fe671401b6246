"""Vivado's reports as estimates; the samples are handwritten after UG906, no Vivado made them."""

import pytest
import vivado_builds

from zynqfire import Refusal
from zynqfire.board import vivado_reports as reports
from zynqfire.hls.memory import Estimate


def read(family, name):
    return reports.read(vivado_builds.REPORTS / family, name)


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_hierarchy(family):
    """Instances by depth; rows in parentheses are a part of the one above."""
    top = reports.hierarchy(read(family, reports.HIERARCHY))
    assert top.name == "system_wrapper" and [node.name for node in top.below] == ["system_i"]
    own = reports.instance(top, "zynqfire_0")
    assert own.estimate == Estimate(lut=5631, lutram=316, srl=4, ff=7174, bram36=0.5, dsp=14)
    layers = reports.found(own, {"u_conv1", "u_fire2_expand3", "u_dissolved"})
    assert layers["u_conv1"].estimate == Estimate(lut=2210, lutram=96, srl=4, ff=2650, dsp=6)
    assert layers["u_fire2_expand3"].estimate.bram36 == 0.5
    assert set(layers) == {"u_conv1", "u_fire2_expand3"}
    assert [node.name for node in layers["u_conv1"].below] == ["mvu"]
    for _, node in top.walk():  # the samples add up, as Vivado's do but for shared LUTs
        if node.below and node.name not in ("axi_dma_0", "u_conv1", "core"):
            below = sum((each.estimate for each in node.below), Estimate())
            assert below == node.estimate


def test_hierarchy_with_uram_and_old_names():
    """The column of DSPs has had two names; UltraRAM has one where the part has some."""
    text = read("xcup", reports.HIERARCHY).replace(" DSP Blocks ", "DSP48 Blocks")
    row = next(line for line in text.splitlines() if " u_conv1 " in line)
    cells = row.split("|")
    cells[-3] = cells[-3].replace(" 0 ", " 3 ")
    top = reports.hierarchy(text.replace(row, "|".join(cells)))
    layer = reports.found(top, {"u_conv1"})["u_conv1"]
    assert (layer.estimate.uram, layer.estimate.dsp) == (3, 6)


@pytest.mark.parametrize(
    ("family", "carry", "available"),
    [
        ("xc7", 811, {"lut": 53200, "ff": 106400, "bram36": 140, "uram": 0, "dsp": 220}),
        ("xcup", 402, {"lut": 230400, "ff": 460800, "bram36": 312, "uram": 96, "dsp": 1728}),
    ],
)
def test_utilization(family, carry, available):
    """The whole design and its part, the names of both families."""
    whole, there = reports.utilization(read(family, reports.FLAT))
    assert whole == Estimate(9307, 586, 275, 12647, carry, 3, 0, 14)
    assert there == available


def test_half_a_block_ram_tile():
    """A RAMB18 alone is half a tile; Util% may be below what two digits show."""
    text = read("xc7", reports.FLAT).replace("|    3 |     0 |", "|  3.5 |     0 |")
    text = text.replace("|  2.14 |", "| <0.01 |")
    assert reports.utilization(text)[0].bram36 == 3.5


@pytest.mark.parametrize(
    ("family", "timing", "fmax"),
    [("xc7", (1.234, 0.031, 3.98, 10.0, 5), 114.08), ("xcup", (0.412, 0.031, 1.48, 5, 5), 217.96)],
)
def test_timing(family, timing, fmax):
    """Slacks, the period, and the worst path of setup: not of hold, not of another group."""
    found = reports.timing(read(family, reports.TIMING))
    assert (found.wns, found.whs, found.wpws, found.period, found.levels) == timing
    assert found.fmax_mhz == pytest.approx(fmax, abs=0.01) and found.met
    assert found.source == "system_i/zynqfire_0/inst/ip/core/u_conv1/mvu/acc_q_reg[3]/C"
    assert found.destination.endswith("sum_q_reg[11]/D") and found.cells[-2] == "LUT2=1"


def test_worst_path_is_the_least_slack_wherever_it_stands():
    """A recovery path may be worse than those of the clock, a violated one than one that is met."""
    text = read("xc7", reports.TIMING)
    late = text.replace("Slack (MET) :             2.734ns", "Slack (VIOLATED) :        -0.250ns")
    assert late != text
    found = reports.timing(late)
    assert (found.levels, found.cells) == (1, ("LUT1=1",))
    assert found.destination == "system_i/data/inst/c_reg/CLR"


def test_no_logic_between_registers():
    """Vivado then names no cells."""
    text = read("xc7", reports.TIMING).replace("5  (CARRY4=3 LUT2=1 LUT6=1)", "0", 1)
    found = reports.timing(text)
    assert (found.levels, found.cells) == (0, ())


@pytest.mark.parametrize(("column", "old"), [("wns", "1.234"), ("whs", "0.031"), ("wpws", "3.980")])
def test_any_negative_slack_is_not_met(column, old):
    """Setup, hold and pulse width."""
    head, line, rest = read("xc7", reports.TIMING).partition("TPWS Total Endpoints")
    found = reports.timing(head + line + rest.replace(old, "-" + old, 1))
    assert getattr(found, column) == -float(old) and not found.met


def cut(text, start):
    return text[: text.index(start)]


@pytest.mark.parametrize(
    ("parse", "name", "change", "sentence"),
    [
        (
            reports.hierarchy,
            reports.HIERARCHY,
            lambda text: cut(text, "+--"),
            "must have a table of instances, it has none",
        ),
        (
            reports.hierarchy,
            reports.HIERARCHY,
            lambda text: text.replace("LUTRAMs", "RAMLUTs"),
            "must have a column LUTRAMs, not Instance, Module, Total LUTs",
        ),
        (
            lambda text: reports.instance(reports.hierarchy(text), "zynqfire_0"),
            reports.HIERARCHY,
            lambda text: text.replace(" zynqfire_0 ", " accelerator "),
            "must have the instance zynqfire_0, it has not",
        ),
        (
            lambda text: reports.found(reports.hierarchy(text), {"u_conv9"}),
            reports.HIERARCHY,
            lambda text: text,
            "must have the instances of the network, it has none",
        ),
        (
            reports.utilization,
            reports.FLAT,
            lambda text: text.replace("| DSPs ", "| MULs "),
            "must have a row DSPs, it has not",
        ),
        (
            reports.timing,
            reports.TIMING,
            lambda text: cut(text, "    WNS(ns)"),
            "must have a Design Timing Summary of 12 columns",
        ),
        (
            reports.timing,
            reports.TIMING,
            lambda text: text.replace("      1.234        0.000", "         NA           NA"),
            "WNS must be a number, not NA",
        ),
        (
            reports.timing,
            reports.TIMING,
            lambda text: cut(text, "Max Delay Paths"),
            "must have a path under Max Delay Paths, it has none",
        ),
        (
            reports.timing,
            reports.TIMING,
            lambda text: text.replace("Logic Levels:", "Levels:"),
            "its worst path must have 'Logic Levels: ",
        ),
    ],
)
def test_what_is_no_report_is_refused(parse, name, change, sentence):
    """The sentence names the report and what is missing in it."""
    with pytest.raises(Refusal) as caught:
        parse(change(read("xc7", name)))
    assert str(caught.value).startswith(f"report {name}: ") and sentence in str(caught.value)


def test_a_missing_report_is_refused(tmp_path):
    """As by a run that was stopped."""
    with pytest.raises(Refusal, match=r"^report .*/timing_summary.rpt: must be there: No such"):
        reports.read(tmp_path, reports.TIMING)
