"""One library module each: parameters, memories and memory contents of an instance."""

from __future__ import annotations

import math

import numpy as np

from ... import Refusal
from ..design import Instance, Stream
from ..ir import (
    Add,
    Concat,
    Conv,
    Fold,
    Input,
    MaxPool,
    Output,
    Requantize,
    SumPool,
    Tensor,
    fold_weights,
)
from ..memory import Kind, Memory
from ..words import hex_groups, hex_lines
from .geometry import Window

# Cycles through a convolution unit besides its words and its adder tree: from the last input beat
# to the first word, and on through each module.
WINDOW, MVU, REQUANTIZE, FIFO = 4, 2, 4, 2
PIPELINE = 40  # a deep unit's latency, for what drifts past while it fills
CREDITS = 16  # an output FIFO costs no less when it is shallower


def convolution(
    op: Conv, requantize: Requantize | None, fold: Fold, source: Stream, sink: Stream
) -> Instance:
    """Return the zf_conv of `op` and the requantization that follows it."""
    shape = source.tensor.shape
    window = Window.of(op, shape)
    rows = window.rows()
    words, groups = fold.words(op), fold.groups(op)
    deep = shape[2] // fold.lanes
    acc = op.output.qtype
    out = sink.tensor.qtype
    shifts = _shifts(op.output, requantize)
    lo, hi = (requantize.lo, requantize.hi) if requantize else (out.lo, out.hi)
    bias_bits = _signed_bits(op.bias) if op.bias.any() else 0
    # the adder tree: slices of an activation (see zf_mvu), then inputs
    slices = -(-source.tensor.qtype.bits // (2 if op.weight_bits > 4 else 4))
    levels = math.ceil(math.log2(slices)) + math.ceil(math.log2(fold.simd))
    latency = WINDOW + (words - 1) + MVU + levels + REQUANTIZE + FIFO
    fifo_depth = max(CREDITS, -(-latency // words) + 2)

    serial = fold.taps == 1
    banks = 1 if serial else rows
    copies = window.kernel_w if not serial and fold.taps == math.prod(op.kernel) else 1
    bank_depth = (rows if serial else 1) * window.in_w * deep
    parameter_lanes = [(op.bias, bias_bits)] if bias_bits else []
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    if shift_bits:
        parameter_lanes.append((shifts - shifts.min(), shift_bits))

    stem = f"mem/{sink.name}"
    memories = [
        Memory(
            op.name,
            Kind.WEIGHTS,
            width=fold.multipliers * op.weight_bits,
            depth=words * groups,
            bits=op.weights.size * op.weight_bits,
        ),
        Memory(
            op.name,
            Kind.WINDOW,
            width=source.width,
            depth=bank_depth,
            bits=source.width * bank_depth,
            copies=banks * copies,
        ),
        _storage(op.name, Kind.FIFO, sink.width, fifo_depth),
    ]
    if parameter_lanes:
        width = fold.pe * (bias_bits + shift_bits)
        memories.append(_storage(op.name, Kind.BIAS, width, groups))

    def files() -> dict[str, str]:
        weights = fold_weights(op, fold).reshape(words * groups, -1)
        contents = {f"{stem}.weights.mem": hex_lines(weights, op.weight_bits)}
        if parameter_lanes:
            contents[f"{stem}.bias.mem"] = hex_groups(parameter_lanes, groups, fold.pe)
        return contents

    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_conv",
        parameters={
            "ABits": source.tensor.qtype.bits,
            "ASigned": int(source.tensor.qtype.signed),
            "WBits": op.weight_bits,
            "AccBits": acc.bits + (not acc.signed),
            "Channels": shape[2],
            "Lanes": fold.lanes,
            **window.parameters(),
            "Taps": fold.taps,
            "Rows": rows,
            "Pe": fold.pe,
            "Groups": groups,
            "BiasBits": bias_bits,
            "ShiftMin": int(shifts.min()),
            "ShiftMax": int(shifts.max()),
            "ShiftBits": shift_bits,
            "OutBits": out.bits,
            "Lo": lo,
            "Hi": hi,
            "FifoDepth": fifo_depth,
            "WeightFile": f"{stem}.weights.mem",
        }
        | ({"BiasFile": f"{stem}.bias.mem"} if parameter_lanes else {}),
        sources=(source,),
        sinks=(sink,),
        memories=tuple(memories),
        memory_parameters=("RomBlock", "RamBlock"),
        files=files,
        operation=op,
        cycles=fold.cycles(op),
        latency=latency,
    )


def rescale(op: Requantize, source: Stream, sink: Stream) -> Instance:
    """Return the zf_rescale of a requantization that follows no convolution."""
    shifts = _shifts(source.tensor, op)
    groups = source.beats_per_pixel
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    file = f"mem/{sink.name}.shift.mem"
    lanes = [(np.resize(shifts - shifts.min(), source.tensor.shape[2]), shift_bits)]
    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_rescale",
        parameters={
            "Lanes": source.lanes,
            "InBits": source.tensor.qtype.bits,
            "InSigned": int(source.tensor.qtype.signed),
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
        memories=(_storage(op.name, Kind.FIFO, sink.width, CREDITS),),
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
    rows, deep = window.rows(), source.beats_per_pixel
    words = math.prod(op.kernel) * deep  # of an output pixel
    depth = rows * window.in_w * deep
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
            "Rows": rows,
            "FifoDepth": fifo_depth,
        },
        sources=(source,),
        sinks=(sink,),
        memories=(
            Memory(
                op.name, Kind.WINDOW, width=source.width, depth=depth, bits=source.width * depth
            ),
            _storage(op.name, Kind.FIFO, sink.width, fifo_depth),
        ),
        memory_parameters=("RamBlock",),
        operation=op,
        cycles=window.out_h * window.out_w * words,
        latency=WINDOW + words + 1 + FIFO,
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
        memories=(_storage(op.name, Kind.FIFO, sink.width, source.beats_per_pixel),),
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
        memory_parameters=("Block",),
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


def output_bits(op: Output) -> int:
    """Return the width of the top's output: 32 bits, 64 where a code needs them."""
    qtype = op.output.qtype
    return 32 if qtype.bits + (not qtype.signed) <= 32 else 64


def _storage(layer: str, kind: Kind, width: int, depth: int) -> Memory:
    """Return a small memory that its module keeps in LUTs."""
    return Memory(layer, kind, width=width, depth=depth, bits=width * depth, lut_only=True)


def _shifts(tensor: Tensor, requantize: Requantize | None) -> np.ndarray:
    """Return each channel's right shift, (channels,); none where accumulators leave as they are."""
    channels = tensor.shape[2]
    if requantize is None:
        return np.zeros(channels, dtype=np.int64)
    align = np.array(tensor.align or (0,) * channels, dtype=np.int64)
    return tensor.qtype.frac - requantize.output.qtype.frac - align


def _signed_bits(values: np.ndarray) -> int:
    return max(int(values.max()).bit_length(), (-1 - int(values.min())).bit_length()) + 1
