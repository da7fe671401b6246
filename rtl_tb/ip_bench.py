"""The whole IP on its buses: what its cocotb tests share.

`Ip` drives zynqfire_ip with cocotbext-axi as a host with a DMA does; `config()` of the simulation
names the build folder and its frames.
"""

from __future__ import annotations

import itertools
import json
import logging
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

from ..hls import interpret, ir_text
from . import simulator

FRAMES = 12  # of a build
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
        self.network = ir_text.loads((folder / "network.json").read_text())
        self.logits = self.expected(self.frames)
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
        for end in (self.axi.write_if, self.axi.read_if, self.source, self.sink):
            end.log.setLevel(logging.WARNING)
        for end, share in zip((self.source, self.sink), pauses, strict=True):
            if share:
                end.set_pause_generator(random.random() < share for _ in itertools.count())
        self.cycle = self.in_stalls = self.out_stalls = self.taken = 0
        self.begins: list[int] = []  # cycle of each packet's first beat in
        self.ends: list[int] = []  # cycle of each packet's last beat out
        self.watching: cocotb.Task | None = None

    def expected(self, frames: np.ndarray) -> np.ndarray:
        """Return the logits that the interpreter makes of frames, a row of bytes each."""
        codes = np.asarray(frames, np.int64).reshape(-1, *self.manifest["input"]["shape"])
        return interpret.outputs(self.network, codes).reshape(len(codes), -1)

    @property
    def size(self) -> int:
        """Bytes of a frame in."""
        return self.ip["input_bytes"]

    async def start(self) -> Ip:
        """Reset, watch, load the memories."""
        await self.reset()
        await self.load()
        return self

    async def reset(self) -> None:
        """Reset the IP and its masters for some cycles, watch."""
        if self.watching:
            self.watching.cancel()
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, random.randint(16, 20))
        self.source.clear()
        self.sink.clear()
        self.dut.aresetn.value = 1
        await self.edge
        self.in_stalls = self.out_stalls = self.taken = 0
        self.begins, self.ends = [], []
        self.watching = cocotb.start_soon(self.watch())

    def pieces(self, memory: int) -> list[int]:
        """Return the writes to DATA that load a memory."""
        file = Path(simulator.config()["folder"], self.manifest["loads"][memory]["file"])
        return [int(line, 16) for line in file.read_text().split()]

    async def load(self) -> None:
        """Load every memory, a write behind the other without waiting for its response."""
        for memory in range(len(self.manifest["loads"])):
            await self.write("SELECT", memory)
            at = self.ip["registers"]["DATA"][0]
            writes = [
                self.axi.init_write(at, piece.to_bytes(4, "little"))
                for piece in self.pieces(memory)
            ]
            for write in writes:
                await write.wait()

    async def watch(self) -> None:
        """Count what the registers count; an offered beat stays until it is taken."""
        names = ("tvalid", "tready", "tlast")
        s_valid, s_ready, s_last = (getattr(self.dut, f"s_axis_{name}") for name in names)
        m_valid, m_ready, m_last = (getattr(self.dut, f"m_axis_{name}") for name in names)
        data, keep, held, inside = self.dut.m_axis_tdata, self.dut.m_axis_tkeep, None, False
        while True:
            await self.edge
            self.cycle += 1
            if s_valid.value:
                if s_ready.value:
                    self.taken += 1
                    if not inside:
                        self.begins.append(self.cycle)
                    inside = not s_last.value
                else:
                    self.in_stalls += 1
            if m_valid.value:
                beat, ready = (int(data.value), bool(m_last.value)), bool(m_ready.value)
                assert held in (None, beat), f"a beat was changed in cycle {self.cycle}"
                held = None if ready else beat
                self.out_stalls += not ready
                if ready:
                    assert int(keep.value) == (1 << self.ip["out_bits"] // 8) - 1
                    if beat[1]:
                        self.ends.append(self.cycle)
            else:
                assert held is None, f"a beat was withdrawn in cycle {self.cycle}"

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

    async def quiet(self, cycles: int = 1500) -> None:
        """Wait until nothing has left for some cycles and nothing waits to go in."""
        seen = -1
        while seen != (seen := len(self.ends) + self.taken) or not self.source.idle():
            await ClockCycles(self.dut.aclk, cycles)

    def send(self, *numbers: int) -> None:
        """Queue a packet of whole frames, by their numbers."""
        self.source.send_nowait(AxiStreamFrame(self.frames[list(numbers)].tobytes()))

    async def receive(self) -> np.ndarray:
        """Return the logits of a packet out, a row a frame."""
        return self.codes(await self.sink.recv())

    def codes(self, packet: AxiStreamFrame) -> np.ndarray:
        """Return the logits in a packet, a row a frame."""
        codes = np.frombuffer(bytes(packet.tdata), f"<i{self.ip['out_bits'] // 8}")
        return codes.reshape(-1, self.logits.shape[1]).astype(np.int64)

    async def expect(self, *numbers: int) -> None:
        """Receive a packet of the logits of these frames."""
        got = await self.receive()
        assert np.array_equal(got, self.logits[list(numbers)]), (numbers, got)
