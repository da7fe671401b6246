"""Runs an accelerator of zynqfire: images in, logits out.

This file stands alone, so that it can be copied to a board: Python 3.8 and numpy are all it needs,
and pynq where it opens a board.

    from driver import Accelerator

    with Accelerator.on_board() as accelerator:  # the folder that `zynqfire package` packed
        logits = accelerator(images)  # uint8 (N, H, W, C) to int64 (N, outputs)
        best = accelerator.top_k(images, 5)

The classes `Accelerator` (over any device) and `PynqDevice` meet in a few calls: `read` and `write`
registers; `buffer` makes an array that the DMA can reach; `send` and `receive` start a packet;
`wait_sent` and `wait_received` wait some seconds for its end and say whether it came; `reset` gives
up what is under way; `close`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DMA_BYTES = 2**26 - 1  # of a transfer: what the DMA's length register holds
PACKET_BYTES = 1 << 22  # of a buffer, where a frame is smaller
PACKET_FRAMES = 2**16 - 1
SLICE = 0.05  # seconds in a device before its progress is looked at
RESET = 1.0  # seconds that a DMA may need for its reset
FORMAT = 1  # of manifest.json
VLNV = "zynqfire:zynqfire:zynqfire:1.0"
DMA = "axi_dma_0"
BITSTREAM = "zynqfire.bit"
WAS_RESET = "accelerator: was reset before the result was there"


class AcceleratorError(RuntimeError):
    """One sentence that says what is wrong with the hardware, or with what it was given."""


class Result(Future):
    """Logits that may not be there yet; what `Accelerator.submit` returns. `done` tells."""

    def __init__(self, accelerator: Accelerator, frames: int) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()  # it cannot be cancelled
        self._accelerator, self._missing = accelerator, frames
        self._logits = np.empty((frames, accelerator.outputs), np.int64)
        if not frames:
            self.set_result(self._logits)

    def result(self, timeout: float | None = None) -> np.ndarray:
        """Return the logits, int64 (frames, outputs); wait at most `timeout` seconds for them."""
        try:
            return super().result(timeout)
        except FutureTimeout:
            rule = f"must be there within {timeout:g} s, it is not"
            raise AcceleratorError(f"result: {rule}: {self._accelerator.state()}") from None

    def take(self, first: int, logits: np.ndarray) -> None:
        """Put the logits of some frames in; the last ones end it."""
        self._logits[first : first + len(logits)] = logits
        self._missing -= len(logits)
        if not self._missing:
            self.set_result(self._logits)

    def fail(self, sentence: str) -> None:
        """End it with an error."""
        if not self.done():
            self.set_exception(AcceleratorError(sentence))


class Packet(NamedTuple):
    """Frames that travel together: the `first` one's place in the result, and the images."""

    result: Result
    first: int
    images: np.ndarray


