"""Types of hls4ml, `fixed<width, integer, rounding, saturation>`, as grids and ranges of codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import Refusal
from .ir import QType


@dataclass(frozen=True)
class Type:
    """A type of hls4ml: a grid, a range, and whether casting to it is ours to compute."""

    qtype: QType
    lo: int
    exact_cast: bool  # rounds half to even and saturates

    @classmethod
    def of(cls, precision: Any, layer: str, what: str = "result") -> Type:
        """Return the type for a `FixedPrecisionType` or `IntegerPrecisionType` of a layer."""
        width, integer = getattr(precision, "width", 0), getattr(precision, "integer", None)
        if not width or integer is None:
            raise Refusal(f"layer {layer}: its {what} type must be fixed point, not {precision}")
        qtype = QType(int(width), bool(precision.signed), int(width) - int(integer))
        rounding = str(getattr(precision, "rounding_mode", "TRN"))
        saturation = str(getattr(precision, "saturation_mode", "WRAP"))
        symmetric = saturation == "SAT_SYM" and qtype.signed
        exact = rounding == "RND_CONV" and saturation in ("SAT", "SAT_SYM")
        return cls(qtype, qtype.lo + symmetric, exact)

    def holds(self, frac: int, lo: int, hi: int) -> bool:
        """Tell whether codes from `lo` to `hi` with `frac` fraction bits fit without a change."""
        shift = self.qtype.frac - frac
        return shift >= 0 and self.lo <= lo << shift and hi << shift <= self.qtype.hi


def is_auto(precision: Any) -> bool:
    """Tell whether a type is still to be inferred."""
    from hls4ml.model.types import UnspecifiedPrecisionType

    return isinstance(precision, UnspecifiedPrecisionType)
