"""Facts of triggers: that there is one, whether it is on, and what became of each time that it fired.

A trigger is one entry of a workflow's `on`. Its name is made of the workflow and of what fires it
(`triggers/entries.py`), so it is the same in every version that has such an entry, and an operator who turned
it off need not do so again when its condition is edited. Each has a stream of its own: whoever asks why
nothing ran this morning reads it there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from callboard.facts import fact
from callboard.ids import Position, StreamId

KIND = "trigger"
"""The type of such streams, and the kind of timers that schedules keep."""

TriggerKind = Literal["schedule", "webhook", "message", "run"]


def trigger_stream(trigger: str) -> StreamId:
    """Return the stream that holds a trigger's history."""
    return StreamId(f"trigger:{trigger}")


@fact("trigger_set")
class TriggerSet(msgspec.Struct, frozen=True):
    """The active version of a workflow has such an entry, and had none before, or slept."""

    trigger: str
    workflow: str
    kind: TriggerKind
    about: str
    """What fires it, for people: the schedule, the path, the channel or the workflow."""
    since: Position
    """What happened up to here does not fire it: where the version was published."""


@fact("trigger_retired")
class TriggerRetired(msgspec.Struct, frozen=True):
    """The active version has no such entry any more, or the workflow starts no runs now."""

    trigger: str


@fact("trigger_enabled")
class TriggerEnabled(msgspec.Struct, frozen=True):
    """An operator turned it on again; what happened meanwhile does not fire it."""

    trigger: str


@fact("trigger_disabled")
class TriggerDisabled(msgspec.Struct, frozen=True):
    """An operator turned it off."""

    trigger: str


@fact("trigger_fired")
class TriggerFired(msgspec.Struct, frozen=True, omit_defaults=True):
    """It started a run, in the turn that holds this."""

    trigger: str
    run: str
    version: int
    scheduled_for: datetime | None = None
    by: str = ""
    """The operator who had it fire now."""


@fact("trigger_not_fired")
class TriggerNotFired(msgspec.Struct, frozen=True, omit_defaults=True):
    """It would have fired, and no run was started."""

    trigger: str
    code: str
    """`CONDITION_FALSE`, or what is wrong."""
    reason: str
    scheduled_for: datetime | None = None
    by: str = ""


@fact("trigger_missed")
class TriggerMissed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody was there when it was due, and its `missed` does not make up for these times."""

    trigger: str
    first: datetime
    last: datetime
    count: int
    more: bool = False
    """There were more than were counted."""
