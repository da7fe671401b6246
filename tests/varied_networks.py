"""Random networks of odd shapes: rectangular windows, deep shortcuts, concats of many parts."""

import numpy as np
from random_networks import Builder, bypassed, fire, sometimes_few

from zynqfire.hls.ir import Network, QType, Requantize, Tensor
from zynqfire.hls.passes.folding import legal

SUM_BITS = 12


def varied_network(seed: int) -> Network:
    """Return a small network of one to four blocks; the same for the same seed."""
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.choice([1, 2, 3, 5, 6, 7, 8, 9, 11], 2))
    qtype = QType(int(rng.integers(2, 9)), bool(rng.integers(4) == 0), 8)
    shape = (height, width, int(rng.integers(1, 7)))
    build = Builder(rng, shape, qtype, sometimes_few(seed))
    tensor = _window(build, "conv0", build.operations[0].output)
    for index in range(int(rng.integers(1, 4))):
        block = rng.choice([_window, _fire, _bypass, _depthwise, _pool, _parts, _sum])
        tensor = block(build, f"b{index}", tensor)
    scales = {"per_channel": bool(rng.integers(2))}
    outputs = int(rng.integers(1, 8))
    tensor = build.convolution("last", tensor, outputs, (1, 1), (1, 1), (0,) * 4, **scales)
    if rng.integers(2) and not tensor.align:
        tensor = build.sum_pool("pool", tensor)
    elif rng.integers(2):
        tensor = build.requantize("last", tensor, 8, True)
    return build.output(tensor)


def varied_folding(network: Network, seed: int) -> dict:
    """Return arguments of `compile`: nothing, an interval, or a drawn folding of each layer."""
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return {}
    if seed % 4 == 1:
        return {"interval": int(rng.choice([400, 1000, 4000, 100_000]))}
    folds = {}
    for conv in network.convolutions:
        fold = rng.choice([fold for fold in legal(conv) if fold.multipliers <= 64])
        folds[conv.name] = {"pe": fold.pe, "simd": fold.simd}
        if seed % 4 == 2:
            folds[conv.name]["pixels"] = fold.pixels
    return {"folding": folds}


def _drawn(rng, shape, kernels, most_pad):
    """Return a kernel and pads with which a window of `shape` has an output."""
    while True:
        kernel = tuple(int(n) for n in rng.choice(kernels, 2))
        pads = tuple(int(rng.integers(most_pad(kernel[i % 2]) + 1)) for i in range(4))
        if all(shape[i] + pads[i] + pads[i + 2] >= kernel[i] for i in range(2)):
            return kernel, pads


def _stride(rng) -> tuple[int, int]:
    return tuple(int(n) for n in rng.integers(1, 3, 2))


def _window(build: Builder, name: str, source):
    rng = build.rng
    far = rng.integers(5) == 0  # some windows wholly in the padding
    kernel, pads = _drawn(
        rng, source.shape, [1, 1, 3, 3, 5, 7], lambda k: k + 1 if far else (k - 1) // 2
    )
    bits, scales = int(rng.integers(2, 9)), bool(rng.integers(2))
    outputs = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 12]))
    tensor = build.convolution(
        name, source, outputs, kernel, _stride(rng), pads, bits=bits, per_channel=scales
    )
    signed, narrow = (bool(n) for n in rng.integers(2, size=2))
    return build.requantize(name, tensor, int(rng.integers(2, 9)), signed, narrow)


def _same(build: Builder, name: str, source, outputs: int):
    """Append a convolution that keeps the size of the map."""
    kernel = tuple(int(n) for n in build.rng.choice([1, 3, 5], 2))
    pads = tuple((k - 1) // 2 for k in kernel) * 2
    bits = int(build.rng.integers(2, 6))
    tensor = build.convolution(name, source, outputs, kernel, (1, 1), pads, bits=bits)
    return build.requantize(name, tensor)


def _chain(build: Builder, name: str, source, outputs: int, most: int):
    """Append one to `most` convolutions that keep the size of the map."""
    for index in range(int(build.rng.integers(1, most + 1))):
        source = _same(build, f"{name}_{index}", source, outputs)
    return source


def _to(build: Builder, name: str, source, qtype: QType):
    tensor = Tensor(f"{name}_out", source.shape, qtype)
    build.operations.append(Requantize(name, source.name, tensor, qtype.lo, qtype.hi))
    return tensor


def _fire(build: Builder, name: str, source):
    return fire(build, name, source, *(int(n) for n in build.rng.choice([1, 2, 3, 4, 6], 3)))


def _bypass(build: Builder, name: str, source):
    if source.shape[2] < 2 or source.qtype.signed:
        return _fire(build, name, source)
    return bypassed(build, name, source, int(build.rng.choice([1, 2, 4])))


def _depthwise(build: Builder, name: str, source):
    rng = build.rng
    kernel, pads = _drawn(rng, source.shape, [1, 3, 5], lambda k: (k - 1) // 2)
    bits, scales = int(rng.integers(2, 9)), bool(rng.integers(2))
    tensor = build.depthwise(
        name, source, kernel, _stride(rng), pads, bits=bits, per_channel=scales
    )
    return build.requantize(name, tensor, int(rng.integers(2, 9)), bool(rng.integers(2)))


def _pool(build: Builder, name: str, source):
    kernel, pads = _drawn(build.rng, source.shape, [1, 2, 3], lambda k: k - 1)
    stride = tuple(min(pair) for pair in zip(_stride(build.rng), kernel, strict=True))
    return build.max_pool(name, source, kernel, stride, pads)


def _parts(build: Builder, name: str, source):
    """Append two to four branches of different length and width, and their concat."""
    parts = []
    for index in range(int(build.rng.integers(2, 5))):
        outputs = int(build.rng.choice([1, 2, 3, 5, 6]))
        part = _chain(build, f"{name}_{index}", source, outputs, 2)
        if parts and part.qtype != parts[0].qtype:
            part = _to(build, f"{name}_{index}_to", part, parts[0].qtype)
        parts.append(part)
    return build.concat(name, *parts)


def _sum(build: Builder, name: str, source):
    """Append a chain of convolutions and add its source, or another chain's result."""
    channels = source.shape[2]
    left = _chain(build, f"{name}_left", source, channels, 4)
    right = _chain(build, f"{name}_right", source, channels, 2) if build.rng.integers(2) else source
    qtype = QType(SUM_BITS, True, max(left.qtype.frac, right.qtype.frac))
    left = _to(build, f"{name}_left_to", left, qtype)
    total = build.add(f"{name}_add", left, _to(build, f"{name}_right_to", right, qtype))
    return build.requantize(f"{name}_sum", total, int(build.rng.integers(2, 9)))
