"""zf_control over its AXI4-Lite port: loading, refusals, reads beside it, resets; any stalls."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiResp

from zynqfire.hls.register_map import REGISTERS
from zynqfire.rtl_tb import axi_lite, cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized

EVENTS = ("begin_i", "in_i", "late_i", "out_i", "packet_i", "input_stall_i", "output_stall_i")
EVENTS += ("draining_i", "faults_i")
OUTPUTS = ("irq_o", "lines_o", "live_o", "soft_o", "abort_o")
CONSTANTS = {"Network": sized(0x89ABCDEF, 32), "InputBytes": 3072, "OutputBytes": 40}
CONSTANTS |= {"InBytes": 8, "OutBytes": 4}
WORDS = {"one": (5,), "three": (7, 1, 40), "four": (3, 9, 2, 30)}  # to load each memory
ROMS = {"one": 0, "three": 2, "four": 5, "roms": 3}  # memories behind them
AT = {name: entry[0] for name, entry in REGISTERS.items()}


def _case(words: tuple[int, ...], roms: int) -> Case:
    count, every = max(1, len(words)), len(words) + roms
    table = sum(number << 32 * m for m, number in enumerate(words))
    ports = axi_lite.PORTS | {"run_o": 1, "load_begin_o": 1, "load_we_o": count, "load_data_o": 32}
    ports |= {"signatures_i": 32 * every, "signed_i": every, "packet_o": 16, "faults_i": 4}
    ports |= dict.fromkeys((*EVENTS[:-1], *OUTPUTS), 1)
    parameters = {"Memories": len(words), "Words": sized(table, 32 * count), **CONSTANTS}
    parameters["Signatures"] = every
    return Case(parameters, ports, inputs=axi_lite.INPUTS)


CASES = {name: _case(WORDS.get(name, ()), roms) for name, roms in ROMS.items()}
QUICK = ("three",)


class Host:
    """The master of a case, and what the ports behind the registers have seen."""

    def __init__(self, dut, name: str, stalled: float):
        self.words, self.prefix = WORDS.get(name, ()), name
        self.every = len(self.words) + ROMS[name]
        self.port = lambda port: getattr(dut, f"{name}_{port}")
        self.edge = RisingEdge(self.port("clk_i"))
        self.axi = axi_lite.master(dut, name, dict.fromkeys(axi_lite.CHANNELS, stalled))
        self.loaded: list[list[int]] = [[] for _ in self.words]
        self.begun = False

    async def watch(self):
        """Collect what is loaded, as zf_uram does."""
        while True:
            await self.edge
            if int(self.port("rst_i").value) or int(self.port("load_begin_o").value):
                self.begun = True
            enabled = int(self.port("load_we_o").value)
            assert enabled & (enabled - 1) == 0, "one memory at a time"
            if enabled:
                memory = self.loaded[enabled.bit_length() - 1]
                if self.begun:
                    memory.clear()
                self.begun = False
                memory.append(int(self.port("load_data_o").value))

    async def reset(self):
        """Reset for some clocks."""
        self.port("rst_i").value = 1
        for _ in range(random.randint(2, 4)):
            await self.edge
        self.port("rst_i").value = 0
        self.begun = True
        await self.edge

    async def write(self, name: str | int, value: int) -> None:
        """Write a register."""
        at = AT[name] if isinstance(name, str) else name
        answer = await self.axi.write(at, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY

    async def read(self, name: str | int) -> int:
        """Read a register."""
        answer = await self.axi.read(AT[name] if isinstance(name, str) else name, 4)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def load(self, memory: int, pieces: list[int]) -> None:
        """Select a memory and write pieces, several writes under way at a time."""
        await self.write("SELECT", memory)
        under_way = [
            self.axi.init_write(AT["DATA"], piece.to_bytes(4, "little")) for piece in pieces
        ]
        for write in under_way:
            await write.wait()

    async def refused(self) -> bool:
        """Return STATUS.refused and clear it."""
        status = await self.read("STATUS")
        await self.write("STATUS", 2)
        assert not await self.read("STATUS") & 2
        return bool(status & 2)


async def _start(dut, name: str, stalled: float) -> Host:
    for port in axi_lite.INPUTS:
        getattr(dut, f"{name}_{port}").value = 0
    getattr(dut, f"{name}_rst_i").value = 1
    for port in ("signed_i", *EVENTS):
        getattr(dut, f"{name}_{port}").value = 0
    host = Host(dut, name, stalled)
    Clock(host.port("clk_i"), 4, "ns").start()
    await host.reset()
    cocotb.start_soon(host.watch())
    return host


def _pieces(number: int) -> list[int]:
    return [random.getrandbits(32) for _ in range(number)]


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(name=list(WORDS), stalled=[0.0, 0.5])
async def loads(dut, name, stalled):
    """Load memories in any order; running once all are; a load begun again takes it back."""
    host = await _start(dut, name, stalled)
    for register in ("ID", "VERSION"):
        assert await host.read(register) == REGISTERS[register][2]
    assert await host.read("MEMORIES") == len(host.words)
    assert await host.read("SIGNATURES") == host.every
    order = list(range(len(host.words)))
    random.shuffle(order)
    wanted = [_pieces(number) for number in host.words]
    for memory in order:
        assert not int(host.port("run_o").value) and await host.read("STATUS") == 0
        await host.load(memory, wanted[memory][:-1])
        assert await host.read("MEMORY") == 0
        await host.load(memory, wanted[memory])
        assert await host.read("SELECT") == memory
        assert await host.read("MEMORY") == 1
    assert host.loaded == wanted
    assert int(host.port("run_o").value) and await host.read("STATUS") == 1
    again = random.choice(order)
    await host.write("SELECT", again)  # alone it only looks
    assert await host.read("STATUS") == 1
    wanted[again] = _pieces(host.words[again])
    if len(wanted[again]) > 1:
        await host.load(again, wanted[again][:1])
        assert await host.read("STATUS") == 0 and not int(host.port("run_o").value)
    await host.load(again, wanted[again])
    assert await host.read("STATUS") == 1 and host.loaded == wanted
    await host.reset()
    assert await host.read("STATUS") == 0 and await host.read("SELECT") == 0


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(name=list(WORDS), stalled=[0.0, 0.4])
async def refuses(dut, name, stalled):
    """Refuse what cannot be without a trace, and STATUS says so."""
    host = await _start(dut, name, stalled)
    last = len(host.words) - 1
    wanted = _pieces(host.words[last])
    await host.load(last, wanted)
    assert not await host.refused()
    await host.write("DATA", 1)
    assert await host.refused() and host.loaded[last] == wanted, "one piece too many"
    for bad in (host.every, 1 << 8, 1 << 31):
        await host.write("SELECT", bad)
        assert await host.refused() and await host.read("SELECT") == last
    for rom in range(last + 1, host.every):
        await host.write("SELECT", rom)
        assert await host.read("MEMORY") == 1 and not await host.refused()
        await host.write("DATA", 1)
        assert await host.refused() and await host.read("MEMORY") == 1
        assert await host.read("SELECT") == rom
    await host.load(last, wanted)
    assert not await host.refused()
    for register in ("ID", "MEMORIES", "SIGNATURE"):
        before = await host.read(register)
        await host.write(register, ~before & 0xFFFFFFFF)
        assert await host.refused() and await host.read(register) == before
    taken = set(AT.values())
    for address in (*random.sample(sorted(set(range(0, 4096, 4)) - taken), 8), AT["DATA"]):
        assert await host.read(address) == 0
        assert await host.refused(), f"{address:#x}"
        if address != AT["DATA"]:
            await host.write(address, last)
            assert await host.refused(), f"{address:#x}"
    await host.axi.write(AT["SELECT"], bytes([0]))  # one byte of four
    assert await host.refused() and await host.read("SELECT") == last
    await host.axi.write(AT["DATA"] + 1, bytes(3))
    assert await host.refused() and await host.read("MEMORY") == 1
    await host.write("STATUS", 0)
    await host.read(0xFFC)
    await host.write("STATUS", 1)  # does not clear it
    assert await host.refused()
    assert host.loaded[last] == wanted


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(name=list(WORDS), stalled=[0.0, 0.5])
async def shows(dut, name, stalled):
    """Read the selected memory's signature while it is loaded."""
    host = await _start(dut, name, stalled)
    signatures = _pieces(host.every)
    packed = sum(value << 32 * m for m, value in enumerate(signatures))
    host.port("signatures_i").value = packed
    for memory in random.sample(range(host.every), host.every):
        valid = random.getrandbits(host.every)
        host.port("signed_i").value = valid
        await host.write("SELECT", memory)
        assert await host.read("SIGNATURE") == signatures[memory]
        assert await host.read("MEMORY") >> 1 == valid >> memory & 1
        if memory >= len(host.words):
            continue
        loading = cocotb.start_soon(host.load(memory, _pieces(host.words[memory])))
        for _ in range(5):
            assert await host.read("SIGNATURE") == signatures[memory]
            assert await host.read("ID") == REGISTERS["ID"][2]
        await loading
        assert (await host.read("MEMORY")) & 1


