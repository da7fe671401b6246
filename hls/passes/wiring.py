"""IR and folding to a `Design`: which library modules, between which streams."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..design import Design, Instance, Stream
from ..fold import Fold
from ..ir import (
    Add,
    Concat,
    Conv,
    Depthwise,
    MaxPool,
    Network,
    Operation,
    Output,
    Requantize,
    SumPool,
    Tensor,
)
from ..rules import UNBOUNDED
from . import convolution, fifos, units
from .depthwise import depthwise

RESERVED = ("axis_in", "axis_out", "s_axis", "m_axis")  # names in the emitted top


class _Wiring:
    """Builds instances in dataflow order; one method an operation."""

    def __init__(self, network: Network, folds: Mapping[str, Fold]):
        self.network, self.folds = network, folds
        self.instances: list[Instance] = []
        # (tensor, consumer) -> a stream for every time that it reads the tensor
        self.streams: dict[tuple[str, str], list[Stream]] = {}
        self.names = set(RESERVED)
        self.interval = max((folds[c.name].cycles(c) for c in network.convolutions), default=1)

    def add(self, instance: Instance) -> None:
        self.instances.append(instance)

    def stream(self, name: str, tensor: Tensor, lanes: int, layer: str) -> Stream:
        """Return a new stream called `name`, or `name` with a number where that is taken."""
        free, number = name, 1
        while free.lower() in self.names:  # a/b and a_b; streams name files, too
            number += 1
            free = f"{name}_{number}"
        self.names.add(free.lower())
        return Stream(free, tensor, lanes, layer)

    # ------------------------------------------------------------------------------- operations
    def operation(self, op: Operation) -> None:
        match op:
            case Conv():
                self.convolution(op)
            case Requantize():
                producer = self.network.producer(op.input)
                own = isinstance(producer, Conv | Depthwise) and self.own_requantize(producer)
                if not own:
                    self.rescale(op)  # a convolution's own is part of its unit
            case Concat():
                self.concat(op)
            case Add():
                self.addition(op)
            case Depthwise():
                self.depthwise(op)
            case MaxPool():
                self.max_pool(op)
            case SumPool():
                self.sum_pool(op)
            case Output():
                self.output(op)
            case _:
                self.input(op)

    def input(self, op: Operation) -> None:
        tensor = op.output
        lanes = self.input_lanes(tensor)
        stream = self.stream(identifier(op.name), tensor, lanes, op.name)
        self.add(units.axis_in(op, stream))
        self.deliver(stream)

    def input_lanes(self, tensor: Tensor) -> int:
        """Return the fewest channels a beat that keep the interval."""
        height, width, channels = tensor.shape
        for lanes in divisors(channels):
            if height * width * channels // lanes <= self.interval:
                return lanes
        return channels

    def convolution(self, op: Conv) -> None:
        fold = self.folds[op.name]
        source = self.take(op.input, op, fold.lanes)
        requantize = self.own_requantize(op)
        tensor = requantize.output if requantize else op.output
        stream = self.stream(identifier(op.name), tensor, fold.pe, op.name)
        self.add(convolution.unit(op, requantize, fold, source, stream))
        self.deliver(stream)

    def own_requantize(self, op: Conv | Depthwise) -> Requantize | None:
        """Return the requantization in the unit of `op`: its accumulators' only reader."""
        first, *others = self.network.consumers(op.output.name)
        return first if isinstance(first, Requantize) and not others else None

    def rescale(self, op: Requantize) -> None:
        source = self.take(op.input, op, None)
        stream = self.stream(identifier(op.name), op.output, source.lanes, op.name)
        self.add(units.rescale(op, source, stream))
        self.deliver(stream)

    def concat(self, op: Concat) -> None:
        lanes = self.join_lanes(op)
        sources = tuple(self.turn(self.take(name, op, lanes), op) for name in op.inputs)
        stream = self.stream(identifier(op.name), op.output, lanes, op.name)
        self.add(units.concat(op, sources, stream))
        self.deliver(stream)

    def turn(self, stream: Stream, op: Concat) -> Stream:
        """Return `stream` behind a FIFO for what comes while others have their turn.

        It comes after any widening: a part that trickled in while its turn lasts would hold up all.
        """
        return self.buffered(stream, f"{stream.name}_turn", op.name)

    def buffered(self, stream: Stream, name: str, layer: str) -> Stream:
        """Return `stream` behind a FIFO that is never full, until `fifos` says what it needs."""
        behind = self.stream(name, stream.tensor, stream.lanes, layer)
        self.add(units.fifo(stream, behind, UNBOUNDED))
        return behind

    def addition(self, op: Add) -> None:
        lanes = self.join_lanes(op)
        sources = tuple(self.take(name, op, lanes) for name in op.inputs)
        stream = self.stream(identifier(op.name), op.output, lanes, op.name)
        self.add(units.add(op, sources, stream))
        self.deliver(stream)

    def join_lanes(self, op: Concat | Add) -> int:
        """Return the lanes that all parts share: the reader's where they fit and suffice."""
        height, width, channels = op.output.shape
        parts = [self.network.tensor(name).shape[2] for name in op.inputs]
        enough = [
            lanes
            for lanes in divisors(math.gcd(*parts))
            if height * width * channels // lanes <= self.interval
        ]
        if not enough:
            return math.gcd(*parts)
        wanted = [
            self.folds[reader.name].lanes
            for reader in self.network.consumers(op.output.name)
            if isinstance(reader, Conv)
        ]
        return next((lanes for lanes in wanted if lanes in enough), enough[0])

    def depthwise(self, op: Depthwise) -> None:
        source = self.take(op.input, op, self.window_lanes(op))
        requantize = self.own_requantize(op)
        tensor = requantize.output if requantize else op.output
        stream = self.stream(identifier(op.name), tensor, source.lanes, op.name)
        self.add(depthwise(op, requantize, source, stream))
        self.deliver(stream)

    def max_pool(self, op: MaxPool) -> None:
        source = self.take(op.input, op, self.window_lanes(op))
        stream = self.stream(identifier(op.name), op.output, source.lanes, op.name)
        self.add(units.max_pool(op, source, stream))
        self.deliver(stream)

    def window_lanes(self, op: Depthwise | MaxPool) -> int:
        """Return the fewest channels a word that keep the interval, a tap a cycle."""
        height, width, channels = self.network.tensor(op.input).shape
        most = max(height * width, math.prod(op.output.shape[:2]) * math.prod(op.kernel))
        enough = (n for n in divisors(channels) if most * channels // n <= self.interval)
        return next(enough, channels)

    def sum_pool(self, op: SumPool) -> None:
        source = self.take(op.input, op, None)
        stream = self.stream(identifier(op.name), op.output, source.lanes, op.name)
        self.add(units.sum_pool(op, source, stream))
        self.deliver(stream)

    def output(self, op: Output) -> None:
        self.add(units.axis_out(op, self.take(op.input, op, 1)))

    # ----------------------------------------------------------------------------------- streams
    def deliver(self, stream: Stream) -> None:
        """Hand a new stream to the readers of its tensor, through a fork for several."""
        tensor = stream.tensor.name
        readers = [
            reader
            for reader in self.network.consumers(tensor)
            for _ in range(reader.inputs.count(tensor))
        ]
        if len(readers) == 1:
            self.streams[tensor, readers[0].name] = [stream]
            return
        self.names.add(f"{stream.name}_fork".lower())
        sinks = []
        for reader in readers:
            name = f"{stream.name}_to_{identifier(reader.name)}"
            sinks.append(self.stream(name, stream.tensor, stream.lanes, stream.layer))
        self.add(units.fork(stream, tuple(sinks)))
        for reader, sink in zip(readers, sinks, strict=True):
            # what the other branches still need comes first to this one, too
            late = self.buffered(sink, f"{sink.name}_late", reader.name)
            self.streams.setdefault((tensor, reader.name), []).append(late)

    def take(self, tensor: str, reader: Operation, lanes: int | None) -> Stream:
        """Return the reader's stream of `tensor`, converted to `lanes`."""
        stream = self.streams[tensor, reader.name].pop(0)
        if lanes is None or lanes == stream.lanes:
            return stream
        steps = [lanes]
        if lanes % stream.lanes and stream.lanes % lanes:
            steps = [math.lcm(lanes, stream.lanes), lanes]
        for step in steps:
            name = f"{identifier(reader.name)}_from_{stream.name}_x{step}"
            narrow = self.stream(name, stream.tensor, step, reader.name)
            self.add(units.width(stream, narrow))
            stream = narrow
        return stream


def wire(network: Network, folds: Mapping[str, Fold]) -> Design:
    """Return the design of `network`, every convolution folded as `folds` says."""
    wiring = _Wiring(network, folds)
    for op in network.operations:
        wiring.operation(op)
    return fifos.size(Design(network, dict(folds), tuple(wiring.instances)))


def identifier(name: str) -> str:
    """Return `name` as a SystemVerilog identifier."""
    text = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
    return text if text[:1].isalpha() else f"n_{text}"


def divisors(n: int) -> list[int]:
    """Return the divisors of `n`, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]
