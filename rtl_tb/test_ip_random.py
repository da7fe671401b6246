"""The IP's ports around a core that tells what it was fed with: random packets, modes, resets."""

import random
from dataclasses import replace

import cocotb
import pytest

from zynqfire.hls import ip, ip_tops
from zynqfire.hls.verilog import instance
from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.ip_model import Beat, Frames
from zynqfire.rtl_tb.ip_random import OUTPUTS, Pins, Record

RESET, ABORT, LINES, LIVE = 1, 2, 4, 8  # CONTROL

# Bits of s_axis, height, width and channels of a frame, lanes of the core, words of a frame out,
# bits of a word, cycles between two beats into the core
SHAPES = {
    "byte": (32, (1, 1, 1), 1, 1, 32, 0),
    "beat": (32, (2, 2, 1), 1, 2, 32, 2),
    "odd": (32, (3, 3, 3), 3, 3, 32, 0),
    "wide": (64, (3, 5, 4), 4, 10, 64, 1),
    "slow": (32, (4, 3, 4), 2, 1, 32, 7),
    "lanes": (32, (4, 1, 8), 8, 5, 32, 3),
    "parts": (128, (3, 2, 22), 22, 4, 32, 0),
    "broad": (128, (5, 3, 3), 3, 10, 32, 0),
}
QUICK = ("byte", "lanes", "broad")


def outputs(frame: bytes, words: int, bits: int) -> list[int]:
    """Return the words that zf_tb_core makes of a frame."""
    value = 2166136261
    for byte in frame:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    high = (value ^ 0xFFFFFFFF) << 32
    return [(high | (value + n & 0xFFFFFFFF)) & (1 << bits) - 1 for n in range(words)]


