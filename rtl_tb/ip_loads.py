"""Weights loaded over the IP's registers: frames wait for them, resets keep them, reloads replace.

`test_ip` runs these cocotb tests on a build whose weights lie in UltraRAM.
"""

import random
from dataclasses import replace

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from ..hls.ir import Conv
from ..hls.register_map import REGISTERS
from ..hls.signatures import signature
from .ip_bench import ABORT, RESET, Ip

LOADED, SIGNED = (1 << REGISTERS["MEMORY"][3][field][0] for field in ("loaded", "signed"))
RUNNING, REFUSED = (1 << REGISTERS["STATUS"][3][field][0] for field in ("running", "refused"))
PAUSES = [(0.0, 0.0), (0.3, 0.3)]


async def signed(ip: Ip) -> None:
    """See that every memory is loaded and was read with the signature that the build names."""
    for memory, right in enumerate(ip.manifest["signatures"]):
        await ip.write("SELECT", memory)
        assert await ip.read("MEMORY") == LOADED | SIGNED, memory
        assert await ip.read("SIGNATURE") == right["signature"], memory


async def put(ip: Ip, pieces: list[int]) -> None:
    """Write pieces of the selected memory; it is no longer in use, nor is the network."""
    for piece in pieces:
        await ip.write("DATA", piece)
        # Frames that had begun may read it whole between two pieces
        assert await ip.read("STATUS") == 0 == await ip.read("MEMORY") & LOADED


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pauses=PAUSES)
async def frames_wait_for_the_weights(dut, pauses):
    """Take no frame before the last piece of the last memory, then every one, bit-exact."""
    ip = Ip(dut, pauses)
    await ip.reset()
    memories = list(range(len(ip.manifest["loads"])))
    assert await ip.read("MEMORIES") == len(memories) > 1
    for number in range(4):
        ip.send(number)
    random.shuffle(memories)
    for memory in memories:
        assert await ip.read("STATUS") == 0
        await ip.write("SELECT", memory)
        *pieces, last = ip.pieces(memory)
        await put(ip, pieces)
        assert await ip.read("MEMORY") == 0 == await ip.read("FRAMES_OUT")
        await ip.write("DATA", last)
        assert await ip.read("MEMORY") & LOADED
        await ip.write("DATA", ~last & 0xFFFFFFFF)  # one too many changes nothing
        assert await ip.read("STATUS") == REFUSED | RUNNING * (memory == memories[-1])
        await ip.write("STATUS", REFUSED)
    for number in range(4):
        await ip.expect(number)
    await signed(ip)
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 4
    assert await ip.read("ERRORS") == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(control=[RESET, ABORT])
async def soft_resets_keep_the_weights(dut, control):
    """Reset softly in mid-load, while a frame waits: that is forgotten, and no weight."""
    ip = await Ip(dut).start()
    ip.send(0)
    await ip.expect(0)
    for memory in range(len(ip.manifest["loads"])):
        await signed(ip)
        await ip.write("SELECT", memory)
        pieces = ip.pieces(memory)
        there = random.randrange(1, len(pieces))
        await put(ip, pieces[:there])
        assert await ip.read("MEMORY") == 0  # what was read before is signed no more
        if control == RESET:
            ip.send(1)
        await ClockCycles(dut.aclk, random.randrange(2 * ip.ip["interval_cycles"]))
        await ip.write("CONTROL", control)
        await ip.settled()
        assert await ip.read("SELECT") == memory
        await put(ip, pieces[there:-1])
        await ip.write("DATA", pieces[-1])
        assert await ip.read("STATUS") == RUNNING
        ip.send(2)
        await ip.expect(2)
        assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 1
    await signed(ip)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pauses=PAUSES)
async def loaded_again_while_frames_come(dut, pauses):
    """No frame begins while a memory is loaded again, none is lost, and all are right."""
    ip = await Ip(dut, pauses).start()
    numbers = [random.randrange(len(ip.frames)) for _ in range(40)]
    for number in numbers:
        ip.send(number)

    async def compare():
        for number in numbers:
            await ip.expect(number)

    comparing = cocotb.start_soon(compare())
    for memory in range(len(ip.manifest["loads"])):
        await ClockCycles(dut.aclk, random.randrange(8 * ip.ip["interval_cycles"]))
        assert await ip.read("STATUS") == RUNNING
        await ip.write("SELECT", memory)
        *pieces, last = ip.pieces(memory)
        await put(ip, pieces)
        seen = -1
        while seen != (seen := len(ip.ends)):  # those that had begun
            await ClockCycles(dut.aclk, 400)
        assert 0 < await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == seen < 40
        await ip.write("DATA", last)
    await comparing
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 40
    await signed(ip)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def other_weights(dut):
    """Load other weights: logits and signature are those of the network with these."""
    ip = await Ip(dut).start()
    (memory,) = (m for m, each in enumerate(ip.manifest["signatures"]) if each["layer"] == "last")
    right, pieces = ip.manifest["signatures"][memory], ip.pieces(memory)
    assert right["depth"] == len(pieces)  # a piece a word, a word a channel
    operations = (
        replace(each, weights=each.weights[::-1])
        if isinstance(each, Conv) and each.name == right["layer"]
        else each
        for each in ip.network.operations
    )
    ip.network = replace(ip.network, operations=tuple(operations))
    before, ip.logits = ip.logits, ip.expected(ip.frames)
    assert not np.array_equal(before, ip.logits)
    await ip.write("SELECT", memory)
    for piece in reversed(pieces):
        await ip.write("DATA", piece)
    for number in range(3):
        ip.send(number)
        await ip.expect(number)
    assert await ip.read("SIGNATURE") == signature(pieces[::-1], right["width"])
    assert await ip.read("SIGNATURE") != right["signature"]
