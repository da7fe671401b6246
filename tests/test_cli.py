"""The command: one JSON object on stdout, one sentence on stderr, exit codes 0, 1 and 2."""

import ctypes
import json
import os
import resource
import subprocess
import sys

import pytest

from zynqfire import Refusal, cli
from zynqfire._console import Answer, guests_on_stderr

COMMANDS = list(cli.zynqfire.commands)


@pytest.fixture
def zynqfire(capfd):
    """Return a function that runs a command line: exit code, standard output, standard error."""

    def call(*args):
        capfd.readouterr()
        code = cli.main([str(arg) for arg in args])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def refused(zynqfire):
    """Return a function that asserts a refusal, with and without --json, and returns its text."""

    def call(*args):
        code, out, err = zynqfire(*args)
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        code, out, again = zynqfire(*args, "--json")
        assert code == 2 and again == err
        sentence = err.splitlines()[-1]  # progress may stand above it
        assert sentence.startswith("zynqfire") and json.loads(out)["error"] in sentence
        return sentence

    return call


def stub(monkeypatch, answer):
    """Replace what `zynqfire networks` does by `answer`."""
    monkeypatch.setattr(cli.zynqfire.commands["networks"], "callback", answer)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_json_and_verbose(name):
    """The common options are everywhere."""
    names = {n for parameter in cli.zynqfire.commands[name].params for n in parameter.opts}
    assert {"--json", "--verbose"} <= names


def test_commands_are_listed_in_the_order_of_work(zynqfire):
    """Help lists train before compile before simulate."""
    _, out, _ = zynqfire("--help")
    assert out.index("  train") < out.index("  compile") < out.index("  simulate")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["fly"], "No such command 'fly'"),
        (["boards", "--fly"], "No such option '--fly'"),
        (["compile", "zynqnet-32"], "Missing option '-o' / '--out'"),
        (["compile", "zynqnet-32", "-o", "x", "--backend", "hls"], "'hls' is not one of"),
        (["compile", "zynqnet-32", "-o", "x", "--interval", "0"], "0 is not in the range"),
        (["simulate", "no-such-build"], "'no-such-build' does not exist"),
        (["simulate", ".", "--frames", "many"], "'many' is not a valid integer"),
        (["train", "zynqnet-32", "--set", "input"], "--set takes KEY=VALUE, not input"),
        (["compile", "a.onnx", "-o", "x", "--clock", "50"], "--clock belongs to --fps, not alone"),
        (
            ["compile", "a.onnx", "-o", "x", "--fps", "9", "--interval", "9"],
            "one of --folding, --interval and --fps, not --interval and --fps",
        ),
        (
            ["compile", "a.onnx", "-o", "x", "--backend", "vitis", "--over-budget"],
            "--over-budget is of the zynqfire backend, not of vitis",
        ),
        (["compile", "a.onnx", "-o", "x"], "model a.onnx: no such file"),
        (["profile", "a.onnx"], "model a.onnx: no such file"),
        (["budget", "a.onnx"], "model a.onnx: no such file"),
        (["budget", ".", "--board", "zc706"], "build .: board, network and speed are fixed"),
        (["budget", ".", "--interval", "9"], "and speed are fixed, --interval given"),
        (["budget", "x", "--bits", "1..4"], "--bits takes N or A..B, weight bits from 2 to 8, not"),
        (["budget", "x", "--bits", "5..4"], "weight bits from 2 to 8, not 5..4"),
        (["budget", "x", "--board", "zc706", "--all-boards"], "one of --board and --all-boards"),
        (["budget", "x", "--bits", "2..3", "--picture", "a.svg"], "--picture is of one board"),
        (["budget", "x", "--picture", "a.gif"], "picture a.gif: must end in .svg or .png, not"),
        (["budget", "fly"], "one of alexnet, "),
        (["simulate", "."], "manifest.json"),
        (["budget", "."], "manifest.json"),
        (["synth", "."], "manifest.json"),
        (["synth", ".", "--tool", "vivado"], "vivado"),
        (["package", "."], "Missing option '-o' / '--out'"),
        (["package", ".", "-o", "a.zip"], "manifest.json"),
        (["package", ".", "-o", "a.tar"], "archive a.tar: must end in .zip, not .tar"),
        (
            ["train", "zynqnet-32", "--data", "fly"],
            "data set must be digits, glyphs, cifar10 or a folder",
        ),
        (["train", "fly.toml"], "network fly.toml: cannot be read"),
        (["export", "fly", "-o", "x.onnx"], "one of alexnet, "),
        (["export", ".", "-o", "x.onnx", "--set", "input=8"], "a trained run has its network"),
        (["profile", "zynqnet-32", "--set", "fly=1"], "unknown key fly"),
        (["compile", "zynqnet-32", "-o", "x", "--board", "fly"], "pynq-z2"),
        (["compile", "alexnet", "-o", "x"], "which has no quantized form: the network can only be"),
        (
            ["compile", "vgg-19", "-o", "x"],
            "network vgg-19: must fit pynq-z2's 6863360 bits of on-chip memory, its weights alone "
            "need 574610176",
        ),
        (["budget", "nin"], "layer conv1 has a stride of 4, only 1 and 2 are built: the network"),
        (
            ["budget", "vgg-19"],
            "network vgg-19: must fit some board, its weights alone need 287305088 bits of "
            "on-chip memory where each has 2, the largest, rfsoc2x2, has 77015040",
        ),
    ],
)
def test_bad_command_lines_are_refused(args, sentence, refused, tmp_path, monkeypatch):
    """One sentence, exit code 2, and no file appears."""
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*args)
    assert not list(tmp_path.iterdir())


