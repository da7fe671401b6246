"""The whole IP on its buses: what the cocotb tests of `test_ip` share.

`Ip` drives zynqfire_ip with cocotbext-axi as a host with a DMA does; `config()` of the simulation
names the build folder and its frames.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from . import simulator

RESET, ABORT, LINES, LIVE = 1, 2, 4, 8  # CONTROL
SHORT, LONG, KEEP, OVERRUN = 1, 2, 4, 8  # ERRORS


class Ip:
    """The IP, its masters, and the frames that it is fed with."""

    def __init__(self, dut, pauses: tuple[float, float] = (0.0, 0.0)):
        config = simulator.config()
        folder = Path(config["folder"])
        self.dut, self.manifest = dut, json.loads((folder / "manifest.json").read_text())
        self.ip = self.manifest["ip"]
        self.frames = np.load(folder / "frames.npy")  # codes as bytes, (frames, bytes)
        self.logits = np.load(folder / "logits.npy")
        self.edge = RisingEdge(dut.aclk)
        Clock(dut.aclk, 4, "ns").start()
        dut.aresetn.value = 0
        level = {"reset_active_level": False}
        self.axi = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, **level
        )
        self.source = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, **level
        )
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, **level
        )
        for end, share in zip((self.source, self.sink), pauses, strict=True):
            if share:
                end.set_pause_generator(random.random() < share for _ in itertools.count())
        self.counts = dict.fromkeys(("cycle", "in_stalls", "out_stalls", "packets"), 0)
        self.ends: list[int] = []  # cycle of each beat with tlast

    async def start(self) -> Ip:
        """Reset, load the memories, watch."""
        await self.reset()
        cocotb.start_soon(self._watch())
        return self

    async def reset(self) -> None:
        """Reset the IP and its masters for some cycles."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, random.randint(16, 20))
        self.dut.aresetn.value = 1
        await self.edge
        for number, load in enumerate(self.manifest["loads"]):
            await self.write("SELECT", number)
            folder = Path(simulator.config()["folder"])
            for line in (folder / load["file"]).read_text().split():
                await self.write("DATA", int(line, 16))

    async def _watch(self) -> None:
        """Count what the registers count."""
        dut, counts = self.dut, self.counts
        held = None
        while True:
            await self.edge
            counts["cycle"] += 1
            counts["in_stalls"] += int(dut.s_axis_tvalid.value) and not int(dut.s_axis_tready.value)
            valid, ready = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
            counts["out_stalls"] += valid and not ready
            beat = (int(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)) if valid else None
            assert held is None or beat == held or not int(dut.aresetn.value), "beat withdrawn"
            held = beat if valid and not ready else None
            if valid and ready:
                assert int(dut.m_axis_tkeep.value) == (1 << self.ip["out_bits"] // 8) - 1
                if beat[1]:
                    counts["packets"] += 1
                    self.ends.append(counts["cycle"])

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        at = self.ip["registers"][name][0]
        answer = await self.axi.write(at, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY

    async def read(self, name: str) -> int:
        """Read a register."""
        answer = await self.axi.read(self.ip["registers"][name][0], 4)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def settled(self) -> None:
        """Wait until no soft reset goes on."""
        while await self.read("STATUS") & 4:
            pass

    def send(self, *numbers: int) -> None:
        """Queue a packet of whole frames, by their numbers."""
        self.source.send_nowait(self.packet(b"".join(self.frames[n].tobytes() for n in numbers)))

    @staticmethod
    def packet(data: bytes, user: int = 0) -> AxiStreamFrame:
        """Return a packet of these bytes."""
        return AxiStreamFrame(data, tuser=user)

    async def receive(self) -> np.ndarray:
        """Return the logits of a packet out, a row a frame."""
        frame = await self.sink.recv()
        codes = np.frombuffer(bytes(frame.tdata), f"<i{self.ip['out_bits'] // 8}")
        return codes.reshape(-1, self.logits.shape[1]).astype(np.int64)

    async def expect(self, *numbers: int) -> None:
        """Receive a packet of the logits of these frames."""
        got = await self.receive()
        assert np.array_equal(got, self.logits[list(numbers)]), (numbers, got)
