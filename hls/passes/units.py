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
    QType,
    Requantize,
    SumPool,
    Tensor,
    fold_weights,
)
from ..memory import LUT_BITS, Kind, Memory
from ..words import hex_groups, hex_lines
from .geometry import Window
from .sizes import CREDITS, FIFO, REQUANTIZE, WINDOW, Sizes, sizes


def convolution(
    op: Conv, requantize: Requantize | None, fold: Fold, source: Stream, sink: Stream
) -> Instance:
    """Return the zf_conv of `op` and the requantization that follows it."""
    shape, codes = source.tensor.shape, source.tensor.qtype
    window = Window.of(op, shape)
    size = sizes(op, fold, codes, window)
    out = sink.tensor.qtype
    shifts = conv_shifts(op.output, requantize)
    halves = _halves(shifts)
    acc_bits = sum_bits(op.output.qtype, int(halves.max()))
    lo, hi = (requantize.lo, requantize.hi) if requantize else (out.lo, out.hi)

    biases = _biases(op, fold, codes, halves, acc_bits)
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    bias_bits = _signed_bits(biases) if biases.any() or shift_bits else 0
    fields = [(biases, bias_bits)] if bias_bits else []
    if shift_bits:
        fields.append((np.broadcast_to(shifts - shifts.min(), biases.shape), shift_bits))
    parameter_words = size.groups * size.turns

    stem = f"mem/{sink.name}"
    weights, window_memory, room = conv_memories(op, fold, size, source.width, sink.width)
    memories = [weights, window_memory, room]
    if fields:
        width = size.requantizers * (bias_bits + shift_bits)
        memories.append(storage(op.name, Kind.BIAS, width, parameter_words))

    def files() -> dict[str, str]:
        contents = {f"{stem}.weights.mem": hex_lines(weight_words(op, fold), op.weight_bits)}
        if fields:
            # group by group, its pixels one after the other
            order = [
                (values.reshape(fold.pixels, size.groups, fold.pe).swapaxes(0, 1).ravel(), bits)
                for values, bits in fields
            ]
            contents[f"{stem}.bias.mem"] = hex_groups(order, parameter_words, size.requantizers)
        return contents

    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_conv",
        parameters={
            "ABits": codes.bits,
            "ASigned": int(codes.signed),
            "WBits": op.weight_bits,
            "AccBits": acc_bits,
            "Channels": shape[2],
            "Lanes": fold.lanes,
            **window.parameters(),
            "Taps": fold.taps,
            "Pixels": fold.pixels,
            "Places": size.places,
            "Pe": fold.pe,
            "Groups": size.groups,
        }
        | (dsp_parameters(fold, codes) if fold.packing else {})
        | {
            "Requantizers": size.requantizers,
            "BiasBits": bias_bits,
            "ShiftMin": int(shifts.min()),
            "ShiftMax": int(shifts.max()),
            "ShiftBits": shift_bits,
            "OutBits": out.bits,
            "Lo": lo,
            "Hi": hi,
            "Room": size.room,
            "WeightFile": f"{stem}.weights.mem",
        }
        | ({"BiasFile": f"{stem}.bias.mem"} if fields else {})
        | ({"RestInit": rest_init(op, fold)} if fold.packing and rest_words(weights.depth) else {}),
        sources=(source,),
        sinks=(sink,),
        memories=tuple(memories),
        memory_parameters=("RomBlock", "RamBlock"),
        files=files,
        operation=op,
        cycles=fold.cycles(op),
        latency=size.latency,
    )


def conv_memories(
    op: Conv, fold: Fold, size: Sizes, in_width: int, out_width: int
) -> tuple[Memory, Memory, Memory]:
    """Return a convolution unit's weights, window and output buffer; widths are those of beats."""
    depth = size.words * size.groups
    return (
        Memory(
            op.name,
            Kind.WEIGHTS,
            width=fold.weights * op.weight_bits,
            depth=depth,
            bits=op.weights.size * op.weight_bits,
            split=fold.packing is not None,
        ),
        Memory(
            op.name,
            Kind.WINDOW,
            width=in_width,
            depth=size.bank_depth,
            bits=in_width * size.bank_depth,
            copies=size.banks * size.copies,
        ),
        storage(op.name, Kind.FIFO, out_width, size.room_words),
    )


