"""Crossing: what one edge of a run came to, as the facts that end a step tell it."""

from __future__ import annotations

from typing import Literal

import msgspec

Result = Literal["satisfied", "unsatisfied", "dead"]


class Crossing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an edge came to, from the step that the fact is about."""

    edge: int  # its number in the plan
    to: str
    result: Result = "satisfied"
    opens: bool = False
    """With it the join of its target holds: it is what the target was waiting for."""
    reason: str = ""
    """Left out where there was nothing to find out: no condition, and the outcome is the one it is for."""
