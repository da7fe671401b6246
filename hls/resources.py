"""Resources of the library's modules, memories apart, by formulas over their parameters.

What a module is made of is counted from its structure: adders by their bits, multiplexers by their
inputs, registers. What is left, control above all, is a constant a module, from Yosys' synthesis
of single modules; `board/calibrate.py` says how far off all this is on a build.
"""

from __future__ import annotations

import math

from .design import Instance
from .memory import Estimate, different
from .passes.sizes import add_levels

# LUTs and flip-flops of a module's control
WINDOW = Estimate(lut=88, ff=84)
ROW = Estimate(lut=50, ff=60)  # a window of one pixel over a map taken as one row
CONV = Estimate(lut=24, ff=30)
REORDER = Estimate(lut=30, ff=30)
FIFO = Estimate(lut=24, ff=24)
REQUANTIZER = Estimate(lut=10, ff=12)


def conv_logic(parameters: dict[str, int]) -> Estimate:
    """Return the resources of a zf_conv without its weights, window and output buffer.

    Parameters
    ----------
    parameters : dict
        Those of the module that say how large it is.

    """
    p = parameters
    lanes, taps, pixels, pe = p["Lanes"], p["Taps"], p["Pixels"], p["Pe"]
    simd, codes, acc = taps * lanes, p["ABits"], p["AccBits"]
    index = p.get("IndexBits", 0)
    stored = index or p["WBits"]  # bits of a weight in memory
    sums = pixels * pe
    dsp = p.get("DspChannels", 0)
    window = ROW if p["InH"] == p["KernelH"] == 1 else WINDOW
    lut, ff = window.lut + CONV.lut, window.ff + CONV.ff
    srl = dsps = 0

    # window: a register a code; several taps at once are chosen among the rows
    ff += pixels * simd * codes
    if taps > 1:
        rows = p["Places"] // p["InW"]
        lut += pixels * simd * codes * math.ceil((2 * rows - 1) / 5) + pixels * taps * rows
        ff += pixels * taps * rows * 2
    elif dsp:
        lut += lanes * min(1, p["Toggle"])
    chains = p.get("Chains", simd)
    stages = -(-simd // chains)
    if taps > 1 and dsp:  # the skew of a word
        bits = pixels * chains * codes
        ff += bits * 3 if stages > 2 else bits * (stages - 1)
        srl += bits * max(0, stages - 3)

    # products and sums
    if dsp:
        dsps = simd * sums // (p["DspPixels"] * dsp)
        for pixel in range(p["DspPixels"]):
            most = (1 << codes) - 1 if pixel == 0 else 1 << codes - 1
            bits = (stages * most * ((1 << p["WBits"] - 1) - dsp + 1)).bit_length() + 1
            adders, kept, wide = _tree(bits, chains, 2)
            share = sums // p["DspPixels"]
            lut += share * (adders + min(acc, wide + 1))
            ff += share * (kept + 2 * acc)
        ff += 2 * (3 + stages + add_levels(chains, 2))
        words = p["Words"] * p["Groups"]
        if p.get("RomBlock"):
            bits = chains * pe * stored
            ff += bits * min(2, stages - 1)
            srl += bits * max(0, stages - 3)
        else:
            ff += (stages + 1) * max(1, (words - 1).bit_length())
            ff += different(simd * pe * stored, words) if index else 0
        if index:  # a LUT6_2 for two bits of a value, but where a borrow is its sixth input
            half = -(-p["WBits"] // 2)
            upper = p["WBits"] if index == 5 else half
            lut += simd * pe * (half + upper) // 2 if dsp == 2 else simd * pe * half
    else:
        digits, bits = -(-codes // 2), p["WBits"] + 2
        table = bits if min(p["WBits"], stored) <= 4 else 2 * bits
        adders, kept, wide = _tree(bits, simd, 1)
        lut += sums * (digits * (simd * table + adders) + min(acc, wide + 3))
        ff += sums * (digits * (simd * bits + kept) + 2 * acc)
        if digits > 2:
            lut += sums * (wide + 6)
            ff += sums * (wide + 6)
        weights, words = simd * pe * stored, p["Words"] * p["Groups"]
        ff += weights if p.get("RomBlock") else different(weights, words)

    # requantizers, and the way to them
    count = p["Requantizers"]
    turns = sums // count
    shift = acc * 3 if p["ShiftBits"] else 0
    lut += count * (acc + REQUANTIZER.lut + shift + acc * _select(turns))
    ff += count * (3 * acc + REQUANTIZER.ff) + (count * acc if turns > 1 else 0)
    ff += pe * p["OutBits"] * (2 if turns > 1 else 1)
    out = REORDER if pixels > 1 else FIFO
    return Estimate(lut=round(lut + out.lut), ff=round(ff + out.ff), srl=srl, dsp=dsps)


def _depthwise_logic(p: dict[str, int]) -> Estimate:
    """Return the resources of a zf_depthwise without its memories."""
    lanes, codes, acc, weight = p["Lanes"], p["ABits"], p["AccBits"], p["WBits"]
    deep, pairs = p["Channels"] // lanes, -(-codes // 4)
    digit, pair = weight + 2, weight + 4
    # a digit's sum is of two masked weights: two LUTs a bit
    product = pairs * (4 * digit + pair) + min(pairs, 2) * acc
    if p.get("IndexBits"):
        product += -(-weight // 2)
    requantize = acc + REQUANTIZER.lut + (3 * acc if p["ShiftBits"] else 0)
    kept = pairs * (2 * digit + pair) + acc + 3 * acc + REQUANTIZER.ff + p["OutBits"]
    line = acc if deep > 2 else 0  # the words of the delay line in shift registers
    kept += 0 if line else (deep - 1) * acc
    return Estimate(
        lut=WINDOW.lut + FIFO.lut + lanes * (product + requantize),
        ff=WINDOW.ff + FIFO.ff + lanes * kept,
        srl=lanes * line,
    )


def _tree(bits: int, count: int, leave: int) -> tuple[int, int, int]:
    """Return the LUTs of a zf_sum, its registers, and the bits of its results.

    An adder's two upper bits are carries.
    """
    luts = registers = 0
    while count > leave:
        count = -(-count // 3)
        luts += bits * count
        bits += 2
        registers += bits * count
    return luts, registers, bits


def _select(count: int) -> float:
    """Return the LUTs a bit of a multiplexer."""
    if count == 1:
        return 0
    return max(0.5, -(-count // 4) + (count > 8) * -(-count // 32))


def logic(instance: Instance, block_weights: bool = False) -> Estimate:
    """Return the resources of one instance, its memories apart."""
    if instance.plain and not block_weights:
        instance = instance.plain
    p = dict(instance.parameters)
    widths = [stream.width for stream in (*instance.sources, *instance.sinks)]
    match instance.module:
        case "zf_conv":
            words = instance.operation.weights[0].size // (p["Taps"] * p["Lanes"])
            return conv_logic(p | {"Words": words, "RomBlock": int(block_weights)})
        case "zf_depthwise":
            return _depthwise_logic(p)
        case "zf_width":
            wide, narrow = max(widths), min(widths)
            if wide == narrow:
                return Estimate(lut=wide + 3, ff=2 * wide + 2)
            return (
                Estimate(
                    lut=(wide if widths[0] == wide else 0) + narrow + 8, ff=wide + 3 * narrow + 8
                )
                if widths[0] == wide
                else Estimate(lut=narrow + 10, ff=2 * wide + 2 * narrow + 10)
            )
        case "zf_fifo" | "zf_fork":
            return Estimate(lut=28, ff=24 + widths[-1])
        case "zf_concat":
            return Estimate(lut=20 + widths[-1], ff=30 + 2 * widths[-1])
        case "zf_add":
            return Estimate(lut=10 + widths[-1], ff=2 * widths[-1])
        case "zf_rescale":
            bits = p["Lanes"] * (p["InBits"] + 2)
            return Estimate(lut=25 + bits * (4 if p["ShiftBits"] else 1), ff=20 + 3 * bits)
        case "zf_max_pool":
            return Estimate(
                lut=WINDOW.lut + FIFO.lut + 2 * widths[0], ff=WINDOW.ff + FIFO.ff + 4 * widths[0]
            )
        case "zf_sum_pool":
            return Estimate(lut=40 + 2 * widths[-1], ff=40 + 2 * widths[-1])
    return Estimate(lut=20 + widths[-1], ff=20 + 2 * widths[-1])
