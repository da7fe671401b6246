"""zf_axi_lite: transfers of a master as words written and read, whatever each channel does."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiResp

from zynqfire.rtl_tb import axi_lite, cases
from zynqfire.rtl_tb.cases import Case, Part

BEHIND = {"write_o": 1, "write_word_o": 10, "write_data_o": 32, "write_whole_o": 1}
BEHIND |= {"read_o": 1, "read_word_o": 10, "read_data_i": 32}
CASES = {"port": Case({}, axi_lite.PORTS | BEHIND, inputs=axi_lite.INPUTS)}
STALLS = [
    {},
    dict.fromkeys(axi_lite.CHANNELS, 0.5),
    *({channel: 0.9} for channel in axi_lite.CHANNELS),
]


class Registers:
    """What lies behind the port: 1,024 words of random numbers, and the rules on every cycle."""

    def __init__(self, part: Part):
        self.part, self.edge = part, RisingEdge(part.clk_i)
        self.words = [random.getrandbits(32) for _ in range(1024)]
        self.writes: list[tuple[int, int, int]] = []  # word, data, whether whole
        self.reads: list[tuple[int, int]] = []  # word, data
        self.taken = dict.fromkeys(axi_lite.CHANNELS, 0)

    async def run(self) -> None:
        """Answer a read in the second cycle after it, until then with anything."""
        part, value = self.part, None
        offered = {"b": None, "r": None}
        payload = {"b": ("s_axi_bresp",), "r": ("s_axi_rresp", "s_axi_rdata")}
        while True:
            await self.edge
            if value is not None:
                part.drive(read_data_i=value)
                value = None
            for channel in axi_lite.CHANNELS:
                valid, ready = part.read(f"s_axi_{channel}valid", f"s_axi_{channel}ready")
                if channel in offered:
                    now = part.read(*payload[channel]) if valid else None
                    assert offered[channel] in (None, now), f"{channel} must keep what it offers"
                    offered[channel] = None if ready else now
                    assert not valid or now[0] == AxiResp.OKAY
                self.taken[channel] += valid and ready
            assert self.taken["b"] <= min(self.taken["aw"], self.taken["w"], len(self.writes))
            if part.read("write_o") == [1]:
                word, data, whole = part.read("write_word_o", "write_data_o", "write_whole_o")
                self.writes.append((word, data, whole))
                self.words[word] = data if whole else self.words[word]
            assert self.taken["r"] <= len(self.reads) <= self.taken["ar"]
            if part.read("read_o") == [1]:
                (word,) = part.read("read_word_o")
                value = self.words[word]
                self.reads.append((word, value))
                part.drive(read_data_i=~value & 0xFFFFFFFF)


async def _start(dut, stalls):
    part = Part(dut, "port")
    for name in axi_lite.INPUTS:
        getattr(part, name).value = 0
    part.drive(rst_i=1, read_data_i=0)
    host = axi_lite.master(dut, "port", stalls)
    Clock(part.clk_i, 4, "ns").start()
    registers = Registers(part)
    for _ in range(3):
        await registers.edge
    part.drive(rst_i=0)
    await registers.edge
    cocotb.start_soon(registers.run())
    return host, registers


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stalls=STALLS)
async def transfers(dut, stalls):
    """Write some bytes and all, and read, at once: each once, in order, at any address."""
    host, registers = await _start(dut, stalls)
    writes, wanted, reads = [], [], []
    for number in range(60):
        word = random.choice((0, 1023, random.randrange(1024)))
        first = random.randrange(4) * random.getrandbits(1)
        data = random.randbytes(
            4 - first if random.getrandbits(1) else random.randint(1, 4 - first)
        )
        writes.append(host.init_write(4 * word + first, data))
        wanted.append((word, int.from_bytes(data, "little") << 8 * first, int(len(data) == 4)))
        if number % 2:
            word = random.choice((0, 1023, word, random.randrange(1024)))
            reads.append((word, host.init_read(4 * word, 4)))
    for write in writes:
        await write.wait()
        assert write.data.resp == AxiResp.OKAY
    for number, (word, read) in enumerate(reads):
        await read.wait()
        got = word, int.from_bytes(read.data.data, "little")
        assert got == registers.reads[number] and read.data.resp == AxiResp.OKAY
    assert registers.writes == wanted and len(registers.reads) == len(reads)


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stalls=STALLS[:2])
async def a_read_after_a_response_sees_the_write(dut, stalls):
    """Read each word as soon as its write is answered."""
    host, registers = await _start(dut, stalls)
    for _ in range(20):
        word, data = random.randrange(1024), random.randbytes(4)
        await host.write(4 * word, data)
        assert (await host.read(4 * word, 4)).data == data
    assert len(registers.writes) == len(registers.reads) == 20


async def _driven(dut):
    part = Part(dut, "port")
    Clock(part.clk_i, 4, "ns").start()
    part.drive(**dict.fromkeys(axi_lite.INPUTS, 0), rst_i=1, read_data_i=0)
    for _ in range(3):
        await RisingEdge(part.clk_i)
    part.drive(rst_i=0)
    return part, RisingEdge(part.clk_i)


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(ahead=[-3, -2, -1, 0, 1, 2, 3])
async def an_address_before_its_data_and_behind(dut, ahead):
    """Write in the cycle after the later of both, respond in the next; as said, not before."""
    part, edge = await _driven(dut)
    part.drive(s_axi_bready=1)
    at = {"aw": max(0, -ahead), "w": max(0, ahead)}
    seen = []
    for cycle in range(10):
        for channel, when in at.items():
            part.drive(**{f"s_axi_{channel}valid": int(cycle == when)})
        part.drive(s_axi_awaddr=0xABC if cycle == at["aw"] else 0)
        part.drive(s_axi_wdata=77 if cycle == at["w"] else 5, s_axi_wstrb=15)
        await edge
        assert part.read("s_axi_awready", "s_axi_wready") == [1, 1]
        seen.append(part.read("write_o", "s_axi_bvalid"))
        if seen[-1][0]:
            assert part.read("write_word_o", "write_data_o") == [0xABC // 4, 77]
    later = max(at.values())
    assert seen == [[cycle == later + 1, cycle == later + 2] for cycle in range(10)]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def full_speed(dut):
    """Take a write a cycle and a read in 4, at once; what nobody answers for waits and is kept."""
    part, edge = await _driven(dut)
    part.drive(s_axi_awvalid=1, s_axi_wvalid=1, s_axi_arvalid=1, s_axi_bready=1, s_axi_rready=1)
    for cycle in range(24):
        part.drive(s_axi_awaddr=4 * cycle, s_axi_wdata=cycle, s_axi_araddr=4 * cycle)
        await edge
        assert part.read("s_axi_awready", "s_axi_wready") == [1, 1]
        assert part.read("write_o", "s_axi_bvalid") == [cycle >= 1, cycle >= 2]
        assert part.read("s_axi_arready", "read_o") == [cycle % 4 == 0, cycle % 4 == 1]
        assert part.read("s_axi_rvalid") == [cycle % 4 == 3]
        assert cycle < 1 or part.read("write_word_o", "write_data_o") == [cycle - 1] * 2
        assert cycle % 4 != 1 or part.read("read_word_o") == [cycle - 1]
    part.drive(s_axi_bready=0, s_axi_arvalid=0)
    counts = dict.fromkeys(("aw", "w", "write", "b"), 0)
    for cycle in range(24):
        if cycle == 12:
            part.drive(s_axi_awvalid=0, s_axi_wvalid=0, s_axi_bready=1)
        await edge
        awready, wready, bvalid = part.read("s_axi_awready", "s_axi_wready", "s_axi_bvalid")
        counts["aw"] += cycle < 12 and awready
        counts["w"] += cycle < 12 and wready
        counts["write"] += part.read("write_o")[0]
        counts["b"] += cycle >= 12 and bvalid
        assert cycle != 11 or (counts["write"], awready, wready, bvalid) == (2, 0, 0, 1)
    # The last write and the last response of above are still under way at the beginning
    assert counts == {"aw": 3, "w": 3, "write": 4, "b": 5}


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(offered=[("aw",), ("w",), ("aw", "w"), ("ar",), ("aw", "w", "ar")])
async def reset_forgets(dut, offered):
    """Whatever is under way, nothing is taken in reset and nothing comes of it later."""
    part, edge = await _driven(dut)
    valid = [f"s_axi_{channel}valid" for channel in offered]
    outputs = ("s_axi_bvalid", "s_axi_rvalid", "write_o", "read_o")
    for wait in range(8):
        part.drive(rst_i=0, **dict.fromkeys(valid, 1))
        for _ in range(1 + wait):
            await edge
        part.drive(rst_i=1)
        await edge
        assert part.read("s_axi_awready", "s_axi_wready", "s_axi_arready") == [0, 0, 0]
        part.drive(**dict.fromkeys(valid, 0))
        for cycle in range(6):
            part.drive(rst_i=int(cycle == 0))
            await edge
            assert part.read(*outputs) == [0, 0, 0, 0], (wait, cycle)
            ready = part.read("s_axi_awready", "s_axi_wready", "s_axi_arready")
            assert ready == [int(cycle > 0)] * 3
        # The other half of a write that reset forgot makes none
        other = {("aw",): "s_axi_wvalid", ("w",): "s_axi_awvalid"}.get(offered)
        if other:
            part.drive(**{other: 1})
            await edge
            part.drive(**{other: 0}, rst_i=0)
            for _ in range(4):
                await edge
                assert part.read(*outputs) == [0, 0, 0, 0]
        part.drive(rst_i=1)
        await edge
        await edge


def test_zf_axi_lite(tmp_path):
    """Run them."""
    cases.run("zf_axi_lite", CASES, tmp_path)
