"""One library module each, but the convolutions: an instance's parameters, memories, contents."""

from __future__ import annotations

import math

import numpy as np

from ... import Refusal
from ..design import Instance, Stream
from ..ir import (
    Add,
    Concat,
    Conv,
    Depthwise,
    Input,
    MaxPool,
    Output,
    Requantize,
    SumPool,
)
from ..memory import Kind, Memory
from ..words import hex_groups
from .geometry import Window
from .requantize import conv_shifts, rounding, signed_bits
from .sizes import CREDITS, FIFO, REQUANTIZE, WINDOW


def rescale(op: Requantize, source: Stream, sink: Stream) -> Instance:
    """Return the zf_rescale of a requantization that follows no convolution."""
    shifts = conv_shifts(source.tensor, op)
    groups = source.beats_per_pixel
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    file = f"mem/{sink.name}.shift.mem"
    channels = source.tensor.shape[2]
    lanes = [(np.resize(shifts - shifts.min(), channels), shift_bits)]
    bias_bits = signed_bits(rounding(shifts)) if shift_bits else 0
    if shift_bits:
        lanes.insert(0, (np.resize(rounding(shifts), channels), bias_bits))
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_rescale",
        parameters={
            "Lanes": source.lanes,
            "InBits": source.tensor.qtype.bits,
            "InSigned": int(source.tensor.qtype.signed),
            "BiasBits": bias_bits,
            "ShiftMin": int(shifts.min()),
            "ShiftMax": int(shifts.max()),
            "ShiftBits": shift_bits,
            "Groups": groups,
            "OutBits": sink.tensor.qtype.bits,
            "Lo": op.lo,
            "Hi": op.hi,
        }
        | ({"InitFile": file} if shift_bits else {}),
        sources=(source,),
        sinks=(sink,),
        memories=(storage(op.name, Kind.FIFO, sink.width, CREDITS),),
        files=lambda: {file: hex_groups(lanes, groups, source.lanes)} if shift_bits else {},
        operation=op,
        cycles=source.beats,
        latency=2 + REQUANTIZE + FIFO,
    )


def concat(op: Concat, sources: tuple[Stream, ...], sink: Stream) -> Instance:
    """Return the zf_concat of `op`."""
    for source in sources:
        if source.beats_per_pixel >= 1 << 16:
            raise Refusal(
                f"layer {op.name}: a pixel of an input of a concatenation must be at most 65535 "
                f"beats, {source.name} has {source.beats_per_pixel}"
            )
    beats = sum(source.beats_per_pixel << (16 * i) for i, source in enumerate(sources))
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_concat",
        parameters={"Width": sink.width, "Ports": len(sources), "Beats": beats},
        sources=sources,
        sinks=(sink,),
        operation=op,
        cycles=sink.beats,
    )


def add(op: Add, sources: tuple[Stream, ...], sink: Stream) -> Instance:
    """Return the zf_add of `op`."""
    qtype = sources[0].tensor.qtype
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_add",
        parameters={
            "Lanes": sink.lanes,
            "Bits": qtype.bits,
            "Signed": int(qtype.signed),
            "OutBits": sink.tensor.qtype.bits,
        },
        sources=sources,
        sinks=(sink,),
        operation=op,
        cycles=sink.beats,
    )


def max_pool(op: MaxPool, source: Stream, sink: Stream) -> Instance:
    """Return the zf_max_pool of `op`."""
    window = Window.of(op, source.tensor.shape)
    places, deep = window.places(), source.beats_per_pixel
    words = math.prod(op.kernel) * deep  # of an output pixel
    depth = places * deep
    fifo_depth = max(CREDITS, 2 * deep + 8)
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_max_pool",
        parameters={
            "Bits": source.tensor.qtype.bits,
            "Signed": int(source.tensor.qtype.signed),
            "Channels": source.tensor.shape[2],
            "Lanes": source.lanes,
            **window.parameters(),
            "Places": places,
            "FifoDepth": fifo_depth,
        },
        sources=(source,),
        sinks=(sink,),
        memories=(
            Memory(
                op.name, Kind.WINDOW, width=source.width, depth=depth, bits=source.width * depth
            ),
            storage(op.name, Kind.FIFO, sink.width, fifo_depth),
        ),
        memory_parameters=("RamCut",),
        operation=op,
        cycles=window.out_h * window.out_w * words,
        latency=WINDOW + words - deep + 1 + FIFO,
    )


