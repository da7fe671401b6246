"""Synthesis of a build: what it takes on the chip and its longest path.

Yosys on a whole network takes hours; each distinct module (parameters and memory contents included)
is synthesized once, kept by content, and added up by layer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import Refusal
from ..hls import manifest as form
from ..hls.emit import PRIMITIVES, has_primitives
from ..hls.memory import Estimate
from . import levels, resources, vivado, yosys

CACHE = "ZYNQFIRE_SYNTH_CACHE"  # environment variable: folder of results

Report = Callable[[str], object]


@dataclass(frozen=True)
class Unit:
    """One library module with its parameters, and the memory contents that these name."""

    module: str
    parameters: Mapping[str, int | str]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Result:
    """What a unit costs, and its longest path."""

    estimate: Estimate
    path: levels.Path


def synth(
    build: Path | str,
    tool: str = "yosys",
    report: Report | None = None,
    jobs: int | None = None,
    clock_mhz: float | None = None,
) -> dict[str, Any]:
    """Synthesize a build and return its resources, the JSON object of `zynqfire synth`.

    Parameters
    ----------
    build : path
        Folder that `compile` wrote.
    tool : {"yosys", "vivado"}
        Who synthesizes.
    report : callable, optional
        Receives lines of progress, with Yosys one for each module.
    jobs : int, optional
        Yosys: modules at a time; by default one a processor, at most four.
    clock_mhz : float, optional
        Vivado: clock to ask for; by default the board's.

    Raises
    ------
    Refusal
        The folder is no build or the tool is missing.
    """
    if tool == "vivado":
        return vivado.synth(build, report, clock_mhz)
    if tool != "yosys":
        raise Refusal(f"synth: the tool must be yosys or vivado, not {tool}")
    yosys.version()
    build = Path(build)
    manifest = form.read(build, "family", "part", "top", "sources", "instances")
    family = manifest["family"]
    sources = {name: form.contents(build, name)[0].read_bytes() for name in manifest["sources"]}
    library = {name: text for name, text in sources.items() if not _is_top(name, manifest)}

    distinct: dict[str, Unit] = {}
    layers_of: dict[str, list[str]] = {}
    for item in manifest["instances"]:
        unit = _unit(item, build, family)
        key = _key(unit, library, family)
        distinct[key] = unit
        layers_of.setdefault(key, []).append(item["layer"])

    say = report or (lambda line: None)
    done = Counter[str]()

    def one(key: str) -> Result:
        start = time.monotonic()
        result, kept = _kept(key, lambda: synthesize(distinct[key], library, family))
        done["units"] += 1
        how = "kept from before" if kept else f"{time.monotonic() - start:.0f} s"
        where = ", ".join(dict.fromkeys(layers_of[key]))
        say(f"synth {done['units']}/{len(distinct)} {distinct[key].module} ({where}): {how}")
        return result

    with ThreadPoolExecutor(jobs or min(4, os.cpu_count() or 1)) as pool:
        results = dict(zip(distinct, pool.map(one, distinct), strict=True))

    by_layer: dict[str, Estimate] = {}
    worst: tuple[levels.Path, str] = (levels.Path(0, ()), "")
    for key, result in results.items():
        for layer in layers_of[key]:
            by_layer[layer] = by_layer.get(layer, Estimate()) + result.estimate
        if result.path.levels > worst[0].levels:
            worst = (result.path, f"{layers_of[key][0]} ({distinct[key].module})")
    layers = dict.fromkeys(item["layer"] for item in manifest["instances"])
    total = sum(by_layer.values(), Estimate())
    return (
        {"tool": tool, "part": manifest["part"]}
        | resources.entry(total)
        | {
            "fmax_mhz": None,
            "logic_levels": worst[0].levels,
            "longest_path": {"in": worst[1], "cells": list(worst[0].cells)},
            "by_layer": {layer: resources.entry(by_layer[layer]) for layer in layers},
        }
    )


def synthesize(
    unit: Unit, sources: Mapping[str, bytes], family: str = "xc7", verilog: Path | None = None
) -> Result:
    """Return what Yosys makes of one module; also write its netlist to the file `verilog`.

    Block RAM contents are left out (they cost nothing but minutes); those of LUTs are logic.
    """
    settings = " ".join(
        f"-chparam {name} {_literal(value)}"
        for name, value in unit.parameters.items()
        if not _negative(value)
    )
    sources = {
        name: _with_negatives(text, unit) if Path(name).stem == unit.module else text
        for name, text in sources.items()
    }
    flow = f"synth_xilinx -family {family} -flatten -nodsp -noiopad -noclkbuf"
    script = "\n".join(
        [
            "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v",  # instantiated by us
            *(f"read_verilog -sv -defer {name}" for name in sources),
            f"hierarchy -check -top {unit.module} {settings}",
            f"{flow} -run begin:coarse",
            # else Yosys moves an address register behind the table, a flip-flop a bit of the word
            "memory_map -rom-only -attr rom_style=distributed",
            f"{flow} -run coarse:map_memory",
            "setparam -set INIT 1'x t:$mem_v2 a:rom_style=block %i",
            f"{flow} -run map_memory:",
            "write_json netlist.json",
            "write_verilog -noattr netlist.v" if verilog else "",
            "",
        ]
    )
    with tempfile.TemporaryDirectory(prefix="zynqfire-synth-") as work:
        folder = Path(work)
        for name, content in (*sources.items(), *unit.files.items()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        yosys.run(script, folder)
        netlist = json.loads((folder / "netlist.json").read_text())
        if verilog:
            shutil.copy(folder / "netlist.v", verilog)
    (module,) = (m for m in netlist["modules"].values() if int(m["attributes"].get("top", "0"), 2))
    cells = Counter(cell["type"] for cell in module["cells"].values())
    return Result(resources.count(cells), levels.longest(module))


def _is_top(name: str, manifest: Mapping[str, Any]) -> bool:
    return Path(name).stem == manifest["top"]


def _unit(item: Mapping[str, Any], build: Path, family: str) -> Unit:
    """Return the unit of a manifest's instance, with the files that its strings name.

    What instantiates primitives does so in synthesis.
    """
    files = {
        file.relative_to(build).as_posix(): file.read_bytes()
        for name in form.memories(item)
        for file in form.contents(build, name)
    }
    own = has_primitives(item["module"], item["parameters"])
    primitives = {"Primitives": PRIMITIVES[family]} if own else {}
    return Unit(item["module"], item["parameters"] | primitives, files)


def _key(unit: Unit, sources: Mapping[str, bytes], family: str) -> str:
    """Return a digest of all that the result depends on: file names are not part of it."""
    digest = hashlib.sha256()
    for module in (__file__, levels.__file__, resources.__file__):
        digest.update(Path(module).read_bytes())
    digest.update(f"{yosys.version()}\0{family}\0{unit.module}\0".encode())
    for name, text in sorted(sources.items()):
        digest.update(f"{name}\0".encode() + hashlib.sha256(text).digest())
    for name, value in sorted(unit.parameters.items()):
        digest.update(f"{name}\0{hex(value) if isinstance(value, int) else ''}\0".encode())
        if isinstance(value, str):
            for file, content in unit.files.items():
                if value and file.startswith(value):
                    digest.update(file[len(value) :].encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def _kept(key: str, make: Callable[[], Result]) -> tuple[Result, bool]:
    """Return the result kept under `key`, else make it and keep it; and whether it was kept."""
    folder = Path(os.environ.get(CACHE) or Path("build", "synth"))
    file = folder / f"{key}.json"
    try:
        data = json.loads(file.read_text())
        path = levels.Path(data["levels"], tuple(data["cells"]))
        return Result(Estimate(**data["estimate"]), path), True
    except (OSError, ValueError, KeyError, TypeError):
        pass
    result = make()
    data = {
        "estimate": asdict(result.estimate),
        "levels": result.path.levels,
        "cells": result.path.cells,
    }
    with contextlib.suppress(OSError):  # a place that cannot be written keeps nothing
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".new", delete=False) as beside:
            json.dump(data, beside)
        os.replace(beside.name, file)
    return result, False


def _literal(value: int | str) -> str:
    """Return a parameter's value as Yosys takes it in a script."""
    if isinstance(value, str):
        return f"{8 * len(value)}'h{value.encode('ascii').hex()}" if value else "8'h0"
    return str(value) if value < 1 << 31 else f"{value.bit_length()}'h{value:x}"


def _negative(value: int | str) -> bool:
    return isinstance(value, int) and value < 0


def _with_negatives(text: bytes, unit: Unit) -> bytes:
    """Return a module's text with `unit`'s negative parameters as defaults.

    A script's numbers have no sign: Yosys would take -3 as 4294967293.
    """
    for name, value in unit.parameters.items():
        if _negative(value):
            default = re.compile(rb"(\bparameter\b[^,;=]*\b%s\s*=\s*)[^,\n]+" % name.encode())
            text, count = default.subn(rb"\g<1>%d" % value, text)
            if count != 1:
                raise AssertionError(f"{unit.module}: parameter {name} stands {count} times")
    return text
