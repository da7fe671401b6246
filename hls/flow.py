"""When every beat of a design passes: cycle-exact schedules of all streams, by max-plus algebra.

No unit looks at its data, so the cycle in which a beat passes is the latest of a few cycles before
it plus constants: the unit's own beats before, the beats that it needs, and the beat that made room
in the buffer behind it. Frames follow each other every `interval` cycles; a beat index before the
frame is one of the frame before it. The smallest schedule that keeps all of these is found by
raising what is too early until nothing is. Where no schedule has this interval, some cycle of
beats waits for itself, and raising would never end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .design import Design, Instance
from .ir import Conv
from .memory import LUT_BITS
from .passes.geometry import Window

LONE = 1 << 40  # an interval so long that frames do not meet
ROUNDS = 200  # of raising; what has not ended by then is taken as endless
TRIAL = 64  # rounds for a smaller depth: most end in three, waves go on for some time
UNBOUNDED = 1 << 30  # depth of a FIFO that never holds anything up

Times = np.ndarray  # (beats of a frame,), cycles
# What a unit makes of when its inputs are offered and its outputs taken: lower bounds of when it
# takes inputs, and of when it offers outputs.
Rule = Callable[[Sequence[Times], Sequence[Times]], tuple[Sequence[Times], Sequence[Times]]]


class Flow:
    """The schedule of a design at an interval, and what every FIFO would have to hold.

    Parameters
    ----------
    design : Design
    interval : int
        Cycles between frames; `LONE` for one frame alone.
    """

    def __init__(self, design: Design, interval: int):
        self.instances = design.instances
        self.interval = interval
        self.depths = {
            i.name: i.parameters["Depth"] for i in design.instances if i.module == "zf_fifo"
        }
        first, last = self.instances[0].sinks[0], self.instances[-1].sources[0]
        self.sources = [[s.name for s in i.sources] or ["s_axis"] for i in self.instances]
        self.sinks = [[s.name for s in i.sinks] or ["m_axis"] for i in self.instances]
        beats = {s.name: s.beats for s in design.streams}
        beats |= {"s_axis": first.beats, "m_axis": last.beats}
        forked = {i.sources[0].name for i in self.instances if i.module == "zf_fork"}
        early = -interval  # the forward sweep raises everything
        self.taken = {name: np.full(n, early, np.int64) for name, n in beats.items()}
        # a fork's takers need not take a beat together
        self.offered = {
            name: times.copy() if name in forked else times for name, times in self.taken.items()
        }
        lone = interval >= LONE
        # a lone frame comes as fast as it can, a steady stream of them evenly
        pace = 1 if lone else interval
        share = 1 if lone else first.beats
        self.taken["s_axis"][:] = np.arange(first.beats) * pace // share
        self.writer = {name: i for i, names in enumerate(self.sinks) for name in names}
        self.reader = {name: i for i, names in enumerate(self.sources) for name in names}
        self.places = {instance.name: i for i, instance in enumerate(self.instances)}
        self.rules = [self._rule(instance) for instance in self.instances]
        self.waiting = [True] * len(self.instances)
        self.kept: dict[str, tuple[Times, Times]] | None = None

    # ----------------------------------------------------------------------------------- raising
    def settle(self) -> bool:
        """Raise all beats to where nothing is too early; say whether that ends."""
        return any(self._round() for _ in range(ROUNDS))

    def _round(self) -> bool:
        """Raise what waits along the streams and back again; say whether nothing waits any more."""
        for index in (*range(len(self.instances)), *reversed(range(len(self.instances)))):
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
                    self._keep(name)
                    np.maximum(times[name], bound, out=times[name])
                    self.waiting[index] = True
                    if name in other:
                        self.waiting[other[name]] = True

    # ------------------------------------------------------------------------------------- trials
    def _keep(self, name: str) -> None:
        if self.kept is not None and name not in self.kept:
            self.kept[name] = (self.taken[name].copy(), self.offered[name].copy())

    def shortfall(self, name: str, depth: int) -> int:
        """Give the FIFO `name` another depth if there is a schedule with it.

        Returns
        -------
        int
            0 where there is; else about how many words more it would have to hold. Each round
            raises the beats of a vain search by the same, the time that those words are late.

        """
        old, self.kept = self.depths[name], {}
        self.depths[name] = depth
        index = self.places[name]
        self.waiting[index] = True
        entered = self.taken[self.sources[index][0]]
        rises: list[Times] = []
        settled = False
        while not settled and len(rises) < TRIAL:
            before = entered.copy()
            settled = self._round()
            rise = entered - before
            if rise.any() and any(np.array_equal(rise, other) for other in rises[-2:]):
                break
            rises.append(rise)
        if not settled:
            self.depths[name] = old
            for stream, (taken, offered) in self.kept.items():
                self.taken[stream][:], self.offered[stream][:] = taken, offered
            self.waiting = [False] * len(self.instances)
        self.kept = None
        return 0 if settled else max(1, int(rise.max()) * len(entered) // self.interval)

    # -------------------------------------------------------------------------------------- beats
    def _before(self, times: Times, count: int) -> Times:
        """Return for each beat when the one `count` earlier passes."""
        frames, rest = divmod(count, len(times))
        return np.concatenate(
            [
                times[len(times) - rest :] - (frames + 1) * self.interval,
                times[: len(times) - rest] - frames * self.interval,
            ]
        )

    def _pick(self, index: np.ndarray, length: int) -> Callable[[Times], Times]:
        """Return what takes beats `index`, negative ones of frames before, of `length` a frame."""
        frame, beat = np.divmod(index, length)
        shift = frame * self.interval
        return lambda times: times[beat] + shift

    def _paced(self, times: Times, cycles: int = 1) -> Times:
        """Return `times`, but each at least so many cycles after the one before."""
        index = np.arange(len(times), dtype=np.int64) * cycles
        latest = np.maximum.accumulate(times - index)
        wrapped = latest[-1] + len(times) * cycles - self.interval
        return np.maximum(latest, wrapped) + index

    def _register(self, entered: Times, leaving: Times) -> Times:
        """Return when a register or FIFO offers what is in its last place from `entered` on."""
        return self._paced(np.maximum(entered, self._before(leaving, 1) + 1))

    # -------------------------------------------------------------------------------------- units
    def _rule(self, instance: Instance) -> Rule:
        match instance.module:
            case "zf_conv" | "zf_max_pool":
                return self._windowed(instance)
            case "zf_fork":
                return lambda entering, leaving: (
                    [np.max(leaving, axis=0)],
                    [entering[0]] * len(leaving),
                )
            case "zf_fifo":
                return self._fifo(instance)
            case "zf_width" if instance.sources[0].lanes < instance.sinks[0].lanes:
                return self._widen(instance)
            case "zf_width" if instance.sources[0].lanes > instance.sinks[0].lanes:
                return self._narrow(instance)
            case "zf_concat":
                return self._concat(instance)
            case "zf_sum_pool":
                return self._sum_pool(instance)
            case "zf_rescale":
                return self._rescale(instance)
            case _:  # a register stage, of all inputs together
                return self._stage

    def _stage(self, entering: Sequence[Times], leaving: Sequence[Times]):
        together = np.max([*entering, self._before(leaving[0], 2) + 1], axis=0)
        together = self._paced(together)
        return [together] * len(entering), [self._register(together + 1, leaving[0])]

    def _fifo(self, instance: Instance) -> Rule:
        name = instance.name

        def rule(entering, leaving):
            depth = self.depths[name]
            if not depth:
                return [leaving[0]], [entering[0]]
            # in block RAM, where a deep one may be, a word passes one more register
            stages = 1 if depth <= LUT_BITS else 2
            offers = self._register(entering[0] + 1 + stages, leaving[0])
            if depth >= UNBOUNDED:
                return [entering[0]], [offers]
            read = offers - 1
            if stages == 2:
                read = self._paced(np.maximum(entering[0] + 1, self._before(read, 1)))
            return [self._before(read, max(2, depth - stages)) + 1], [offers]

        return rule

    def _rescale(self, instance: Instance) -> Rule:
        def rule(entering, leaving):
            taken = self._paced(np.maximum(entering[0], self._before(leaving[0], 16) + 1))
            return [taken], [self._register(taken + instance.latency, leaving[0])]

        return rule

    def _widen(self, instance: Instance) -> Rule:
        parts = instance.sinks[0].lanes // instance.sources[0].lanes

        def rule(entering, leaving):
            steps = entering[0] + 1
            steps[parts - 1 :: parts] = np.maximum(
                steps[parts - 1 :: parts], self._before(leaving[0], 1)
            )
            steps = self._paced(steps)
            return [self._before(steps, 2) + 1], [steps[parts - 1 :: parts] + 1]

        return rule

    def _narrow(self, instance: Instance) -> Rule:
        parts = instance.sources[0].lanes // instance.sinks[0].lanes

        def rule(entering, leaving):
            steps = np.repeat(entering[0] + 1, parts)
            steps = self._paced(np.maximum(steps, self._before(leaving[0], 2) + 1))
            return [self._before(steps, 1)[::parts]], [self._register(steps + 1, leaving[0])]

        return rule

    def _concat(self, instance: Instance) -> Rule:
        parts = [source.beats_per_pixel for source in instance.sources]
        ends = np.cumsum(parts)

        def rule(entering, leaving):
            turns = [times.reshape(-1, n) for times, n in zip(entering, parts, strict=True)]
            joined = np.concatenate(turns, axis=1).ravel()
            joined = self._paced(np.maximum(joined, self._before(leaving[0], 2) + 1))
            taken = np.split(joined.reshape(-1, ends[-1]), ends[:-1], axis=1)
            return [t.ravel() for t in taken], [self._register(joined + 1, leaving[0])]

        return rule

    def _sum_pool(self, instance: Instance) -> Rule:
        beats = instance.sinks[0].beats

        def rule(entering, leaving):
            taken = entering[0].copy()
            taken[-beats:] = np.maximum(taken[-beats:], self._before(leaving[0], 2) + 1)
            return [taken], [self._register(taken[-beats:] + 1, leaving[0])]

        return rule

    def _windowed(self, instance: Instance) -> Rule:
        op, parameters = instance.operation, instance.parameters
        source, sink = instance.sources[0], instance.sinks[0]
        window = Window.of(op, source.tensor.shape)
        deep = source.beats_per_pixel
        pixels, groups = parameters.get("Pixels", 1), parameters.get("Groups", 1)
        places = parameters["Places"]
        if isinstance(op, Conv):
            simd = parameters["Taps"] * parameters["Lanes"]
            words = math.prod(op.kernel) * source.tensor.shape[2] // simd
            if parameters["Taps"] == 1:
                places -= -(-(-(-simd // parameters.get("Chains", simd)) - 1) // deep)
        else:
            words = math.prod(op.kernel) * deep
        # a start is a product, or all products of a step of several pixels
        starts = 1 if pixels > 1 else groups  # of a step
        cycles = words * groups // starts
        needed, done = window.need(pixels), window.done(pixels)
        steps, inputs = len(needed), window.in_h * window.in_w
        ready = self._pick(np.repeat(needed * deep - 1, starts), source.beats)

        # input pixel i has a place from the end of the step before the one that is done with enough
        frames = -(-places // inputs) + 1
        over = np.concatenate([done + f * inputs for f in range(-frames, 2)])
        enough = np.searchsorted(over, np.arange(inputs) + 1 - places) - frames * steps
        placed = self._pick(np.repeat(enough * starts - 1, deep), steps * starts)

        # which beat's leaving makes room for a start, and which start a beat comes from
        beats = np.arange(sink.beats)
        if not isinstance(op, Conv):
            room = self._pick(
                (np.arange(steps) + 1) * deep - parameters["FifoDepth"] - 1, sink.beats
            )
            start, late = beats // deep, beats % deep
        elif pixels == 1:
            room = self._pick(np.arange(sink.beats) - parameters["Room"], sink.beats)
            start, late = beats, 0
        else:
            row, x = np.divmod(beats // groups, window.out_w)
            start, late = row * window.steps(pixels) + x // pixels, 0
            last = np.append(np.flatnonzero(np.diff(start)), sink.beats - 1)  # beat of a step
            frame, step = np.divmod(np.arange(steps) - parameters["Room"], steps)
            # its room is free when the last beat enters the register, as the one before leaves
            room = self._pick(last[step] - 1 + frame * sink.beats, sink.beats)
        latency = instance.latency - 1 + late

        def rule(entering, leaving):
            begun = np.maximum(ready(entering[0]), room(leaving[0])) + 1
            begun = self._paced(begun, cycles)
            offers = self._register(begun[start] + latency, leaving[0])
            return [placed(begun) + cycles], [offers]

        return rule