class Bench:
    """The IP of a shape, and what its registers and its words out must be."""

    def __init__(self, dut):
        self.bits, (self.rows, width, channels), _, self.words, self.out_bits, gap = SHAPES[
            simulator.config()["name"]
        ]
        self.row, self.lanes = width * channels, self.bits // 8
        self.cycles = 10 + (gap + 2) * self.rows * self.row  # a frame takes no more
        self.pins = Pins(dut, dut.ip)
        self.mode, self.packet = 0, 1
        self.met = False  # a soft reset met the packet that is arriving
        self.since = 0  # cycle of the last reset's end
        self.fresh()

    # ------------------------------------------------------------------------------ what is sent
    def data(self) -> list[Beat]:
        """Return a packet of whatever kind."""
        unit = self.row if self.mode & LINES else self.rows * self.row * self.packet
        kind = random.choice(("right",) * 5 + ("short", "long", "any", "empty", "double"))
        length = {
            "right": unit,
            "short": random.randint(0, unit),
            "long": unit + random.randint(1, 2 * self.lanes),
            "any": random.randint(0, 3 * unit),
            "empty": 0,
            "double": 2 * unit,
        }[kind]
        return self.beats(random.randbytes(length))

    def beats(self, data: bytes) -> list[Beat]:
        """Return bytes as beats; TKEEP and TUSER may be wrong, an empty beat may end it."""
        full = (1 << self.lanes) - 1
        found = []
        for at in range(0, len(data), self.lanes):
            part = data[at : at + self.lanes]
            keep = (1 << len(part)) - 1
            part += random.randbytes(self.lanes - len(part))
            found.append(Beat(part, keep, self.mode & LINES == 0 and random.random() < 0.3))
        empty = Beat(random.randbytes(self.lanes), 0)
        if not found or (found[-1].keep == full and random.random() < 0.15):
            found.append(empty)
        if random.random() < 0.15:
            at = random.randrange(len(found))
            keep = random.choice((0, random.getrandbits(self.lanes), full >> 1, full & ~1))
            found[at] = replace(found[at], keep=keep)
        return [*found[:-1], replace(found[-1], last=True)]

    def picture(self) -> list[Beat]:
        """Return packets of line mode, with TUSER mostly where a frame begins."""
        found = []
        rows = self.rows if random.random() < 0.7 else random.randint(1, self.rows + 2)
        for row in range(rows):
            line = self.data() if random.random() < 0.3 else self.beats(random.randbytes(self.row))
            if random.random() < 0.03:  # the TLAST is forgotten
                line[-1] = replace(line[-1], last=False)
            for at, beat in enumerate(line):
                wrong = random.random() < 0.02
                user = (row == 0 and at == 0) != wrong
                found.append(replace(beat, user=user))
        return found

    def fill(self, packets: int) -> None:
        """Queue packets."""
        queue = self.pins.queue
        for _ in range(packets):
            queue.extend(self.picture() if self.mode & LINES else self.data())
        if packets:
            queue[-1] = replace(queue[-1], last=True)

    # ------------------------------------------------------------------------- what must come out
    def fresh(self) -> None:
        """Begin to check a record: nothing is inside."""
        self.model = Frames(self.rows, self.row, lines=bool(self.mode & LINES), packet=self.packet)
        self.seen = 0  # beats of the record that the model has taken
        self.cut = None  # when a beat last found no room
        self.skips = {0}  # words of the record that may be a packet's from before
        self.noted = 0  # words when INTERRUPT was last cleared
        self.waited = 0  # cycles that the input waited in the modes before

    async def switch(self, mode: int) -> None:
        """Change modes between frames, without a reset."""
        old, self.mode = self.model, mode
        await self.pins.write("CONTROL", mode)
        lines = bool(mode & LINES)
        self.model = Frames(self.rows, self.row, lines=lines, packet=self.packet)
        self.model.done, self.model.errors, self.model.bad = old.done, old.errors, old.bad
        self.model.begun = old.begun and lines
        self.waited = self.pins.record.stalls[0]

    def follow(self, record: Record) -> None:
        """Give the model the beats of a record that it has not seen."""
        for cycle, beat in record.taken[self.seen :]:
            self.seen += 1
            at = cycle + 1  # when it leaves the register before the FIFO
            if self.met or cycle <= self.since:
                self.met = not beat.last
            elif self.model.dropping or not self.mode & LIVE:
                self.model.take(beat)
            elif self.cut and not set(range(self.cut + 1, at)) - self.pins.full:
                self.model.drop(beat)  # the end of the packet that was cut still waits for room
            elif at in self.pins.full:
                self.model.overrun(beat)
                self.cut = at
            else:
                self.model.take(beat)

    def expected(self) -> list[tuple[int, int]]:
        """Return the words of the frames so far, and their TLAST."""
        flat = [w for each in self.model.done for w in outputs(each, self.words, self.out_bits)]
        size = self.words * self.packet
        return [(word, int(n % size == size - 1)) for n, word in enumerate(flat)]

    async def settle(self) -> None:
        """Wait until all that was queued is in, and all that must come is out; compare."""
        pins, record = self.pins, self.pins.record
        await self.until(lambda: not pins.queue and not pins.offered, "no beat is taken")
        await pins.cycle(4)
        self.follow(record)
        wanted = self.expected()
        least = min(self.skips) + len(wanted)
        await self.until(lambda: len(record.words) >= least, f"{least} words do not come")
        pins.stalled = (0, 0)
        await pins.cycle(4 * self.cycles + 50)
        got = [word[1:] for word in record.words]
        skips = [skip for skip in self.skips if got[skip:] == wanted]
        assert skips, (len(got), len(wanted), self.skips)
        del record.words[: skips[0]]
        self.skips = {0}
        await self.registers(record)

    async def until(self, done, complaint: str) -> None:
        """Let cycles pass until something is so; something must move."""
        pins, moved, since = self.pins, None, self.pins.now
        while not done():
            await pins.cycle()
            now = len(pins.record.words), len(pins.record.taken)
            if now != moved:
                moved, since = now, pins.now
            assert pins.now - since < 2000 + 20 * self.cycles * self.packet, complaint

    async def registers(self, record: Record) -> None:
        """Compare what the registers say; sometimes clear ERRORS and INTERRUPT."""
        pins, model = self.pins, self.model
        ends = [cycle for n, (cycle, *_) in enumerate(record.words, 1) if n % self.words == 0]
        packets = any(last for _, _, last in record.words[self.noted :])
        wanted = {
            "FRAMES_IN": len(model.done),
            "FRAMES_OUT": len(ends),
            "ERRORS": model.errors,
            "BAD_FRAME": model.bad,
            "INTERVAL": ends[-1] - ends[-2] if len(ends) > 1 else 0,
            "INTERRUPT": 2 * (model.errors != 0) | packets,
            "PACKET": self.packet,
            "CONTROL": self.mode,
            "STATUS": 1,
            "INPUT_STALLS": record.stalls[0],
            "OUTPUT_STALLS": record.stalls[1],
        }
        assert not self.mode & LIVE or record.stalls[0] == self.waited
        for name, value in wanted.items():
            assert await pins.read(name) == value, (name, value)
        await pins.write("INTERRUPT_ENABLE", random.choice((0, 1, 2, 3)))
        enable = await pins.read("INTERRUPT_ENABLE")
        assert pins.get("irq") == (wanted["INTERRUPT"] & enable != 0)
        if random.random() < 0.5:
            model.errors, self.noted = 0, len(record.words)
            await pins.write("ERRORS", 15)
            await pins.write("INTERRUPT", 3)
            assert await pins.read("ERRORS") == await pins.read("INTERRUPT") == 0

    # ---------------------------------------------------------------------------------- resets
    async def hard(self) -> None:
        """Reset everything with aresetn; nothing is left of anything."""
        pins = self.pins
        pins.queue.clear()
        pins.set(aresetn=0)
        await pins.cycle(3)
        for _ in range(random.randint(13, 17)):
            await pins.cycle()
            assert not any(pins.get(n) for n in OUTPUTS if n.endswith(("ready", "valid")))
        pins.set(aresetn=1)
        await pins.cycle(2)
        self.mode, self.packet, self.met = 0, 1, False
        self.since = pins.cleared
        pins.record.words.clear()
        pins.record.taken.clear()
        self.fresh()

    async def abort(self, mode: int) -> None:
        """Reset the DMA, then the IP."""
        pins, old = self.pins, self.pins.record
        pins.queue.clear()
        pins.stop()
        self.check_old(old)
        await pins.write("CONTROL", ABORT | mode)
        assert await pins.read("STATUS") & 4
        await self.drained(fed=False)
        self.mode, self.met, self.since = mode, False, pins.cleared
        assert not pins.record.taken and not pins.record.words
        pins.stalled = (0.0, 0.0)
        self.fresh()

    async def soft(self, mode: int) -> None:
        """Soft reset wherever the streams are; what is left of a packet out is 0."""
        pins, first = self.pins, len(self.pins.before)
        await pins.write("CONTROL", RESET | mode)
        while random.random() < 0.2:  # again
            await pins.cycle(random.randint(1, 10))
            await pins.write("CONTROL", RESET | mode)
        if random.random() < 0.3:  # and while a packet out waits for its end
            stalled, pins.stalled = pins.stalled, (pins.stalled[0], 1.0)
            await pins.cycle(random.randint(1, 60))
            if await pins.read("STATUS") & 4 and pins.held:
                await pins.write("CONTROL", RESET | mode)
            pins.stalled = stalled
        await self.drained(fed=True)
        ended = pins.before[first:]
        self.check_old(ended[0])
        self.since = pins.cleared
        taken = [beat for each in (*ended, pins.record) for beat in each.taken]
        early = [beat for cycle, beat in taken if cycle <= self.since]
        self.met = not early[-1].last if early else self.met
        wanted, size, count = self.expected(), self.words * self.packet, len(ended[0].words)
        skips, dropped = set(), sum(len(each.words) for each in ended[1:])
        after = [word[1:] for each in (*ended[1:], pins.record) for word in each.words]
        for skip in self.skips:
            for total in range(count - skip, min(count - skip + 2, len(wanted)) + 1):
                zeros = -total % size
                tail = [*wanted[count - skip : total], *[(0, 0)] * zeros]
                tail = [*tail[:-1], (0, 1)] if zeros else tail
                if after[: len(tail)] == tail and len(tail) >= dropped:
                    skips.add(len(tail) - dropped)
        assert skips, (count, size, after, wanted[count - 2 :])
        self.mode = mode
        self.fresh()
        self.skips = skips
        self.seen = sum(cycle <= self.since for cycle, _ in pins.record.taken)

    def check_old(self, old: Record) -> None:
        """Compare what came out before a reset."""
        self.follow(old)
        wanted, got = self.expected(), [word[1:] for word in old.words]
        self.skips = {s for s in self.skips if got[s:] == wanted[: max(0, len(got) - s)]}
        assert self.skips, ("before the reset", got[-6:], wanted[:40])

    async def drained(self, fed: bool) -> None:
        """Wait until no reset goes on."""
        pins, start = self.pins, self.pins.now
        while await pins.read("STATUS") & 4:
            assert pins.now - start < 5000 + 50 * self.cycles, "it drains for ever"
            if (
                fed and pins.inside and not pins.queue and not pins.offered
            ):  # the packet that is arriving ends
                pins.queue.extend(self.beats(bytes(1)))


