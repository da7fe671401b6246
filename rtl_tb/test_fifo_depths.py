"""FIFOs between branches: the predicted interval holds, and with a tenth less it does not."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from random_networks import Builder, bypassed, fire

from zynqfire.board.catalog import load
from zynqfire.hls.compile import build
from zynqfire.hls.interpret import outputs
from zynqfire.hls.ir import QType
from zynqfire.hls.passes.folding import legal
from zynqfire.rtl_tb import vectors
from zynqfire.rtl_tb.bench import Bench, Run

FRAMES = 10
SHALLOW = 16  # words; a FIFO of so many costs no less with fewer


def fork_join(seed):
    """Return a random network of forks and joins, and a folding for it."""
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(6, 13, 2))
    channels = int(rng.choice([1, 2, 3]))
    build = Builder(rng, (height, width, channels), QType(8, False, 8))
    kernel = int(rng.choice([1, 3]))
    tensor = build.convolution(
        *("conv", build.operations[0].output, int(rng.choice([4, 8])), (kernel, kernel)),
        *((1, 1), (kernel // 2,) * 4),
    )
    tensor = build.requantize("conv", tensor)
    for index in range(int(rng.integers(1, 4))):
        kind = rng.choice(["fire", "bypass", "pool"])
        if kind == "fire":
            sizes = (int(n) for n in rng.choice([2, 4, 6], 3))
            tensor = fire(build, f"fire{index}", tensor, *sizes)
        elif kind == "bypass":
            tensor = bypassed(build, f"bypass{index}", tensor, int(rng.choice([2, 4])))
        elif min(tensor.shape[:2]) >= 4:
            tensor = build.max_pool(f"pool{index}", tensor, (2, 2), (2, 2), (0,) * 4)
    tensor = build.convolution("last", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    network = build.output(build.sum_pool("sum", tensor) if rng.integers(2) else tensor)
    folds = {}
    for conv in network.convolutions:
        few = [fold for fold in legal(conv) if fold.multipliers <= 32]
        fold = few[int(rng.integers(len(few)))]
        folds[conv.name] = {"pe": fold.pe, "simd": fold.simd}
    return network, folds


@dataclass
class Depths:
    """A build whose FIFOs can be made shallower without building the simulator again."""

    bench: Bench
    frames: np.ndarray
    work: Path
    interval: int
    latency: int

    @classmethod
    def of(cls, network, folds, out: Path):
        """Compile `network` and open it."""
        result = build(network, load("pynq-z2"), out, folding=folds)
        fifo = out / "rtl" / "zf_fifo.sv"
        text, full = fifo.read_text(), "count_q == CountBits'(Words - 1)"
        assert text.count(full) == 1
        less = '\n  int less;\n  initial if (!$value$plusargs($sformatf("%m=%%d"), less)) less = 0;'
        text = text.replace(full, "32'(count_q) == int'(Words) - 1 - less")
        fifo.write_text(re.sub(r"(\n\);\n)", rf"\1{less}\n".replace("\\n", "\n"), text, count=1))
        (out / "sim").mkdir()
        bench = Bench.open(out, lambda text: None)
        codes, _ = vectors.choose(out, bench.network, FRAMES, None)
        work = out / "sim" / "run"
        work.mkdir()
        (work / "frames.bin").write_bytes(vectors.pack(codes, bench.manifest["input"]["lanes"]))
        beat = f"<i{bench.manifest['output']['tdata_bits'] // 8}"
        np.save(work / "expected.npy", outputs(bench.network, codes).astype(beat))
        return cls(bench, codes, work, result["interval_cycles"], result["latency_cycles"])

    def run(self, stalls: int | None = None, **less: int) -> Run:
        """Simulate with some FIFOs shallower, by instance."""
        cuts = {f"zf_network_tb.dut.{name}": words for name, words in less.items()}
        return self.bench.run(self.bench.build(), self.work, FRAMES, {"stall_seed": stalls, **cuts})

    def deep(self) -> Iterator[tuple[str, int]]:
        """Return the FIFOs that must not be deeper than needed."""
        manifest = json.loads((self.bench.folder / "manifest.json").read_text())
        for instance in manifest["instances"]:
            depth = instance["parameters"].get("Depth", 0)
            if instance["module"] == "zf_fifo" and depth > SHALLOW:
                yield instance["instance"], depth


def check(seed, out):
    """Return how many FIFOs of more than 16 words there are; none of them can be shallower."""
    depths = Depths.of(*fork_join(seed), out)
    free = depths.run()
    assert not free.stuck and not free.faults
    assert free.ends[0] - free.starts[0] == depths.latency
    assert np.diff(free.ends)[2:].tolist() == [depths.interval] * (FRAMES - 3)
    stalled = depths.run(stalls=seed)
    assert not stalled.stuck and len(stalled.ends) == FRAMES
    fifos = dict(depths.deep())
    for name, depth in fifos.items():
        run = depths.run(**{name: -(-depth // 10)})
        assert run.stuck or run.ends[-1] - run.ends[1] > depths.interval * (FRAMES - 2), name
    return len(fifos)


@pytest.mark.parametrize("seed", [19, 53])
def test_fifos_keep_the_interval_and_none_is_a_tenth_too_deep(seed, tmp_path):
    assert check(seed, tmp_path / "build")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_forks_and_joins(seed, tmp_path):
    check(seed, tmp_path / "build")
