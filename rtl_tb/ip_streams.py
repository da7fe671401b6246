"""The streams of an IP on its buses: bit-exact, whatever happens to a frame.

`test_ip` runs these cocotb tests on each of its builds.
"""

import json
import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Timer
from cocotbext.axi import AxiStreamFrame

from ..hls import register_map
from .ip_bench import ABORT, FRAMES, KEEP, LINES, LIVE, LONG, OVERRUN, RESET, SHORT, Ip

PAUSES = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.3, 0.3)]
PIPELINE = 6  # cycles from a packet's first beat to a core's first that the units between them take


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(pauses=PAUSES)
async def frames(dut, pauses):
    """Frames back to back, one a packet and several; every counter is right."""
    ip = await Ip(dut, pauses).start()
    assert await ip.read("STATUS") == 1
    for number in range(FRAMES):
        ip.send(number)
    for number in range(FRAMES):
        await ip.expect(number)
    assert await ip.read("INTERVAL") == ip.ends[-1] - ip.ends[-2]
    if pauses == (0.0, 0.0):
        assert ip.ends[-1] - ip.ends[-2] == ip.ip["interval_cycles"]
        assert ip.ends[-1] - ip.ends[1] == (FRAMES - 2) * ip.ip["interval_cycles"]
    lanes, counted = ip.ip["in_bits"] // 8, FRAMES
    assert {n * ip.size % lanes for n in range(lanes)} == set(range(lanes))  # places of a beat
    for size in range(1, lanes + 1):  # frames begin, and packets end, at each
        await ip.write("PACKET", size)
        packets = [[random.randrange(FRAMES) for _ in range(size)] for _ in range(2)]
        for numbers in packets:
            ip.send(*numbers)
        for numbers in packets:
            await ip.expect(*numbers)
        counted += 2 * size
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == counted
    assert await ip.read("ERRORS") == 0
    assert await ip.read("INPUT_STALLS") == ip.in_stalls
    assert await ip.read("OUTPUT_STALLS") == ip.out_stalls
    assert (ip.out_stalls > 0) == (pauses[1] > 0)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def latency(dut):
    """Send frames alone: LATENCY says what they take, but for the units before the core."""
    ip = await Ip(dut).start()
    for number in range(3):
        ip.send(number)
        await ip.expect(number)
        taken = ip.ends[-1] - ip.begins[-1]
        assert await ip.read("LATENCY") == taken - PIPELINE


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def registers(dut):
    """Read the whole map back over the bus; constants are the build's."""
    ip = await Ip(dut).start()
    manifest = ip.manifest
    beyond = set((ip.logits >> 31).flat) - {0, -1}  # more than 32 bits, positive and negative
    assert (min(beyond) < 0 < max(beyond)) if ip.ip["out_bits"] == 64 else not beyond
    assert ip.ip["registers"] == json.loads(json.dumps(register_map.REGISTERS))
    constants = {
        "NETWORK": ip.ip["network_hash"],
        "INPUT_BYTES": ip.size,
        "OUTPUT_BYTES": manifest["output"]["tdata_bits"] // 8 * manifest["output"]["beats"],
        "PORTS": ip.ip["in_bits"] // 8 | manifest["output"]["tdata_bits"] // 8 << 8,
        "STATUS": 1,
        "MEMORIES": len(manifest["loads"]),
        "SIGNATURES": len(manifest["signatures"]),
    }
    if manifest["loads"]:  # as loading left it; ip_loads says more
        constants |= {"SELECT": len(manifest["loads"]) - 1, "MEMORY": 1}
    at = {entry[0]: name for name, entry in register_map.REGISTERS.items()}
    for address in range(0, 0x80, 4):
        name = at.get(address)
        answer = await ip.axi.read(address, 4)
        value = int.from_bytes(answer.data, "little")
        if name is None or register_map.REGISTERS[name][1] == "wo":
            assert value == 0 and await ip.read("STATUS") & 2, f"{address:#x}"
            await ip.write("STATUS", 2)
        elif name != "SIGNATURE" or not manifest["loads"]:  # of no pass yet
            assert value == constants.get(name, register_map.REGISTERS[name][2]), name
    for name, values in {"PACKET": (7, 65535, 1), "INTERRUPT_ENABLE": (3, 1, 0)}.items():
        for value in values:
            await ip.write(name, value)
            assert await ip.read(name) == value
    await ip.write("CONTROL", LINES | LIVE)
    assert await ip.read("CONTROL") == LINES | LIVE
    assert await ip.read("STATUS") == 1
    for value in (0, 65536, 1 << 31 | 1):
        await ip.write("PACKET", value)
        assert await ip.read("PACKET") == 1 and await ip.read("STATUS") == 3
        await ip.write("STATUS", 2)


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def thousands_of_beats(dut):
    """Frames back to back with pauses that change, while registers are read."""
    ip = await Ip(dut, (0.2, 0.2)).start()
    beats = -(-8 * ip.size // ip.ip["in_bits"])
    order = [random.randrange(FRAMES) for _ in range(2000 // beats)]
    for number in order:
        ip.send(number)

    async def ask():
        seen = 0
        while True:
            count = await ip.read("FRAMES_OUT")
            assert seen <= count <= len(order)
            seen = count
            assert await ip.read("ID") == register_map.REGISTERS["ID"][2]
            assert await ip.read("FRAMES_IN") >= count
            await Timer(random.randrange(1, 200), "ns")

    asking = cocotb.start_soon(ask())
    for number in order:
        await ip.expect(number)
    asking.cancel()
    await ip.quiet()
    assert ip.sink.empty()
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == len(order)
    assert await ip.read("INPUT_STALLS") == ip.in_stalls
    assert await ip.read("OUTPUT_STALLS") == ip.out_stalls
    assert await ip.read("ERRORS") == 0 and ip.taken == beats * len(order)


def broken(ip, whole: bytes):
    """Return a packet made of `whole`, the bytes of it that count, and its errors."""
    lanes = ip.ip["in_bits"] // 8
    kind = random.choice(("right", "short", "long", "gap", "early", "empty"))
    if kind == "short":
        whole = whole[: random.randrange(1, len(whole))]
        return AxiStreamFrame(whole), whole, SHORT
    if kind == "long":
        more = random.randbytes(random.choice((1, 2, lanes, 50)))
        return AxiStreamFrame(whole + more), whole, LONG
    keep = [1] * len(whole)
    if kind == "empty":
        return AxiStreamFrame(bytes(lanes), tkeep=[0] * lanes), b"", SHORT
    if kind in ("gap", "early"):
        beat = random.randrange(len(whole) // lanes - 1)
        first = random.randrange(lanes)  # byte that does not count
        keep[beat * lanes + first] = 0
        if kind == "early":
            keep[beat * lanes + first : (beat + 1) * lanes] = [0] * (lanes - first)
        return AxiStreamFrame(whole, tkeep=keep), whole[: beat * lanes + first], SHORT | KEEP
    return AxiStreamFrame(whole), whole, 0


@cocotb.test(timeout_time=40, timeout_unit="ms")
@cocotb.parametrize(pauses=PAUSES, size=[1, 3])
async def bad_packets(dut, pauses, size):
    """Each error is flagged with its frame, and touches no other."""
    ip = await Ip(dut, pauses).start()
    await ip.write("PACKET", size)
    await ip.write("INTERRUPT_ENABLE", 3)
    for packet in range(20):
        numbers = [random.randrange(FRAMES) for _ in range(size)]
        whole = ip.frames[numbers].tobytes()
        sent, counted, errors = broken(ip, whole)
        ip.source.send_nowait(sent)
        ip.send(*reversed(numbers))  # right behind it
        filled = np.frombuffer(counted.ljust(len(whole), b"\0"), np.uint8)
        got = await ip.receive()
        assert np.array_equal(got, ip.expected(filled)), (errors, got)
        await ip.expect(*reversed(numbers))
        assert await ip.read("ERRORS") == errors
        assert await ip.read("INTERRUPT") == (3 if errors else 1) and int(dut.irq.value)
        if errors:
            assert await ip.read("BAD_FRAME") == 2 * packet * size + size - 1
        await ip.write("ERRORS", errors)
        await ip.write("INTERRUPT", 3)
        assert await ip.read("ERRORS") == 0 and await ip.read("INTERRUPT") == 0
        assert not int(dut.irq.value)
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 40 * size


def line(data, first: bool, lanes: int) -> AxiStreamFrame:
    """Return a line of a picture, with TUSER on its first beat where it is the first."""
    user = [int(first and place < lanes) for place in range(len(data))]
    return AxiStreamFrame(bytes(data), tuser=user)


@cocotb.test(timeout_time=40, timeout_unit="ms")
@cocotb.parametrize(pauses=PAUSES, live=[0, LIVE])
async def lines(dut, pauses, live):
    """Pictures line by line; short, long, missing and too many lines, and an early TUSER."""
    ip = await Ip(dut, pauses).start()
    await ip.write("CONTROL", LINES | live)
    lanes = ip.ip["in_bits"] // 8
    height = ip.manifest["input"]["shape"][0]

    async def give(data, first=False):
        ip.source.send_nowait(line(data, first, lanes))
        if live:  # as slowly as the core takes it
            await ClockCycles(dut.aclk, 3 * ip.ip["interval_cycles"] // height)

    for row in ip.frames[0].reshape(height, -1)[1:]:  # joined in mid-frame
        await give(row)
    for _ in range(10):
        number = random.randrange(FRAMES)
        rows = ip.frames[number].reshape(height, -1).copy()
        kind = random.choice(("right", "short", "long", "missing", "extra", "cut"))
        errors, place = 0, random.randrange(height)
        for y, row in enumerate(rows):
            data = row.tobytes()
            if y == place and kind == "short":
                rows[y, 2:], data, errors = 0, data[:2], SHORT
            if y == place and kind == "long":
                data, errors = data + b"\7" * random.choice((1, lanes)), LONG
            if y >= place > 0 and kind == "missing":
                rows[y], errors = 0, SHORT
                continue
            await give(data, y == 0)
            if y == place and kind == "cut":  # the next frame begins in this one's middle
                rows[y + 1 :], errors = 0, SHORT if y + 1 < height else 0
                break
        if kind == "extra":
            await give(rows[0])
            errors = LONG
        after = random.randrange(FRAMES)
        for y, row in enumerate(ip.frames[after].reshape(height, -1)):
            await give(row, y == 0)
        got = await ip.receive()
        assert np.array_equal(got, ip.expected(rows.reshape(1, -1))), kind
        await ip.expect(after)
        assert await ip.read("ERRORS") == errors, kind
        if errors:
            assert await ip.read("BAD_FRAME") == await ip.read("FRAMES_IN") - 2
        await ip.write("ERRORS", errors)
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 20
    assert not live or ip.in_stalls == 0


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def overrun(dut):
    """In live mode the input never waits: what finds no room is dropped, and the rest is right."""
    ip = await Ip(dut).start()
    await ip.write("CONTROL", LIVE)
    ip.sink.pause = True
    for number in range(60):
        ip.send(number % FRAMES)
    await ip.source.wait()
    assert ip.in_stalls == 0
    ip.sink.pause = False
    await ip.quiet()
    assert await ip.read("ERRORS") == SHORT | OVERRUN
    got = [ip.codes(ip.sink.recv_nowait()) for _ in range(ip.sink.count())]
    assert 2 < len(got) < 60 and len(got) == await ip.read("FRAMES_OUT")
    assert await ip.read("FRAMES_IN") == len(got)
    bad, sent = [], iter(range(60))
    for number, logits in enumerate(got):  # whole ones are in order
        if any(np.array_equal(logits[0], row) for row in ip.logits):
            assert any(np.array_equal(logits[0], ip.logits[n % FRAMES]) for n in sent), number
        else:
            bad.append(number)
    assert bad[-1] == await ip.read("BAD_FRAME")
    for number in range(3):
        ip.send(number)
        await ip.expect(number)


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(how=["soft", "abort", "hard"], pauses=[(0.0, 0.0), (0.3, 0.3)], live=[0, LIVE])
async def resets(dut, how, pauses, live):
    """Reset at any moment: packets in and out end, nothing of a frame is left, weights stay."""
    ip = await Ip(dut, pauses).start()
    interval = ip.ip["interval_cycles"]
    for _ in range(10):
        size = random.choice((1, 2))
        await ip.write("PACKET", size)
        await ip.write("CONTROL", 0)
        for number in range(6):
            ip.send(*[number] * size)
        await ClockCycles(dut.aclk, random.randrange(8 * interval * size))
        ip.source.clear()
        if how == "hard":
            await ip.start()
            await ip.write("PACKET", size)
        elif how == "soft":
            await ip.write("CONTROL", RESET | live)
            await ip.settled()
            await ip.quiet(4 * interval)
            got = [ip.codes(ip.sink.recv_nowait()) for _ in range(ip.sink.count())]
            filled = 0
            for packet in got:
                assert packet.shape == (size, ip.logits.shape[1])
                right = ip.logits[random_frame(ip, packet)]
                wrong = packet.ravel() != np.tile(right, size)
                filled += wrong.any()
                if wrong.any():
                    first = int(np.argmax(wrong))
                    assert not packet.ravel()[first:].any(), packet
            assert filled <= 1
            in_out = await ip.read("FRAMES_IN"), await ip.read("FRAMES_OUT")
            assert in_out[0] == in_out[1] <= size
            assert await ip.read("CONTROL") == live
        else:
            ip.watching.cancel()
            for end in (ip.source, ip.sink):
                end.assert_reset(True)
            await ip.write("CONTROL", ABORT | live)
            await ip.settled()
            for end in (ip.source, ip.sink):
                end.clear()
                end.assert_reset(False)
            ip.watching = cocotb.start_soon(ip.watch())
            assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 0
        assert await ip.read("STATUS") == 1 and await ip.read("ERRORS") == 0
        await ip.write("CONTROL", 0)
        for number in (7, 8):
            ip.send(*[number] * size)
            await ip.expect(*[number] * size)
        assert ip.sink.empty()


def random_frame(ip, packet) -> int:
    """Return the frame whose logits begin a packet; any where it begins with zeros."""
    same = (ip.logits[:6] == packet[0]).sum(axis=1)
    starts = [np.argmin(ip.logits[n] == packet[0]) for n in range(6)]
    whole = [n for n in range(6) if same[n] == len(packet[0])]
    return whole[0] if whole else int(np.argmax(starts))
