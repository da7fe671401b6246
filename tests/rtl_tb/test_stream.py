"""The stream bench itself: words, stalls, and that each fault of a unit makes it fail."""

import itertools
import random
from pathlib import Path

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import check_stream_unit, pack, stalls, unpack

FAULTS = {
    0: None,
    1: "m holds no payload under stall.*was 0x",  # a word dropped under stall
    2: "m word",  # state kept across frames
    3: "m word",  # state kept across reset
    4: "m word",  # lanes swapped
    5: "m holds no payload under stall.*became no word",
    6: "m holds no payload under stall.*was 0x",
    7: "m holds no payload|no word moved for 1000 cycles: s 1 of 16, m 0 of 16",
    8: "m word|m gives word",  # a word given twice
    9: "m word|m gives word",  # a word kept across reset
}


@cocotb.test()
async def exact(dut):
    dut.fault_i.value = simulator.config()["fault"]
    timing = await check_stream_unit(
        dut,
        lambda rng: [[rng.getrandbits(8) for _ in range(4)]],
        lambda words: [[(word + i) % 256 for i, word in enumerate(words[0])]],
    )
    assert timing.taken[0] == list(range(16))
    assert timing.emitted[0] == list(range(1, 17))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault, monkeypatch):
    folder = Path(__file__).parent
    monkeypatch.syspath_prepend(folder)
    built = simulator.build("faulty", [folder / "faulty.sv"])
    for seed in (1, 2):
        if fault == 0:
            simulator.run(built, "test_stream", seed=seed, config={"fault": fault})
            continue
        with pytest.raises(simulator.SimulationError, match=FAULTS[fault]):
            simulator.run(built, "test_stream", seed=seed, config={"fault": fault})


def test_words_and_lanes():
    assert pack([1, 2, 3], 4) == 0x321
    assert pack([-1, 0, -8], 4) == 0x80F
    assert unpack(0x80F, 3, 4) == [15, 0, 8]
    assert unpack(0x80F, 3, 4, signed=True) == [-1, 0, -8]


@pytest.mark.parametrize(
    ("pattern", "share"),
    [
        ("never", 0),
        ("rare", 0.1),
        ("half", 0.5),
        ("heavy", 0.9),
        ("alternating", 0.5),
        ("bursts", 0.5),
        (4, 0.75),
    ],
)
def test_stalls_repeat_by_seed_and_keep_their_share(pattern, share):
    def some(seed):
        return list(itertools.islice(stalls(pattern, random.Random(seed)), 5000))

    assert some(1) == some(1)
    assert abs(sum(some(1)) / 5000 - share) < 0.06
    if pattern not in ("never", "alternating", 4):
        assert some(1) != some(2)
