"""zf_load: pieces to memories, one at a time; every output against a model, in every cycle."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized

WORDS = {"one": (5,), "single": (1,), "three": (7, 1, 40), "four": (3, 9, 2, 32), "none": ()}
ROMS = {"one": 0, "single": 1, "three": 2, "four": 5, "none": 3}  # memories behind them
FLAGS = ("refused_o", "loaded_o", "signed_o", "run_o", "begin_o", "select_write_i", "data_write_i")


def _case(words: tuple[int, ...], roms: int) -> Case:
    count, every = max(1, len(words)), len(words) + roms
    table = sum(number << 32 * m for m, number in enumerate(words))
    ports = dict.fromkeys(FLAGS, 1) | {"we_o": count, "signed_i": every}
    ports |= dict.fromkeys(("select_i", "data_i", "select_o", "signature_o", "data_o"), 32)
    ports["signatures_i"] = 32 * every
    parameters = {"Memories": len(words), "Words": sized(table, 32 * count), "Signatures": every}
    return Case(parameters, ports)


CASES = {name: _case(words, ROMS[name]) for name, words in WORDS.items()}
QUICK = ("three",)


class Model:
    """The memory that is selected, how much of it was written, and what is loaded whole."""

    def __init__(self, words: tuple[int, ...], roms: int):
        self.words, self.roms = words + (0,) * roms, roms
        self.out = dict.fromkeys(("loaded_o", "signed_o", "signature_o", "run_o", "we_o"), 0)
        self.out |= {"begin_o": 1, "data_o": 0}
        self.reset()

    def reset(self) -> None:
        """Select memory 0, nothing is loaded."""
        self.selected = self.written = 0
        loads = len(self.words) - self.roms
        self.loaded = [False] * loads + [True] * self.roms

    @property
    def left(self) -> int:
        """Pieces of the selected memory that are still to come."""
        return self.words[self.selected] - self.written

    def refuses(self, now: dict[str, int]) -> int:
        """Return refused_o."""
        bad_select = now["select_write_i"] and now["select_i"] >= len(self.words)
        return int(bad_select or (now["data_write_i"] and not self.left))

    def step(self, now: dict[str, int]) -> None:
        """Take the inputs of a cycle; `out` is of the next."""
        at, refused = self.selected, self.refuses(now)
        self.out = {
            "loaded_o": int(self.loaded[at]),
            "signed_o": now["signed_i"] >> at & 1,
            "signature_o": now["signatures_i"] >> 32 * at & 0xFFFFFFFF,
            "run_o": int(all(self.loaded) and not now["rst_i"]),
            "begin_o": int(now["rst_i"] or (now["select_write_i"] and not refused)),
            "we_o": (now["data_write_i"] and not refused and not now["rst_i"]) << at,
            "data_o": now["data_i"],
        }
        if now["rst_i"]:
            self.reset()
        elif now["select_write_i"] and not refused:
            self.selected, self.written = now["select_i"], 0
        elif now["data_write_i"] and not refused:
            self.written += 1
            self.loaded[at] = self.left == 0


@cocotb.test()
@cocotb.parametrize(name=list(CASES), share=[1.0, 0.4])
async def exact(dut, name, share):
    """Load in any order, begin again in mid-load, select and write what is not there, reset."""
    part, model = Part(dut, name), Model(WORDS[name], ROMS[name])
    count = len(model.words)
    Clock(part.clk_i, 4, "ns").start()
    quiet = {"select_write_i": 0, "select_i": 0, "data_write_i": 0, "data_i": 0}
    part.drive(**quiet, signed_i=0, signatures_i=0, rst_i=1)
    await RisingEdge(part.clk_i)
    runs = loads = 0
    for cycle in range(3000):
        now = quiet | {"rst_i": int(cycle == 0 or random.random() < 0.002)}
        now["signatures_i"] = random.getrandbits(32 * count)
        now["signed_i"] = random.getrandbits(count)
        now["data_i"], now["select_i"] = random.getrandbits(32), random.randrange(count)
        if random.random() < 0.1:
            now["select_i"] = count + random.choice((0, 1, 1 << random.randrange(3, 31)))
        if random.random() < share:
            again = 0.02 if model.left else 0.8
            now["select_write_i"] = int(random.random() < again)
            now["data_write_i"] = 1 - now["select_write_i"]
        part.drive(**now)
        await RisingEdge(part.clk_i)
        if cycle:
            assert part.read("select_o", "refused_o") == [model.selected, model.refuses(now)], cycle
            assert dict(zip(model.out, part.read(*model.out), strict=True)) == model.out, cycle
            runs += model.out["run_o"]
        loads += now["data_write_i"] and model.left == 1
        model.step(now)
    assert (loads > 10 or not WORDS[name]) and runs > 100, "what was drawn must load all memories"


def test_zf_load(tmp_path):
    """Run it for every case."""
    cases.run("zf_load", CASES, tmp_path)