class Accelerator(AbstractContextManager):
    """A network on a device.

    Parameters
    ----------
    device
        As the head of this file says; closed together with the accelerator.
    manifest : mapping
        The build's manifest.json.
    folder : path
        Where the weights are that must be loaded.
    timeout : float, optional
        Seconds without a frame after which waiting is given up; default is the device's.
    packet_frames : int, optional
        Most frames of a transfer; default is what 4 MiB hold.

    Raises
    ------
    AcceleratorError
        The hardware is not the one of the manifest.
    """

    def __init__(
        self,
        device: Any,
        manifest: dict[str, Any],
        folder: Any = ".",
        timeout: float | None = None,
        packet_frames: int | None = None,
    ) -> None:
        self.device, self.manifest, self.folder = device, manifest, Path(folder)
        self._packets: deque[Packet] = deque()
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._busy = self._stop = self._closed = False
        self._checked = not manifest["signatures"]
        self._slots: list[Any] = []  # two buffers for images and two for logits
        self._packet = 0  # what the register PACKET holds
        ip, entry, leave = manifest["ip"], manifest["input"], manifest["output"]
        self._registers = ip["registers"]
        self.shape, self.outputs = tuple(entry["shape"]), int(np.prod(leave["shape"]))
        self._low = -(1 << entry["bits"] - 1) if entry["signed"] else 0
        self._high = self._low + (1 << entry["bits"]) - 1
        self._dtype = np.dtype("i1" if entry["signed"] else "u1")
        self._logit = np.dtype(f"<i{ip['out_bits'] // 8}")
        frame = max(ip["input_bytes"], ip["output_bytes"])
        wanted = max(1, PACKET_BYTES // frame) if packet_frames is None else packet_frames
        self.packet_frames = min(wanted, PACKET_FRAMES, DMA_BYTES // frame)
        self.timeout = device.patience if timeout is None else timeout
        try:
            if self.packet_frames < 1:
                found = f"{wanted} of {frame} bytes in {DMA_BYTES}"
                raise AcceleratorError(f"packet_frames: a transfer must hold a frame, not {found}")
            self._check(ip)
            self._restart()
            self._load()
        except BaseException:
            self._closed = True
            device.close()
            raise

    @classmethod
    def on_board(cls, folder: Any = ".", **options: Any) -> Accelerator:
        """Open the accelerator of a build or of an unpacked archive on this board."""
        file = Path(folder) / "manifest.json"
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AcceleratorError(f"manifest {file}: must be JSON, it is not: {error}") from None
        found = manifest.get("format") if isinstance(manifest, dict) else None
        if found != FORMAT:
            raise AcceleratorError(f"manifest {file}: its format must be {FORMAT}, not {found}")
        return cls(PynqDevice(bitstream(folder)), manifest, folder, **options)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, int64 (N, outputs), of images (N, H, W, C) or of one (H, W, C)."""
        return self.submit(images).result()

    def top_k(self, images: np.ndarray, k: int = 1) -> np.ndarray:
        """Return the `k` classes of the largest logits, int64 (N, k); of equal ones the first."""
        if not 1 <= k <= self.outputs:
            raise AcceleratorError(f"top_k: k must be from 1 to {self.outputs}, not {k}")
        # The complement has the negative's order, and every code has one
        return np.argsort(~self(images), axis=1, kind="stable")[:, :k]

    def values(self, logits: np.ndarray) -> np.ndarray:
        """Return the real values of logits, float64."""
        leave = self.manifest["output"]
        return np.ldexp(np.asarray(logits, np.float64), -leave["frac"]) / leave["divisor"]

    def submit(self, images: np.ndarray) -> Result:
        """Start with images, which must not change before the end, and return at once."""
        images = self._images(images)
        result = Result(self, len(images))
        step = self.packet_frames
        with self._changed:
            self._must_be_open()
            for first in range(0, len(images), step):
                self._packets.append(Packet(result, first, images[first : first + step]))
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()
            self._changed.notify_all()
        return result

    def status(self) -> dict[str, Any]:
        """Return what the registers count and which errors they note."""
        self._must_be_open()
        status, errors = self.read("STATUS"), self.read("ERRORS")
        names = [name for name in self._registers["ERRORS"][3] if self._has("ERRORS", name, errors)]
        flags = {n: self._has("STATUS", n, status) for n in self._registers["STATUS"][3]}
        counts = ("FRAMES_IN", "FRAMES_OUT", "INPUT_STALLS", "OUTPUT_STALLS", "PACKET")
        return {
            **flags,
            **{name.lower(): self.read(name) for name in counts},
            "latency_cycles": self.read("LATENCY"),
            "interval_cycles": self.read("INTERVAL"),
            "errors": names,
            "bad_frame": self.read("BAD_FRAME") if names else None,
        }

    def state(self) -> str:
        """Return `status` in words, for messages."""
        try:
            found = self.status()
        except AcceleratorError as error:
            return str(error)
        flags = [name for name, value in found.items() if value is True]
        return (
            f"{', '.join(flags) or 'not running'}, {found['frames_in']} frames in, "
            f"{found['frames_out']} out, errors: {', '.join(found['errors']) or 'none'}"
        )

    def reset(self) -> None:
        """Give up what was submitted, and start as after opening; loaded weights stay."""
        with self._changed:
            self._must_be_open()
            self._drop()
            self._restart()

    def check_weights(self) -> None:
        """Put a frame through and compare the signatures of all weights that lie in memories.

        The first frames after opening are checked so, too.

        Raises
        ------
        AcceleratorError
            A layer read other weights than those of the build.
        """
        self(np.full(self.shape, self._low, self._dtype))
        self._check_signatures()

    def close(self) -> None:
        """Finish what was submitted, then close the device."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join()
        self._slots = []
        self.device.close()

    def __exit__(self, *error: object) -> None:
        """Close it; after an exception, what was submitted is given up before."""
        try:
            if error[0] is not None:
                with self._changed:
                    self._drop()
        finally:
            self.close()

    def read(self, register: str) -> int:
        """Return a register by its name."""
        return self.device.read(self._registers[register][0])

    def write(self, register: str, value: int) -> None:
        """Write a register by its name."""
        self.device.write(self._registers[register][0], value)

    def bit(self, register: str, field: str) -> int:
        """Return the lowest bit of a field of a register."""
        return 1 << self._registers[register][3][field][0]

    def _has(self, register: str, field: str, value: int) -> bool:
        return bool(value & self.bit(register, field))

    def _must_be_open(self) -> None:
        if self._closed:
            raise AcceleratorError("accelerator: must be open, it is closed")

    def _drop(self) -> None:
        """Give up what was submitted, for who holds `_changed`."""
        dropped, self._stop = list(self._packets), True
        self._packets.clear()
        try:
            while self._busy:
                self._changed.wait()
        finally:  # also where Ctrl-C ends the waiting
            self._stop = False
            for packet in dropped:
                packet.result.fail(WAS_RESET)
            self._changed.notify_all()

    def _images(self, images: np.ndarray) -> np.ndarray:
        try:
            images = np.asarray(images)
        except ValueError:
            raise AcceleratorError("images: must have one shape, not several") from None
        if images.dtype != self._dtype:
            raise AcceleratorError(f"images: must be {self._dtype}, not {images.dtype}")
        if images.ndim == len(self.shape):
            images = images[None]
        if images.shape[1:] != self.shape:
            wanted = " x ".join(str(size) for size in self.shape)
            shape = " x ".join(str(size) for size in images.shape) or "a number"
            raise AcceleratorError(f"images: must be N x {wanted} or {wanted}, not {shape}")
        if images.size and not self._low <= images.min() <= images.max() <= self._high:
            found = f"{images.min()} to {images.max()}"
            raise AcceleratorError(
                f"images: codes must be from {self._low} to {self._high}, not {found}"
            )
        return images

    def _check(self, ip: dict[str, Any]) -> None:
        """Refuse hardware that is not what the manifest describes."""
        version, fields = self._registers["VERSION"][2], self._registers["PORTS"][3]
        ports = sum(ip[f"{way}_bits"] // 8 << fields[f"{way}_bytes"][0] for way in ("in", "out"))
        for name, right, shift in (
            ("ID", self._registers["ID"][2], 0),
            ("VERSION", version, 16),
            ("NETWORK", ip["network_hash"], 0),
            ("INPUT_BYTES", ip["input_bytes"], 0),
            ("OUTPUT_BYTES", ip["output_bytes"], 0),
            ("PORTS", ports, 0),
            ("MEMORIES", len(self.manifest["loads"]), 0),
            ("SIGNATURES", len(self.manifest["signatures"]), 0),
        ):
            found = self.read(name)
            if found >> shift != right >> shift:
                raise AcceleratorError(
                    f"accelerator: {name} must be 0x{right:x} as in the manifest, not 0x{found:x}: "
                    "the hardware is of another build"
                )

    def _restart(self) -> None:
        """Forget transfers and frames under way, on both sides."""
        self.device.reset()
        self.write("CONTROL", self.bit("CONTROL", "abort"))
        self.write("PACKET", 1)
        self._packet = 1

    def _load(self) -> None:
        """Load weights that have no contents after configuration."""
        for number, load in enumerate(self.manifest["loads"]):
            self.write("SELECT", number)
            try:
                words = [int(word, 16) for word in (self.folder / load["file"]).read_text().split()]
            except (OSError, ValueError) as error:
                rule = f"{load['file']} must hold hexadecimal words, it does not"
                raise AcceleratorError(f"memory {load['memory']}: {rule}: {error}") from None
            for word in words:
                self.write("DATA", word)
            if not self._has("MEMORY", "loaded", self.read("MEMORY")):
                what = f"must take {load['words32']} words, it did not with {len(words)}"
                raise AcceleratorError(f"memory {load['memory']}: {what} of {load['file']}")
        if not self._has("STATUS", "running", self.read("STATUS")):
            raise AcceleratorError("accelerator: must run with all memories loaded, it does not")

    def _check_signatures(self) -> None:
        """Refuse weights that are not those of the build, as the layers last read them."""
        wrong = []
        with self._changed:  # one at a time selects memories
            for number, memory in enumerate(self.manifest["signatures"]):
                self.write("SELECT", number)
                read = self._has("MEMORY", "signed", self.read("MEMORY"))
                found, right = self.read("SIGNATURE"), memory["signature"]
                if not read or found != right:
                    rule = f"signature must be {right:08x}, not {found:08x}"
                    where = f"memory {memory['memory']} (layer {memory['layer']})"
                    wrong.append(f"{where}: {rule if read else 'was not read'}")
        if wrong:
            raise AcceleratorError(f"{'; '.join(wrong)}: weights are wrong")
        self._checked = True

    def _work(self) -> None:
        """Stream what was submitted, until the accelerator is closed."""
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while (self._stop or not self._packets) and not self._closed:
                    self._changed.wait()
                if not self._packets:
                    return
                self._busy = True
            flying: list[Packet] = []
            try:
                self._stream(flying)
            except Exception as error:
                self._give_up(flying, error)

    def _give_up(self, flying: list[Packet], error: Exception) -> None:
        """Fail the results of the packets that are flying; what was not begun goes on."""
        known = isinstance(error, RuntimeError)
        sentence = str(error) if known else f"device: {type(error).__name__}: {error}"
        with self._changed:
            lost = {packet.result for packet in flying}
            try:
                self._restart()
            except Exception:  # the device is gone: nothing that waits for it can end well
                lost |= {packet.result for packet in self._packets}
            self._packets = deque(p for p in self._packets if p.result not in lost)
        for result in lost:
            result.fail(sentence)

    def _stream(self, flying: list[Packet]) -> None:
        """Send a packet while the one before it is computed, until none is left.

        The DMA takes one transfer in each direction: a packet is sent once the one before it has
        been, and received once the one before it has come. `flying` holds both.
        """
        slot = 0
        while True:
            before = flying[0] if flying else None
            with self._changed:
                packet = self._packets[0] if self._packets else None
                alone = packet is None or len(packet.images) != self._packet
                if packet is not None and not (before and alone):
                    flying.append(self._packets.popleft())
            if before and alone:  # PACKET changes while nothing is under way
                self._wait(self.device.wait_sent)
                self._wait(self.device.wait_received)
                self._deliver(flying, 1 - slot)
                continue
            if packet is None:
                return
            self._prepare(packet, slot)
            inputs, outputs = (half[: len(packet.images)] for half in self._slots[slot])
            if before is None:
                self.device.receive(outputs)
            else:
                self._wait(self.device.wait_sent)
            self.device.send(inputs)
            if before is not None:
                self._wait(self.device.wait_received)
                self.device.receive(outputs)
                self._deliver(flying, 1 - slot)
            slot = 1 - slot

    def _prepare(self, packet: Packet, slot: int) -> None:
        """Copy the images to where the DMA reads them."""
        frames = len(packet.images)
        if frames != self._packet:
            self.write("PACKET", frames)
            self._packet = frames
        if not self._slots or frames > len(self._slots[0][0]):
            self._slots = []  # before, so that both do not need room at once
            make = self.device.buffer
            self._slots = [
                (
                    make((frames, *self.shape), self._dtype),
                    make((frames, self.outputs), self._logit),
                )
                for _ in range(2)
            ]
        self._slots[slot][0][:frames] = packet.images

    def _deliver(self, flying: list[Packet], slot: int) -> None:
        """Hand out the logits of the first packet, which came whole and without an error."""
        if self.read("ERRORS"):
            raise AcceleratorError(f"accelerator: frames must arrive whole: {self.state()}")
        if not self._checked:
            self._check_signatures()
        packet = flying.pop(0)
        packet.result.take(packet.first, np.asarray(self._slots[slot][1][: len(packet.images)]))

    def _wait(self, ended: Any) -> None:
        """Wait until a transfer has `ended`, as long as frames move."""
        moved, since = -1, time.monotonic()
        while not ended(SLICE):
            if self._stop:
                raise AcceleratorError(WAS_RESET)
            frames = self.read("FRAMES_IN") + self.read("FRAMES_OUT")
            if frames != moved:
                moved, since = frames, time.monotonic()
            elif time.monotonic() - since > self.timeout:
                rule = f"a frame must move within {self.timeout:g} s, none did"
                raise AcceleratorError(f"accelerator: {rule}: {self.state()}")


def bitstream(folder: Any) -> Path:
    """Return the bitstream in the folder of a build or of an unpacked archive."""
    for path in (Path(folder), Path(folder) / "vivado"):
        if (path / BITSTREAM).is_file():
            return path / BITSTREAM
    raise AcceleratorError(f"folder {folder}: must hold {BITSTREAM}, which it does not")


class PynqDevice:
    """A board with PYNQ: its overlay, contiguous buffers, the AXI DMA."""

    patience = 10.0

    def __init__(self, bitstream: Any) -> None:
        bitstream = Path(bitstream)
        for file in (bitstream, bitstream.with_suffix(".hwh")):
            if not file.is_file():
                raise AcceleratorError(f"bitstream: the file {file} must exist, it does not")
        try:
            import pynq
        except ImportError:
            raise AcceleratorError(
                "device pynq: must run on a board with the package pynq, which is not here"
            ) from None
        self._overlay: Any = pynq.Overlay(str(bitstream))
        blocks = self._overlay.ip_dict
        found = [entry for entry in blocks.values() if entry["type"] == VLNV]
        if len(found) != 1 or DMA not in blocks:
            raise AcceleratorError(
                f"bitstream {bitstream}: must hold {DMA} and one {VLNV}, not {', '.join(blocks)}"
            )
        registers = pynq.MMIO(found[0]["phys_addr"], found[0]["addr_range"])
        self.read, self.write, self.buffer = registers.read, registers.write, pynq.allocate
        self._dma = getattr(self._overlay, DMA)
        self._receiving: Any = None

    def send(self, buffer: Any) -> None:
        """Start the packet `buffer`; what the processor wrote leaves its caches first."""
        self._start(self._dma.sendchannel, buffer)

    def receive(self, buffer: Any) -> None:
        """Start to take a packet into `buffer`, on which no cache may write back later."""
        self._start(self._dma.recvchannel, buffer)
        self._receiving = buffer

    def _start(self, channel: Any, buffer: Any) -> None:
        if not 0 < buffer.nbytes <= DMA_BYTES:
            limit = f"from 1 to {DMA_BYTES} bytes"
            raise AcceleratorError(f"DMA: a transfer must have {limit}, not {buffer.nbytes}")
        buffer.flush()
        channel.transfer(buffer)

    def wait_sent(self, timeout: float) -> bool:
        """Tell whether the packet has been sent, at the latest after `timeout` seconds."""
        return self._ended(self._dma.sendchannel, timeout)

    def wait_received(self, timeout: float) -> bool:
        """Tell whether the packet has been received, at the latest after `timeout` seconds."""
        if not self._ended(self._dma.recvchannel, timeout):
            return False
        wanted = self._receiving.nbytes
        self._receiving.invalidate()
        came = getattr(self._dma.recvchannel, "transferred", wanted)  # not in older PYNQ
        if came != wanted:
            raise AcceleratorError(f"DMA: a packet must have {wanted} bytes, not {came}")
        return True

    def _ended(self, channel: Any, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not channel.idle:
            if not channel.running:
                rule = "a packet must end with its buffer and lie in memory"
                raise AcceleratorError(f"DMA: {rule}, the DMA halted with an error")
            if time.monotonic() > end:
                return False
            time.sleep(0)
        channel.wait()
        return True

    def reset(self) -> None:
        """Give up all transfers."""
        self._dma.write(0, 4)  # DMACR.Reset, of both directions
        end = time.monotonic() + RESET
        while self._dma.read(0) & 4:
            if time.monotonic() > end:
                raise AcceleratorError(f"DMA: must be reset within {RESET:g} s, it is not")
            time.sleep(0)
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()

    def close(self) -> None:
        """Give up all transfers and let go of the board; the bitstream stays."""
        try:
            if self._overlay is not None:
                self.reset()
        finally:
            self._overlay = self._dma = self._receiving = None  # PYNQ keeps the last buffers there