def sum_pool(op: SumPool, source: Stream, sink: Stream) -> Instance:
    """Return the zf_sum_pool of `op`."""
    height, width, channels = source.tensor.shape
    qtype, total = source.tensor.qtype, op.output.qtype
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_sum_pool",
        parameters={
            "InBits": qtype.bits,
            "Signed": int(qtype.signed),
            "OutBits": total.bits,
            "Lanes": source.lanes,
            "Channels": channels,
            "Positions": height * width,
        },
        sources=(source,),
        sinks=(sink,),
        memories=(storage(op.name, Kind.FIFO, sink.width, source.beats_per_pixel),),
        operation=op,
        cycles=source.beats,
    )


def fork(source: Stream, sinks: tuple[Stream, ...]) -> Instance:
    """Return a zf_fork."""
    return Instance(
        name=f"u_{source.name}_fork",
        layer=source.layer,
        module="zf_fork",
        parameters={"Width": source.width, "Ports": len(sinks)},
        sources=(source,),
        sinks=sinks,
        cycles=source.beats,
        latency=0,
    )


def fifo(source: Stream, sink: Stream, depth: int) -> Instance:
    """Return a zf_fifo of `depth` beats."""
    return Instance(
        name=f"u_{sink.name}",
        layer=sink.layer,
        module="zf_fifo",
        parameters={"Width": source.width, "Depth": depth},
        sources=(source,),
        sinks=(sink,),
        memories=(
            Memory(
                sink.layer, Kind.FIFO, width=source.width, depth=depth, bits=source.width * depth
            ),
        ),
        memory_parameters=("Cut",),
        cycles=source.beats,
        latency=FIFO,
    )


def width(source: Stream, sink: Stream) -> Instance:
    """Return a zf_width from the lanes of `source` to those of `sink`."""
    bits = source.tensor.qtype.bits
    return Instance(
        name=f"u_{sink.name}",
        layer=sink.layer,
        module="zf_width",
        parameters={"LaneBits": bits, "InLanes": source.lanes, "OutLanes": sink.lanes},
        sources=(source,),
        sinks=(sink,),
        cycles=max(source.beats, sink.beats),
        latency=1 if source.lanes == sink.lanes else 2,
    )


def axis_in(op: Input, sink: Stream) -> Instance:
    """Return the zf_axis_in between the top's byte lanes and `sink`."""
    return Instance(
        name="u_axis_in",
        layer=op.name,
        module="zf_axis_in",
        parameters={"Lanes": sink.lanes, "Bits": sink.tensor.qtype.bits},
        sources=(),
        sinks=(sink,),
        operation=op,
        cycles=sink.beats,
    )


def axis_out(op: Output, source: Stream) -> Instance:
    """Return the zf_axis_out between `source` and the top's output."""
    qtype = source.tensor.qtype
    return Instance(
        name="u_axis_out",
        layer=op.name,
        module="zf_axis_out",
        parameters={
            "Bits": qtype.bits,
            "Signed": int(qtype.signed),
            "OutBits": output_bits(op),
            "Beats": source.beats,
        },
        sources=(source,),
        sinks=(),
        operation=op,
        cycles=source.beats,
    )


def codebook_parameters(op: Conv | Depthwise) -> dict[str, int]:
    """Return the parameters of a unit whose weight memories hold places in a table."""
    if not op.codebook:
        return {}
    mask, bits = (1 << op.weight_bits) - 1, op.weight_bits
    table = sum((value & mask) << bits * place for place, value in enumerate(op.codebook))
    return {"IndexBits": op.stored_bits, "Codebook": table}


def output_bits(op: Output) -> int:
    """Return the width of the top's output: 32 bits, 64 where a code needs them."""
    qtype = op.output.qtype
    return 32 if qtype.bits + (not qtype.signed) <= 32 else 64


def storage(layer: str, kind: Kind, width: int, depth: int) -> Memory:
    """Return a small memory that its module keeps in LUTs."""
    return Memory(layer, kind, width=width, depth=depth, bits=width * depth, lut_only=True)
