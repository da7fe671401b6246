"""zf_repack: packets of any size, cut into words of any number of bytes up to a beat's."""

import cocotb

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

BEAT = ("tdata", "count", "user", "last", "faults")
WORD = ("tdata", "user", "last", "part", "none", "faults")
SIZES = [(4, 3), (4, 4), (4, 1), (8, 3), (8, 6), (16, 3), (16, 11), (16, 16), (3, 2), (1, 1)]
SETUPS = {f"b{size}_l{lanes}": (size, lanes) for size, lanes in SIZES}


def _case(size: int, lanes: int) -> Case:
    ports = {f"s_{name}_i": 1 for name in (*BEAT, "tvalid")} | {"m_tready_i": 1, "s_tready_o": 1}
    ports |= {f"m_{name}_o": 1 for name in (*WORD, "tvalid")}
    ports |= {"s_tdata_i": 8 * size, "s_count_i": size.bit_length(), "s_faults_i": 2}
    ports |= {"m_tdata_o": 8 * lanes, "m_faults_o": 2}
    return Case({"Bytes": size, "Lanes": lanes}, ports)


CASES = {name: _case(*sizes) for name, sizes in SETUPS.items()}
QUICK = ("b4_l3", "b8_l6")


def pack(fields) -> int:
    """Return (value, bits) pairs side by side, the first in the low bits."""
    word = shift = 0
    for value, bits in fields:
        word |= int(value) << shift
        shift += bits
    return word


def packet(rng, size, lanes):
    """Return a packet's bytes, the faults of each beat, its user, and whether last ends it."""
    ended = rng.random() < 0.8
    kind = rng.random()
    if not ended:  # by the user of the next packet: its beats are full
        count = rng.randint(1, 4) * size
    elif kind < 0.3:
        count = rng.randint(1, 4) * size * lanes
    else:
        count = rng.randrange(1, 6 * size)
    data = bytes(rng.getrandbits(8) for _ in range(count))
    beats = [data[at : at + size] for at in range(0, count, size)]
    if ended and (count % size == 0) and rng.random() < 0.3:
        beats.append(b"")
    if ended and rng.random() < 0.1:
        beats = [b""]
    return beats, [rng.getrandbits(2) for _ in beats], rng.random() < 0.5, ended


def words(beats, faults, user, ended, lanes):
    """Return the words of a packet as tuples in the order of WORD."""
    data, ends, at = b"".join(beats), [], 0
    for beat in beats:
        at += len(beat)
        ends.append(at)
    found = []
    for low in range(0, len(data), lanes):
        part = data[low : low + lanes]
        done = low + lanes >= len(data)
        tail = done and ended and not beats[-1] and len(part) == lanes
        last = done and (ended or len(part) < lanes) and not tail
        fault = 0
        for end, each in zip(ends, faults, strict=True):
            same = end == len(data) and tail and each is faults[-1]
            if low < end <= low + lanes and not same:
                fault |= each
        if tail:
            fault = 0
            for end, each in list(zip(ends, faults, strict=True))[:-1]:
                fault |= each if low < end <= low + lanes else 0
        value = int.from_bytes(part, "little")
        found.append((value, user and low == 0, last, len(part) < lanes, 0, fault))
    if ended and not beats[-1] and len(data) % lanes == 0:
        found.append((0, user and not data, 1, 1, 1, faults[-1]))
    return found


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Packets of all kinds behind each other."""
    part, (size, lanes) = Part(dut, name), SETUPS[name]
    bits = size.bit_length()

    def frame(rng):
        packets = [packet(rng, size, lanes) for _ in range(6)]
        # A packet that last does not end is ended by the user of the one behind it
        packets = [
            (beats, faults, user or (place and not packets[place - 1][3]), ended)
            for place, (beats, faults, user, ended) in enumerate(packets)
        ]
        beats, faults, user, _ = packets[-1]
        known.append([*packets[:-1], (beats, faults, user, True)])
        stream = []
        for beats, faults, user, ended in known[-1]:
            for place, (beat, fault) in enumerate(zip(beats, faults, strict=True)):
                last = ended and place == len(beats) - 1
                fields = (int.from_bytes(beat, "little"), size * 8), (len(beat), bits)
                marks = (user and place == 0, 1), (last, 1), (fault, 2)
                stream.append(pack([*fields, *marks]))
        return [stream]

    def model(_):
        widths = (lanes * 8, 1, 1, 1, 1, 2)
        found = [word for each in known[-1] for word in words(*each, lanes)]
        return [[pack(zip(word, widths, strict=True)) for word in found]]

    known = []
    bench = Bench(
        part,
        source_payload=[f"s_{port}_i" for port in BEAT],
        sink_payload=[f"m_{port}_o" for port in WORD],
    )
    await check_stream_unit(part, frame, model, bench=bench, frames=10)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def full_speed(dut, name):
    """Back-to-back packets of whole words take a cycle a beat or a word, whichever is more."""
    part, (size, lanes) = Part(dut, name), SETUPS[name]
    count = 6 * lanes * size
    beats = [
        pack(
            [(7, size * 8), (size, size.bit_length()), (0, 1), (place == 6 * lanes - 1, 1), (0, 2)]
        )
        for place in range(6 * lanes)
    ]
    value = int.from_bytes((b"\7" + bytes(size - 1)) * (6 * lanes), "little")
    out = [
        pack(
            [
                (value >> 8 * lanes * n & (1 << 8 * lanes) - 1, lanes * 8),
                *((0, 1), (n == count // lanes - 1, 1), (0, 1), (0, 1), (0, 2)),
            ]
        )
        for n in range(count // lanes)
    ]
    bench = Bench(
        part,
        source_payload=[f"s_{port}_i" for port in BEAT],
        sink_payload=[f"m_{port}_o" for port in WORD],
    )
    timing = await check_stream_unit(
        part, lambda rng: [beats], lambda _: [out], bench=bench, frames=3, resets=1
    )
    slow = max(len(beats), len(out))
    ends = timing.emitted[0][len(out) - 1 :: len(out)]
    assert ends[2] - ends[1] == slow and timing.emitted[0][0] == 3


def test_zf_repack(tmp_path):
    """Run both for every case."""
    cases.run("zf_repack", CASES, tmp_path)
