"""The hardware of a network: library modules, the streams between them, their memories.

`zynqfire.hls.passes.wiring` makes a `Design` from the IR and a folding; `emit` writes it,
`perf` predicts its cycles, `memory` places what it stores. Nothing here is text yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .fold import Fold
from .ir import Conv, Depthwise, Network, Operation, Tensor
from .memory import Memory

CONVOLUTIONS = ("zf_conv", "zf_depthwise")


@dataclass(frozen=True)
class Stream:
    """A tensor on its way: raster order, `lanes` channels a beat, channel 0 in the low bits."""

    name: str
    tensor: Tensor
    lanes: int
    layer: str

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.tensor.qtype.bits

    @property
    def beats(self) -> int:
        """Beats of a frame."""
        return self.tensor.elements // self.lanes

    @property
    def beats_per_pixel(self) -> int:
        """Beats of a pixel."""
        return self.tensor.shape[2] // self.lanes


@dataclass(frozen=True, eq=False)
class Instance:
    """A library module with its parameters, between the streams `sources` and `sinks`.

    Attributes
    ----------
    parameters
        Module parameters; the emitter writes them by name.
    memories
        Requests for the storage inside, in the module's order of parameters: a placement turns
        each into the Cut parameter that `memory_parameters` names.
    files
        Makes the memory contents by path, one hexadecimal word a line; only emission calls it.
    operation
        What the instance computes; none for plumbing.
    cycles
        Cycles a frame at full speed.
    latency
        Cycles from the last input beat that an output pixel needs to its first output beat.
    plain
        The same without a codebook, which is smaller where its weights are in LUTs; none where it
        is not, or where there is no codebook.

    """

    name: str
    layer: str
    module: str
    parameters: Mapping[str, int | str]
    sources: tuple[Stream, ...]
    sinks: tuple[Stream, ...]
    memories: tuple[Memory, ...] = ()
    memory_parameters: tuple[str, ...] = ()
    files: Callable[[], Mapping[str, str]] = dict
    operation: Operation | None = None
    cycles: int = 0
    latency: int = 1
    plain: Instance | None = None


@dataclass(frozen=True, eq=False)
class Design:
    """Instances in dataflow order, from the network's input to its output."""

    network: Network
    folds: Mapping[str, Fold]
    instances: tuple[Instance, ...]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream between two instances, in dataflow order."""
        return tuple(stream for instance in self.instances for stream in instance.sinks)

    @property
    def memories(self) -> tuple[Memory, ...]:
        """Every memory, in the order of the instances."""
        return tuple(memory for instance in self.instances for memory in instance.memories)

    @property
    def multipliers(self) -> int:
        """Products a cycle."""
        depthwise = sum(i.sources[0].lanes for i in self.instances if i.module == "zf_depthwise")
        return sum(fold.multipliers for fold in self.folds.values()) + depthwise

    @property
    def interval(self) -> int:
        """Cycles between back-to-back frames: those of the slowest unit or stream."""
        return self.bottleneck[0]

    @property
    def bottleneck(self) -> tuple[int, str]:
        """The interval and what sets it; a layer before a stream of the same cycles."""
        units = [(i.cycles, f"layer {i.layer}") for i in self.instances if i.module in CONVOLUTIONS]
        others = [(i.cycles, f"{i.module} of {i.layer}") for i in self.instances]
        streams = [(stream.beats, f"stream {stream.name}") for stream in self.streams]
        return max(units + others + streams, key=lambda found: found[0])

    @property
    def utilization(self) -> float:
        """MACs of a frame over what the multipliers could do in its interval."""
        convolutions = (op for op in self.network.operations if isinstance(op, Conv | Depthwise))
        macs = sum(op.macs for op in convolutions)
        return macs / (self.interval * self.multipliers)
