"""What crosses the door about the story of one run: pages of it, its family, how it stood, its forks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position
from callboard.outcome import LONGEST_NAME
from callboard.store.runrows import RunStatus
from callboard.web.runs import DecisionRow, ErrorRow, EventRow, RequestId, RunRow, StepRow
from callboard.web.talk import Limit, Name
from callboard.web.wire import UP_TO, Answer, Request

Place = Annotated[str, msgspec.Meta(pattern=UP_TO)]
"""A cursor, or a position of the log."""
StepStatus = Literal[
    "pending", "running", "waiting", "waiting_approval", "completed", "failed", "skipped", "cancelled"
]


class StoryQuery(Request, frozen=True, kw_only=True):
    """A page of a run's story."""

    after: Place | None = None
    """The `next` of an earlier page, or a position of the log."""
    limit: Limit = 100


class FollowQuery(Request, frozen=True, kw_only=True):
    """From where on something is followed, where no Last-Event-ID says so."""

    after: Place | None = None


class StepPage(Answer, frozen=True, kw_only=True):
    """Attempts of steps, in the order in which they began."""

    data: list[StepRow]
    """What a fork has taken over comes with the first page, whatever the limit."""
    next: str | None


class EventPage(Answer, frozen=True, kw_only=True):
    """Facts of a run."""

    data: list[EventRow]
    next: str | None


class DecisionPage(Answer, frozen=True, kw_only=True):
    """What was looked at to find out where a run goes."""

    data: list[DecisionRow]
    """A page ends with all that belongs to one fact, so it may hold a few more than were asked for."""
    next: str | None


# ── its family ───────────────────────────────────────────────────────────────────────────────────────────


class Branch(Answer, frozen=True, kw_only=True):
    """A run, and those that its steps started."""

    step: str = ""
    """The one that started it; empty is the run that was asked for."""
    run: RunRow
    children: list[Branch] = msgspec.field(default_factory=list)


class Tree(Answer, frozen=True, kw_only=True):
    """A run with all that it started."""

    root: Branch
    cut: bool = False
    """There are more than one answer holds: the oldest 1,000."""


# ── how it stood ─────────────────────────────────────────────────────────────────────────────────────────


class StepThen(Answer, frozen=True, kw_only=True):
    """A step as it was."""

    step: str
    status: StepStatus
    iteration: int = 1
    attempt: int = 0
    ready: bool = False
    """It would have begun as soon as there was room."""
    output: Any = None
    error: ErrorRow | None = None
    waits_for: str = ""
    """What kind of thing it waited for, while it did; `retry` is the pause before another attempt."""
    until: datetime | None = None


class RunThen(Answer, frozen=True, kw_only=True):
    """A run as it stood at a position of the log."""

    run_id: str
    workflow: str
    version: int
    position: Position
    """Of the last fact of it up to there."""
    at: datetime
    status: RunStatus
    paused_by: str = ""
    steps: list[StepThen]
    """In the order of the workflow, those included to which it had not come."""
    ready: list[str]
    vars: dict[str, Any]
    output: Any = None
    error: ErrorRow | None = None


# ── what lives elsewhere ─────────────────────────────────────────────────────────────────────────────────

Thing = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]


class LinksQuery(Request, frozen=True, kw_only=True):
    """Which links; what is not named does not narrow."""

    system: Thing | None = None
    type: Thing | None = None
    id: Thing | None = None
    after: Place | None = None
    """The `next` of an earlier page, or a position of the log."""
    limit: Limit = 100


class Link(Answer, frozen=True, kw_only=True):
    """Something that lives elsewhere, and what a run has to do with it."""

    system: str
    type: str
    id: str
    how: Literal["created", "touched"]
    run_id: str
    """It may be gone by now."""
    workflow: str
    step: str
    position: Position
    at: datetime


class LinkPage(Answer, frozen=True, kw_only=True):
    """Links, in the order of the log; those of one fact are never cut, so there may be more than wanted."""

    data: list[Link]
    next: str | None


# ── forks ────────────────────────────────────────────────────────────────────────────────────────────────


class ForkRequest(Request, frozen=True, kw_only=True):
    """A run that shall be done again from one of its steps, as a new one."""

    step: Name = msgspec.field(name="from")
    input: Any | msgspec.UnsetType = msgspec.UNSET
    """What the new run sees as `trigger`; what the other one saw, if it is left out."""
    request_id: RequestId | None = None
    """The same again gives the run that there is, and starts no other."""
