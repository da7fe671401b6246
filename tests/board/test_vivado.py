"""`synth --tool vivado` from end to end, with a program `vivado` that runs the stubs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import vivado_builds

from zynqfire import Refusal, cli
from zynqfire.board import synth as module
from zynqfire.board import vivado

KEYS = {
    *("tool", "part", "lut", "lutram", "ff", "bram36", "uram", "dsp", "fmax_mhz"),
    *("logic_levels", "by_layer", "estimate", "whole", "available", "timing_met", "wns_ns"),
    *("bitstream", "hardware", "version", "clock_mhz"),
}


@pytest.fixture
def build(tmp_path):
    """Return a small build for a Zynq-7000."""
    return vivado_builds.build(tmp_path / "build")


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put the stand-in on the PATH; return a function that says how it behaves."""
    for name, value in vivado_builds.install(tmp_path / "bin").items():
        monkeypatch.setenv(name, value)

    def behave(**how):
        for name, value in how.items():
            monkeypatch.setenv(f"ZYNQFIRE_{name.upper()}", str(value))

    return behave


@pytest.fixture
def zynqfire(capfd):
    """Return a function that runs a command line: exit code, standard output, standard error."""

    def call(*args):
        capfd.readouterr()
        code = cli.main([str(arg) for arg in args])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def late(tmp_path, tool):
    """Let the reports say that timing is not met."""
    folder = tmp_path / "late"
    folder.mkdir()
    for file in (vivado_builds.REPORTS / "xc7").iterdir():
        text = file.read_text().replace("      1.234        0.000  ", "     -0.500       -9.100  ")
        text = text.replace("Slack (MET) :             1.234ns", "Slack (VIOLATED) :   -0.500ns")
        (folder / file.name).write_text(text)
    tool(stub_reports=folder)


def test_answer(build, tool, zynqfire):
    """One JSON object: Yosys' keys, our own numbers beside them, the files; progress elsewhere."""
    code, out, err = zynqfire("synth", build, "--tool", "vivado", "--json")
    answer = json.loads(out)
    assert code == 0 and set(answer) >= KEYS and out.count("\n") == 1
    assert (answer["tool"], answer["version"], answer["clock_mhz"]) == ("vivado", "2023.2", 100)
    assert (answer["lut"], answer["ff"], answer["dsp"], answer["bram36"]) == (5631, 7174, 14, 0.5)
    assert (answer["fmax_mhz"], answer["logic_levels"], answer["period_ns"]) == (114.0, 5, 10)
    assert answer["longest_path"]["in"] == "conv1"
    assert answer["longest_path"]["cells"] == ["CARRY4=3", "LUT2=1", "LUT6=1"]
    assert set(answer["by_layer"]) == {"input", "conv1", "fire2/squeeze"}
    assert answer["by_layer"]["conv1"]["lutram"] == 96
    assert answer["dissolved"] == ["u_fire2_squeeze_fork"]
    assert answer["estimate"]["by_layer"]["conv1"]["lut"] == 2200 and answer["whole"]["lut"] == 9307
    assert answer["timing_met"] is True and "message" not in answer
    assert Path(answer["bitstream"]) == build / "vivado" / "zynqfire.bit"
    assert Path(answer["hardware"]) == build / "vivado" / "zynqfire.hwh"
    names = sorted(path.name for path in (build / "vivado").iterdir())
    reports = ["timing_summary.rpt", "utilization.rpt", "utilization_hierarchical.rpt"]
    assert names == ["synth.json", *reports, "work", "zynqfire.bit", "zynqfire.hwh"]
    lines = [line for line in err.splitlines() if line.startswith("vivado: ")]
    assert lines[0] == "vivado: package zynqfire for xc7z020clg400-1"
    at = lines.index("vivado: placement, routing, bitstream")
    assert lines[at + 1 : at + 3] == ["vivado: Starting Placer Task", "vivado: reports"]
    assert lines[-1] == "vivado: done"


