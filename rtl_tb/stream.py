"""Streams in cocotb: drivers, monitors that check the protocol, stall patterns, a whole unit test.

A word is the integer of a stream's payload, channel 0 in the low bits. The rules checked on every
cycle of every output: ``tvalid`` and payload stay while ``tready`` is low, and no bit is unknown.
`check_stream_unit` is the usual way in::

    @cocotb.test()
    async def exact(dut):
        timing = await check_stream_unit(dut, lambda rng: [[rng.getrandbits(8)]], lambda s: s)
        assert timing.emitted[0] == list(range(1, 1 + len(timing.emitted[0])))

Everything of one clock cycle happens in one step of one coroutine (`Bench.cycle`), so that ten
thousands of cycles run in a second.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from .ends import SHY, Field, Sink, Source, Wire, Words, pack, stalls, unpack

__all__ = ["PHASES", "Bench", "Timing", "check_stream_unit", "pack", "stalls", "unpack"]


class Bench:
    """A design with ``clk_i`` and ``rst_i`` and all its streams, a cycle at a time.

    Parameters
    ----------
    dut
        Cocotb's handle of the top.
    sources, sinks : int or None
        Number of input and output streams packed side by side in one set of ports; None for one.
    source_payload, sink_payload : sequence of str
        Ports of a word, low bits first. A port is shared by all streams if it is named in `shared`.
    shared : sequence of str
        Ports that are not divided between the streams.
    """

    def __init__(
        self,
        dut,
        *,
        sources: int | None = None,
        sinks: int | None = None,
        source_payload: Sequence[str] = ("s_tdata_i",),
        sink_payload: Sequence[str] = ("m_tdata_o",),
        shared: Sequence[str] = (),
    ):
        self.dut, self.now = dut, 0
        handshake = ("s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i", "rst_i")
        names = (*source_payload, *sink_payload, *handshake)
        wires = {name: Wire(getattr(dut, name)) for name in names}
        self._written = [wire for name, wire in wires.items() if name.endswith("_i")]
        self._read = [wire for name, wire in wires.items() if name.endswith("_o")]
        self._reset = wires["rst_i"]

        def ends(kind, prefix, count, payload, valid, ready):
            for index in range(count or 1):
                index = None if count is None else index
                fields = {
                    name: Field(wires[name], None if name in shared else index, count or 1)
                    for name in (*payload, valid, ready)
                }
                name = prefix if index is None else f"{prefix}[{index}]"
                yield kind(name, [fields[p] for p in payload], fields[valid], fields[ready])

        self.sources: list[Source] = list(
            ends(Source, "s", sources, source_payload, "s_tvalid_i", "s_tready_o")
        )
        self.sinks: list[Sink] = list(
            ends(Sink, "m", sinks, sink_payload, "m_tvalid_o", "m_tready_i")
        )
        self._edge = RisingEdge(dut.clk_i)
        Clock(dut.clk_i, 4, "ns").start()

    async def reset(self, cycles: int, rng: random.Random) -> None:
        """Reset while neighbours, which are not yet in reset themselves, offer and take."""
        self._reset.next = 1
        for _ in range(cycles):
            for source in self.sources:
                source.drive(rng.random() < 0.5, rng.getrandbits(source.width))
            for sink in self.sinks:
                sink.ready.set(rng.getrandbits(1))
            self._write()
            await self._edge
        self._reset.next = 0
        for source in self.sources:
            source.drive(False, rng.getrandbits(source.width))
        for sink in self.sinks:
            sink.ready.set(0)
        for end in (*self.sources, *self.sinks):
            end.quiet()
        self._write()

    async def cycle(self) -> None:
        """Wait for the next clock edge and let every stream take part in it."""
        await self._edge
        self.now += 1
        for wire in self._read:
            wire.fresh = False
        for end in (*self.sources, *self.sinks):
            end.step(self.now)
        self._write()

    def _write(self) -> None:
        for wire in self._written:
            wire.write()

    async def play(
        self,
        words: Sequence[Words],
        expected: Sequence[Words],
        patterns: tuple[str | int, str | int],
        rng: random.Random,
        *,
        cycles: int | None = None,
        patience: int = 1000,
        rest: int = 40,
    ) -> None:
        """Send words, compare what comes out, and see that nothing follows.

        Parameters
        ----------
        words, expected : sequence of list of int
            Words of each source and of each sink.
        patterns : (str or int, str or int)
            Stalls of the sources and of the sinks.
        rng : random.Random
            Of stalls and of the payload between words.
        cycles : int, optional
            Stop after so many, wherever the words are.
        patience : int
            Cycles without a word moved that are taken for a dead end.
        rest : int
            Cycles after the last word in which no other may come.
        """
        for ends, lists, pattern in zip(
            (self.sources, self.sinks), (words, expected), patterns, strict=True
        ):
            for end, each in zip(ends, lists, strict=True):
                end.begin(each, pattern, random.Random(rng.getrandbits(64)))
        every = (*self.sources, *self.sinks)
        moved, since = 0, self.now
        start = self.now
        while cycles is None or self.now - start < cycles:
            await self.cycle()
            count = sum(len(end.cycles) for end in every)
            if count != moved:
                moved, since = count, self.now
            if all(end.done for end in every):
                if self.now - since >= rest:
                    break
            elif self.now - since > patience:
                state = ", ".join(f"{e.name} {len(e.cycles)} of {len(e.words)}" for e in every)
                raise AssertionError(f"no word moved for {patience} cycles: {state}")


@dataclass(frozen=True)
class Timing:
    """Cycle of each word of the run without stalls; the first word taken is at 0.

    A word that is taken at t and comes out of a single register comes out at t + 1.
    """

    taken: list[list[int]]  # of each source
    emitted: list[list[int]]  # of each sink


PHASES = (  # stalls of the sources and of the sinks
    ("never", "never"),
    ("half", "half"),
    ("never", "heavy"),
    ("bursts", "rare"),
    ("rare", "bursts"),
    ("alternating", "alternating"),
    ("heavy", "never"),
    ("never", SHY),
    ("bursts", "bursts"),
)


async def check_stream_unit(
    dut,
    frame: Callable[[random.Random], list[Words]],
    model: Callable[[list[Words]], list[Words]],
    *,
    frames: int = 4,
    resets: int = 8,
    patience: int = 1000,
    bench: Bench | None = None,
) -> Timing:
    """Test a streaming unit: every pattern of stalls, back-to-back frames, resets in mid-frame.

    Parameters
    ----------
    dut
        Cocotb's handle, with the library's port names.
    frame : callable
        From a random generator, a frame's words for each source.
    model : callable
        From a frame's words for each source, the words expected of each sink.
    frames : int
        Frames of each pattern, which follow each other without a gap.
    resets : int
        Resets at random moments, each followed by whole frames.
    patience : int
        Cycles that the unit may take without moving a word.
    bench : Bench, optional
        For other ports than one ``s_`` and one ``m_`` stream.

    Returns
    -------
    Timing
        Of `frames` frames from reset, without any stall.
    """
    rng = random.Random(random.getrandbits(64))
    bench = bench or Bench(dut)

    def some() -> tuple[list[Words], list[Words]]:
        pairs = [(words, model(words)) for words in (frame(rng) for _ in range(frames))]
        return tuple(
            [list(itertools.chain.from_iterable(port)) for port in zip(*side, strict=True)]
            for side in zip(*pairs, strict=True)
        )

    await bench.reset(4, rng)
    timing = None
    for patterns in PHASES:
        await bench.play(*some(), patterns, rng, patience=patience)
        if timing is None:
            zero = min(end.cycles[0] for end in bench.sources)
            timing = Timing(
                *(
                    [[c - zero for c in end.cycles] for end in ends]
                    for ends in (bench.sources, bench.sinks)
                )
            )
    last = max(times[-1] for times in timing.emitted)
    for _ in range(resets):
        patterns = rng.choice(PHASES)
        await bench.play(*some(), patterns, rng, patience=patience, cycles=rng.randint(1, last + 1))
        await bench.reset(rng.randint(1, 3), rng)
        await bench.play(*some(), rng.choice(PHASES), rng, patience=patience)
    return timing
