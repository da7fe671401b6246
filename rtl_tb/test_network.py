"""Bench of a whole emitted top: waits for the SystemVerilog testbench to end, then checks it.

`zynqfire.rtl_tb.simulate` prepares the run folder (+run_dir) and reads ``result.json`` from it.
Source and sink work beat by beat in SystemVerilog, so no Python runs while frames are simulated.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import Timer

POLL_NS = 40_000  # 20,000 clocks; the clock stops by itself when the run is over
COUNTS = (
    *("cycle", "frames", "stuck", "unstable", "bad_last", "extra"),
    *("load_cycles", "bad_answers"),
)


@cocotb.test()
async def network(dut):
    """Every frame comes out, equal to the interpreter's, by the rules of the stream."""
    folder = Path(cocotb.plusargs["run_dir"])
    start = time.perf_counter()
    await Timer(1, "ns")  # before the first event even `finished` is random
    while not dut.finished.value:
        await Timer(POLL_NS, "ns")
    seconds = time.perf_counter() - start
    result = {name: int(getattr(dut, name).value) for name in COUNTS}
    result["seconds"] = seconds
    (folder / "result.json").write_text(json.dumps(result))

    assert not result["stuck"], f"no beat moved any more in frame {result['frames']}"
    for rule in ("unstable", "bad_last", "extra"):
        assert result[rule] == 0, f"{result[rule]} beats of m_axis are {rule}"
    expected = np.load(folder / "expected.npy")[: result["frames"]]
    received = np.fromfile(folder / "outputs.bin", expected.dtype).reshape(expected.shape)
    wrong = np.flatnonzero((expected != received).any(axis=1))
    assert not len(wrong), f"{len(wrong)} frames differ, first {wrong[0]}"
