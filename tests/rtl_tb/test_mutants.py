"""Benches notice faults: named ones, one bit of a parameter, and operator mutants of every module.

docs/mutants.md lists the mutants that survive, with the reason, and the figures.
"""

import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board import catalog
from zynqfire.hls.compile import build
from zynqfire.hls.ir import QType
from zynqfire.rtl_tb import campaign, mutate, simulator
from zynqfire.rtl_tb.simulate import simulate

LIST = Path(__file__).parents[2] / "docs" / "mutants.md"
LEAST_KILLED = 0.95


def named(tested, *edits, module=None):
    """Return the module to change, the bench that must notice, and (old, new, times) edits."""
    return module or tested, tested, edits


NAMED = {
    "rounding to half-up": named("zf_requantize", ("if (even_q) rounded", "if (1'b0) rounded", 1)),
    "rounding to floor": named(
        "zf_requantize",
        (" + SumBits'(Half);", ";", 1),
        ("if (even_q) rounded", "if (1'b0) rounded", 1),
    ),
    "no clamp": named(
        "zf_requantize",
        ("if (above(rounded))", "if (1'b0)", 1),
        ("if (below(rounded))", "if (1'b0)", 1),
    ),
    "no upper clamp": named("zf_requantize", ("if (above(rounded))", "if (1'b0)", 1)),
    "no lower clamp": named("zf_requantize", ("if (below(rounded))", "if (1'b0)", 1)),
    "a clamp to the power of two below a narrow end": named(
        "zf_requantize", ("(-Lowest & (-Lowest - 64'sd1)) == 64'sd0)", "1'b1)", 1)
    ),
    "wrong shift": named("zf_requantize", ("wide >>> Least", "wide >>> (Least + 1)", 2)),
    "padding of one": named("zf_window", ("{Lanes{Toggle[p] ? TopBit : Bits'(0)}}", "1", 1)),
    "padding that is not toggled": named("zf_window", (".ClearTo(Zero)", ".ClearTo('0)", 1)),
    "a place written before a cascade has read it": named(
        "zf_window", ("int Guard = (Late + Deep - 1) / Deep * Share;", "int Guard = 0;", 1)
    ),
    "a place written before a cascade of several pixels has read it": named(
        "zf_window", ("(Late + Deep - 1) / Deep * Share;", "(Late + Deep - 1) / Deep;", 1)
    ),
    "pixels shared out in the wrong order": named(
        "zf_window_write", ("32'(turn) == i", "32'(turn) == Copies - 1 - i", 1)
    ),
    "a row's last step as long as the others": named(
        "zf_reorder", ("? Rest - 1", "? Pixels - 1", 1)
    ),
    "swapped concat order": named(
        "zf_concat",
        ("turn_q <= Ports'(1);", "turn_q <= Ports'(1) << (Ports - 1);", 1),
        ("left_q <= Beats[Bits-1:0];", "left_q <= Beats[16*(Ports-1)+:Bits];", 1),
        ("last_q <= (Beats[15:0] == 1);", "last_q <= (Beats[16*(Ports-1)+:16] == 1);", 1),
    ),
    "two swapped channels": named(
        "zf_axis_in", ("s_tdata_i[l*8+:", "s_tdata_i[(l^1)%Lanes*8+:", 1)
    ),
    "a stale window row": named(
        "zf_window",
        ("y * StrideH - PadTop + KernelH,", "y * StrideH - PadTop + KernelH - 1,", 1),
        module="zf_window_credit",
    ),
    "a word dropped under stall": named(
        "zf_stream_reg", ("ready_q <= load || (ready_q && !s_tvalid_i);", "ready_q <= 1'b1;", 1)
    ),
    "state kept across frames": named(
        "zf_sum_pool", ("first_q <= last_position;", "first_q <= 1'b0;", 1)
    ),
    "a row of a cut too early": named(
        "zf_block", ("addr >= AddrBits'(start(r))", "addr > AddrBits'(start(r))", 1)
    ),
    "a word of another row": named(
        "zf_block", ("if (re_i) row_q <= row(raddr_i);", "row_q <= row(raddr_i);", 1)
    ),
    "a write into every row": named("zf_block", ("we_i && row(waddr_i) == RowBits'(r)", "we_i", 1)),
    "the halves of a shared block RAM exchanged": named(
        "zf_rom_pair", ("memory[{1'b1, (Deep", "memory[{1'b0, (Deep", 1)
    ),
    "two columns of a loaded word exchanged": named(
        "zf_uram", ("write_q[c] && here", "write_q[Columns-1-c] && here", 1)
    ),
    "a loaded word in its neighbour's place": named(
        "zf_uram", ("else if (write_q[Columns-1]) addr_q", "else if (write_q[0]) addr_q", 1)
    ),
    "words in any order of one signature": named(
        "zf_signature",
        ("{state_q[30:0], 1'b0} ^ (Poly & {32{state_q[31]}})", "state_q", 1),
    ),
    "columns in any order of one signature": named(
        "zf_signature", ("{folded[30:0], folded[31]} ^", "folded ^", 1)
    ),
    "a signature of words from before and after a load": named(
        "zf_signature", ("if (rst_i || clear_i) begin", "if (rst_i) begin", 1)
    ),
    "a memory in ROM that takes what is loaded": named(
        "zf_control",
        ("select_i[SelectBits-1:0] == SelectBits'(m)", "1'b1", 1),
        module="zf_load",
    ),
    "weights shown a cycle late": named(
        "zf_depthwise", ("assign rom_step_o = fetch;", "assign rom_step_o = word_valid;", 1)
    ),
    "weights from outside missing in what is signed": named(
        "zf_weights", ("assign whole_o = word;", "assign whole_o = word >> Outside << Outside;", 1)
    ),
    "frames taken when one memory is loaded": named(
        "zf_load", ("run_o        <= &loaded ", "run_o        <= |loaded ", 1)
    ),
    "a piece beyond the last one loaded": named(
        "zf_load", ("taken = data_write_i && some;", "taken = data_write_i;", 1)
    ),
    "a memory loaded but for its last piece": named(
        "zf_load", ("last = left_q == LeftBits'(1);", "last = left_q == LeftBits'(2);", 1)
    ),
    "a memory in use while it is loaded again": named(
        "zf_load", ("(all_loaded_q & ~selected) |", "all_loaded_q |", 1)
    ),
    "one byte written as four": named("zf_axi_lite", ("= write_bytes == 4'b1111", "= 1'b1", 1)),
    "more writes than responses can be due": named(
        "zf_axi_lite", ("&& answers_q != 2'd3;", ";", 1)
    ),
    "read data withdrawn under stall": named(
        "zf_axi_lite", ("else if (s_axi_rready) s_axi_rvalid", "else s_axi_rvalid", 1)
    ),
    "an error that is cleared as it comes": named(
        "zf_monitor",
        (
            "(errors_o & ~clear_errors_i) | faults_i",
            "(errors_o | faults_i) & ~clear_errors_i",
            1,
        ),
    ),
    "a latency of a cycle less": named("zf_monitor", ("starts ? 32'd1", "starts ? 32'd0", 1)),
    "an error of the wrong frame": named("zf_monitor", (" - 32'(late_i);", ";", 1)),
    "a packet that TKEEP cuts taken for whole": named(
        "zf_receive", ("last || bad, user", "last, user", 1)
    ),
    "bytes behind a gap of TKEEP counted": named("zf_receive", ("keep[b:0] == '1;", "keep[b];", 1)),
    "a beat dropped where it should wait": named(
        "zf_receive", ("|| (room && !due_q);", "|| !due_q;", 1)
    ),
    "an overrun that no flag tells": named(
        "zf_receive", ("entry[Entry-1] = 1'b1;", "entry[Entry-1] = 1'b0;", 1)
    ),
    "the rest of a packet that met a soft reset": named(
        "zf_receive", ("drop_q <= valid ? !last : inside_q;", "drop_q <= 1'b0;", 1)
    ),
    "a word of two beats in the wrong order": named(
        "zf_repack",
        (
            "{next_bytes & {Bytes * 8{spans}}, bytes};",
            "{bytes, next_bytes & {Bytes * 8{spans}}};",
            1,
        ),
    ),
    "a packet that begins where the last one ended": named(
        "zf_repack", ("(exact || both || (ends && !whole)) ? '0 : after;", "after;", 1)
    ),
    "a packet's last word without its mark": named(
        "zf_repack", ("word_last = (exact && last) ||", "word_last =", 1)
    ),
    "a packet's last word from before its padding": named(
        "zf_repack", ("next_bytes & {Bytes * 8{spans}}", "next_bytes", 1)
    ),
    "a short packet that shifts the next": named(
        "zf_frame", (" : s_last_i ? Fill : Take", " : Take", 1)
    ),
    "a packet of a frame too many": named(
        "zf_frame", ("only_q <= left_q == 16'd2;", "only_q <= left_q == 16'd1;", 1)
    ),
    "a long packet that no flag tells": named(
        "zf_frame", ("(state_q == Dump || stray) && !s_none_i", "stray && !s_none_i", 1)
    ),
    "a frame's last beat marked a beat early": named(
        "zf_frame", (".step_i(m_tvalid_o && m_tready_i)", ".step_i(m_tvalid_o)", 1)
    ),
    "a packet sent of a frame too few": named(
        "zf_send", ("only_q <= left_q == 16'd2;", "only_q <= left_q == 16'd3;", 1)
    ),
    "zeros of a soft reset counted as a frame": named(
        "zf_send", ("&& frame && !drain_q && !clear_i;", "&& frame;", 1)
    ),
    "a soft reset over before its zeros have left": named(
        "zf_send", ("(drain_q && (fill_q || m_tvalid_o))", "(drain_q && fill_q)", 1)
    ),
    "modes lost in a soft reset": named(
        "zf_control",
        (
            "if (control_write) {live_o",
            "if (soft_o) live_o <= 1'b0; else if (control_write) {live_o",
            1,
        ),
    ),
    "a packet left open by a soft reset": named(
        "zf_send", ("else if (clear_i && inside_q) fill_q <= 1'b1;", "", 1)
    ),
    "weights from outside one bit off": named(
        "zf_mvu",
        (
            "word[Outer-1:0] = rom_word_i;",
            "word[Outer-1:0] = Outer'({rom_word_i, rom_word_i} >> 1);",
            1,
        ),
    ),
    "a weight that lends nothing to its neighbour in a DSP": named(
        "zf_codebook", ("assign borrow = g_lane[l-1].value[Bits-1];", "assign borrow = 1'b0;", 1)
    ),
    "places decoded for one weight in a DSP as for two": named(
        "zf_mvu", (".Pairs(DspChannels == 2)", ".Pairs(1)", 1)
    ),
    "places in LUTs a cycle late": named(
        "zf_weights", ("Registered ? Stages : Stages + 1", "Stages + 1", 1)
    ),
    "state kept across reset": named(
        "zf_stream_reg",
        ("  logic valid_q;", "  logic valid_q = 1'b0;", 1),
        ("      valid_q <= 1'b0;\n", "", 1),
    ),
}


