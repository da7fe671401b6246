"""zf_frame: whatever the packets are, frames of one size; errors say which."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

SHORT, LONG = 1, 2
BEAT = ("tdata", "user", "last", "part", "none", "faults")

NAMES = ("Lanes", "Beats", "Lines", "OutLanes")
SIZES = [(1, 4, 3, 1), (3, 5, 4, 3), (2, 6, 2, 4), (1, 1, 3, 1), (1, 6, 1, 3)]
SETUPS = {"x".join(map(str, size)): dict(zip(NAMES, size, strict=True)) for size in SIZES}
EVENTS = ("begin_o", "in_o", "late_o")


def _case(setup: dict[str, int]) -> Case:
    flags = ("lines_i", "s_tvalid_i", "s_tready_o", "m_tlast_o", "m_tvalid_o", "m_tready_i")
    ports = dict.fromkeys((*flags, *EVENTS, *(f"s_{name}_i" for name in BEAT)), 1)
    ports |= {"packet_i": 16, "faults_o": 4, "s_faults_i": 2}
    ports |= {"s_tdata_i": 8 * setup["Lanes"], "m_tdata_o": 8 * setup["OutLanes"]}
    return Case(setup, ports)


CASES = {f"f{name}": _case(setup) for name, setup in SETUPS.items()}
QUICK = ("f1x4x3x1", "f2x6x2x4")


class Model:
    """The packets of a test, the words that they become, and each frame's errors."""

    def __init__(self, case, lines: bool, size: int):
        self.bits, self.beats, self.rows = case["Lanes"] * 8, case["Beats"], case["Lines"]
        self.lines, self.size = lines, size
        self.done, self.errors, self.begun = 0, {}, False

    def note(self, errors: int, before: int = 0) -> None:
        """Note errors of the frame that is under way, or of the one before."""
        if errors:
            number = self.done - before
            self.errors[number] = self.errors.get(number, 0) | errors

    def packet(self, rng, count: int, user: bool = False) -> tuple[list[int], list[int], bool]:
        """Return a packet that should have `count` words: its beats, those that count, part."""
        kind = rng.choice(("right", "right", "short", "long", "none"))
        length = {"short": rng.randint(1, count), "long": count + rng.randint(1, 4)}.get(
            kind, count
        )
        if kind == "none":
            length = rng.randrange(count + 1)
        words = [rng.getrandbits(self.bits) for _ in range(length)]
        part = length > 0 and kind == "short"
        beats = [
            self.beat(
                word, user and n == 0, n == length - 1 and kind != "none", part and n == length - 1
            )
            for n, word in enumerate(words)
        ]
        if kind == "none":  # its end comes by itself
            beats.append(self.beat(0, user and not words, True, True, 1))
        return beats, words, part

    def beat(self, word, user=False, last=False, part=False, none=0) -> int:
        """Return a beat as the bench drives it; faults are drawn elsewhere."""
        marks = user | last << 1 | part << 2 | none << 3
        return word | marks << self.bits

    def fill(self, words: list[int], count: int, part: bool, frame: int) -> list[int]:
        """Return `count` words, and note the errors of the frames that they are of."""
        found = []
        for n in range(count):
            missing = n >= len(words) or (part and n == len(words) - 1)
            self.note(SHORT if missing else 0)
            found.append(words[n] if n < len(words) else 0)
            if (frame + n + 1) % (self.beats * self.rows) == 0:
                self.done += 1
        return found

    def frames(self, rng) -> tuple[list[int], list[int]]:
        """Return the beats of a packet in frame mode and its words out."""
        count = self.size * self.beats * self.rows
        beats, words, part = self.packet(rng, count)
        out = self.fill(words, count, part and len(words) <= count, 0)
        if len(words) > count:
            self.note(LONG, 1)
        return beats, out

    def picture(self, rng) -> tuple[list[int], list[int]]:
        """Return the beats of a frame in line mode, with what comes before, and its words out."""
        beats, out = [], []
        if rng.random() < 0.3:  # a line of no frame
            beats.append(self.beat(5, False, True))
            self.note(LONG if self.begun else 0, 1)
        self.begun = True
        if rng.random() < 0.3 and self.rows > 1:  # one that the next one's user ends
            kept = rng.randrange(1, self.rows)
            more, words = self.some(rng, kept)
            beats += more
            out += [*words, *self.fill([], (self.rows - kept) * self.beats, False, len(words))]
        more, words = self.some(rng, self.rows)
        return [*beats, *more], [*out, *words]

    def some(self, rng, rows: int) -> tuple[list[int], list[int]]:
        """Return the beats of a frame's first lines, and its words."""
        beats, out = [], []
        for row in range(rows):
            more, words, part = self.packet(rng, self.beats, row == 0)
            long = len(words) > self.beats
            out += self.fill(words, self.beats, part and not long, len(out))
            self.note(LONG if long else 0, int(row == self.rows - 1))
            beats += more
        return beats, out