def test_table(build, tool, zynqfire):
    """A person sees both numbers side by side."""
    code, out, _ = zynqfire("synth", build, "--tool", "vivado")
    assert code == 0 and "Estimated / Vivado" in out
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["conv1"]]
    assert line.split()[1:4] == ["2,200", "/", "2,210"]
    assert "in the sum only: u_fire2_squeeze_fork" in " ".join(out.split())
    assert "2,566 / 5,631" in out and "9,307" in out


def test_a_layer_that_is_dissolved_whole(build, tool, zynqfire):
    """It has no numbers of its own, not zeros."""
    text = (build / "manifest.json").read_text()
    (build / "manifest.json").write_text(text.replace("u_axis_in", "u_gone"))
    code, out, _ = zynqfire("synth", build, "--tool", "vivado", "--json")
    answer = json.loads(out)
    assert code == 0 and "input" not in answer["by_layer"] and "u_gone" in answer["dissolved"]
    out = zynqfire("synth", build, "--tool", "vivado")[1]
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["input"]]
    assert line.split()[1:4] == ["0", "/", "-"]


def test_sources_as_vivado_gets_them(build, tool):
    """Contents by absolute path, the macro defined, everything within the IP."""
    vivado.synth(build)
    ip = build.resolve() / "vivado" / "work" / "ip"
    text = (ip / "src" / "zynqfire_top.sv").read_text()
    assert f'.InitFile("{ip}/mem/a.mem")' in text
    assert text.startswith("`ifndef SYNTHESIS\n`define SYNTHESIS\n`endif\n")
    assert "define" not in (ip / "src" / "zynqfire_ip.sv").read_text()
    assert (ip / "mem" / "a.mem.001").read_text() == "3\n4\n"
    listed = (ip.parent / "files.txt").read_text().split()
    assert sorted(listed) == sorted(
        path.relative_to(ip.parent).as_posix() for path in ip.glob("*/*")
    )


def test_the_same_again_is_kept(build, tool):
    """Until the build, the clock, the tool or a result changes."""
    first, lines = vivado.synth(build), []
    again = vivado.synth(build, lines.append)
    assert again == first and lines == [
        "synth: nothing has changed since the last run, its results are kept"
    ]

    def runs(**how):
        lines.clear()
        vivado.synth(build, lines.append, **how)
        return lines[-1] == "vivado: done"

    assert runs(clock_mhz=80) and not runs(clock_mhz=80)
    (build / "mem" / "b.mem").write_text("6\n")
    assert runs(clock_mhz=80) and not runs(clock_mhz=80)
    (build / "vivado" / "zynqfire.hwh").unlink()
    assert runs(clock_mhz=80)
    (build / "vivado" / "zynqfire.bit").unlink()
    assert runs(clock_mhz=80)
    for damaged in ('{"key"', "[]", "{}"):
        (build / "vivado" / "synth.json").write_text(damaged)
        assert runs(clock_mhz=80)
    tool(fake_version="Vivado v2024.1 (64-bit)")
    assert runs(clock_mhz=80)


def test_clock(build, tool, zynqfire):
    """--clock reaches the block design; without Vivado it means nothing."""
    assert zynqfire("synth", build, "--tool", "vivado", "--clock", "62.5")[0] == 0
    driver = (build / "vivado" / "work" / "build.driver.tcl").read_text()
    assert "{clock_mhz} {62.5}" in driver
    code, _, err = zynqfire("synth", build, "--clock", "62.5")
    assert code == 2 and "--clock is of --tool vivado, not of yosys" in err
    code, _, err = zynqfire("synth", build, "--tool", "vivado", "--clock", "inf")
    assert code == 2 and "--clock must be a finite number, not inf" in err