def weight_words(op: Conv, fold: Fold) -> np.ndarray:
    """Return the words of the weight ROM, (depth, SIMD * PE); DSPs take pairs as they stand."""
    words = fold_weights(op, fold).copy()
    if fold.packing and fold.packing.channels == 2:
        words[..., 1::2] -= words[..., 0::2] < 0  # what the lower's sign borrows
    return words.reshape(len(words), -1)


def rest_words(depth: int) -> int:
    """Return the words that a LUT ROM of `depth` words keeps in pairs of bits (zf_weights)."""
    rest = depth - (1 << (depth - 1).bit_length() - 1) if depth > LUT_BITS else 0
    return rest if rest <= 32 else 0


def rest_init(op: Conv, fold: Fold) -> int:
    """Return the truth tables of those words, 32 bits for each bit of a word."""
    words = weight_words(op, fold)
    last = words[len(words) - rest_words(len(words)) :]
    planes = (last[:, :, None] >> np.arange(op.weight_bits)) & 1  # (rest, entries, bits)
    tables = np.zeros((planes[0].size, 32), np.uint8)
    tables[:, : len(last)] = planes.reshape(len(last), -1).T
    return int.from_bytes(np.packbits(tables.ravel(), bitorder="little").tobytes(), "little")


def dsp_parameters(fold: Fold, codes: QType) -> dict[str, int]:
    """Return the parameters of zf_conv that say how products share DSPs."""
    packing = fold.packing
    toggled = [packing.offset(p, codes.signed, codes.bits) != 0 for p in range(fold.pixels)]
    return {
        "DspPixels": packing.pixels,
        "DspChannels": packing.channels,
        "CodeAt": packing.code_at,
        "WeightAt": packing.weight_at,
        "Chains": packing.chains(fold.simd),
        "Toggle": sum(toggle << p for p, toggle in enumerate(toggled)),
    }


def _biases(op: Conv, fold: Fold, codes: QType, halves: np.ndarray, acc_bits: int) -> np.ndarray:
    """Return what each pixel of a step adds to its sums, (pixels, channels), modulo 2**acc_bits.

    That is the bias and the half that rounds. Codes may stand raised on a DSP's port; the sum of
    the weights, times that, is too much.
    """
    biases = np.tile(op.bias + halves, (fold.pixels, 1))
    if fold.packing:
        sums = op.weights.reshape(len(op.weights), -1).sum(axis=1)
        for pixel in range(fold.pixels):
            biases[pixel] -= fold.packing.offset(pixel, codes.signed, codes.bits) * sums
    half = 1 << (acc_bits - 1)
    return (biases + half) % (2 * half) - half


def rescale(op: Requantize, source: Stream, sink: Stream) -> Instance:
    """Return the zf_rescale of a requantization that follows no convolution."""
    shifts = conv_shifts(source.tensor, op)
    groups = source.beats_per_pixel
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    file = f"mem/{sink.name}.shift.mem"
    channels = source.tensor.shape[2]
    lanes = [(np.resize(shifts - shifts.min(), channels), shift_bits)]
    bias_bits = _signed_bits(_halves(shifts)) if shift_bits else 0
    if shift_bits:
        lanes.insert(0, (np.resize(_halves(shifts), channels), bias_bits))
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
        memory_parameters=("RamBlock",),
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


def storage(layer: str, kind: Kind, width: int, depth: int) -> Memory:
    """Return a small memory that its module keeps in LUTs."""
    return Memory(layer, kind, width=width, depth=depth, bits=width * depth, lut_only=True)


def conv_shifts(tensor: Tensor, requantize: Requantize | None) -> np.ndarray:
    """Return each channel's right shift, (channels,); none where accumulators leave as they are."""
    channels = tensor.shape[2]
    if requantize is None:
        return np.zeros(channels, dtype=np.int64)
    align = np.array(tensor.align or (0,) * channels, dtype=np.int64)
    return tensor.qtype.frac - requantize.output.qtype.frac - align


def _halves(shifts: np.ndarray) -> np.ndarray:
    """Return what makes each channel's shift round half up, (channels,)."""
    return np.where(shifts > 0, 1 << np.maximum(shifts - 1, 0), 0)


def sum_bits(qtype: QType, half: int) -> int:
    """Return the bits of a signed number for every code and every code plus `half`."""
    return QType.holding(min(qtype.lo, -1), qtype.hi + half, 0).bits


def _signed_bits(values: np.ndarray) -> int:
    return max(int(values.max()).bit_length(), (-1 - int(values.min())).bit_length()) + 1