@pytest.mark.parametrize("fault", NAMED)
def test_a_named_fault_fails_its_bench(fault):
    module, tested, edits = NAMED[fault]
    text = (simulator.RTL / f"{module}.sv").read_text()
    for old, new, times in edits:
        assert text.count(old) == times
        text = text.replace(old, new)
    assert campaign.survives({module: text}, [tested]) is False


def test_the_library_itself_survives_and_what_does_not_compile_is_told_apart():
    assert campaign.survives({}, ["zf_count", "zf_fork"]) is True
    assert campaign.survives({"zf_fork": "module zf_fork;\n"}, ["zf_fork"]) is None


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the build of a network of two convolutions, the first with a bias."""
    grown = Builder(np.random.default_rng(5), (5, 6, 3), QType(8, False, 8))
    first = grown.convolution("first", grown.operations[0].output, 4, (3, 3), (2, 2), (1, 1, 1, 1))
    middle = grown.requantize("first", first, 8, True)
    last = grown.convolution("last", middle, 3, (1, 1), (1, 1), (0,) * 4)
    network = grown.output(last)
    folder = tmp_path_factory.mktemp("two") / "build"
    build(network, catalog.load("pynq-z2"), folder)
    with pytest.MonkeyPatch.context() as patch:  # one simulator for all the folders
        if simulator.CACHE not in os.environ:
            patch.setenv(simulator.CACHE, str(Path("build", "sim").absolute()))
        assert simulate(folder, frames=4)["bit_exact"]
        yield folder


@pytest.mark.parametrize(("memory", "bit"), [("weights", 3), ("bias", 7)])
def test_one_bit_of_a_parameter_is_located(memory, bit, built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "build")
    (path,) = folder.glob(f"mem/first.{memory}.mem")
    words = path.read_text().split()
    flipped = int(words[0], 16) ^ 1 << bit
    path.write_text("\n".join([f"{flipped:0{len(words[0])}x}", *words[1:]]) + "\n")
    result = simulate(folder, frames=4)
    assert not result["bit_exact"]
    assert result["first_mismatch"]["layer"] == "first"


def known() -> dict[tuple[str, str, str, int], str]:
    """Return the reason of each survivor of docs/mutants.md, by what names it."""
    entry = re.compile(
        r"^### (\w+)\n\n```diff\n(?:@@ (\d+) @@\n)?- (.*)\n\+ (.*)\n```\n\n([\s\S]*?)(?=\n###|\Z)",
        re.MULTILINE,
    )
    return {
        (module, before, after, int(nth or 1)): reason.strip()
        for module, nth, before, after, reason in entry.findall(LIST.read_text())
    }


def test_listed_survivors_exist_and_are_explained():
    text = LIST.read_text()
    assert len(known()) == text.count("```diff") == text.count("\n### ")
    for (module, *_), reason in known().items():
        assert len(reason.split()) > 5, module
    every = {
        mutant.key
        for module in campaign.modules()
        for mutant in mutate.mutants(module, (simulator.RTL / f"{module}.sv").read_text())
    }
    assert not known().keys() - every


def check(count):
    """Judge mutants; new survivors fail, and so do too many known ones."""
    said = []
    tally = campaign.campaign(count, report=said.append)
    assert len(tally.killed) + len(tally.survived) == count
    new = [str(mutant) for mutant in tally.survived if mutant.key not in known()]
    assert not new, "\n".join(new)
    assert len(tally.killed) >= math.ceil(LEAST_KILLED * count), tally
    assert len(said) == count + len(tally.broken)
    return tally


def test_a_mutant_of_every_module():
    modules = campaign.modules()
    assert len(modules) >= 20
    tally = check(len(modules))
    assert {mutant.module for mutant in tally.killed + tally.survived} == set(modules)


@pytest.mark.long
def test_two_hundred_mutants():
    check(200)
