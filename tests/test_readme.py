"""Every command, option, target and file that the documents name exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from zynqfire.cli import zynqfire
from zynqfire.hls.reader import SUPPORTED

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
GUIDES = ("board", "driver", "glyphs", "packed", "results", "scaling", "training")
DOCUMENTS += [f"docs/{name}.md" for name in GUIDES]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split())
VARIABLES = set(re.findall(r"^([A-Z]+) \??= ", MAKEFILE, re.M)) | {"PYTHON"}


def typed(document: str) -> list[str]:
    """Return the lines of the shell blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    blocks = [block.replace("\\\n", " ") for block in blocks]
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]


def code(document: str) -> list[str]:
    """Return the lines of code of a document: shell blocks and inline spans."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return typed(document) + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def commands(program: str) -> list[list[str]]:
    """Return the calls of `program` in all documents, split into words."""
    calls = [shlex.split(line) for name in DOCUMENTS for line in code(name)]
    return [call for call in calls if len(call) > 1 and Path(call[0]).name == program]


def refusal(call: list[str]) -> str | None:
    """Return why `zynqfire` would not parse `call`, or nothing."""
    command = zynqfire.commands.get(call[1])
    if command is None:
        return f"no subcommand {call[1]}"
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    unknown = [word for word in call[2:] if word.startswith("-") and word not in options]
    return f"no option {unknown} of {call[1]}" if unknown else None


def test_documents_show_commands():
    """The search below finds what it is meant to check."""
    assert len(commands("zynqfire")) >= 12 and len(commands("make")) >= 12


@pytest.mark.parametrize("call", commands("zynqfire"), ids=" ".join)
def test_command_exists(call):
    """A documented `zynqfire …` has its subcommand and its options."""
    assert call[1] == "COMMAND" or refusal(call) is None


def test_wrong_commands_are_seen():
    """The checks refuse a subcommand and an option that do not exist, and what is missing."""
    assert refusal(["zynqfire", "fly"]) and refusal(["zynqfire", "boards", "--fly"])
    assert missing(["zynqfire", "package", "build"]) == ["--out"]
    assert missing(["zynqfire", "package", "-o", "a.zip"]) == ["build"]
    assert missing(["zynqfire", "package", "build", "-o", "a.zip"]) == []


def missing(call: list[str]) -> list[str]:
    """Return the arguments and options that `zynqfire` would ask for."""
    command = zynqfire.commands[call[1]]
    with click.Context(command, resilient_parsing=True) as context:
        given, _, _ = command.make_parser(context).parse_args(call[2:])
    needed = [parameter for parameter in command.params if parameter.required]
    left = [each for each in needed if not isinstance(given.get(each.name), str | tuple)]
    return [max(each.opts, key=len) for each in left]


@pytest.mark.parametrize("document", ["README.md", "docs/board.md", "docs/driver.md"])
def test_shell_blocks_can_be_typed(document):
    """What stands in a shell block for people to type has all that its command needs."""
    calls = [shlex.split(line) for line in typed(document) if line.startswith("zynqfire ")]
    assert calls
    assert {" ".join(call): missing(call) for call in calls if missing(call)} == {}


@pytest.mark.parametrize("call", commands("make"), ids=" ".join)
def test_make_target_exists(call):
    """A documented `make …` has its target, and its variables are read by the Makefile."""
    for word in call[1:]:
        name, equals, _ = word.partition("=")
        assert name in (VARIABLES if equals else TARGETS)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_options_in_prose_exist(document):
    """An option named on its own belongs to some subcommand."""
    known = {n for c in zynqfire.commands.values() for p in c.params for n in p.opts} | {"--help"}
    named = {line.split()[0] for line in code(document) if line.startswith("--")}
    assert named <= known


@pytest.mark.parametrize("document", DOCUMENTS)
def test_linked_and_named_files_exist(document):
    """Links lead to files of the repository, and so do the paths in prose."""
    text = (ROOT / document).read_text(encoding="utf-8")
    here = (ROOT / document).parent
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert all((here / link).exists() for link in links), links
    stages = ("model", "hls", "rtl_tb", "board", "tests", "docs")
    for path in re.findall(r"`([a-z_]+/[a-z_./-]*)`", text):
        if path.split("/")[0] in stages:
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", zynqfire.commands)
def test_every_subcommand_is_documented(name):
    """README names each subcommand, and its help has an example that parses."""
    command = zynqfire.commands[name]
    assert f"zynqfire {name}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert refusal(shlex.split(command.example)) is None
    with click.Context(command, info_name=f"zynqfire {name}") as context:
        text = command.get_help(context)
    assert f"Example: {command.example}" in text
    if command.make:
        assert command.make.split()[1] in TARGETS and f"Make target: {command.make}" in text


def test_supported_operators_are_documented():
    """CONTRIBUTING names the operators that the refusal of another one names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.search(r"Supported now: ([^.;]+)[.;]", text)[1]
    assert " ".join(listed.split()) == SUPPORTED


def test_boards_and_networks_are_documented():
    """README names what is shipped."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "model" / "networks").glob("*.toml"):
        assert f"`{path.stem}`" in text
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    for path in (ROOT / "board" / "boards").glob("*.toml"):
        assert path.stem.replace("-", "") in plain, path.stem