SMALL = """\
input = 8
classes = 3

[modules]
conv1 = { channels = 4 }
fire2 = { squeeze = 2, expand1 = 4, expand3 = 4, stride = 2 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""


def test_frames_a_second_that_cannot_be_are_refused_as_cycles(
    zynqfire, refused, tmp_path, monkeypatch
):
    """Of the board's clock where none is given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    assert zynqfire("export", "small.toml", "-o", "model.onnx")[0] == 0
    there = sorted(tmp_path.iterdir())
    for clock, mhz, cycles in (([], 100, 10), (["--clock", "50"], 50, 5)):
        sentence = refused("compile", "model.onnx", "-o", "build", "--fps", "1e7", *clock)
        assert sentence == (
            f"zynqfire: layer conv1: interval must be at least 64 cycles, not {cycles}: "
            f"--fps 1e+07 at {mhz} MHz is {cycles} cycles"
        )
    assert sorted(tmp_path.iterdir()) == there


def test_what_frames_a_second_have_no_part_in_is_refused_without_them(refused, tmp_path):
    """A model that is none, at any speed."""
    model = tmp_path / "model.onnx"
    model.write_text("none")
    sentence = refused("compile", model, "-o", tmp_path / "build", "--fps", "9")
    assert sentence.endswith("not an ONNX file, or a truncated one")


@pytest.mark.parametrize(
    "args",
    [
        ["train", "zynqnet-32", "--out"],
        ["export", "zynqnet-32", "-o"],
        ["compile", "zynqnet-32", "-o"],
        ["package", ".", "-o"],
        ["demo", "--out"],
    ],
    ids=lambda args: args[0],
)
def test_outputs_that_cannot_be_written_are_refused_at_once(args, refused, tmp_path):
    """A file where a folder should be, before any work is done."""
    (tmp_path / "file").touch()
    assert "must be a folder that can be written" in refused(*args, tmp_path / "file" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_is_refused(tmp_path):
    """A device that takes no byte more leaves nothing behind."""
    result = subprocess.run(
        [sys.executable, "-m", "zynqfire.cli", "export", "zynqnet-32", "-o", tmp_path / "m.onnx"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2 and result.stdout == ""
    assert "must be a folder that can be written (File too large)" in result.stderr
    assert not list(tmp_path.iterdir())


def test_full_standard_output_is_refused():
    """An answer that could not be printed is no success."""
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "zynqfire.cli", "boards"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 2 and "No space left on device" in result.stderr


def test_closed_pipe_is_quiet():
    """`zynqfire boards | true` prints no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "zynqfire.cli", "boards"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_guests_print_to_standard_error(capfd):
    """Python, C and subprocesses alike; the answer alone reaches standard output."""
    with guests_on_stderr(verbose=False) as write:
        print("python")
        ctypes.CDLL(None).puts(b"c")
        subprocess.run(["echo", "process"], check=True)
        write("answer\n")
    print("after")
    out, err = capfd.readouterr()
    assert out == "answer\nafter\n"
    assert sorted(err.split()) == ["c", "process", "python"]


def test_guests_warnings_are_dropped(monkeypatch, zynqfire):
    """A warning of another package is seen with -v only."""

    def warn():
        import warnings

        warnings.warn("from a guest", stacklevel=2)
        return Answer({})

    stub(monkeypatch, warn)
    assert zynqfire("networks", "--json") == (0, "{}\n", "")
    with pytest.warns(UserWarning, match="from a guest"):
        zynqfire("networks", "--json", "-v")


def test_interrupt_is_quiet(monkeypatch, zynqfire):
    """Ctrl-C: 130 and no traceback."""

    def interrupt():
        raise KeyboardInterrupt

    stub(monkeypatch, interrupt)
    code, out, err = zynqfire("networks")
    assert (code, out, err.strip()) == (130, "", "")


def test_no_is_exit_code_1(monkeypatch, zynqfire):
    """The answer no is an answer: JSON, no error."""
    stub(monkeypatch, lambda: Answer({"fits": False}, yes=False))
    assert zynqfire("networks", "--json") == (1, '{"fits": false}\n', "")


def test_system_errors_name_the_file(monkeypatch, refused):
    """An error of the operating system is one sentence."""
    stub(monkeypatch, lambda: os.stat("/no/such/file"))
    assert "/no/such/file: No such file or directory" in refused("networks")


def test_refusals_are_one_line(monkeypatch, refused):
    """A refusal with line breaks in it is printed as one sentence."""

    def refuse():
        raise Refusal("layer a:\n  pe must divide 6, not 4")

    stub(monkeypatch, refuse)
    assert refused("networks") == "zynqfire: layer a: pe must divide 6, not 4"


def test_our_own_faults_show_where(monkeypatch, zynqfire):
    """A bug is neither a no nor a refusal: exit code 3, traceback, still JSON."""
    stub(monkeypatch, lambda: 1 / 0)
    code, out, err = zynqfire("networks", "--json")
    assert code == 3 and "Traceback" in err
    assert json.loads(out) == {"error": "internal error: ZeroDivisionError: division by zero"}


def test_json_has_no_nan(monkeypatch, zynqfire):
    """NaN is no JSON."""
    stub(monkeypatch, lambda: Answer({"loss": float("nan")}))
    assert zynqfire("networks", "--json")[0] == 3


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_of_more_than_64_bits_is_refused(refused, tmp_path, seed):
    sentence = f"{seed} is not in the range 0<=x<={2**64 - 1}."
    for command in ("train", "export"):
        out = tmp_path / "out"
        assert sentence in refused(command, "zynqnet-32", "--out", out, "--seed", seed)
        assert not out.exists()
