"""Synthesis of a small hand-written build: sums by layer, what is kept, what is refused."""

import json
from pathlib import Path

import pytest

from zynqfire import Refusal
from zynqfire.board import synth as module
from zynqfire.board import yosys
from zynqfire.board.synth import CACHE, Unit, synth, synthesize
from zynqfire.hls.cuts import encode, whole

RTL = Path(__file__).parents[2] / "hls" / "rtl"
CUT = encode(whole(40, 600))
ROM = {"Width": 40, "Depth": 600, "Cut": CUT, "InitFile": "mem/a.mem"}
FIFO = {"Width": 8, "Depth": 20, "Cut": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep results in a folder of the test's own."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))


@pytest.fixture
def build(tmp_path):
    """Return a build of two layers: a ROM each, a FIFO twice in the second."""
    folder = tmp_path / "a build"
    (folder / "rtl").mkdir(parents=True)
    (folder / "mem").mkdir()
    names = ["zf_table.sv", "zf_block.sv", "zf_rom.sv", "zf_fifo.sv"]
    for name in names:
        (folder / "rtl" / name).write_bytes((RTL / name).read_bytes())
    for rom in ("a", "b"):  # the same contents under two names
        for piece, bits in enumerate((36, 4)):
            words = "".join(f"{(n * 2654435761) % (1 << bits):x}\n" for n in range(600))
            (folder / "mem" / f"{rom}.mem.{piece:03d}").write_text(words)
    instances = [
        ("first", "zf_rom", ROM),
        ("second", "zf_rom", ROM | {"InitFile": "mem/b.mem"}),
        ("second", "zf_fifo", FIFO),
        ("second", "zf_fifo", FIFO),
    ]
    manifest = {
        "format": 1,
        "part": "xc7z020clg400-1",
        "family": "xc7",
        "top": "zynqfire_top",
        "sources": [*(f"rtl/{name}" for name in names), "rtl/zynqfire_top.sv"],
        "instances": [
            {"layer": layer, "module": name, "instance": f"u{n}", "parameters": parameters}
            for n, (layer, name, parameters) in enumerate(instances)
        ],
    }
    (folder / "rtl" / "zynqfire_top.sv").write_text("not even Verilog")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_synth(build, monkeypatch):
    """Each distinct module once, the totals over layers, the second time from before."""
    lines = []
    result = synth(build, report=lines.append)
    assert len(lines) == 2  # equal contents are one module, whatever the file's name
    assert lines[0].startswith("synth 1/2 zf_")
    assert "(first, second)" in "".join(lines)

    keys = ("lut", "lutram", "srl", "ff", "bram36", "uram", "dsp")
    first, second = result["by_layer"]["first"], result["by_layer"]["second"]
    assert first == {"lut": 0, "lutram": 0, "srl": 0, "ff": 40} | {
        "bram36": 1.5,
        "uram": 0,
        "dsp": 0,
    }
    fifo = {key: second[key] - first[key] for key in keys}
    assert (fifo["lutram"], fifo["bram36"]) == (16, 0)
    assert 2 * 10 <= fifo["lut"] <= 2 * 20
    assert {key: result[key] for key in keys} == {key: first[key] + second[key] for key in keys}
    assert (result["tool"], result["part"], result["fmax_mhz"]) == (
        "yosys",
        "xc7z020clg400-1",
        None,
    )
    assert 2 <= result["logic_levels"] <= 4
    assert result["longest_path"]["in"] == "second (zf_fifo)"

    monkeypatch.setattr(yosys, "run", lambda *_: pytest.fail("was synthesized before"))
    assert synth(build, report=lines.append) == result
    assert lines[2].endswith("kept from before")


def test_contents_and_sources_are_part_of_what_is_kept(build, monkeypatch):
    """One changed word, or one changed line of the library, is another module."""
    seen = []

    def count(unit, sources, family):
        seen.append(unit.module)
        return module.Result(module.Estimate(), module.levels.Path(0, ()))

    monkeypatch.setattr(module, "synthesize", count)
    synth(build)
    assert sorted(seen) == ["zf_fifo", "zf_rom"]
    with (build / "mem" / "b.mem.001").open("a") as file:
        file.write("f\n")
    synth(build)
    assert seen[2:] == ["zf_rom"]
    with (build / "rtl" / "zf_fifo.sv").open("a") as file:
        file.write("// changed\n")
    synth(build)
    assert sorted(seen[3:]) == ["zf_fifo", "zf_rom", "zf_rom"]


def test_parameters_reach_yosys():
    """Text, negative numbers and numbers beyond 32 bits."""
    source = b"""module m #(parameter int A = 0, parameter [79:0] B = 0, parameter C = "")
      (input clk_i, input [7:0] d_i, output reg [7:0] q_o);
      localparam bit Good = A == -3 && B == 80'h1_0000_0000_0000_0005 && C == "mem/x";
      if (Good) always @(posedge clk_i) q_o <= d_i; endmodule"""
    parameters = {"A": -3, "B": (1 << 64) + 5, "C": "mem/x"}
    assert synthesize(Unit("m", parameters, {}), {"m.sv": source}).estimate.ff == 8
    assert synthesize(Unit("m", parameters | {"A": 3}, {}), {"m.sv": source}).estimate.ff == 0


def test_what_yosys_does_not_take(build):
    """The error quotes its log."""
    with pytest.raises(yosys.SynthesisError, match="ERROR"):
        synthesize(Unit("m", {}, {}), {"m.sv": b"module m; nonsense"})


def test_refusals(build, tmp_path, monkeypatch):
    """One sentence that names what is missing."""
    with pytest.raises(Refusal, match=r"^synth: the tool must be yosys or vivado, not quartus$"):
        synth(build, tool="quartus")
    with pytest.raises(Refusal, match=r"^build .*: must be a folder with a manifest\.json, as"):
        synth(tmp_path)
    manifest = json.loads((build / "manifest.json").read_text())
    manifest["instances"][0]["parameters"] = 5
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refusal, match=r"instances\[0\]\.parameters: 5 is not of type 'object'$"):
        synth(tmp_path)
    (build / "mem" / "a.mem.000").rename(tmp_path / "a")
    for lost in ("mem/b.mem.000", "mem/b.mem.001"):
        (build / lost).unlink(missing_ok=True)
    with pytest.raises(Refusal, match=r"^build .*: must hold mem/[ab]\.mem, which its manifest"):
        synth(build)
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"^synthesis: the tool yosys must be installed"):
        synth(build)


def test_a_negative_parameter_keeps_its_sign():
    """A shift by -3 is to the left: every bit of the sum is there, above three zeros."""
    settings = {"Lanes": 1, "InBits": 5, "BiasBits": 0, "ShiftBits": 0, "OutBits": 8}
    shift = {"ShiftMin": -3, "ShiftMax": -3, "Lo": -128, "Hi": 127}
    names = ["zf_count", "zf_table", "zf_rom", "zf_block", "zf_requantize"]
    sources = {f"{name}.sv": (RTL / f"{name}.sv").read_bytes() for name in names}
    kept = synthesize(Unit("zf_requantize", settings | shift, {}), sources).estimate
    assert kept.srl + kept.ff >= 5
