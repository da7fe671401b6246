"""A device that keeps the rules of packets and registers, with a function in place of the RTL."""

# ruff: noqa: D102

from collections import deque

import numpy as np

FRAMES_IN_FLIGHT = 2  # that the model holds before its input stands still
LOADED = 3


class ModelDevice:
    """`compute` makes logits (outputs,) of a frame (H, W, C); `loads` as in the manifest.

    Attributes
    ----------
    frozen : bool
        No frame moves any more.
    damage : function or None
        What happens to the bytes of a packet on their way out.
    """

    patience = 2.0

    def __init__(self, manifest, compute):
        self.manifest, self.compute = manifest, compute
        self.ip = manifest["ip"]
        self.frame = np.dtype("i1" if manifest["input"]["signed"] else "u1")
        self.names = {entry[0]: name for name, entry in self.ip["registers"].items()}
        self.values = {name: entry[2] for name, entry in self.ip["registers"].items()}
        self.values |= {
            "NETWORK": self.ip["network_hash"],
            "INPUT_BYTES": self.ip["input_bytes"],
            "OUTPUT_BYTES": self.ip["output_bytes"],
            "PORTS": self.ip["in_bits"] // 8 | self.ip["out_bits"] // 8 << 8,
            "MEMORIES": len(manifest["loads"]),
            "SIGNATURES": len(manifest["signatures"]),
        }
        self.loaded = {m: [] for m in range(len(manifest["loads"]))}
        self.read_whole = False
        self.frozen = self.closed = False
        self.damage = None
        self.written = []  # registers, in their order
        self.reset()

    def reset(self):
        self.sending, self.receiving = None, None
        self.inside = deque()

    def read(self, offset):
        name = self.names[offset]
        if name == "STATUS":
            full = [
                len(words) == load["words32"]
                for words, load in zip(self.loaded.values(), self.manifest["loads"], strict=True)
            ]
            return int(all(full))
        if name == "MEMORY":
            selected, loads = self.values["SELECT"], self.manifest["loads"]
            full = selected >= len(loads) or (
                len(self.loaded[selected]) == loads[selected]["words32"]
            )
            return full | (full and self.read_whole) << 1
        if name == "SIGNATURE":
            return self.manifest["signatures"][self.values["SELECT"]]["signature"]
        return self.values[name]

    def write(self, offset, value):
        name = self.names[offset]
        self.written.append(name)
        if name == "CONTROL" and value & 2:
            self.inside, self.values["ERRORS"] = deque(), 0
            self.read_whole = False
            self.values["FRAMES_IN"] = self.values["FRAMES_OUT"] = 0
        elif name == "PACKET":
            assert self.sending is None and self.receiving is None and not self.inside
            assert 1 <= value <= 65535
        elif name == "SELECT":
            self.begun = False
        elif name == "DATA":
            if not self.begun:
                self.loaded[self.values["SELECT"]] = []
            self.begun = True
            self.loaded[self.values["SELECT"]].append(value)
            return
        self.values[name] = value

    def buffer(self, shape, dtype):
        return np.full(shape, 77, dtype)

    def send(self, buffer):
        assert not self.closed and self.sending is None, "the send channel is busy"
        assert buffer.flags.c_contiguous
        self.sending = bytearray(buffer.tobytes())
        wanted = self.values["PACKET"] * self.ip["input_bytes"]
        if len(self.sending) != wanted:
            self.values["ERRORS"] |= 1 if len(self.sending) < wanted else 2
            self.sending = (self.sending + bytes(wanted))[:wanted]

    def receive(self, buffer):
        assert not self.closed and self.receiving is None, "the receive channel is busy"
        assert buffer.flags.c_contiguous
        self.receiving, self.filled = buffer, bytearray()

    @property
    def whole(self):
        """Bytes of a packet of logits."""
        return self.values["PACKET"] * self.ip["output_bytes"]

    def advance(self):
        """Move a frame in, or one out."""
        if self.frozen:
            return
        size = self.ip["input_bytes"]
        if self.sending and len(self.inside) < FRAMES_IN_FLIGHT:
            codes, self.sending = self.sending[:size], self.sending[size:]
            frame = np.frombuffer(codes, self.frame).reshape(self.manifest["input"]["shape"])
            self.inside.append(self.compute(frame).astype(f"<i{self.ip['out_bits'] // 8}"))
            self.values["FRAMES_IN"] += 1
            self.read_whole = True
        if self.receiving is not None and self.inside and len(self.filled) < self.whole:
            self.filled += self.inside.popleft().tobytes()
            self.values["FRAMES_OUT"] += 1

    def wait_sent(self, timeout):
        self.advance()
        if self.sending:
            return False
        self.sending = None
        return True

    def wait_received(self, timeout):
        assert self.receiving is not None, "no transfer was started"
        self.advance()
        if len(self.filled) < self.whole:
            return False
        filled = self.damage(self.filled) if self.damage else self.filled
        buffer, self.receiving = self.receiving, None
        if len(filled) > buffer.nbytes:
            raise RuntimeError("model: a packet was longer than its buffer")
        if len(filled) < buffer.nbytes:
            raise RuntimeError("model: a packet was shorter than its buffer")
        buffer.reshape(-1)[:] = np.frombuffer(filled, buffer.dtype)
        return True

    def close(self):
        self.closed = True
