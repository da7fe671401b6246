"""The IP a cycle at a time, and a record of what passed its ports: what `test_ip_random` uses."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ..hls.register_map import REGISTERS
from .ends import Wire
from .ip_model import Beat

INPUTS = ("aresetn", "s_axis_tdata", "s_axis_tkeep", "s_axis_tuser", "s_axis_tlast")
INPUTS += ("s_axis_tvalid", "m_axis_tready", "s_axi_awaddr", "s_axi_awvalid", "s_axi_wdata")
INPUTS += ("s_axi_wstrb", "s_axi_wvalid", "s_axi_bready", "s_axi_araddr", "s_axi_arvalid")
INPUTS += ("s_axi_rready",)
OUTPUTS = ("s_axis_tready", "m_axis_tvalid", "m_axis_tdata", "m_axis_tlast", "m_axis_tkeep")
OUTPUTS += ("s_axi_awready", "s_axi_wready", "s_axi_bvalid", "s_axi_arready", "s_axi_rvalid")
OUTPUTS += ("s_axi_rdata", "irq")


@dataclass
class Record:
    """What passed since the counters were last cleared."""

    taken: list[tuple[int, Beat]] = field(default_factory=list)  # cycle, beat
    words: list[tuple[int, int, int]] = field(default_factory=list)  # cycle, data, last
    stalls: list[int] = field(default_factory=lambda: [0, 0])  # in, out


class Pins:
    """Every port of the IP, and its FIFO's `room`.

    The queue of beats and two shares of stalled cycles, in and out, say how the streams move in
    every cycle, also in those of an access of a register.
    """

    def __init__(self, dut, inside):
        self.wires = {name: Wire(getattr(dut, name)) for name in (*INPUTS, *OUTPUTS)}
        self.wires |= {"room": Wire(inside.receive.room)}
        self.wires |= {name: Wire(getattr(inside, name)) for name in ("clear", "abort")}
        self.edge = RisingEdge(dut.aclk)
        Clock(dut.aclk, 4, "ns").start()
        self.queue: deque[Beat] = deque()
        self.offered: Beat | None = None
        self.stalled = (0.0, 0.0)
        self.held: tuple[int, int] | None = None  # a word that was offered and not taken
        self.now = self.cleared = 0  # this cycle, the last in which counters were cleared
        self.inside = False  # a packet has begun to go in
        self.full: set[int] = set()  # cycles in which the FIFO had no room
        self.record = Record()
        self.before: list[Record] = []  # those that clearing ended
        self.set(**dict.fromkeys(INPUTS, 0))

    def get(self, name: str) -> int:
        """Return the value of a port at this cycle's edge."""
        return self.wires[name].read()

    def set(self, **values: int) -> None:
        """Drive inputs from this cycle's edge on."""
        for name, value in values.items():
            self.wires[name].next = value
            self.wires[name].write()

    async def cycle(self, count: int = 1) -> None:
        """Let cycles pass."""
        for _ in range(count):
            await self.edge
            self.now += 1
            for name in (*OUTPUTS, "room", "clear", "abort"):
                self.wires[name].fresh = False
            self._look()
            self._drive()

    def _look(self) -> None:
        if self.get("clear") or not self.wires["aresetn"].next:
            if self.cleared < self.now - 1:
                self.before.append(self.record)
                self.record = Record()
            self.cleared = self.now
        record, clearing = self.record, self.cleared == self.now
        if not self.get("room"):
            self.full.add(self.now)
        if self.offered and self.get("s_axis_tready"):
            record.taken.append((self.now, self.offered))
            self.inside = not self.offered.last
            self.offered = None
        elif self.offered:
            record.stalls[0] += not clearing
        word = None
        if self.get("m_axis_tvalid"):
            word = (self.get("m_axis_tdata"), self.get("m_axis_tlast"))
            assert self.get("m_axis_tkeep") == (1 << self.wires["m_axis_tkeep"].width) - 1
        forgets = self.get("abort") or not self.wires["aresetn"].next
        assert self.held is None or self.held == word or forgets, f"withdrawn at {self.now}"
        self.held = None
        if word and self.wires["m_axis_tready"].next:
            record.words.append((self.now, *word))
        elif word:
            self.held = None if forgets else word
            record.stalls[1] += not clearing

    def _drive(self) -> None:
        reset = not self.wires["aresetn"].next
        if reset:
            self.offered, self.inside = None, False
        elif not self.offered and self.queue and random.random() >= self.stalled[0]:
            self.offered = self.queue.popleft()
        beat = self.offered or Beat(b"", random.getrandbits(16), bool(random.getrandbits(1)))
        self.set(
            s_axis_tvalid=int(self.offered is not None),
            s_axis_tdata=int.from_bytes(beat.data, "little"),
            s_axis_tkeep=beat.keep & (1 << self.wires["s_axis_tkeep"].width) - 1,
            s_axis_tuser=int(beat.user),
            s_axis_tlast=int(beat.last),
            m_axis_tready=int(random.random() >= self.stalled[1]),
        )

    def stop(self) -> None:
        """Reset the masters of both streams, whatever they have begun."""
        self.queue.clear()
        self.offered, self.inside, self.stalled = None, False, (0.0, 1.0)
        self.set(s_axis_tvalid=0, m_axis_tready=0)

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        self.set(s_axi_awaddr=REGISTERS[name][0], s_axi_wdata=value, s_axi_wstrb=15)
        self.set(s_axi_awvalid=1, s_axi_wvalid=1, s_axi_bready=1)
        answered = False
        while not answered:
            await self.cycle()
            answered = bool(self.get("s_axi_bvalid"))
            for channel in ("aw", "w"):
                if self.get(f"s_axi_{channel}ready"):
                    self.set(**{f"s_axi_{channel}valid": 0})

    async def read(self, name: str) -> int:
        """Read a register."""
        self.set(s_axi_araddr=REGISTERS[name][0], s_axi_arvalid=1, s_axi_rready=1)
        while True:
            await self.cycle()
            if self.get("s_axi_arready"):
                self.set(s_axi_arvalid=0)
            if self.get("s_axi_rvalid"):
                return self.get("s_axi_rdata")
