"""Building and running: the cache, the tool chain, what a bench sees, what fails and how."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cocotb
import pytest
from cocotb.triggers import Timer

from zynqfire import Refusal
from zynqfire.rtl_tb import simulator

DESIGN = """
module sample #(
    parameter int unsigned Small = 1, parameter logic [79:0] Large = 0,
    parameter Name = "none", parameter int unsigned Words = 0
) (
    input logic clk_i, output logic [31:0] small_o, output logic [79:0] large_o,
    output logic [63:0] name_o, output logic [31:0] random_o, output logic [7:0] word_o
);
  initial if (Small == 0) $fatal(1, "%m: Small must be positive, not %0d", Small);
  logic [31:0] random_q, hidden_q;
  logic [7:0] words[2];
  if (Words > 0) begin : g_words
    initial $readmemh("words.mem", words);
  end
  always_ff @(posedge clk_i) begin
    random_q <= random_q + 1;
    hidden_q <= random_q;
  end
  assign small_o = Small, large_o = Large, name_o = 64'(Name), random_o = random_q;
  assign word_o = words[1];
endmodule
"""


@cocotb.test()
async def parameters(dut):
    await Timer(1, "ns")
    given = simulator.config()
    assert int(dut.small_o.value) == given["Small"]
    assert int(dut.large_o.value) == 0x1_0000_0000_0000_0002
    assert int(dut.name_o.value) == int.from_bytes(given["Name"].encode(), "big")


@cocotb.test()
async def start(dut):
    await Timer(1, "ns")
    print("start is", int(dut.random_o.value), "and", random.random())


@cocotb.test()
async def word(dut):
    await Timer(1, "ns")
    assert int(dut.word_o.value) == simulator.config()["word"]


@cocotb.test()
async def hidden(dut):
    assert hasattr(dut, "hidden_q") == simulator.config()["visible"]
    assert not hasattr(dut, "random_q")


@cocotb.test()
async def failing(dut):
    raise AssertionError("the reason is here")


@pytest.fixture
def design(tmp_path, monkeypatch):
    """Return the source, from which benches of this file run."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    path = tmp_path / "sample.sv"
    path.write_text(DESIGN)
    return path


def _run(built, testcase, **options):
    return simulator.run(built, "test_simulator", testcase=testcase, **options)


def test_parameters_of_every_kind_arrive(design):
    large = simulator.sized((1 << 64) + 2, 80)
    given = {"Small": 3_000_000_000, "Large": large, "Name": "a b.mem"}
    _run(simulator.build("sample", [design], given), "parameters")


def test_registers_start_random_by_seed(design):
    built = simulator.build("sample", [design])

    def first(seed):
        log = _run(built, "start", seed=seed)
        return next(line for line in log.splitlines() if "start is" in line)

    with ThreadPoolExecutor(4) as pool:  # several at once
        one, two, same = pool.map(first, (1, 2, 1))
    assert one == same
    assert one.split()[2] != two.split()[2]
    assert one.split()[4] != two.split()[4]


def test_a_build_is_kept_until_something_changes(design, tmp_path):
    cache = tmp_path / "with space"
    cache.mkdir()
    for runtime in simulator.build("sample", [design]).program.parent.parent.glob("runtime-*"):
        (cache / runtime.name).symlink_to(runtime)  # saves compiling it
    first = simulator.build("sample", [design], cache=cache)
    stamp = first.program.stat().st_mtime_ns
    again = simulator.build("sample", [design], cache=cache)
    assert again == first
    assert again.program.stat().st_mtime_ns == stamp
    design.write_text(DESIGN.replace("+ 1", "+ 2"))
    assert simulator.build("sample", [design], cache=cache).program != first.program
    assert not list(cache.glob("build-*"))


def test_any_working_folder(design, tmp_path, monkeypatch):
    built = simulator.build("sample", [design], {"Words": 1})
    data = tmp_path / "data"
    data.mkdir()
    (data / "words.mem").write_text("12\n34\n")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    _run(built, "word", cwd=data, config={"word": 0x34})
    assert not list(elsewhere.iterdir())


def test_only_ports_are_visible_unless_asked(design, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-n")  # of a make around us
    _run(simulator.build("sample", [design]), "hidden", config={"visible": False})
    built = simulator.build("sample", [design], public={"sample": ("hidden_*",)})
    _run(built, "hidden", config={"visible": True})


def test_waves(design, tmp_path):
    built = simulator.build("sample", [design], waves=True)
    _run(built, "start", waves=tmp_path / "waves")
    text = (tmp_path / f"waves.{built.waves}").read_bytes()
    assert b"hidden_q" in text or built.waves == "fst"
    with pytest.raises(Refusal, match="sample: waves need a build made with waves"):
        _run(simulator.build("sample", [design]), "start", waves=tmp_path / "no")


def test_a_failing_bench_says_why(design):
    built = simulator.build("sample", [design])
    with pytest.raises(
        simulator.SimulationError, match=r"test_simulator on sample: failing: the reason is here"
    ):
        _run(built, "failing")
    with pytest.raises(simulator.SimulationError, match="no test ran"):
        _run(built, "missing")
    with pytest.raises(simulator.SimulationError, match="No module named 'no_such_bench'"):
        simulator.run(built, "no_such_bench")


def test_a_fatal_design_says_why(design):
    built = simulator.build("sample", [design], {"Small": 0})
    with pytest.raises(simulator.SimulationError, match="Small must be positive, not 0"):
        _run(built, "start")


def test_a_design_that_does_not_compile(design):
    design.write_text(DESIGN.replace("endmodule", ""))
    with pytest.raises(
        simulator.SimulationError, match=r"sample does not compile:\n.*syntax error"
    ):
        simulator.build("sample", [design])


@pytest.mark.parametrize("missing", ["g++", "make", "ar"])
def test_a_missing_tool_is_named(missing, design, tmp_path, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in {"g++", "make", "ar"} - {missing}:
        (tools / tool).symlink_to(shutil.which(tool))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(Refusal) as refused:
        simulator.build("sample", [design])
    assert str(refused.value) == f"simulation needs the program {missing}, which is not on PATH"


def test_a_missing_source_and_a_cache_that_cannot_be(design, tmp_path):
    with pytest.raises(Refusal, match=r"sample: source file .*/none.sv does not exist"):
        simulator.build("sample", [tmp_path / "none.sv"])
    with pytest.raises(Refusal, match=r"sample: .*sample.sv/cache cannot be written"):
        simulator.build("sample", [design], cache=design / "cache")
