"""Cycles of a design, predicted from the schedule of its beats."""

from __future__ import annotations

from .design import Design
from .flow import LONE, Flow


def latency(design: Design) -> int:
    """Return the cycles from the first input beat in to the last output beat of a lone frame."""
    flow = Flow(design, LONE)
    if not flow.settle():
        raise AssertionError(f"network {design.network.name}: a frame must come through")
    return int(flow.taken["m_axis"][-1] - flow.taken["s_axis"][0])