def test_timing_not_met(build, tool, late, zynqfire):
    """The answer is no: exit code 1, the slack, what would do, and no bitstream."""
    code, out, err = zynqfire("synth", build, "--tool", "vivado", "--json")
    answer = json.loads(out)
    assert code == 1 and answer["timing_met"] is False and answer["bitstream"] is None
    assert answer["wns_ns"] == -0.5 and answer["fmax_mhz"] == 95.2
    sentence = "timing: must be met at 100 MHz, WNS is -0.5 ns: no bitstream; try --clock 95"
    assert answer["message"] == sentence and err.splitlines()[-1] == sentence
    assert not list((build / "vivado").glob("*.bit"))
    code, again, _ = zynqfire("synth", build, "--tool", "vivado", "--json")
    assert (code, again) == (1, out)  # kept, and still no


def test_an_old_bitstream_does_not_outlive_its_design(build, tool, late, monkeypatch):
    """What does not meet timing takes away what did."""
    monkeypatch.setenv("ZYNQFIRE_STUB_REPORTS", str(vivado_builds.REPORTS / "xc7"))
    assert vivado.synth(build)["timing_met"]
    monkeypatch.setenv("ZYNQFIRE_STUB_REPORTS", str(build.parent / "late"))
    assert not vivado.synth(build, clock_mhz=120)["timing_met"]
    assert not list((build / "vivado").glob("*.bit"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "  30123        0.031  ",
            "  30123       -0.031  ",
            "WHS is -0.031 ns: no bitstream, and no",
        ),
        (
            "  3.980        0.000  ",
            " -0.020       -0.020  ",
            "WPWS is -0.02 ns: no bitstream; try a",
        ),
    ],
)
def test_what_else_may_not_be_met(build, tool, tmp_path, old, new, sentence):
    """Hold is not helped by a slower clock, a pulse that is too short is."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for file in (vivado_builds.REPORTS / "xc7").iterdir():
        text = file.read_text()
        assert old in text or file.stem != "timing_summary"
        (folder / file.name).write_text(text.replace(old, new))
    tool(stub_reports=folder)
    answer = vivado.synth(build)
    assert f"timing: must be met at 100 MHz, {sentence} slower" in answer["message"]
    assert answer["timing_met"] is False and answer["bitstream"] is None


def test_reports_of_another_form_are_refused_but_not_lost(build, tool, tmp_path):
    """Hours of Vivado are still there, and the sentence says where."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for file in (vivado_builds.REPORTS / "xc7").iterdir():
        (folder / file.name).write_text(file.read_text().replace("LUTRAMs", "RAMs"))
    tool(stub_reports=folder)
    with pytest.raises(
        Refusal, match=r"^report utilization_hierarchical\.rpt: .*what Vivado made is"
    ):
        vivado.synth(build)
    assert (build / "vivado" / "work" / "out" / "zynqfire.bit").is_file()
    assert not (build / "vivado" / "zynqfire.bit").exists()


def test_missing(build, zynqfire, monkeypatch):
    """One sentence says what to do."""
    monkeypatch.setenv("PATH", "/nowhere")
    code, out, err = zynqfire("synth", build, "--tool", "vivado")
    assert (code, out) == (2, "") and err == (
        "zynqfire: synth: the tool vivado must be on the PATH, it is not: source settings64.sh "
        "of your Vivado installation in this shell first\n"
    )


@pytest.mark.parametrize(
    ("said", "named"),
    [("vivado v2019.1 (64-bit)", "2019.1"), ("Vivado v2025.1 (64-bit)", "2025.1"), ("?", "?")],
)
def test_untested_version_is_a_warning(build, tool, said, named):
    """It runs all the same; the versions that the scripts are written for are named."""
    tool(fake_version=said)
    lines = []
    assert vivado.synth(build, lines.append)["version"] == named
    assert lines[0] == (
        f"synth: vivado {named} is untested, the scripts are written for 2022.2 to 2024.2"
    )


