"""zf_receive: what of a packet counts, a FIFO that may run over, packets thrown away."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

BEAT = ("tdata", "tkeep", "tuser", "tlast")
HELD = ("tdata", "count", "user", "last", "faults")
KEEP, OVERRUN = 1, 2
SETUPS = {"one": 1, "four": 4, "eight": 8}


def _case(size: int) -> Case:
    flags = ("clear_i", "lines_i", "live_i", "s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i")
    ports = dict.fromkeys((*flags, "draining_o", *(f"s_{name}_i" for name in BEAT)), 1)
    ports |= {f"m_{name}_o": 1 for name in HELD}
    ports |= {"s_tdata_i": 8 * size, "s_tkeep_i": size, "m_tdata_o": 8 * size}
    ports |= {"m_count_o": size.bit_length(), "m_faults_o": 2}
    return Case({"Bytes": size, "Depth": 8}, ports)


CASES = {name: _case(size) for name, size in SETUPS.items()}
QUICK = ("four",)


def _bench(dut):
    return Bench(
        dut,
        source_payload=[f"s_{name}_i" for name in BEAT],
        sink_payload=["m_tdata_o", *(f"m_{name}_o" for name in HELD[1:])],
    )


def _packet(rng, size):
    """Return a packet's beats as (data, keep, user, last)."""
    beats = [
        (rng.getrandbits(8 * size), (1 << size) - 1, rng.getrandbits(1), False)
        for _ in range(rng.randint(1, 6))
    ]
    if rng.random() < 0.4:  # a fault
        at = rng.randrange(len(beats))
        beats[at] = (beats[at][0], rng.getrandbits(size), beats[at][2], False)
    data, keep, user, _ = beats[-1]
    if rng.random() < 0.5:
        keep = (1 << rng.randint(0, size)) - 1
    beats[-1] = (data, keep, user, True)
    return beats


def _held(beats, size, lines):
    """Return what is held of a packet, as (data, count, user, last, faults)."""
    found = []
    for data, keep, user, last in beats:
        count = next((n for n in range(size) if not keep >> n & 1), size)
        bad = keep != (1 << count) - 1 or (count < size and not last)
        kept = data & (1 << 8 * count) - 1
        found.append((kept, count, user and lines, last or bad, KEEP if bad else 0))
        if bad:
            break
    return found


def _word(values, widths):
    word = shift = 0
    for value, width in zip(values, widths, strict=True):
        word |= int(value) << shift
        shift += width
    return word


@cocotb.test()
@cocotb.parametrize(name=list(CASES), lines=[0, 1])
async def exact(dut, name, lines):
    """Cut packets where TKEEP is wrong, and lose nothing."""
    dut, size = Part(dut, name), SETUPS[name]
    bits = size.bit_length()
    dut.lines_i.value, dut.live_i.value, dut.clear_i.value = lines, 0, 0
    known = []

    def frame(rng):
        known.append([_packet(rng, size) for _ in range(8)])
        beats = [beat for each in known[-1] for beat in each]
        return [[_word(beat, (8 * size, size, 1, 1)) for beat in beats]]

    def model(_):
        held = [beat for each in known[-1] for beat in _held(each, size, lines)]
        return [[_word(beat, (8 * size, bits, 1, 1, 2)) for beat in held]]

    await check_stream_unit(dut, frame, model, bench=_bench(dut))


async def _drive(dut, rng, packets, ready, every, clear=()):
    """Offer packets in live mode; return what came out and the cycle of each beat taken."""
    edge, out, taken = RisingEdge(dut.clk_i), [], []
    beats = [(n, beat) for n, packet in enumerate(packets) for beat in packet]
    cycle = quiet = 0
    while quiet < 60:
        offered = bool(beats) and rng.random() < every
        if offered:
            number, (data, keep, user, last) = beats[0]
            dut.s_tdata_i.value, dut.s_tkeep_i.value = data, keep
            dut.s_tuser_i.value, dut.s_tlast_i.value = user, last
        dut.s_tvalid_i.value = offered
        dut.clear_i.value = cycle in clear
        take = int(rng.random() < ready(cycle))
        dut.m_tready_i.value = take
        await edge
        assert int(dut.s_tready_o.value), "live mode waits for nothing"
        if offered:
            taken.append((cycle, number))
            beats.pop(0)
        if int(dut.m_tvalid_o.value) and take and cycle not in clear:
            values = tuple(int(getattr(dut, f"m_{port}_o").value) for port in HELD)
            out.append((cycle, values))
        quiet = 0 if beats or int(dut.m_tvalid_o.value) else quiet + 1
        cycle += 1
    return out, taken


@cocotb.test()
@cocotb.parametrize(name=list(CASES), every=[0.5, 1.0])
async def live(dut, name, every):
    """Never wait; a packet that finds no room ends with one empty beat, and the rest is whole."""
    dut, size, rng = Part(dut, name), SETUPS[name], random.Random(6)
    dut.lines_i.value, dut.live_i.value, dut.clear_i.value = 1, 1, 0
    bench = _bench(dut)
    for slow in (0.0, 0.1, 0.3, 1.0):
        await bench.reset(3, rng)
        packets = [_packet(rng, size) for _ in range(40)]
        out, _ = await _drive(dut, rng, packets, lambda c, s=slow: s if c < 60 else 1.0, every)
        cut, at, held = 0, 0, [_held(each, size, 1) for each in packets]
        run = []
        for _, beat in out:
            if beat[4] & OVERRUN:
                assert beat == (0, 0, 0, 1, OVERRUN)
                assert not run or any(each[: len(run)] == run for each in held[at:])
                cut, run = cut + 1, []
                continue
            run.append(beat)
            if beat[3]:
                at += next(n for n, each in enumerate(held[at:], 1) if each == run)
                run = []
        assert not run
        assert cut or slow > 0
        assert not cut or slow < 1
        assert cut or at == len(packets)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def clears(dut, name):
    """Clear at any cycle: the packet that is arriving is thrown away, and no other behind it."""
    dut, size, rng = Part(dut, name), SETUPS[name], random.Random(7)
    dut.lines_i.value, dut.live_i.value, dut.clear_i.value = 1, 1, 0
    bench = _bench(dut)
    for at in range(40):
        await bench.reset(3, rng)
        packets = [_packet(rng, size) for _ in range(12)]
        clear = range(at, at + 4)
        out, taken = await _drive(dut, rng, packets, lambda _: 1.0, 1.0, clear)
        # A beat is looked at one cycle after it was taken, and for one cycle more
        met = {number for cycle, number in taken if at - 1 <= cycle < at + 4}
        starts = {number: cycle for cycle, number in reversed(taken)}
        after = [n for n in range(12) if n not in met and starts[n] >= at]
        got = [beat for cycle, beat in out if cycle >= at + 4]
        assert got == [beat for n in after for beat in _held(packets[n], size, 1)], at
        assert not int(dut.draining_o.value)


def test_zf_receive(tmp_path):
    """Run them for every case."""
    cases.run("zf_receive", CASES, tmp_path)
