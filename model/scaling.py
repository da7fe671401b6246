"""What summing gradients over processes costs: the model of docs/scaling.md, and a measurement.

``python -m zynqfire.model.scaling`` brings the page's tables and picture up to date, and measures.
"""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import torch

from .config import load
from .profile import profile
from .training.distributed import Group
from .training.launch import group

NETWORKS = ("squeezenet-v1.0", "squeezenet-v1.1", "zynqnet", "zynqnet-32")
SPEEDS = (1, 10, 100)  # Gbit/s
PROCESSES = (2, 4, 8, 16, 32, 64, 128)
WAYS = {
    "parameter server": lambda p: p,
    "reduction tree": lambda p: 2 * math.log2(p),
    "ring": lambda p: 2 * (p - 1) / p,
}
SIZES = (135_872, 1_235_496, 16_000_000)  # of the gradients that are measured
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
PICTURE = "scaling.svg"


def seconds(way: str, parameters: int, processes: int, gbits: float) -> float:
    """Return how long one sum of all gradients takes.

    Parameters
    ----------
    way : str
        Of `WAYS`: how often a gradient passes the busiest link. A server receives every process's
        and sends as many back, each direction of its link being used once (|W| p / BW); a tree
        adds up and hands down along log2(p) edges (Iandola et al. 2016, FireCaffe, section 5); in
        a ring each process passes on 2 (p - 1) parts of 1/p.
    parameters : int
        Float32 numbers in a gradient.
    gbits : float
        Bandwidth of a link, Gbit/s, in each direction.
    """
    return WAYS[way](processes) * 32 * parameters / (gbits * 1e9)


def tables() -> str:
    """Return the model's numbers for our networks as Markdown."""
    lines = []
    for name in NETWORKS:
        count = profile(load(name))["parameters"]
        lines += [
            f"`{name}`: {count:,} parameters, {4 * count / 1e6:.2f} MB; milliseconds a step",
            "",
        ]
        heads = " | ".join(f"p = {p}" for p in PROCESSES)
        lines += [f"| Gbit/s | | {heads} |", "|---:|---|" + "---:|" * len(PROCESSES)]
        for gbits in SPEEDS:
            for way in WAYS:
                times = [1000 * seconds(way, count, p, gbits) for p in PROCESSES]
                lines.append(f"| {gbits} | {way} | {' | '.join(f'{t:,.2f}' for t in times)} |")
        lines.append("")
    return "\n".join(lines)


def draw(path: Path) -> None:
    """Draw the times of SqueezeNet v1.1 at 1 Gbit/s over the processes, as SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    count = profile(load("squeezenet-v1.1"))["parameters"]
    with matplotlib.rc_context({"svg.hashsalt": "zynqfire", "font.size": 9}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        for way, marker in zip(WAYS, "osd", strict=True):
            times = [1000 * seconds(way, count, p, 1) for p in PROCESSES]
            axes.plot(PROCESSES, times, marker=marker, label=way)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(PROCESSES, [str(p) for p in PROCESSES])
        axes.set(xlabel="processes", ylabel="ms a sum of gradients")
        axes.set_title("squeezenet-v1.1, links of 1 Gbit/s")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def measured(repeats: int = 30) -> list[float]:
    """Return the least seconds of a sum over two gloo processes here, for each of `SIZES`."""
    with group(2, _summing, repeats) as members:
        return _summing(members, repeats)


def _summing(members: Group, repeats: int) -> list[float]:
    best = []
    for size in SIZES:
        values, times = torch.zeros(size), []
        for _ in range(repeats):
            members.agree(int)  # both begin together
            start = time.perf_counter()
            members.total(values)
            times.append(time.perf_counter() - start)
        best.append(min(times))
    return best


def measured_table(times: list[float]) -> str:
    """Return `times` beside the ring's, with the bandwidth that the largest message shows."""
    gbits = WAYS["ring"](2) * 32 * SIZES[-1] / times[-1] / 1e9
    lines = [
        f"| parameters | measured, ms | ring at {gbits:.2f} Gbit/s, ms |",
        "|---:|---:|---:|",
    ]
    for size, took in zip(SIZES, times, strict=True):
        modelled = seconds("ring", size, 2, gbits)
        lines.append(f"| {size:,} | {1000 * took:.2f} | {1000 * modelled:.2f} |")
    return "\n".join(lines) + "\n"


def between_marks(page: str, name: str, text: str) -> str:
    """Return `page` with `text` between the comments ``NAME`` and ``end of NAME``."""
    marked = rf"(<!-- {name} -->\n).*(<!-- end of {name} -->)"
    return re.sub(marked, lambda match: f"{match[1]}{text}{match[2]}", page, flags=re.S)


def main() -> None:
    """Bring the page and its picture up to date."""
    page = between_marks(PAGE.read_text(encoding="utf-8"), "model", tables())
    page = between_marks(page, "measured", measured_table(measured()))
    PAGE.write_text(page, encoding="utf-8")
    draw(PAGE.with_name(PICTURE))


if __name__ == "__main__":
    main()
