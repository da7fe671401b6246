"""How a sliding window moves: what each output pixel needs, what it frees, how many rows to keep.

The same two formulas stand in `hls/rtl/zf_window_credit.sv`; pixels are counted in raster order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Conv, Depthwise, MaxPool


@dataclass(frozen=True)
class Window:
    """Geometry of the window unit of a convolution or a pool; sizes in pixels."""

    in_h: int
    in_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int
    out_h: int
    out_w: int

    @classmethod
    def of(cls, op: Conv | Depthwise | MaxPool, in_shape: tuple[int, int, int]) -> Window:
        """Return the window of `op` over an input of `in_shape`.

        A 1x1 convolution of stride 1 sees its map as one row and keeps a few pixels of it.
        """
        (in_h, in_w, _), (out_h, out_w, _) = in_shape, op.output.shape
        if isinstance(op, Conv) and op.pointwise:
            return cls(1, in_h * in_w, 1, 1, 1, 1, 0, 0, 1, in_h * in_w)
        top, left, _, _ = op.pads
        return cls(in_h, in_w, *op.kernel, *op.stride, top, left, out_h, out_w)

    def parameters(self) -> dict[str, int]:
        """Return the parameters by which zf_window and the modules around it know this window."""
        return {
            "InH": self.in_h,
            "InW": self.in_w,
            "KernelH": self.kernel_h,
            "KernelW": self.kernel_w,
            "StrideH": self.stride_h,
            "StrideW": self.stride_w,
            "PadTop": self.pad_top,
            "PadLeft": self.pad_left,
            "OutH": self.out_h,
            "OutW": self.out_w,
        }

    @property
    def pointwise(self) -> bool:
        """Whether each output pixel sees the input pixel of its place, alone."""
        return self == Window(1, self.in_w, 1, 1, 1, 1, 0, 0, 1, self.in_w)

    def banks(self, pixels: int) -> int:
        """Return the memories among which zf_window shares its pixels out; copies share none."""
        return pixels if self.pointwise and self.in_w % pixels == 0 else 1

    def steps(self, pixels: int) -> int:
        """Return the steps of a row: `pixels` output pixels each, the last what is left."""
        return -(-self.out_w // pixels)

    def need(self, pixels: int = 1) -> np.ndarray:
        """Return, for each step, how many input pixels must have come: (out_h * steps,).

        One at least, also for a window in the padding: no output comes before its frame.
        """
        y, x = np.arange(self.out_h)[:, None], np.arange(self.steps(pixels))[None, :]
        reach = self.kernel_w + (pixels - 1) * self.stride_w
        row = np.clip(y * self.stride_h - self.pad_top + self.kernel_h, 1, self.in_h) - 1
        column = np.clip(x * pixels * self.stride_w - self.pad_left + reach, 1, self.in_w)
        return (row * self.in_w + column).ravel()

    def done(self, pixels: int = 1) -> np.ndarray:
        """Return, for each step, how many input pixels nobody reads from then on."""
        y, x = np.arange(self.out_h)[:, None], np.arange(self.steps(pixels))[None, :]
        top = y * self.stride_h - self.pad_top
        column = np.clip(x * pixels * self.stride_w - self.pad_left, 0, self.in_w)
        inside = (top >= 0) & (top < self.in_h)
        return (np.clip(top, 0, self.in_h) * self.in_w + np.where(inside, column, 0)).ravel()

    def places(self, pixels: int = 1, whole_rows: bool = False) -> int:
        """Return the pixels to keep so that an even flow of frames is never held up.

        Input pixels come one in T/(in_h*in_w) of the frame time T, steps go one in T/steps, as
        early as the first frame allows. The ring holds, when input pixel i is written, all up to i
        less what is done by then; two pixels more cover the control's delay. Units that read
        several taps at once keep whole rows, at least those of the kernel.
        """
        if self.pointwise:
            return 2 * pixels + 2  # a step's read, a step's written, two for the credit's way
        needed, freed = self.need(pixels), self.done(pixels)
        inputs, outputs = self.in_h * self.in_w, len(needed)
        scale = inputs * outputs  # ticks of a frame: exact in integers
        arrive, leave = scale // inputs, scale // outputs
        index = np.arange(outputs, dtype=np.int64)
        start = int((needed * arrive - index * leave).max())
        # step n of frame f is done when step n + 1 comes up
        done = np.append(freed[1:], inputs)
        ends = start + (index + 1) * leave
        ends = np.concatenate([ends - scale, ends, ends + scale])
        done = np.concatenate([done - inputs, done, done + inputs])
        written = np.arange(inputs, 2 * inputs, dtype=np.int64)  # the second frame, all steady
        finished = np.searchsorted(ends, written * arrive, side="right")
        over = np.where(finished > 0, done[np.maximum(finished - 1, 0)], -inputs)
        live = int((written + 1 - over).max()) + 2
        deadlock = int((needed - freed).max())
        places = max(live, deadlock)
        if whole_rows:
            return max(-(-places // self.in_w), self.kernel_h) * self.in_w
        return places