def draw_mode() -> int:
    """Return modes of CONTROL."""
    return random.choice((0, 0, LIVE, LINES, LINES | LIVE))


@cocotb.test()
async def anything(dut):
    """Packets of all kinds in every mode; resets of every kind at any moment; all registers."""
    bench = Bench(dut)
    pins = bench.pins
    await bench.hard()
    for _ in range(simulator.config()["rounds"]):
        pins.stalled = random.choice(((0, 0), (0.5, 0), (0, 0.6), (0.3, 0.3), (0, 0.95), (0.9, 0)))
        bench.fill(random.choice((0, 3, 8, 20)))
        ends = random.choice(("settle", "settle", "soft", "soft", "abort", "hard"))
        if ends == "settle":
            await bench.settle()
            ends = random.choice(("go on", "soft", "abort", "hard"))
            idle, model = True, bench.model
            if ends == "go on" and not model.frame and len(model.done) % bench.packet == 0:
                await bench.switch(draw_mode())
        else:
            left, patience = random.randint(0, len(pins.queue)), 40 * bench.cycles
            while len(pins.queue) > left and (patience := patience - 1):
                await pins.cycle()
            await pins.cycle(random.choice((0, random.randrange(4 * bench.cycles))))
            idle = False
        if ends == "hard":
            await bench.hard()
            await pins.write("CONTROL", mode := draw_mode())
            bench.mode = mode
            bench.fresh()
        elif ends == "soft":
            await bench.soft(draw_mode())
        elif ends == "abort":
            await bench.abort(draw_mode())
        if ends in ("hard", "abort") or (idle and ends == "soft"):
            bench.packet = random.choice((1, 1, 2, 3, 7))
            await pins.write("PACKET", bench.packet)
            skips = bench.skips
            bench.fresh()
            bench.seen, bench.skips, bench.met = len(pins.record.taken), skips, pins.inside


