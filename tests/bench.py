"""`make bench`: how fast the executors and the compiler are, as the table of docs/results.md.

Each measurement runs in a process of its own, so that its peak memory is its own.
"""

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NETWORK = "zynqnet-32"


def command(*args):
    """Run `zynqfire` and return its answer, the seconds and the peak memory in MiB."""
    words = [sys.executable, "-m", "zynqfire.cli", *map(str, args), "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {answer}")
    return json.loads(answer), time.perf_counter() - started, usage.ru_maxrss / 1024


def alone(work, *args):
    """Return what `work` returns in a new process, and the peak memory in MiB of that process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_memory, (work, *args))


def _with_memory(work, *args):
    result = work(*args)
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rate(frames, run):
    """Return images a second of `run`, warmed up with the first frame."""
    run(frames[:1])
    started = time.perf_counter()
    run(frames)
    return len(frames) / (time.perf_counter() - started)


def interpreter(build, frames):
    """Return images a second of the integer interpreter."""
    from zynqfire.hls import interpret, ir_text

    network = ir_text.loads((build / "network.json").read_text(encoding="utf-8"))
    return rate(frames, lambda codes: interpret.outputs(network, codes))


def qonnx(model, frames):
    """Return images a second of qonnx's execute_onnx."""
    from zynqfire.hls import executors

    return rate(frames, lambda codes: executors.by_qonnx(model, codes))


def emulation(model, frames):
    """Return images a second of hls4ml's C++ emulation, once compiled, and the seconds before."""
    from zynqfire.hls import vitis

    with tempfile.TemporaryDirectory(prefix="zynqfire-") as folder:
        started = time.perf_counter()
        graph = vitis.convert(model, folder)
        graph.compile()
        seconds = time.perf_counter() - started
        values = np.ldexp(frames.astype(np.float64), -8)
        return rate(values, lambda x: [graph.predict(np.ascontiguousarray(f)) for f in x]), seconds


def main():
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="zynqfire-") as name:
        folder = Path(name)
        model, build = folder / "model.onnx", folder / "build"
        command("export", NETWORK, "-o", model)
        _, seconds, memory = command("compile", model, "-o", build)
        with np.load(model.with_suffix(".golden.npz")) as golden:
            frames = golden["inputs"]
        many = np.tile(frames, (16, 1, 1, 1))
        run, _, simulation_memory = command("simulate", build, "--frames", len(frames))
        (emulated, build_seconds), emulation_memory = alone(emulation, model, frames)
        rows = [
            ("interpreter, images a second", *alone(interpreter, build, many)),
            ("qonnx `execute_onnx`, images a second", *alone(qonnx, model, frames)),
            ("hls4ml's C++ emulation, images a second", emulated, emulation_memory),
            ("hls4ml's C++ emulation, seconds to compile it", build_seconds, emulation_memory),
            ("simulated clock cycles a second", run["cycles_per_second"], simulation_memory),
            ("from ONNX to RTL, seconds", seconds, memory),
        ]
    print(f"{NETWORK}, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| what | value | peak memory, MiB |\n|---|---|---|")
    for what, value, peak in rows:
        print(f"| {what} | {value:,.{0 if value >= 100 else 1}f} | {peak:,.0f} |")


if __name__ == "__main__":
    main()