@cocotb.test(timeout_time=200, timeout_unit="us")
async def roms(dut):
    """Run at once where nothing is to be loaded; the signatures of ROMs are shown."""
    host = await _start(dut, "roms", 0.0)
    await host.edge
    assert await host.read("STATUS") == 1 and int(host.port("run_o").value)
    assert await host.read("MEMORIES") == 0 and await host.read("SIGNATURES") == host.every
    signatures = _pieces(host.every)
    host.port("signatures_i").value = sum(value << 32 * m for m, value in enumerate(signatures))
    host.port("signed_i").value = 0b101
    for memory, value in enumerate(signatures):
        await host.write("SELECT", memory)
        assert await host.read("SIGNATURE") == value
        assert await host.read("MEMORY") == (1 if memory == 1 else 3)
        await host.write("DATA", value)
        assert await host.refused() and int(host.port("load_we_o").value) == 0
    assert host.loaded == [] and await host.read("STATUS") == 1


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(name=list(WORDS), stalled=[0.0, 0.5])
async def controls(dut, name, stalled):
    """Keep modes over soft resets, which last 16 cycles; constants are the parameters."""
    host = await _start(dut, name, stalled)
    for register, value in {
        "NETWORK": 0x89ABCDEF,
        "INPUT_BYTES": 3072,
        "OUTPUT_BYTES": 40,
        "PORTS": 0x0408,
    }.items():
        assert await host.read(register) == value
    lasted = {"soft_o": 0, "abort_o": 0}

    async def watch():
        while True:
            await host.edge
            for port in lasted:
                lasted[port] += int(host.port(port).value)

    cocotb.start_soon(watch())
    assert int(host.port("packet_o").value) == 1
    for value in (9, 0x1234, 65535):
        await host.write("PACKET", value)
        assert await host.read("PACKET") == value == int(host.port("packet_o").value)
    for bad in (0, 0x10000, 0x80000001):
        await host.write("PACKET", bad)
        assert await host.refused() and int(host.port("packet_o").value) == 65535
    await host.write("INTERRUPT_ENABLE", 2)
    for control, port in ((1, "soft_o"), (2, "abort_o"), (3, "abort_o")):
        for modes in (0, 4, 8, 12):
            lasted |= {"soft_o": 0, "abort_o": 0}
            host.port("in_i").value = 1
            await host.write("CONTROL", control | modes)
            assert await host.read("CONTROL") == modes
            assert [int(host.port(p).value) for p in ("lines_o", "live_o")] == [
                modes >> 2 & 1,
                modes >> 3,
            ]
            host.port("in_i").value = 0
            for _ in range(20):
                await host.edge
            assert lasted == {"soft_o": 0, "abort_o": 0} | {port: 16}
            assert await host.read("STATUS") == 0
            assert await host.read("FRAMES_IN") == 0
    assert await host.read("INTERRUPT_ENABLE") == 2 and await host.read("PACKET") == 65535
    host.port("draining_i").value = 1
    assert await host.read("STATUS") == 0 or await host.read("STATUS") == 4
    assert await host.read("STATUS") == 4
    host.port("draining_i").value = 0


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(name=list(WORDS))
async def counts(dut, name):
    """Reach each counter and flag of zf_monitor at its address."""
    host = await _start(dut, name, 0.0)

    async def give(**values):
        for port, value in values.items():
            host.port(port).value = value
        await host.edge
        for port in values:
            host.port(port).value = 0

    await give(begin_i=1)
    for _ in range(9):
        await host.edge
    await give(out_i=1)
    for _ in range(4):
        await host.edge
    await give(out_i=1)
    for port, times in (("in_i", 4), ("input_stall_i", 6), ("output_stall_i", 7)):
        for _ in range(times):
            await give(**{port: 1})
    expected = {"FRAMES_IN": 4, "FRAMES_OUT": 2, "LATENCY": 10, "INTERVAL": 5}
    expected |= {"INPUT_STALLS": 6, "OUTPUT_STALLS": 7, "ERRORS": 0, "INTERRUPT": 0}
    for register, value in expected.items():
        assert await host.read(register) == value, register
    await host.write("INTERRUPT_ENABLE", 1)
    for bit in range(4):
        await give(faults_i=1 << bit, late_i=bit & 1)
        assert await host.read("ERRORS") == 1 << bit and await host.read("INTERRUPT") == 2
        assert await host.read("BAD_FRAME") == 4 - (bit & 1) and not int(host.port("irq_o").value)
        await host.write("ERRORS", 15 & ~(1 << bit))
        await host.write("INTERRUPT", 1)
        assert await host.read("ERRORS") == 1 << bit and await host.read("INTERRUPT") == 2
        await host.write("ERRORS", 1 << bit)
        await host.write("INTERRUPT", 2)
        assert await host.read("ERRORS") == 0 == await host.read("INTERRUPT")
    await give(packet_i=1)
    assert await host.read("INTERRUPT") == 1 and int(host.port("irq_o").value)
    await host.write("INTERRUPT_ENABLE", 2)
    assert await host.read("INTERRUPT_ENABLE") == 2 and not int(host.port("irq_o").value)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_write_a_cycle(dut):
    """Take and answer writes every cycle, and load them 3 later."""
    part = Part(dut, "three")
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    part.drive(**dict.fromkeys(axi_lite.INPUTS, 0), rst_i=1)
    part.drive(**dict.fromkeys(EVENTS, 0))
    await edge
    await edge
    part.drive(rst_i=0, s_axi_awvalid=1, s_axi_wvalid=1, s_axi_wstrb=15, s_axi_bready=1)
    left = WORDS["three"][2]
    for cycle in range(left + 20):
        name = "SELECT" if cycle == 0 else "DATA"
        part.drive(s_axi_awaddr=AT[name], s_axi_wdata=2 if cycle == 0 else 1000 + cycle)
        await edge
        assert part.read("s_axi_awready", "s_axi_wready") == [1, 1]
        if cycle >= 2:
            assert part.read("s_axi_bvalid") == [1]
        loads = 4 <= cycle < 4 + left
        assert part.read("load_we_o") == [4 * loads], cycle
        assert not loads or part.read("load_data_o") == [1000 + cycle - 3]
        assert part.read("load_begin_o") == [cycle in (0, 3)]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_forgets(dut):
    """Reset withdraws a response and read data that nobody took, and takes nothing itself."""
    part = Part(dut, "three")
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    part.drive(**dict.fromkeys(axi_lite.INPUTS, 0), rst_i=1, signed_i=0)
    part.drive(**dict.fromkeys(EVENTS, 0))
    await edge
    await edge
    for wait in range(8):
        part.drive(rst_i=0)
        part.drive(s_axi_awaddr=AT["DATA"], s_axi_wdata=5, s_axi_wstrb=15, s_axi_araddr=AT["ID"])
        for _ in range(1 + wait):
            part.drive(s_axi_awvalid=1, s_axi_wvalid=1, s_axi_arvalid=1)
            await edge
        offered = part.read("s_axi_bvalid", "s_axi_rvalid")
        assert offered == [wait > 1, wait > 2]
        part.drive(s_axi_awvalid=0, s_axi_wvalid=0, s_axi_arvalid=0, rst_i=1)
        await edge
        for cycle in range(8):
            part.drive(rst_i=int(cycle == 0))
            await edge
            assert part.read("s_axi_bvalid", "s_axi_rvalid", "run_o") == [0, 0, 0]
            assert cycle == 0 or part.read("load_we_o") == [0]
            ready = part.read("s_axi_awready", "s_axi_wready", "s_axi_arready")
            assert ready == [int(cycle > 0)] * 3


def test_zf_control(tmp_path):
    """Run the tests for every case."""
    cases.run("zf_control", CASES, tmp_path)
