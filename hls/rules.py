"""When each library module takes and offers beats, by max-plus algebra, exact to the cycle.

A rule knows the module's registers: a beat passes a cycle after the one before it, when the beats
that it needs are there, and when one that left made room. Frames follow each other every `interval`
cycles; a beat index before the frame is one of the frame before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from .cuts import LUT_BITS
from .design import Instance
from .ir import Conv
from .passes.geometry import Window

UNBOUNDED = 1 << 30  # depth of a FIFO that never holds anything up
# Parameters that say how deep a module's buffer is, and how many pixels its window holds.
DEPTHS = {
    "zf_fifo": "Depth",
    "zf_conv": "Room",
    "zf_depthwise": "FifoDepth",
    "zf_max_pool": "FifoDepth",
}
WINDOWED = ("zf_conv", "zf_depthwise", "zf_max_pool")
PLACES = "Places"
RESCALES = 16  # words of zf_rescale's FIFO

Times = np.ndarray  # (beats of a frame,), cycles
# From when each input is offered and each output taken: when at the earliest each input is taken
# and each output offered.
Rule = Callable[[Sequence[Times], Sequence[Times]], tuple[Sequence[Times], Sequence[Times]]]


@lru_cache(maxsize=256)
def _steps(count: int, cycles: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * cycles


@dataclass(frozen=True)
class Rules:
    """The rules of instances at an interval; `depths`, by instance and parameter, may change."""

    interval: int
    depths: Mapping[tuple[str, str], int]

    def of(self, instance: Instance) -> Rule:
        """Return the rule of `instance`."""
        match instance.module:
            case module if module in WINDOWED:
                return self._windowed(instance)
            case "zf_fork":
                return self._fork
            case "zf_fifo":
                return self._fifo(instance)
            case "zf_width":
                lanes, wanted = instance.sources[0].lanes, instance.sinks[0].lanes
                return (
                    self._widen(wanted // lanes)
                    if lanes < wanted
                    else self._narrow(lanes // wanted)
                )
            case "zf_concat":
                return self._concat(instance)
            case "zf_sum_pool":
                return self._sum_pool(instance)
            case "zf_rescale":
                return self._rescale(instance)
            case "zf_axis_in" | "zf_axis_out" | "zf_add":
                return self._stage
        raise AssertionError(f"{instance.name}: {instance.module} has no rule")

    # -------------------------------------------------------------------------------------- beats
    def _before(self, times: Times, count: int, later: int = 0) -> Times:
        """Return for each beat when the one `count` earlier passes, and so many cycles `later`."""
        frames, rest = divmod(count, len(times))
        result = np.empty_like(times)
        first = times[len(times) - rest :]
        np.subtract(first, (frames + 1) * self.interval - later, out=result[:rest])
        np.subtract(times[: len(times) - rest], frames * self.interval - later, out=result[rest:])
        return result

    def _pick(self, index: np.ndarray, length: int) -> Callable[[Times], Times]:
        """Return what takes beats `index`, negative ones of frames before, of `length` a frame."""
        frame, beat = np.divmod(index, length)
        shift = frame * self.interval

        def picked(times: Times) -> Times:
            result = times[beat]
            result += shift
            return result

        return picked

    def _paced(self, times: Times, cycles: int = 1) -> Times:
        """Return `times`, but each at least so many cycles after the one before."""
        index = _steps(len(times), cycles)
        latest = times - index  # in place from here on: frames of large maps have a million beats
        np.maximum.accumulate(latest, out=latest)
        wrapped = latest[-1] + len(times) * cycles - self.interval
        latest[: np.searchsorted(latest, wrapped)] = wrapped
        latest += index
        return latest

    def _spaced(self, times: Times, cycles: int, lag: int, wait: int) -> Times:
        """Return `times`, paced, but each at least `wait` after the one `lag` before."""
        while ((later := self._before(times, lag, wait)) > times).any():
            times = self._paced(np.maximum(times, later), cycles)
        return times

    def _register(self, entered: Times, leaving: Times) -> Times:
        """Return when a last register offers what could be in it from `entered` on."""
        free = self._before(leaving, 1, 1)
        return self._paced(np.maximum(entered, free, out=free))

    # ------------------------------------------------------------------------------------ streams
    def _stage(self, entering: Sequence[Times], leaving: Sequence[Times]):
        """Keep the rule of a zf_stream_reg, two words, that all inputs enter together."""
        together = self._before(leaving[0], 2, 1)
        for times in entering:
            np.maximum(together, times, out=together)
        together = self._paced(together)
        return [together] * len(entering), [self._register(together + 1, leaving[0])]

    def _fork(self, entering: Sequence[Times], leaving: Sequence[Times]):
        return [np.max(leaving, axis=0)], [entering[0]] * len(leaving)

    def _fifo(self, instance: Instance) -> Rule:
        def rule(entering, leaving):
            depth = self.depths[instance.name, "Depth"]
            if not depth:  # none
                return leaving, entering
            # in block RAM, where a deep one may be, a word passes one more register
            stages = 1 if depth <= LUT_BITS else 2
            offers = self._register(entering[0] + 1 + stages, leaving[0])
            if depth >= UNBOUNDED:
                return entering, [offers]
            read = offers - 1
            if stages == 2:
                read = self._paced(np.maximum(entering[0] + 1, self._before(read, 1)))
            return [self._before(read, max(2, depth - stages), 1)], [offers]

        return rule

    def _widen(self, parts: int) -> Rule:
        def rule(entering, leaving):
            steps = entering[0] + 1
            whole = slice(parts - 1, None, parts)
            steps[whole] = np.maximum(steps[whole], self._before(leaving[0], 1))
            steps = self._paced(steps)
            return [self._before(steps, 2, 1)], [steps[whole] + 1]

        return rule

    def _narrow(self, parts: int) -> Rule:
        def rule(entering, leaving):
            steps = np.repeat(entering[0] + 1, parts)
            steps = self._paced(np.maximum(steps, self._before(leaving[0], 2, 1)))
            return [self._before(steps, 1)[::parts]], [self._register(steps + 1, leaving[0])]

        return rule

    def _concat(self, instance: Instance) -> Rule:
        parts = [source.beats_per_pixel for source in instance.sources]
        ends = np.cumsum(parts)

        def rule(entering, leaving):
            turns = [times.reshape(-1, n) for times, n in zip(entering, parts, strict=True)]
            (joined,), offers = self._stage([np.concatenate(turns, axis=1).ravel()], leaving)
            taken = np.split(joined.reshape(-1, ends[-1]), ends[:-1], axis=1)
            return [turn.ravel() for turn in taken], offers

        return rule

    # -------------------------------------------------------------------------------------- units
    def _sum_pool(self, instance: Instance) -> Rule:
        beats = instance.sinks[0].beats

        def rule(entering, leaving):
            taken = entering[0].copy()
            taken[-beats:] = np.maximum(taken[-beats:], self._before(leaving[0], 2, 1))
            return [taken], [self._register(taken[-beats:] + 1, leaving[0])]

        return rule

    def _rescale(self, instance: Instance) -> Rule:
        def rule(entering, leaving):
            taken = np.maximum(entering[0], self._before(leaving[0], RESCALES, 1))
            return [taken], [self._register(taken + instance.latency, leaving[0])]

        return rule

    def _windowed(self, instance: Instance) -> Rule:
        """Return the rule of a window that starts its products against credits."""
        op, parameters = instance.operation, instance.parameters
        source, sink = instance.sources[0], instance.sinks[0]
        window = Window.of(op, source.tensor.shape)
        deep = source.beats_per_pixel
        pixels, groups = parameters.get("Pixels", 1), parameters.get("Groups", 1)
        # a start is a product, or all products of a step of several pixels
        starts = 1 if pixels > 1 else groups  # of a step
        words, guard = math.prod(op.kernel) * deep, 0
        if isinstance(op, Conv):
            simd = parameters["Taps"] * parameters["Lanes"]
            words = math.prod(op.kernel) * source.tensor.shape[2] // simd
            if parameters["Taps"] == 1:  # a cascade reads late, zf_window's Guard
                late = -(-simd // parameters.get("Chains", simd)) - 1
                guard = -(-late // deep) * window.banks(pixels)
        cycles = words * groups // starts
        needed, done = window.need(pixels), window.done(pixels)
        steps, inputs = len(needed), window.in_h * window.in_w
        ready = self._pick(np.repeat(needed * deep - 1, starts), source.beats)

        @cache
        def freeing(places: int) -> Callable[[Times], Times]:
            # input pixel i has a place from the end of the step before the first that is done with
            # pixel i - places
            frames = -(-places // inputs) + 1
            over = np.concatenate([done + f * inputs for f in range(-frames, 2)])
            after = np.searchsorted(over, np.arange(inputs) + 1 - places) - frames * steps
            return self._pick(np.repeat(after * starts - 1, deep), steps * starts)

        # the start that each beat comes from, and its place there
        beats = np.arange(sink.beats)
        if pixels > 1:
            row, x = np.divmod(beats // groups, window.out_w)
            start = row * window.steps(pixels) + x // pixels
        else:
            start = beats * (steps * starts) // sink.beats
        last = np.append(np.flatnonzero(np.diff(start)), sink.beats - 1)  # beat of a start
        lone = pixels > 1 and bool((np.diff(last, prepend=-1) == 1).any())
        index = np.arange(sink.beats) - np.append(0, last[:-1] + 1)[start]
        latency = instance.latency - 1 + (0 if pixels > 1 else index)

        def room(leaving: Times) -> Times:
            depth = self.depths[instance.name, DEPTHS[instance.module]]
            if pixels == 1:  # words, free when they have left
                return self._pick(last - depth, sink.beats)(leaving) + 1
            # a step's words, free when the last enters the register, as the one before leaves
            frame, step = np.divmod(np.arange(steps) - depth, steps)
            before = 0 if hopeless(depth) else 1
            return self._pick(last[step] - before + frame * sink.beats, sink.beats)(leaving) + 1

        def hopeless(depth: int) -> bool:
            # where each step has one word, no sooner than that is there: can it be that soon?
            return lone and latency * steps > self.interval * depth

        def rule(entering, leaving):
            begun = ready(entering[0])
            begun += 1
            begun = self._paced(np.maximum(begun, room(leaving[0]), out=begun), cycles)
            depth = self.depths[instance.name, DEPTHS[instance.module]]
            if lone and not hopeless(depth):
                begun = self._spaced(begun, cycles, depth, latency)
            offers = self._register(begun[start] + latency, leaving[0])
            placed = freeing(self.depths[instance.name, PLACES] - guard)
            return [placed(begun) + cycles], [offers]

        return rule
