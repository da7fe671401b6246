"""The two ends of a stream in cocotb: what drives words in, what takes and checks them, stalls."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

Words = list[int]
SHY = "shy"  # tready only while tvalid waits for it: shows a unit that waits for tready


def stalls(pattern: str | int, rng: random.Random) -> Iterator[bool]:
    """Return an endless pattern of stalled cycles.

    Parameters
    ----------
    pattern : {"never", "rare", "half", "heavy", "alternating", "bursts"} or int
        None; one in ten, one in two, nine in ten at random; every other; runs of 1 to 24 cycles. A
        number n: all but one in n cycles.
    rng : random.Random
        Its randomness.
    """
    if isinstance(pattern, int):
        return itertools.cycle((*(True,) * (pattern - 1), False))
    if pattern == "never":
        return itertools.repeat(False)
    if pattern == "alternating":
        return itertools.cycle((True, False))
    if pattern == "bursts":
        return _bursts(rng)
    share = {"rare": 0.1, "half": 0.5, "heavy": 0.9}[pattern]
    return iter(lambda: rng.random() < share, None)


def _bursts(rng: random.Random) -> Iterator[bool]:
    for stalled in itertools.cycle((False, True)):
        yield from itertools.repeat(stalled, rng.randint(1, 24))


def pack(codes: Iterable[int], bits: int) -> int:
    """Return the word of some lanes, the first in the low bits, negative ones in complement."""
    return sum((code & (1 << bits) - 1) << bits * lane for lane, code in enumerate(codes))


def unpack(word: int, lanes: int, bits: int, signed: bool = False) -> Words:
    """Return the codes of a word's lanes, the low bits first."""
    codes = [word >> bits * lane & (1 << bits) - 1 for lane in range(lanes)]
    return [code - (code >> bits - 1 << bits) for code in codes] if signed else codes


class Wire:
    """A port of the design as an integer, read or written at most once a cycle."""

    def __init__(self, handle):
        self.handle, self.value, self.next, self.fresh = handle, -1, 0, False
        self.width = len(handle) if hasattr(handle, "__len__") else 1

    def read(self) -> int:
        """Return the value before this cycle's clock edge."""
        if not self.fresh:
            try:
                self.value = int(self.handle.value)
            except ValueError:
                name = self.handle._name
                raise AssertionError(f"{name} is unknown: {self.handle.value}") from None
            self.fresh = True
        return self.value

    def write(self) -> None:
        """Set the value that the next edge sees."""
        if self.next != self.value:
            self.handle.value = self.value = self.next


class Field:
    """Bits of a wire; one wire can carry the bits of several streams."""

    def __init__(self, wire: Wire, index: int | None, ports: int):
        width = wire.width if index is None else wire.width // ports
        self.wire, self.low, self.width = wire, (index or 0) * width, width
        self.mask = (1 << width) - 1

    def get(self) -> int:
        """Return these bits before this cycle's clock edge."""
        return (self.wire.read() >> self.low) & self.mask

    def set(self, value: int) -> None:
        """Choose these bits for the next edge; `Wire.write` follows."""
        self.wire.next = self.wire.next & ~(self.mask << self.low) | value << self.low


class _End:
    """What a source and a sink share: their wires and where they are in their words."""

    def __init__(self, name: str, payload: Sequence[Field], valid: Field, ready: Field):
        self.name, self.payload, self.valid, self.ready = name, payload, valid, ready
        self.width = sum(field.width for field in payload)
        self.quiet()
        self.begin([], "never", random.Random(0))

    def quiet(self) -> None:
        """Forget what is under way; for reset."""
        self.waits = False  # a source offers a word that is not yet taken
        self.ready_now = False
        self.held: int | None = None  # a sink lets this word wait

    def begin(self, words: Words, pattern: str | int, rng: random.Random) -> None:
        """Take new words, to drive or to expect."""
        self.words, self.pattern, self.rng = words, pattern, rng
        self.stalled = stalls("never" if pattern == SHY else pattern, rng)
        self.cycles: list[int] = []  # of each word that moved

    @property
    def done(self) -> bool:
        """Whether every word has moved."""
        return len(self.cycles) == len(self.words)


class Source(_End):
    """Drives words into an input; between words the payload is random."""

    def step(self, cycle: int) -> None:
        """Take part in one clock edge: see what it moved, set what the next one sees."""
        if self.waits and self.ready.get():
            self.cycles.append(cycle)
            self.waits = False
        if not self.waits:
            self.waits = not self.done and not next(self.stalled)
            word = self.words[len(self.cycles)] if self.waits else self.rng.getrandbits(self.width)
            self.drive(self.waits, word)

    def drive(self, valid: bool, word: int) -> None:
        """Set tvalid and payload."""
        self.valid.set(int(valid))
        for field in self.payload:
            field.set(word & field.mask)
            word >>= field.width


class Sink(_End):
    """Takes words from an output and compares each with the one expected."""

    def step(self, cycle: int) -> None:
        """Take part in one clock edge: see what it moved, set what the next one sees."""
        word = self._word() if self.valid.get() else None
        if self.held is not None and word != self.held:
            raise AssertionError(
                f"{self.name} holds no payload under stall, cycle {cycle}: was {self.held:#x}, "
                f"became {'no word' if word is None else hex(word)}"
            )
        self.held = None if self.ready_now else word
        if self.ready_now and word is not None:
            self._compare(word, cycle)
            self.cycles.append(cycle)
        self.ready_now = self.held is not None if self.pattern == SHY else not next(self.stalled)
        self.ready.set(int(self.ready_now))

    def _word(self) -> int:
        word = shift = 0
        for field in self.payload:
            word |= field.get() << shift
            shift += field.width
        return word

    def _compare(self, word: int, cycle: int) -> None:
        index = len(self.cycles)
        if self.done:
            raise AssertionError(f"{self.name} gives word {word:#x} too many, cycle {cycle}")
        if word != self.words[index]:
            expected = self.words[index]
            raise AssertionError(
                f"{self.name} word {index} of {len(self.words)}, cycle {cycle}: "
                f"expected {expected:#x}, received {word:#x}"
            )
