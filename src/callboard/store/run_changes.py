"""Row changes that follow from the facts of a run: its place on the list, its attempts, and its queue.

They are derived: `run_projections.py` alone makes them. For a store they are changes like any other
(`changes.py`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from callboard.ids import Position


class PutRun(msgspec.Struct, frozen=True):
    """There is a run; nothing of it has begun, unless more is told."""

    run: str
    workflow: str
    version: int
    principal: str
    started: Position
    started_at: datetime
    changed: Position
    status: str = "pending"
    paused_by: str = ""
    ended_at: datetime | None = None
    forked_from: str | None = None
    path: str = ""
    item: int | None = None
    crowd: str | None = None
    """The key under which it is counted, if any."""
    places: int | None = None
    """How many runs with that key its version allows."""
    queued: bool = False


class LeavePending(msgspec.Struct, frozen=True):
    """A run that was pending is running; without effect on any other."""

    run: str
    changed: Position


class AdmitRun(msgspec.Struct, frozen=True):
    """The run waits for its turn no more."""

    run: str


class MoveRun(msgspec.Struct, frozen=True):
    """The run is in another state; the fact at the position says why."""

    run: str
    status: str
    changed: Position
    paused_by: str = ""
    ended_at: datetime | None = None


class PutChild(msgspec.Struct, frozen=True):
    """A run was started by a step of another one."""

    child: str
    parent: str
    step: str
    started: Position


class QueueStep(msgspec.Struct, frozen=True):
    """A step is ready: it begins as soon as there is room."""

    run: str
    step: str
    queued: Position


class UnqueueStep(msgspec.Struct, frozen=True):
    """A step is not in the queue, or not any more."""

    run: str
    step: str


class BeginAttempt(msgspec.Struct, frozen=True):
    """An attempt is under way; the fact at the position holds its input."""

    run: str
    step: str
    iteration: int
    attempt: int
    began: Position
    last: Position
    """The newest fact about it."""
    status: str = "running"
    open: bool = True
    """Its step has not ended, so more may be said of it."""


class RepeatAttempt(BeginAttempt, frozen=True):
    """A further attempt is under way, with the input of the one before it."""


class MoveAttempt(msgspec.Struct, frozen=True):
    """An attempt waits or is over, and its step is not; the fact at the position says how."""

    run: str
    step: str
    iteration: int
    attempt: int
    status: str
    last: Position


class CompleteStep(msgspec.Struct, frozen=True):
    """A step is done, and with it this attempt."""

    run: str
    step: str
    iteration: int
    attempt: int
    last: Position


class FailAttempt(msgspec.Struct, frozen=True):
    """A step fails in this attempt, if it had one; an interrupted attempt stays what it is."""

    run: str
    step: str
    iteration: int
    attempt: int
    last: Position


class CloseSteps(msgspec.Struct, frozen=True):
    """These steps are over, and what they have under way is not wanted any more."""

    run: str
    steps: tuple[str, ...]
    last: Position
