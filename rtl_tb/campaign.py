"""Whether the benches notice mutants of the library, many of them at once.

Every mutant runs against its own module's bench, or the benches of those that instantiate it: first
the cases that the bench calls ``QUICK``, then all of them, until one fails. One that Verilator
refuses proves nothing: it is counted apart and another is drawn in its place. A bench bounds the
cycles that it waits; a simulation that spins within one cycle is stopped by its processor time.

``python -m zynqfire.rtl_tb.campaign 200`` prints the survivors and the count.
"""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from . import mutate, simulator
from .mutate import Mutant

SEED = 1
CPU_SECONDS = 60  # of one process; a bench of the library takes a tenth


class Verdict(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "does not compile"


@dataclass
class Tally:
    """Mutants by their verdict, in the order of the library."""

    killed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    broken: list[Mutant] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the figures."""
        killed, survived = len(self.killed), len(self.survived)
        share = 100 * killed / max(killed + survived, 1)
        return (
            f"{killed + survived} mutants: {killed} killed ({share:.1f} %), {survived} survived; "
            f"{len(self.broken)} more did not compile"
        )


def modules() -> list[str]:
    """Return the library's modules in the order of its file list."""
    return [Path(name).stem for name in (simulator.RTL / "sources.f").read_text().split()]


def benches(module: str) -> list[str]:
    """Return the modules whose benches test `module`: itself, or those that instantiate it."""
    folder = Path(__file__).parent
    if (folder / f"test_{module}.py").is_file():
        return [module]
    text = {name: (simulator.RTL / f"{name}.sv").read_text() for name in modules()}
    instance = re.compile(rf"^\s*{module} (#|u_\w+ )\(", re.MULTILINE)
    return [name for name in text if instance.search(text[name])]


def survives(texts: dict[str, str], tested: Iterable[str]) -> bool | None:
    """Return whether the benches of `tested` all pass with these texts; None: do not compile.

    `texts` holds changed modules by their names.
    """
    with tempfile.TemporaryDirectory(prefix="zynqfire-mutant-") as scratch:
        folder = Path(scratch, "rtl")
        shutil.copytree(simulator.RTL, folder)
        for name, text in texts.items():
            (folder / f"{name}.sv").write_text(text)
        programs: set[Path] = set()
        build = simulator.build

        def once(*args, **options):
            built = build(*args, **options)
            programs.add(built.program.parent)
            return built

        try:
            with patch.object(simulator, "RTL", folder), patch.object(simulator, "build", once):
                for number, trial in enumerate(run for name in tested for run in _trials(name)):
                    trial(Path(scratch, str(number)))
        except simulator.SimulationError as error:
            return None if " does not compile:" in str(error).splitlines()[0] else False
        except AssertionError:  # of the test around the simulation
            return False
        finally:
            for program in programs:
                shutil.rmtree(program, ignore_errors=True)
    return True


def judge(mutant: Mutant, text: str) -> Verdict:
    """Run a mutant of a module's text against its benches."""
    alive = survives({mutant.module: mutant.apply(text)}, benches(mutant.module))
    return {None: Verdict.BROKEN, False: Verdict.KILLED, True: Verdict.SURVIVED}[alive]


def campaign(count: int, seed: int = SEED, report: Callable[[str], None] | None = None) -> Tally:
    """Judge `count` mutants that compile, as many of each module as there are, two or more at once.

    Parameters
    ----------
    count : int
        Mutants; a module that runs out leaves its share to the others.
    seed : int
        Of the draw. A smaller campaign of the same seed is the beginning of a larger one.
    report : callable, optional
        Receives each mutant with its verdict.
    """
    texts = {name: (simulator.RTL / f"{name}.sv").read_text() for name in modules()}
    drawn = {name: deque(mutate.draw(name, text, seed)) for name, text in texts.items()}
    verdicts: dict[Mutant, Verdict] = {}
    left = count
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, _stop_what_spins) as pool:
        while left and any(drawn.values()):
            running: dict[Future[Verdict], Mutant] = {}

            def begin(name, running=running):
                mutant = drawn[name].popleft()
                running[pool.submit(judge, mutant, texts[name])] = mutant

            for name in [name for name in drawn if drawn[name]][:left]:
                begin(name)
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    mutant = running.pop(future)
                    verdicts[mutant] = verdict = future.result()
                    left -= verdict is not Verdict.BROKEN
                    if report:
                        report(f"{verdict.value}: {mutant}")
                    if verdict is Verdict.BROKEN and drawn[mutant.module]:
                        begin(mutant.module)
    order = list(texts)
    ranked = sorted(verdicts, key=lambda mutant: (order.index(mutant.module), mutant.start))
    return Tally(
        *([mutant for mutant in ranked if verdicts[mutant] is verdict] for verdict in Verdict)
    )


def _stop_what_spins() -> None:
    """Bound the processor time of what this process starts, but not its own."""
    signal.signal(signal.SIGXCPU, lambda *_: None)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, resource.RLIM_INFINITY))


def _trials(module: str) -> Iterator[Callable[[Path], None]]:
    """Yield the runs of a module's bench, quick ones first; each takes a folder of its own."""
    bench = importlib.import_module(f"zynqfire.rtl_tb.test_{module}")
    if hasattr(bench, "QUICK"):
        yield partial(_play, bench, getattr(bench, f"test_{module}"), bench.QUICK)
    for name, test in inspect.getmembers(bench, inspect.isfunction):
        # elaboration checks, which must be fatal, have no mutants
        if name.startswith("test_") and not name.endswith("_fatal"):
            for values in _parameters(test):
                yield partial(_play, bench, partial(test, **values), None)


def _parameters(test: Callable) -> list[dict[str, object]]:
    """Return the arguments that pytest would give to a bench's test function, but for folders."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, sets = mark.args[:2]
            if isinstance(names, str):
                return [{names: value} for value in sets]
            return [dict(zip(names, values, strict=True)) for values in sets]
    return [{}]


def _play(bench: ModuleType, test: Callable, chosen: Iterable[str] | None, folder: Path) -> None:
    """Run a bench's test function, with the `chosen` ones of its cases, up to the first failure."""
    environment = {"COCOTB_MAX_FAILURES": "1"}
    with ExitStack() as stack:
        if chosen is not None:
            kept = {name: bench.CASES[name] for name in chosen}
            stack.enter_context(patch.object(bench, "CASES", kept))
            environment["COCOTB_TEST_FILTER"] = rf"name=({'|'.join(kept)})$"
        run = partial(simulator.run, env=environment)
        stack.enter_context(patch.object(simulator, "run", run))
        if "tmp_path" in inspect.signature(test).parameters:
            folder.mkdir()
            test = partial(test, tmp_path=folder)
        test()


def main() -> None:
    """Judge as many mutants as the command line says and print what they show."""
    tally = campaign(int(sys.argv[1]), report=lambda text: print(text, file=sys.stderr, flush=True))
    print(*(f"survived: {mutant}" for mutant in tally.survived), tally, sep="\n")


if __name__ == "__main__":
    main()
