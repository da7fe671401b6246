"""What becomes of the beats of a stream: frames of one size, errors, which frame was the last bad.

The reference of `test_ip_random`: what docs/ip.md says, byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORT, LONG, KEEP, OVERRUN = 1, 2, 4, 8  # ERRORS


@dataclass(frozen=True)
class Beat:
    """A beat of s_axis; `keep` has a bit a byte."""

    data: bytes
    keep: int
    user: bool = False
    last: bool = False


class Frames:
    """The frames of `rows` rows of `row` bytes that beats become.

    Parameters
    ----------
    rows, row : int
        Size of a frame.
    lines : bool
        Whether a packet is a row; else it is `packet` frames.
    """

    def __init__(self, rows: int, row: int, *, lines: bool = False, packet: int = 1):
        self.lines = lines
        self.size = rows * row
        self.unit = row if lines else self.size * packet  # bytes of a right packet
        self.done: list[bytes] = []
        self.errors = self.bad = 0
        self.begun = False  # a frame has, so that what is in none is too long
        self.open = not lines  # bytes belong to a frame
        self.frame = bytearray()
        self.inside = 0  # bytes of the packet that were taken
        self.dropping = False  # up to the packet's end

    def take(self, beat: Beat) -> None:
        """Take a beat as it comes."""
        if not self.dropping:
            every = len(beat.data)
            count = next((n for n in range(every) if not beat.keep >> n & 1), every)
            wrong = beat.keep != (1 << count) - 1 or (count < every and not beat.last)
            fault = KEEP if wrong else 0
            self._bytes(beat.data[:count], beat.user and self.lines, beat.last or wrong, fault)
            self.dropping = wrong
        if beat.last:
            self.dropping = False

    def overrun(self, beat: Beat) -> None:
        """Take a beat that found no room."""
        self._bytes(b"", False, True, OVERRUN)
        self.drop(beat)

    def drop(self, beat: Beat) -> None:
        """Throw away a beat and what follows it in its packet."""
        self.dropping = not beat.last

    def _bytes(self, data: bytes, user: bool, ends: bool, fault: int) -> None:
        if user:
            if self.open:
                self._fill(self.size - len(self.frame))
            self.open, self.begun, self.inside = True, True, 0
        if not self.open:
            self._note((LONG if data and self.begun else 0) | fault)
            return
        room = self.unit - self.inside
        self._grow(data[:room])
        self.inside += len(data[:room])
        self._note((LONG if len(data) > room else 0) | fault)
        if ends:
            self._fill(self.unit - self.inside)
            self.inside = 0
        if self.lines and not self.frame:
            self.open = False

    def _fill(self, count: int) -> None:
        for _ in range(count):
            self.errors, self.bad = self.errors | SHORT, len(self.done)
            self._grow(b"\0")

    def _grow(self, data: bytes) -> None:
        for byte in data:
            self.frame.append(byte)
            if len(self.frame) == self.size:
                self.done.append(bytes(self.frame))
                self.frame.clear()

    def _note(self, errors: int) -> None:
        """Note errors of the frame that is under way, or of the one that just ended."""
        if errors:
            ended = not self.frame and (self.inside == self.unit or not self.open)
            self.errors |= errors
            self.bad = len(self.done) - int(ended and (self.begun or not self.lines))
