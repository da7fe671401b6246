"""zf_send: packets of frames; a soft reset completes one that has begun with zeros."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

WIDTH = 16
SETUPS = {"one": 1, "three": 3, "ten": 10}
FLAGS = ("clear_i", "s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i", "m_tlast_o", "out_o")
PORTS = {**dict.fromkeys((*FLAGS, "sent_o", "draining_o"), 1), "packet_i": 16}
PORTS |= {"s_tdata_i": WIDTH, "m_tdata_o": WIDTH}
CASES = {name: Case({"Width": WIDTH, "Beats": n}, PORTS) for name, n in SETUPS.items()}
QUICK = ("three",)


def _bench(dut):
    return Bench(dut, sink_payload=("m_tdata_o", "m_tlast_o"))


async def _count(dut, counts):
    edge = RisingEdge(dut.clk_i)
    while True:
        await edge
        for name in counts:
            counts[name] += int(getattr(dut, name).value) and not int(dut.rst_i.value)


@cocotb.test()
@cocotb.parametrize(name=list(CASES), size=[1, 2, 5])
async def exact(dut, name, size):
    """Mark the last word of every so many frames."""
    dut, beats = Part(dut, name), SETUPS[name]
    dut.clear_i.value, dut.packet_i.value = 0, size

    def model(words):
        count = len(words[0])
        return [[word | (n == count - 1) << WIDTH for n, word in enumerate(words[0])]]

    timing = await check_stream_unit(
        dut,
        lambda rng: [[rng.getrandbits(WIDTH) for _ in range(size * beats)]],
        model,
        bench=_bench(dut),
    )
    assert timing.emitted[0] == [cycle + 1 for cycle in timing.taken[0]]
    assert timing.taken[0] == list(range(len(timing.taken[0])))


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def the_size_of_a_packet_may_change_between_packets(dut, name):
    """Events say when frames and packets have left."""
    dut, beats, rng = Part(dut, name), SETUPS[name], random.Random(1)
    dut.clear_i.value, dut.packet_i.value = 0, 1
    bench, counts = _bench(dut), {"out_o": 0, "sent_o": 0}
    await bench.reset(3, rng)
    cocotb.start_soon(_count(dut, counts))
    frames = 0
    for packets, size in enumerate((3, 1, 2, 4, 1), 1):
        dut.packet_i.value = size
        await bench.cycle()
        await bench.cycle()
        words = [rng.getrandbits(WIDTH) for _ in range(size * beats)]
        expected = [*words[:-1], words[-1] | 1 << WIDTH]
        await bench.play([words], [expected], ("half", "half"), rng)
        frames += size
        assert counts == {"out_o": frames, "sent_o": packets}


@cocotb.test()
@cocotb.parametrize(name=list(CASES), size=[1, 3])
async def clears(dut, name, size):
    """Clear after any word: what was offered stays, zeros follow up to the end, nothing counts."""
    dut, beats, rng = Part(dut, name), SETUPS[name], random.Random(2)
    dut.clear_i.value, dut.packet_i.value = 0, size
    bench = _bench(dut)
    edge = RisingEdge(dut.clk_i)
    await bench.reset(3, rng)
    for at in range(3 * size * beats):
        dut.s_tvalid_i.value, dut.m_tready_i.value = 0, 0
        taken, left, cleared, draining = [], [], 0, 1
        word = rng.getrandbits(WIDTH)
        while draining:
            # What is offered during the reset is not taken
            dut.s_tvalid_i.value = len(taken) < at or (0 < cleared < 6 and rng.getrandbits(1))
            dut.s_tdata_i.value, ready = word, rng.getrandbits(1)
            dut.m_tready_i.value, dut.clear_i.value = ready, int(0 < cleared < 6)
            await edge
            if int(dut.s_tvalid_i.value) and int(dut.s_tready_o.value):
                assert not cleared
                taken.append(word)
                word = rng.getrandbits(WIDTH)
            if int(dut.m_tvalid_o.value) and ready:
                left.append(int(dut.m_tdata_o.value) | int(dut.m_tlast_o.value) << WIDTH)
            if cleared:
                assert not int(dut.out_o.value) and not int(dut.sent_o.value)
            draining = cleared < 6 or int(dut.draining_o.value)
            cleared += cleared > 0 or len(taken) == at
            assert cleared < 1000, "it drains for ever"
        whole = -(-len(taken) // (size * beats)) * size * beats
        expected = [*taken, *[0] * (whole - len(taken))]
        for n in range(size * beats - 1, whole, size * beats):
            expected[n] |= 1 << WIDTH
        assert left == expected, (at, left, expected)


def test_zf_send(tmp_path):
    """Run them for every case."""
    cases.run("zf_send", CASES, tmp_path)
