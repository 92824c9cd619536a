"""Row changes of triggers: which there are, whether each is on, and how far the log was heard.

All but the last are derived: `projections.py` alone makes them. For a store they are changes like any other
(`changes.py`).
"""

from __future__ import annotations

import msgspec

from callboard.ids import Position


class PutTrigger(msgspec.Struct, frozen=True):
    """There is such a trigger, and it is awake; whether it is on stays as it was."""

    trigger: str
    workflow: str
    kind: str
    about: str
    since: Position


class RetireTrigger(msgspec.Struct, frozen=True):
    """The trigger sleeps: no active version has it."""

    trigger: str


class SwitchTrigger(msgspec.Struct, frozen=True):
    """An operator turned it on or off."""

    trigger: str
    enabled: bool
    since: Position


class MarkFired(msgspec.Struct, frozen=True):
    """It started a run; the fact at the position says which."""

    trigger: str
    fired: Position


class MoveHearing(msgspec.Struct, frozen=True):
    """Up to here, what messages and ends of runs fire is done. State; it never goes back."""

    position: Position
