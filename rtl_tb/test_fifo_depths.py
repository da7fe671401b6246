"""Buffers between units: the predicted cycles hold, and with a tenth less room they do not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from random_networks import Builder, bypassed, fire

from zynqfire.board.catalog import load
from zynqfire.hls.compile import build, compile_model
from zynqfire.hls.interpret import outputs
from zynqfire.hls.ir import QType
from zynqfire.hls.passes.folding import legal
from zynqfire.model.config import load as load_network
from zynqfire.model.export import export_untrained
from zynqfire.rtl_tb import vectors
from zynqfire.rtl_tb.bench import Bench, Run

FRAMES = 10
SHALLOW = 16  # words; a buffer of so many costs no less with fewer
# What says that a buffer is full, and the same with `less` words of room.
FULL = {
    "zf_fifo": ("count_q == CountBits'(Words - 1)", "32'(count_q) == int'(Words) - 1 - less"),
    "zf_credit_fifo": ("Bits'(Depth - Words)", "Bits'(Depth - Words - less)"),
    "zf_reorder": ("FreeBits'(Blocks - 1)", "FreeBits'(Blocks - 1 - less)"),
}
LESS = '\n  int less;\n  initial if (!$value$plusargs($sformatf("%m=%%d"), less)) less = 0;\n'


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
    """A build whose buffers can be made shallower without building the simulator again."""

    bench: Bench
    work: Path
    interval: int
    latency: int

    @classmethod
    def of(cls, result, out: Path):
        """Open the build that `compile` wrote to `out` with `result`."""
        for module, (full, fuller) in FULL.items():
            file = out / "rtl" / f"{module}.sv"
            text = file.read_text()
            assert text.count(full) == text.count("\n);\n") == 1
            file.write_text(text.replace(full, fuller).replace("\n);\n", f"\n);\n{LESS}"))
        bench = Bench.open(out, lambda text: None)
        work = out / "sim" / "run"
        work.mkdir(parents=True)
        codes, _ = vectors.choose(out, bench.network, FRAMES, None)
        (work / "frames.bin").write_bytes(vectors.pack(codes, bench.manifest["input"]["lanes"]))
        beat = f"<i{bench.manifest['output']['tdata_bits'] // 8}"
        np.save(work / "expected.npy", outputs(bench.network, codes).astype(beat))
        return cls(bench, work, result["interval_cycles"], result["latency_cycles"])

    def run(self, stalls: int | None = None, **less: int) -> Run:
        """Simulate with some buffers shallower, by their place in the top."""
        cuts = {f"zf_network_tb.dut.{place}": words for place, words in less.items()}
        settings = {"stall_seed": stalls, **cuts}
        return self.bench.run(self.bench.build(), self.work, FRAMES, settings)

    def deep(self) -> Iterator[tuple[str, int]]:
        """Return the buffers that must not be deeper than needed: place, and a tenth of it."""
        manifest = json.loads((self.bench.folder / "manifest.json").read_text())
        for instance in manifest["instances"]:
            name, sizes = instance["instance"], instance["parameters"]
            if instance["module"] == "zf_fifo":
                place, depth, least = name, sizes["Depth"], SHALLOW
            elif instance["module"] == "zf_conv" and sizes["Pixels"] == 1:
                place, depth, least = f"{name}.g_fifo.u_fifo", sizes["Room"], SHALLOW
            elif instance["module"] == "zf_conv":
                place, depth, least = f"{name}.g_reorder.u_reorder", sizes["Room"], 2
            elif "FifoDepth" in sizes:
                pixel = sizes["Channels"] // sizes["Lanes"]  # it must hold one
                place, depth, least = f"{name}.u_fifo", sizes["FifoDepth"], max(SHALLOW, pixel)
            else:
                continue
            if depth > least:
                yield place, -(-depth // 10)


def check(depths):
    """Hold a build against its predictions; return its deep buffers."""
    free = depths.run()
    assert not free.stuck and not free.faults
    assert free.ends[0] - free.starts[0] == depths.latency
    assert np.diff(free.ends)[2:].tolist() == [depths.interval] * (FRAMES - 3)
    stalled = depths.run(stalls=5)
    assert not stalled.stuck and len(stalled.ends) == FRAMES
    buffers = dict(depths.deep())
    for place, words in buffers.items():
        run = depths.run(**{place: words})
        assert run.stuck or run.ends[-1] - run.ends[1] > depths.interval * (FRAMES - 2), place
    return buffers


def drawn(seed, out):
    """Return the build of a random network."""
    network, folds = fork_join(seed)
    return Depths.of(build(network, load("pynq-z2"), out, folding=folds), out)


def test_a_fork_and_join_keeps_the_interval_and_nothing_is_a_tenth_too_deep(tmp_path):
    buffers = check(drawn(19, tmp_path / "build"))
    assert [place.split(".")[-1] for place in buffers] == [
        "u_reorder",
        "u_pool0_to_bypass1_source_align_late",
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_forks_and_joins(seed, tmp_path):
    check(drawn(seed, tmp_path / "build"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet-8", "zynqnet-32"])
def test_shipped_networks(name, tmp_path):
    export_untrained(load_network(name), tmp_path / "model.onnx")
    result = compile_model(tmp_path / "model.onnx", load("pynq-z2"), tmp_path / "build")
    assert check(Depths.of(result, tmp_path / "build"))
