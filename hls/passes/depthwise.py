"""The zf_depthwise of a depthwise convolution: parameters, memories and memory contents."""

from __future__ import annotations

import math

import numpy as np

from ..design import Instance, Stream
from ..ir import Depthwise, Requantize
from ..memory import Kind, Memory
from ..words import hex_groups, hex_lines
from .geometry import Window
from .requantize import conv_shifts, rounding, signed_bits, sum_bits
from .sizes import CREDITS, FIFO, REQUANTIZE, WINDOW
from .units import codebook_parameters, storage

PRODUCT = 3  # cycles of a word to its sum: digits, pairs of them, accumulator


def depthwise(
    op: Depthwise, requantize: Requantize | None, source: Stream, sink: Stream
) -> Instance:
    """Return the zf_depthwise of `op` and the requantization that follows it."""
    window, codes, out = Window.of(op, source.tensor.shape), source.tensor.qtype, sink.tensor.qtype
    places, deep, lanes = window.places(), source.beats_per_pixel, source.lanes
    words = math.prod(op.kernel) * deep  # of an output pixel
    latency = WINDOW + words - deep + PRODUCT + REQUANTIZE + FIFO
    # a pixel's room is taken when it begins; what began before leaves while it is computed
    fifo_depth = max(CREDITS, deep * (2 + math.ceil((latency - words + 2 * deep) / words)))

    shifts = conv_shifts(op.output, requantize)
    halves, shift_bits = rounding(shifts), int(np.ptp(shifts)).bit_length()
    acc_bits = sum_bits(op.output.qtype, int(halves.max()))
    # one shift and no bias: zf_requantize knows the half that rounds
    bias_bits = signed_bits(op.bias + halves) if op.bias.any() or shift_bits else 0
    fields = [(op.bias + halves, bias_bits)] if bias_bits else []
    if shift_bits:
        fields.append((shifts - shifts.min(), shift_bits))
    lo, hi = (requantize.lo, requantize.hi) if requantize else (out.lo, out.hi)

    stem, width = f"mem/{sink.name}", lanes * op.stored_bits
    memories = [
        Memory(op.name, Kind.WEIGHTS, width=width, depth=words, bits=width * words),
        Memory(
            op.name,
            Kind.WINDOW,
            width=source.width,
            depth=places * deep,
            bits=source.width * places * deep,
        ),
        storage(op.name, Kind.FIFO, sink.width, fifo_depth),
    ]
    if fields:
        memories.append(storage(op.name, Kind.BIAS, lanes * (bias_bits + shift_bits), deep))

    def files() -> dict[str, str]:
        taps = op.stored.transpose(1, 2, 0).reshape(words, lanes)
        contents = {f"{stem}.weights.mem": hex_lines(taps, op.stored_bits)}
        if fields:
            contents[f"{stem}.bias.mem"] = hex_groups(fields, deep, lanes)
        return contents

    return Instance(
        name=f"u_{sink.name}",
        layer=op.name,
        module="zf_depthwise",
        parameters={
            "ABits": codes.bits,
            "ASigned": int(codes.signed),
            "WBits": op.weight_bits,
            "AccBits": acc_bits,
            "Channels": source.tensor.shape[2],
            "Lanes": lanes,
            **window.parameters(),
            "Places": places,
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
        | ({"BiasFile": f"{stem}.bias.mem"} if fields else {})
        | codebook_parameters(op),
        sources=(source,),
        sinks=(sink,),
        memories=tuple(memories),
        memory_parameters=("RomCut", "RamCut"),
        files=files,
        operation=op,
        cycles=window.out_h * window.out_w * words,
        latency=latency,
    )
