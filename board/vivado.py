"""Vivado: a bitstream around a build, and what it takes on the chip.

Two scripts in `board/vivado/` do the work; this runs them in BUILD/vivado/work, shows how far they
are, and reads the reports. The results replace those in BUILD/vivado when all is well.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from .. import Refusal
from ..hls import manifest as form
from ..hls.memory import Estimate
from . import catalog
from . import vivado_reports as reports
from .resources import KEYS, entry

FOLDER = "vivado"  # of a build: what is made for its board
BITSTREAM, HANDOFF = "zynqfire.bit", "zynqfire.hwh"
RESULT = "synth.json"
FACTS = {"key", "version", "clock_mhz", "timing_met"}  # that it holds
WRITTEN_FOR = ("2022.2", "2023.1", "2023.2", "2024.1", "2024.2")
IP = "zynqfire_0"  # the accelerator in the block design
_SCRIPTS = ("arguments.tcl", "package_ip.tcl", "build.tcl")
_SAFE = re.compile(r"[\w./+-]+", re.ASCII)  # paths that survive Tcl, shells and Vivado
_SHOWN = re.compile(r"zynqfire: (.*)|((?:Starting .* Task|ERROR: |CRITICAL WARNING: ).*)")
_UNREAD = re.compile(r".*(?:could not open|ignoring malformed) \$readmem.*")
_MACRO = "`ifndef SYNTHESIS\n`define SYNTHESIS\n`endif\n"
_JOBS = 4  # runs at a time, each of which takes gigabytes of memory
_STOP_SECONDS = 10  # that Vivado has to stop before it is killed

Report = Callable[[str], object]


def version() -> str:
    """Return Vivado's version, ``2023.2``, or what it says where that has none.

    Raises
    ------
    Refusal
        There is no Vivado, or it does not start.
    """
    if shutil.which("vivado") is None:
        raise Refusal(
            "synth: the tool vivado must be on the PATH, it is not: "
            "source settings64.sh of your Vivado installation in this shell first"
        )
    process = subprocess.run(
        ["vivado", "-version"], capture_output=True, text=True, errors="replace", check=False
    )
    said = (process.stdout.strip() or process.stderr.strip()).partition("\n")[0]
    if process.returncode:
        raise Refusal(f"synth: vivado -version must succeed, it says: {said}")
    match = re.match(r"vivado v?(\d{4}\.\d)", said, re.I)
    return match[1] if match else said


def synth(
    build: Path | str, report: Report | None = None, clock_mhz: float | None = None
) -> dict[str, Any]:
    """Make the bitstream of a build and return what it takes, the JSON of `zynqfire synth`.

    Parameters
    ----------
    build : path
        Folder that `compile` wrote.
    report : callable, optional
        Receives lines of progress.
    clock_mhz : float, optional
        Clock to ask for; the board's by default.

    Returns
    -------
    dict
        As of Yosys, of the accelerator alone; and ``whole``, with everything around it,
        ``estimate``, our own numbers, the slacks, and the files. ``dissolved`` are instances
        that Vivado put into others: what they take is only in the sum, and a layer all of whose
        instances are dissolved is not in ``by_layer``. Where timing is not met ``timing_met`` is
        false and there is no bitstream.

    Raises
    ------
    Refusal
        The folder is no build, the tool is missing, or it fails.
    """
    say = report or (lambda line: None)
    tool = version()
    if tool not in WRITTEN_FOR:
        say(
            f"synth: vivado {tool} is untested, the scripts are written for "
            f"{WRITTEN_FOR[0]} to {WRITTEN_FOR[-1]}"
        )
    build = Path(build).resolve()
    keys = ("family", "part", "board", "instances", "estimate", "estimate_by_layer", "ip")
    manifest = form.read(build, *keys)
    if not _SAFE.fullmatch(str(build)):
        raise Refusal(
            f"build {build}: its path must have only letters, digits and _ . + - / for Vivado"
        )
    board = catalog.load(manifest["board"])
    settings = {
        "part": manifest["part"],
        "family": manifest["family"],
        "clock_mhz": f"{clock_mhz or board.clock_mhz:g}",
        "in_bits": manifest["ip"]["in_bits"],
        "out_bits": manifest["ip"]["out_bits"],
        "jobs": min(_JOBS, os.cpu_count() or 1),
    }
    if board.board_part:
        settings["board_part"] = board.board_part
    sources = _sources(build, manifest)
    done = build / FOLDER
    key = _key(sources, settings, tool)
    if kept := _kept(done, key):
        say("synth: nothing has changed since the last run, its results are kept")
        return _answer(done, manifest, kept)

    for name in (BITSTREAM, HANDOFF, RESULT):  # those of another design
        (done / name).unlink(missing_ok=True)
    work = done / "work"
    _prepare(work, sources)
    ip = {"part": settings["part"], "top": manifest["ip"]["packager_top"]}
    _run("package_ip", ip | {"ip": "ip", "files": "files.txt"}, work, say)
    _run("build", settings | {"ip": "ip", "out": "out"}, work, say)
    for log in _logs(work):
        if match := _UNREAD.search(log.read_text(errors="replace")):
            raise Refusal(f"vivado: every memory must have its contents, {log} says: {match[0]}")
    noted = {"key": key, "version": tool, "clock_mhz": float(settings["clock_mhz"])}
    try:
        noted["timing_met"] = _answer(work / "out", manifest, noted)["timing_met"]
    except Refusal as refusal:
        raise Refusal(f"{refusal} (what Vivado made is in {work / 'out'})") from None
    if not noted["timing_met"]:
        (work / "out" / BITSTREAM).unlink()
    for file in sorted((work / "out").iterdir()):
        file.replace(done / file.name)
    (done / RESULT).write_text(json.dumps(noted) + "\n")
    return _answer(done, manifest, noted)


def _sources(build: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of the IP by their path in it.

    Vivado looks for the contents of memories in places that depend on who runs synthesis and
    where, so that the sources name them by absolute path; and whether it defines the macro
    SYNTHESIS is nowhere promised.
    """
    contents = f'"{build / FOLDER / "work" / "ip" / "mem"}/'.encode()
    found = {}
    for name in manifest["ip"]["sources"]:
        text = form.contents(build, name)[0].read_bytes().replace(b'"mem/', contents)
        if b"`ifdef SYNTHESIS" in text:
            text = _MACRO.encode() + text
        found[f"src/{Path(name).name}"] = text
    for item in manifest["instances"]:
        for name in form.memories(item):
            if name:
                for file in form.contents(build, name):
                    found[f"mem/{file.name}"] = file.read_bytes()
    return found


