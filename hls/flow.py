"""When every beat of a design passes: the schedule of all streams, exact to the cycle.

No unit looks at its data, so `rules` say of each beat which others it waits for and how long. The
smallest schedule that keeps all rules is found by raising what is too early until nothing is.
Where frames cannot follow each other at an interval, some beats wait for themselves in a circle,
and raising would never end.
"""

from __future__ import annotations

import numpy as np

from .design import Design
from .rules import DEPTHS, PLACES, Rules, Times, kind

LONE = 1 << 40  # an interval so long that frames do not meet
ROUNDS = 200  # of raising; what has not ended by then is taken as endless
TRIAL, WAVE = 64, 8  # rounds for another depth: most end in three, waves go on for some time
FAR = 4 * TRIAL  # of them, while it is units elsewhere that raise


class Flow:
    """The schedule of a design at an interval.

    Parameters
    ----------
    design : Design
    interval : int
        Cycles between frames; `LONE` for one frame alone.

    Attributes
    ----------
    taken : dict of str to ndarray
        Stream to the cycles in which the beats of a frame pass.
    depths : dict of (str, str) to int
        Instance and parameter to how deep that buffer or window is.

    """

    def __init__(self, design: Design, interval: int):
        self.instances = design.instances
        self.interval = interval
        self.depths: dict[tuple[str, str], int] = {
            (i.name, parameter): i.parameters[parameter]
            for i in design.instances
            for parameter in (DEPTHS.get(i.module), PLACES)
            if parameter in i.parameters
        }
        first, last = self.instances[0].sinks[0], self.instances[-1].sources[0]
        self.sources = [[s.name for s in i.sources] or ["s_axis"] for i in self.instances]
        self.sinks = [[s.name for s in i.sinks] or ["m_axis"] for i in self.instances]
        self.writer = {name: i for i, names in enumerate(self.sinks) for name in names}
        self.reader = {name: i for i, names in enumerate(self.sources) for name in names}
        self.index = {instance.name: i for i, instance in enumerate(self.instances)}
        rules = Rules(interval, self.depths)
        self.rules = [rules.of(instance) for instance in self.instances]

        beats = {s.name: s.beats for s in design.streams}
        beats |= {"s_axis": first.beats, "m_axis": last.beats}
        # all far too early, but the input: a lone frame comes as fast as it can, others evenly
        self.taken = {name: np.full(n, -interval, kind(interval)) for name, n in beats.items()}
        even = first.beats if interval >= LONE else interval
        self.taken["s_axis"][:] = np.arange(first.beats) * even // first.beats
        # the takers of a fork need not take a beat when it is offered
        forked = {i.sources[0].name for i in self.instances if i.module == "zf_fork"}
        self.offered = {
            name: times.copy() if name in forked else times for name, times in self.taken.items()
        }
        self.waiting = [True] * len(self.instances)
        self.kept: dict[str, tuple[Times, Times]] | None = None

    def settle(self) -> bool:
        """Raise all beats to where nothing is too early; say whether that ends."""
        return any(self._round() for _ in range(ROUNDS))

    def shortfall(self, name: str, parameter: str, depth: int) -> int:
        """Give `parameter` of instance `name` another depth if there is a schedule with it.

        Returns
        -------
        int
            0 where there is; else about how many words more a FIFO would have to hold. Each round
            raises the beats of a vain search by the same, the time that those words are late.

        """
        old, self.kept = self.depths[name, parameter], {}
        self.depths[name, parameter] = depth
        index = self.index[name]
        self.waiting[index] = True
        entered = self.taken[self.sources[index][0]]
        rises: list[Times] = []
        settled = False
        while not settled and not _endless(rises):
            before = entered.copy()
            settled = self._round()
            rises.append(entered - before)
        if not settled:
            self.depths[name, parameter] = old
            for stream, (taken, offered) in self.kept.items():
                self.taken[stream][:], self.offered[stream][:] = taken, offered
            self.waiting = [False] * len(self.instances)
        self.kept = None
        return 0 if settled else max(1, int(rises[-1].max()) * len(entered) // self.interval)

    def _round(self) -> bool:
        """Raise what waits, along the streams and back; say whether nothing waits any more."""
        order = range(len(self.instances))
        for index in (*order, *reversed(order)):
            if self.waiting[index]:
                self._raise(index)
        return not any(self.waiting)

    def _raise(self, index: int) -> None:
        self.waiting[index] = False
        sources, sinks = self.sources[index], self.sinks[index]
        takes, offers = self.rules[index](
            [self.offered[name] for name in sources], [self.taken[name] for name in sinks]
        )
        for times, names, bounds, other in (
            (self.taken, sources, takes, self.writer),
            (self.offered, sinks, offers, self.reader),
        ):
            for name, bound in zip(names, bounds, strict=True):
                if (bound > times[name]).any():
                    if self.kept is not None and name not in self.kept:
                        self.kept[name] = (self.taken[name].copy(), self.offered[name].copy())
                    np.maximum(times[name], bound, out=times[name])
                    self.waiting[index] = True
                    if name in other:
                        self.waiting[other[name]] = True


def _endless(rises: list[Times]) -> bool:
    """Say whether the last rounds raised the same again, or long no less than before."""
    if len(rises) < 2 or not rises[-1].any():
        return len(rises) >= FAR
    if any(np.array_equal(rises[-1], earlier) for earlier in rises[-3:-1]):
        return True
    totals = [int(rise.sum()) for rise in rises[-2 * WAVE :]]
    steady = len(totals) == 2 * WAVE and sum(totals[WAVE:]) >= sum(totals[:WAVE])
    return steady or len(rises) >= TRIAL
