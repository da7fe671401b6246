"""A stand-in for the package pynq that fails on misuse: caches, alignment, lengths, busy channels.

A buffer has two contents, as on a board whose DMA does not see the processor's caches: the array,
which is what the processor sees, and `memory`, which is what the DMA sees. `flush` copies one way,
`invalidate` the other. Behind the streams is a device of `zynqfire.board.driver`.
"""

# ruff: noqa: D102, D105

import itertools
import weakref

import numpy as np

DMA_BYTES = 2**26 - 1
PAGE = 4096


class Misuse(AssertionError):
    """What would go wrong on a board, silently perhaps."""


def need(condition, sentence):
    """Raise `Misuse` unless `condition`."""
    if not condition:
        raise Misuse(sentence)


class Buffer(np.ndarray):
    """An array with a physical address; a slice of it is one, too."""

    def __array_finalize__(self, parent):
        self.memory = self.start = None
        if isinstance(parent, Buffer) and parent.memory is not None:
            here, there = (x.__array_interface__["data"][0] for x in (self, parent))
            inside = 0 <= here - there <= parent.nbytes and self.flags.c_contiguous
            if inside and self.base is not None:
                self.memory, self.start = parent.memory, parent.start + here - there
                self.address, self.freed = parent.address, parent.freed

    @property
    def physical_address(self):
        need(self.memory is not None, "a copy of a buffer has no physical address")
        return self.address + self.start

    @property
    def bytes(self):
        """Its part of what the DMA sees."""
        need(not self.freed[0], "a buffer was used after it was freed")
        return self.memory[self.start : self.start + self.nbytes]

    def flush(self):
        self.bytes[:] = np.frombuffer(self.tobytes(), np.uint8)

    def invalidate(self):
        self.reshape(-1).view(np.uint8)[:] = self.bytes

    def clean(self):
        """Tell whether the caches hold nothing that the memory does not."""
        return self.tobytes() == self.bytes.tobytes()

    def freebuffer(self):
        self.freed[0] = True


class Channel:
    """One direction of the DMA, without unaligned transfers, which the design leaves out."""

    def __init__(self, dma, way, beat):
        self.dma, self.way, self.beat = dma, way, beat
        self.running, self.buffer, self.landed = True, None, None

    @property
    def idle(self):
        if not self.running:
            return False
        return self.buffer is None or self.poll()

    def poll(self):
        """Let the device go on; tell whether the transfer has ended."""
        device = self.dma.overlay.device
        if self.landed is not None and self.landed is self.buffer:
            return True
        try:
            ended = getattr(device, f"wait_{self.way}")(0.002)
        except RuntimeError:
            came = getattr(device, "received", self.buffer.nbytes)
            if came >= self.buffer.nbytes:
                self.running = False  # DMAIntErr; what is shorter than the buffer just ends
                return False
            ended, self.transferred = True, came
        else:
            self.transferred = self.buffer.nbytes
        if ended:
            self.landed = self.buffer
            if self.way == "received":
                self.buffer.bytes[:] = np.frombuffer(self.scratch.tobytes(), np.uint8)
        return ended

    def start(self):
        self.running, self.buffer, self.landed = True, None, None

    def stop(self):
        need(self.idle, "a DMA that is stopped in a transfer never ends it")
        self.running = False

    def transfer(self, array, start=0, nbytes=0):
        need(self.dma.overlay.device is not None, "a transfer after the overlay was closed")
        need(self.running, "DMA channel not started")
        need(isinstance(array, Buffer), "a transfer needs a buffer of pynq.allocate")
        size = nbytes or array.nbytes - start
        need(0 < size <= DMA_BYTES, f"a transfer of {size} bytes, the length register has 26 bits")
        need(start + size <= array.nbytes, "a transfer beyond its buffer")
        need((array.physical_address + start) % self.beat == 0, "a buffer that is not aligned")
        need(array.clean(), "a transfer of a buffer that was not flushed")
        need(self.buffer is None, "DMA channel not idle")
        device, other = self.dma.overlay.device, self.dma.recvchannel
        if self.way == "sent":
            need(other.buffer is not None, "a send before anything is ready to receive")
            device.send(array.bytes.copy())
        else:
            need(size % self.beat == 0, "a packet of parts of beats")
            self.scratch = np.empty(array.shape, array.dtype)
            array.reshape(-1).view(np.uint8)[:] = 0x5A  # what the caches hold is not what comes
            device.receive(self.scratch)
        self.buffer, self.landed = array, None
        self.active = array  # as PYNQ keeps it

    def wait(self):
        need(self.running, "DMA channel not started")
        need(self.buffer is not None, "a wait without a transfer")
        while not self.idle:
            need(self.running, "DMA channel not started")
        self.buffer = None


class Dma:
    """The AXI DMA; `read` and `write` reach its registers."""

    def __init__(self, overlay, ip):
        self.overlay, self.resets, self.stuck = overlay, 0, False
        self.sendchannel = Channel(self, "sent", ip["in_bits"] // 8)
        self.recvchannel = Channel(self, "received", ip["out_bits"] // 8)

    def write(self, offset, value):
        need((offset, value) == (0, 4), "only DMACR.Reset is written")
        self.resets += 1
        for channel in (self.sendchannel, self.recvchannel):
            channel.running, channel.buffer, channel.landed = False, None, None
        self.overlay.device.reset()

    def read(self, offset):
        need(offset == 0, "only DMACR is read")
        return 4 if self.stuck else 0


class Pynq:
    """The package: put it into `sys.modules` as pynq. `device` is what the bitstream configures."""

    def __init__(self, device, ip, vlnv="zynqfire:zynqfire:zynqfire:1.0"):
        self.device, self.ip, self.vlnv = device, ip, vlnv
        self.dma = "axi_dma_0"
        self.bitstreams, self._buffers = [], []
        self._addresses = itertools.count(0x1000_0000, 1 << 26)

    def alive(self):
        """Return how many buffers are in use."""
        return sum(buffer() is not None for buffer in self._buffers)

    def Overlay(self, bitfile):
        """Return the overlay of a bitstream."""
        return Overlay(self, bitfile)

    def MMIO(self, address, length):
        """Return the registers at a physical address."""
        need((address, length) == (0x43C0_0000, 4096), "an address that no block has")
        return self.device

    def allocate(self, shape, dtype="u4"):
        """Return a buffer; it holds what was in the memory before."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        made = np.full(size, 0x77, np.uint8).view(dtype).reshape(shape).view(Buffer)
        made.memory, made.start = np.full(size, 0xA5, np.uint8), 0
        made.address, made.freed = next(self._addresses) // PAGE * PAGE, [False]
        self._buffers.append(weakref.ref(made))
        return made


class Overlay:
    """A configured chip."""

    def __init__(self, pynq, bitfile):
        pynq.bitstreams.append(bitfile)
        self.device = pynq.device
        block = {"phys_addr": 0x43C0_0000, "addr_range": 4096, "type": pynq.vlnv}
        dma = {"phys_addr": 0x4040_0000, "addr_range": 65536, "type": "xilinx.com:ip:axi_dma:7.1"}
        self.ip_dict = {"zynqfire_0": block, pynq.dma: dma}
        setattr(self, pynq.dma, Dma(self, pynq.ip))