def _bench(dut):
    return Bench(
        dut,
        source_payload=[f"s_{name}_i" for name in BEAT[:-1]],
        sink_payload=("m_tdata_o", "m_tlast_o"),
    )


def _tested(case, model, rng, beats_in=6):
    """Return some packets' beats, and the words and tlast of the frames that they become."""
    beats, words = [], []
    for _ in range(beats_in):
        more, out = model.picture(rng) if model.lines else model.frames(rng)
        beats += more
        words += out
    ratio = case["OutLanes"] // case["Lanes"]
    frame = case["Beats"] * case["Lines"] // ratio
    wide = [
        sum(word << n * model.bits for n, word in enumerate(words[at : at + ratio]))
        for at in range(0, len(words), ratio)
    ]
    last = 1 << case["OutLanes"] * 8
    return beats, [word | last * (n % frame == frame - 1) for n, word in enumerate(wide)]


MODES = [(False, 1), (False, 3), (True, 1)]


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def events(dut, name):
    """Errors come with the number of their frame, frames are counted; modes follow each other."""
    dut, case, rng = Part(dut, name), CASES[name].parameters, random.Random(4)
    dut.lines_i.value, dut.packet_i.value, dut.s_faults_i.value = 0, 1, 0
    bench = _bench(dut)
    await bench.reset(3, rng)
    counts, found = {"begin_o": 0, "in_o": 0}, {}

    async def watch():
        edge = RisingEdge(dut.clk_i)
        while True:
            await edge
            if errors := int(dut.faults_o.value):
                number = counts["in_o"] - int(dut.late_o.value)
                found[number] = found.get(number, 0) | errors
            for event in counts:
                counts[event] += int(getattr(dut, event).value)

    watching = cocotb.start_soon(watch())
    done, errors, begun = 0, {}, False
    for patterns in (("never", "never"), ("half", "half"), ("never", "heavy"), ("heavy", "never")):
        for lines, size in (*MODES, MODES[-1]):
            dut.lines_i.value, dut.packet_i.value = int(lines), size
            await bench.cycle()
            await bench.cycle()
            model = Model(case, lines, size)
            model.done, model.errors, model.begun = done, errors, begun and lines
            beats, words = _tested(case, model, rng, 9)
            await bench.play([beats], [words], patterns, rng)
            done, begun = model.done, model.begun
            assert counts == {"begin_o": done, "in_o": done}
            assert found == errors
    watching.cancel()


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def faults(dut, name):
    """Faults of a beat are noted when it is taken, and only then."""
    dut, rng = Part(dut, name), random.Random(5)
    edge = RisingEdge(dut.clk_i)
    dut.lines_i.value, dut.packet_i.value = 0, 1
    bench = _bench(dut)
    await bench.reset(3, rng)
    for port in BEAT[1:]:
        getattr(dut, f"s_{port}_i").value = 0
    held = rng.getrandbits(2)
    for _ in range(500):
        dut.s_tvalid_i.value = rng.getrandbits(1)
        dut.m_tready_i.value = rng.getrandbits(1)
        dut.s_faults_i.value = held
        await edge
        moved = int(dut.s_tvalid_i.value) and int(dut.s_tready_o.value)
        assert int(dut.faults_o.value) >> 2 == (held if moved else 0)
        held = rng.getrandbits(2)


@cocotb.test()
@cocotb.parametrize(name=list(CASES), mode=MODES)
async def exact(dut, name, mode):
    """Packets of all kinds, every stall, resets."""
    dut, case = Part(dut, name), CASES[name].parameters
    dut.lines_i.value, dut.packet_i.value, dut.s_faults_i.value = int(mode[0]), mode[1], 0
    known = []

    def frame(rng):
        known.append(_tested(case, Model(case, *mode), rng))
        return [known[-1][0]]

    await check_stream_unit(dut, frame, lambda _: [known[-1][1]], bench=_bench(dut))


def test_zf_frame(tmp_path):
    """Run them for every case."""
    cases.run("zf_frame", CASES, tmp_path)
