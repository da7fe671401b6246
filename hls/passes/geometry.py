"""How a sliding window moves: what each output pixel needs, what it frees, how many rows to keep.

The same two formulas stand in `hls/rtl/zf_window_credit.sv`; pixels are counted in raster order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Conv, MaxPool


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
    def of(cls, op: Conv | MaxPool, in_shape: tuple[int, int, int]) -> Window:
        """Return the window of `op` over an input of `in_shape`.

        A 1x1 convolution of stride 1 sees its map as one column: no rows, a ring of a few pixels.
        """
        (in_h, in_w, _), (out_h, out_w, _) = in_shape, op.output.shape
        if op.kernel == (1, 1) and op.stride == (1, 1) and not any(op.pads):
            return cls(in_h * in_w, 1, 1, 1, 1, 1, 0, 0, in_h * in_w, 1)
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

    def need(self) -> np.ndarray:
        """Return, for each output pixel, how many input pixels must have come: (out_h * out_w,)."""
        y, x = np.arange(self.out_h)[:, None], np.arange(self.out_w)[None, :]
        row = np.minimum(y * self.stride_h - self.pad_top + self.kernel_h - 1, self.in_h - 1)
        column = np.minimum(x * self.stride_w - self.pad_left + self.kernel_w, self.in_w)
        return (row * self.in_w + column).ravel()

    def done(self) -> np.ndarray:
        """Return, for each output pixel, how many input pixels nobody reads from then on."""
        y, x = np.arange(self.out_h)[:, None], np.arange(self.out_w)[None, :]
        column = np.maximum(x * self.stride_w - self.pad_left, 0)
        start = (y * self.stride_h - self.pad_top) * self.in_w + column
        return np.where(y * self.stride_h >= self.pad_top, start, 0).ravel()

    def rows(self) -> int:
        """Return the rows to keep so that an even flow of frames is never held up.

        Input pixels come one in T/(in_h*in_w) of the frame time T, output pixels go one in
        T/(out_h*out_w), as early as the first frame allows. The ring holds, when input pixel i is
        written, all up to i less what is done by then; two pixels more cover the control's delay.
        """
        if self.in_w == 1 and self.kernel_h == 1:
            return 4  # pixels: one read, one written, two for the credit's way round
        inputs, outputs = self.in_h * self.in_w, self.out_h * self.out_w
        scale = inputs * outputs  # ticks of a frame: exact in integers
        arrive, leave = scale // inputs, scale // outputs
        index = np.arange(outputs, dtype=np.int64)
        start = int((self.need() * arrive - index * leave).max())
        # pixel n of frame f is done when pixel n + 1 comes up
        done = np.append(self.done()[1:], inputs)
        ends = start + (index + 1) * leave
        ends = np.concatenate([ends - scale, ends, ends + scale])
        done = np.concatenate([done - inputs, done, done + inputs])
        written = np.arange(inputs, 2 * inputs, dtype=np.int64)  # the second frame, all steady
        finished = np.searchsorted(ends, written * arrive, side="right")
        freed = np.where(finished > 0, done[np.maximum(finished - 1, 0)], -inputs)
        live = int((written + 1 - freed).max()) + 2
        deadlock = int((self.need() - self.done()).max())
        # the banks of a unit that reads columns hold one row of the kernel each
        return max(int(-(-max(live, deadlock) // self.in_w)), self.kernel_h)
