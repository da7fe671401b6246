"""Stages meet in files: which package may import which."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "model": {"zynqfire.hls", "zynqfire.rtl_tb", "zynqfire.board", "hls4ml", "cocotb"},
    "hls": {"zynqfire.model", "zynqfire.rtl_tb", "torch", "brevitas", "ignite"},
    "rtl_tb": {"zynqfire.model", "zynqfire.board", "torch", "brevitas", "hls4ml"},
    "board": {"zynqfire.model", "zynqfire.rtl_tb", "torch", "brevitas", "hls4ml"},
}
HEAVY = {"torch", "brevitas", "onnx", "qonnx", "hls4ml", "cocotb", "numpy", "sklearn", "matplotlib"}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Return the absolute names of everything that the module at `path` imports."""
    package = ["zynqfire", *path.relative_to(ROOT).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found.add(name)
            found.update(f"{name}.{alias.name}" for alias in node.names)
    return found


def offences(names: set[str], forbidden: set[str]) -> set[str]:
    """Return the names that lie in a forbidden package."""
    return {n for n in names if any(n == f or n.startswith(f + ".") for f in forbidden)}


@pytest.mark.parametrize("stage", FORBIDDEN)
def test_stage_imports_only_what_it_may(stage):
    """No module of a stage imports a stage, or a library, that is not its own to use."""
    modules = [p for p in (ROOT / stage).rglob("*.py") if not p.name.startswith("test_")]
    assert modules
    found = {
        str(path.relative_to(ROOT)): bad
        for path in modules
        if (bad := offences(imports(path), FORBIDDEN[stage]))
    }
    assert not found


@pytest.mark.parametrize(
    "name",
    ["__init__.py", "cli.py", "_console.py", "_inputs.py", "_model_commands.py", "_tables.py"],
)
def test_command_starts_without_heavy_libraries(name):
    """`zynqfire --help` must not wait for torch: subcommands import inside."""
    assert not offences(imports(ROOT / name, top_level_only=True), HEAVY)


def test_relative_imports_are_resolved():
    """The walk sees `from ..hls.board import Board` for what it is."""
    found = imports(ROOT / "board" / "catalog.py")
    assert {"zynqfire.Refusal", "zynqfire.hls.board.Board", "tomllib"} <= found
    assert offences(found, {"zynqfire.hls"}) and not offences(found, {"zynqfire.hl"})
