"""The unit of a convolution: zf_conv's parameters, memories and memory contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..cuts import LUT_BITS
from ..design import Instance, Stream
from ..fold import Fold, fold_weights
from ..ir import Conv, QType, Requantize
from ..memory import Kind, Memory, rom_luts
from ..resources import conv_logic
from ..words import hex_groups, hex_lines
from . import units
from .geometry import Window
from .requantize import conv_shifts, rounding, signed_bits, sum_bits
from .sizes import Sizes, sizes


def unit(
    op: Conv, requantize: Requantize | None, fold: Fold, source: Stream, sink: Stream
) -> Instance:
    """Return the zf_conv of `op` and the requantization that follows it."""
    if not op.codebook:
        return _unit(op, requantize, fold, source, sink)
    without = _unit(replace(op, codebook=()), requantize, fold, source, sink)
    plain = plain_in_luts(op, fold, {**without.parameters, "Words": fold.words(op)})
    found = _unit(op, requantize, fold, source, sink, plain)
    return replace(found, plain=replace(without, operation=op) if plain else None)


def _unit(
    op: Conv,
    requantize: Requantize | None,
    fold: Fold,
    source: Stream,
    sink: Stream,
    plain: bool = False,
) -> Instance:
    """Return the unit of `op`; `plain` says that there is another without the codebook."""
    shape, codes = source.tensor.shape, source.tensor.qtype
    window = Window.of(op, shape)
    size = sizes(op, fold, codes, window)
    out = sink.tensor.qtype
    shifts = conv_shifts(op.output, requantize)
    halves = rounding(shifts)
    acc_bits = sum_bits(op.output.qtype, int(halves.max()))
    lo, hi = (requantize.lo, requantize.hi) if requantize else (out.lo, out.hi)

    biases = _biases(op, fold, codes, halves, acc_bits)
    shift_bits = int(shifts.max() - shifts.min()).bit_length()
    bias_bits = signed_bits(biases) if biases.any() or shift_bits else 0
    fields = [(biases, bias_bits)] if bias_bits else []
    if shift_bits:
        fields.append((np.broadcast_to(shifts - shifts.min(), biases.shape), shift_bits))
    parameter_words = size.groups * size.turns

    stem = f"mem/{sink.name}"
    stored = list(memories(op, fold, size, source.width, sink.width, plain))
    if fields:
        width = size.requantizers * (bias_bits + shift_bits)
        stored.append(units.storage(op.name, Kind.BIAS, width, parameter_words))

    rest = stored[0].split and rest_words(stored[0].depth)

    def files() -> dict[str, str]:
        contents = {f"{stem}.weights.mem": hex_lines(weight_words(op, fold), op.stored_bits)}
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
        | ({"RestInit": rest_init(op, fold)} if rest else {})
        | units.codebook_parameters(op),
        sources=(source,),
        sinks=(sink,),
        memories=tuple(stored),
        memory_parameters=("RomCut", "RamCut"),
        files=files,
        operation=op,
        cycles=fold.cycles(op),
        latency=size.latency,
    )


def memories(
    op: Conv, fold: Fold, size: Sizes, in_width: int, out_width: int, plain: bool = False
) -> tuple[Memory, Memory, Memory]:
    """Return a convolution unit's weights, window and output buffer.

    Widths are those of beats; `plain` weights are not places in a codebook where all are in LUTs.
    """
    dsps = fold.packing is not None
    weights = Memory(
        op.name,
        Kind.WEIGHTS,
        width=fold.weights * op.stored_bits,
        depth=size.words * size.groups,
        bits=op.weights.size * op.stored_bits,
        split=dsps and not op.codebook,
        apart=True,
    )
    if plain:
        table = replace(weights, width=fold.weights * op.weight_bits, split=dsps)
        weights = replace(weights, table=table)
    return (
        weights,
        Memory(
            op.name,
            Kind.WINDOW,
            width=in_width,
            depth=size.bank_depth,
            bits=in_width * size.bank_depth,
            copies=size.banks * size.copies,
        ),
        units.storage(op.name, Kind.FIFO, out_width, size.room_words),
    )


def plain_in_luts(op: Conv, fold: Fold, parameters: Mapping[str, int]) -> bool:
    """Tell whether a table of weights takes fewer LUTs than one of places in the codebook.

    `parameters` are those of `conv_logic`, without the codebook.
    """
    if not op.codebook:
        return False
    depth, dsps = fold.words(op) * fold.groups(op), fold.packing is not None
    coded = parameters | units.codebook_parameters(op)
    own = rom_luts(fold.weights * op.weight_bits, depth, dsps) + conv_logic(parameters).lut
    return own < rom_luts(fold.weights * op.stored_bits, depth) + conv_logic(coded).lut


def weight_words(op: Conv, fold: Fold) -> np.ndarray:
    """Return the words of the weight ROM, (depth, SIMD * PE); DSPs take pairs as they stand.

    With a codebook, its decoder makes them so.
    """
    words = fold_weights(op, fold).copy()
    if op.codebook:
        words = np.searchsorted(op.codebook, words)
    elif fold.packing and fold.packing.channels == 2:
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
