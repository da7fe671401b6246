"""zf_max_pool: exact maxima, padding never wins, at the rate of its window."""

import cocotb
import numpy as np
import pytest

from zynqfire.hls import interpret
from zynqfire.hls.design import Stream
from zynqfire.hls.ir import Input, MaxPool, Network, Output, QType, Tensor
from zynqfire.hls.passes import units
from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import check_stream_unit, pack, unpack

SHAPES = {  # kernel, stride, pads, input shape, bits, signed, lanes
    "halved": ((2, 2), (2, 2), (0, 0, 0, 0), (6, 4, 4), 4, False, 2),
    "overlapping": ((3, 3), (2, 2), (0, 0, 1, 1), (6, 8, 3), 4, False, 1),
    "padded": ((3, 3), (1, 1), (1, 1, 1, 1), (4, 5, 4), 5, True, 4),
    "corner": ((3, 2), (2, 1), (2, 1, 0, 0), (5, 4, 2), 3, True, 1),
    "sparse": ((3, 3), (3, 3), (0, 0, 0, 0), (7, 8, 2), 8, True, 2),
    "whole": ((4, 3), (1, 1), (0, 0, 0, 0), (4, 3, 6), 8, False, 2),
}


def network(name):
    """Return a network that is this pool."""
    kernel, stride, pads, shape, bits, signed, _ = SHAPES[name]
    qtype = QType(bits, signed, 0)
    sizes = [(shape[i] + pads[i] + pads[i + 2] - kernel[i]) // stride[i] + 1 for i in range(2)]
    pixels = Tensor("pixels", shape, qtype)
    pooled = Tensor("pooled", (*sizes, shape[2]), qtype)
    return Network(
        name,
        (
            Input("input", pixels),
            MaxPool("pool", "pixels", pooled, kernel, stride, pads),
            Output("output", "pooled", pooled),
        ),
    )


def instance(name):
    """Return the unit's parameters and timing, as compile would have them."""
    op, lanes = network(name).operations[1], SHAPES[name][-1]
    pixels = network(name).operations[0].output
    source, sink = Stream("s", pixels, lanes, "pool"), Stream("m", op.output, lanes, "pool")
    return units.max_pool(op, source, sink)


@cocotb.test()
async def exact(dut):
    """Random frames and frames of one code; back to back at the predicted interval."""
    name = simulator.config()["name"]
    _, _, _, shape, bits, signed, lanes = SHAPES[name]
    qtype, pool = QType(bits, signed, 0), network(name)

    def frame(rng):
        codes = [rng.randint(qtype.lo, qtype.hi) for _ in range(int(np.prod(shape)))]
        if rng.random() < 0.3:
            codes = [rng.choice([qtype.lo, qtype.lo, qtype.lo + 1]) for _ in codes]
        return [[pack(codes[i : i + lanes], bits) for i in range(0, len(codes), lanes)]]

    def model(words):
        codes = [unpack(word, lanes, bits, signed) for word in words[0]]
        largest = interpret.outputs(pool, np.array(codes).reshape(1, *shape))
        return [[pack(map(int, group), bits) for group in largest.reshape(-1, lanes)]]

    frames, unit = 6, instance(name)
    timing = await check_stream_unit(dut, frame, model, frames=frames)
    ends = timing.emitted[0][unit.sinks[0].beats - 1 :: unit.sinks[0].beats]
    interval = max(unit.cycles, unit.sources[0].beats)
    assert np.diff(ends)[2:].tolist() == [interval] * (frames - 3)
    deep = unit.sources[0].beats_per_pixel
    needed = int(Window.of(unit.operation, shape).need()[0]) * deep
    assert timing.emitted[0][0] - timing.taken[0][needed - 1] == unit.latency


@pytest.mark.parametrize("name", list(SHAPES))
def test_zf_max_pool(name):
    """Run `exact`."""
    parameters = dict(instance(name).parameters)
    built = simulator.build("zf_max_pool", simulator.library("zf_max_pool"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_max_pool", config={"name": name})