def built(name, folder):
    """Build the simulator of a shape."""
    bits, shape, lanes, words, out_bits, gap = SHAPES[name]
    size = shape[0] * shape[1] * shape[2]
    shell = ip.Shell("core", shape, lanes, words, out_bits, (), 0, 1, 1, (bits,))
    ports = [
        *(("aclk", 1, "input"), ("aresetn", 1, "input"), ("s_axis_tdata", lanes * 8, "input")),
        *(("s_axis_tvalid", 1, "input"), ("s_axis_tready", 1, "output")),
        *(("s_axis_tlast", 1, "input"), ("m_axis_tdata", out_bits, "output")),
        *(("m_axis_tvalid", 1, "output"), ("m_axis_tready", 1, "input")),
        ("m_axis_tlast", 1, "output"),
    ]
    given = {"Lanes": lanes, "Beats": size // lanes, "Outputs": words, "OutBits": out_bits}
    wires = {port: port for port, _, _ in ports}
    listed = ", ".join(f"{way} logic [{bits - 1}:0] {port}" for port, bits, way in ports)
    lines = [f"module core ({listed});"]
    lines += [*instance("zf_tb_core", "it", given | {"Gap": gap}, wires), "endmodule", ""]
    texts = ip_tops.tops(shell, name) | {"rtl/core.sv": "\n".join(lines)}
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    library = {path for unit in (*UNITS, "zf_tb_core") for path in simulator.library(unit)}
    sources = [*sorted(library), *(folder / path for path in texts)]
    public = {"zf_receive": ("room",), ip.TOP: ("clear", "abort")}
    return simulator.build(ip.PACKAGER_TOP, sources, public=public, options=("-Wno-fatal",))


UNITS = ("zf_control", "zf_receive", "zf_repack", "zf_frame", "zf_send")


@pytest.mark.parametrize("name", QUICK)
def test_ip_random(name, tmp_path):
    """Run `anything` for some rounds."""
    config = {"name": name, "rounds": 200}
    simulator.run(built(name, tmp_path), "zynqfire.rtl_tb.test_ip_random", config=config)


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_ip_random_long(name, tmp_path):
    """Run `anything` for many."""
    made = built(name, tmp_path)
    for seed in range(2, 5):
        config = {"name": name, "rounds": 1000}
        simulator.run(made, "zynqfire.rtl_tb.test_ip_random", config=config, seed=seed)