@pytest.mark.parametrize("said", ["vivado v2022.2 (64-bit)", "Vivado v2023.2.2 (64-bit)"])
def test_known_version_is_no_warning(build, tool, said):
    """Patches of a version are that version."""
    tool(fake_version=said)
    lines = []
    vivado.synth(build, lines.append)
    assert lines[0].startswith("vivado: package")


def test_a_vivado_that_does_not_start_is_refused(build, tmp_path, monkeypatch):
    """As where a library of it is missing."""
    vivado_builds.install(tmp_path / "bin")
    (tmp_path / "bin" / "vivado").write_text("#!/bin/sh\necho libtinfo.so.5 is missing >&2\nexit 9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Refusal, match=r"^synth: vivado -version must succeed, it says: libtinfo"):
        vivado.synth(build)


FAILS = """\
proc stub::finish_run {run} {
    variable state
    set state(run,$run) failed
    set text "INFO: 1\\nERROR: \\[Synth 8-439\\] module 'zf_conv' not found\\n"
    append text "ERROR: \\[Common 17-69\\] Command failed\\n"
    write [file join $state(folder) project.runs $run runme.log] $text
}
"""


def test_failed_run_quotes_the_first_error(build, tool, zynqfire):
    """Of the run that failed, not of who waited for it; then it starts cleanly again."""
    tool(fake_tcl=FAILS)
    code, _, err = zynqfire("synth", build, "--tool", "vivado")
    assert code == 2 and err.splitlines()[-1] == (
        "zynqfire: vivado build: must finish: ERROR: [Synth 8-439] module 'zf_conv' not found "
        f"(logs in {build.resolve() / 'vivado' / 'work'})"
    )
    assert not list((build / "vivado").glob("zynqfire.*"))
    tool(fake_tcl="")
    assert zynqfire("synth", build, "--tool", "vivado")[0] == 0


UNREAD = """\
rename stub::finish_run stub::finish_well
proc stub::finish_run {run} {
    variable state
    finish_well $run
    write [file join $state(folder) project.runs synth_1 runme.log] \\
        "CRITICAL WARNING: \\[Synth 8-4445\\] could not open \\$readmem data file 'a.mem'\\n"
}
"""


def test_a_memory_without_contents_is_refused(build, tool):
    """Vivado calls it a warning; the network would be another one."""
    tool(fake_tcl=UNREAD)
    with pytest.raises(Refusal, match=r"^vivado: every memory must have its contents, .*runme.log"):
        vivado.synth(build)
    assert not list((build / "vivado").glob("zynqfire.*"))


def test_interrupted_run_starts_again_cleanly(build, tool):
    """Ctrl-C stops Vivado with its runs; what it left does no harm to the next one."""
    marker = build / "sleeps"
    tool(fake_tcl=f"proc wait_on_run {{run}} {{ close [open {marker} w]; after 60000 }}")
    words = [sys.executable, "-m", "zynqfire.cli", "synth", build, "--tool", "vivado"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if marker.exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    assert (build / "vivado" / "work" / "project").exists()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(build) not in listed.stdout.replace(" ".join(map(str, words)), "")
    tool(fake_tcl="")
    assert vivado.synth(build)["timing_met"]


def test_refusals(build, tool, tmp_path):
    """No build, a path that Vivado does not take, a tool that is none."""
    with pytest.raises(Refusal, match=r"^build .*: must be a folder with a manifest\.json"):
        vivado.synth(tmp_path)
    spaced = vivado_builds.build(tmp_path / "my build")
    with pytest.raises(
        Refusal, match=r"^build .*/my build: its path must have only letters, digits and _ \. "
    ):
        vivado.synth(spaced)
    (build / "mem" / "b.mem").unlink()
    with pytest.raises(Refusal, match=r"^build .*: must hold mem/b\.mem, which its manifest"):
        vivado.synth(build)
    with pytest.raises(Refusal, match=r"^synth: the tool must be yosys or vivado, not quartus$"):
        module.synth(build, tool="quartus")