def _prepare(work: Path, sources: Mapping[str, bytes]) -> None:
    """Lay out the folder of a run, without what an earlier one may have left there."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "out").mkdir(parents=True)
    for name, text in sources.items():
        file = work / "ip" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    (work / "files.txt").write_text("".join(f"ip/{name}\n" for name in sources))
    for name in _SCRIPTS:
        (work / name).write_text((files(__package__) / "vivado" / name).read_text())


def _key(sources: Mapping[str, bytes], settings: Mapping[str, Any], tool: str) -> str:
    """Return a digest of all that the result depends on."""
    asked = {name: value for name, value in settings.items() if name != "jobs"}
    digest = hashlib.sha256(f"{tool}\0{json.dumps(asked, sort_keys=True)}\0".encode())
    for name in _SCRIPTS:
        digest.update((files(__package__) / "vivado" / name).read_bytes())
    for name, text in sources.items():
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def _kept(done: Path, key: str) -> dict[str, Any] | None:
    """Return the facts of a run that ended and whose results are all there, if it was of `key`."""
    found = facts(done)
    if found is None or found["key"] != key:
        return None
    needed = [HANDOFF, reports.FLAT, reports.HIERARCHY, reports.TIMING]
    needed += [BITSTREAM] if found["timing_met"] else []
    return found if all((done / name).is_file() for name in needed) else None


def facts(done: Path) -> dict[str, Any] | None:
    """Return what the run noted whose results are in `done`: key, version, clock, timing."""
    try:
        found = json.loads((done / RESULT).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and set(found) >= FACTS else None


def _run(script: str, settings: Mapping[str, Any], work: Path, say: Report) -> None:
    """Run a script in `work`; its log is beside it."""
    log = work / f"{script}.log"
    words = [word for name, value in settings.items() for word in (name, str(value))]
    options = ["-mode", "batch", "-notrace", "-nojournal", "-log", log.name]
    seen = []
    with subprocess.Popen(
        ["vivado", *options, "-source", f"{script}.tcl", "-tclargs", *words],
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # its runs are processes of their own, which must stop with it
    ) as process:
        try:
            for line in process.stdout or ():
                seen.append(line.rstrip())
                if match := _SHOWN.match(line):
                    say(f"vivado: {(match[1] or match[2]).rstrip()}")
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
    if code:
        error = _first_error([*_logs(work)], seen) or f"it stopped with {code}"
        raise Refusal(f"vivado {script}: must finish: {error} (logs in {work})")


def _stop(process: subprocess.Popen[str]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(_STOP_SECONDS)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _logs(work: Path) -> list[Path]:
    """Return the logs of all runs, those that ended first first."""
    found = [*work.glob("project/*.runs/*/runme.log"), *work.glob("*.log")]
    return sorted(found, key=lambda path: (path.parent == work, path.stat().st_mtime, path))


def _first_error(logs: Sequence[Path], seen: Sequence[str]) -> str | None:
    """Return the first line of an error: the runs of a design know more than who waited."""
    for lines in (*(log.read_text(errors="replace").splitlines() for log in logs), seen):
        for line in lines:
            if line.startswith("ERROR:"):
                return line
    return None


def _answer(folder: Path, manifest: Mapping[str, Any], noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object from the reports in `folder`."""
    whole, available = reports.utilization(reports.read(folder, reports.FLAT))
    top = reports.hierarchy(reports.read(folder, reports.HIERARCHY))
    timing = reports.timing(reports.read(folder, reports.TIMING))
    own = reports.instance(top, IP)
    layer_of = {item["instance"]: item["layer"] for item in manifest["instances"]}
    instances = reports.found(own, layer_of)
    by_layer: dict[str, Estimate] = {}
    for name, layer in layer_of.items():
        if name in instances:
            by_layer[layer] = by_layer.get(layer, Estimate()) + instances[name].estimate
    bitstream, handoff = folder / BITSTREAM, folder / HANDOFF
    answer: dict[str, Any] = {"tool": "vivado", "version": noted["version"]}
    answer |= {"part": manifest["part"], "board": manifest["board"], **entry(own.estimate)}
    answer |= {
        "fmax_mhz": math.floor(10 * timing.fmax_mhz) / 10,
        "logic_levels": timing.levels,
        "longest_path": {
            "in": _layer(timing.source, layer_of),
            "from": timing.source,
            "to": timing.destination,
            "cells": list(timing.cells),
        },
        "clock_mhz": noted["clock_mhz"],
        "period_ns": timing.period,
        "timing_met": timing.met,
        "wns_ns": timing.wns,
        "whs_ns": timing.whs,
        "wpws_ns": timing.wpws,
        "by_layer": {layer: entry(cost) for layer, cost in by_layer.items()},
        "dissolved": [name for name in layer_of if name not in instances],
        "whole": entry(whole),
        "available": available,
        "estimate": _ours(manifest["estimate"])
        | {"by_layer": {name: _ours(v) for name, v in manifest["estimate_by_layer"].items()}},
        "bitstream": str(bitstream) if timing.met else None,
        "hardware": str(handoff),
    }
    if not timing.met:
        answer["message"] = _late(timing, answer["fmax_mhz"])
    return answer


def _late(timing: reports.Timing, fmax: float) -> str:
    """Return what is wrong with the timing, and what to do."""
    asked = f"timing: must be met at {1000 / timing.period:.4g} MHz"
    if timing.wns < 0:
        return f"{asked}, WNS is {timing.wns:g} ns: no bitstream; try --clock {math.floor(fmax)}"
    if timing.whs < 0:
        return f"{asked}, WHS is {timing.whs:g} ns: no bitstream, and no slower clock would help"
    return f"{asked}, WPWS is {timing.wpws:g} ns: no bitstream; try a slower --clock"


def _layer(path: str, layer_of: Mapping[str, str]) -> str:
    """Return the layer of a pin, or else the instance of the block design."""
    names = path.split("/")[:-1]
    inner = names[names.index(IP) + 1 :] if IP in names else []
    return next((layer_of[name] for name in inner if name in layer_of), "/".join(names[:2]))


def _ours(cost: Mapping[str, float]) -> dict[str, float]:
    return {key: cost.get(key, 0) for key in KEYS}
