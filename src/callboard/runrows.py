"""What the store tells of workflows and runs: its rows, as `store.py` hands them out.

Rows hold what is asked for often and is small. Inputs, outputs and errors are in the log, once; the rows know
where, and a reading joins them. What a run is, and where it stands, is folded from its facts (`run/`): these
rows are for lists, for people, and for whoever must know what to wake.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId, Tenant
from callboard.outcome import Failure

RunStatus = Literal["pending", "running", "paused", "completed", "failed", "crashed", "cancelled"]


class WorkflowRow(msgspec.Struct, frozen=True):
    """A workflow that was published."""

    name: str
    version: int
    """The one that a run gets which names none."""
    versions: int
    """How many there are: they are numbered from 1."""
    description: str
    owner: str
    """The bot that it belongs to; empty is everybody."""
    checksum: str
    """Of the version that runs."""
    published_at: datetime
    """When the version that runs was published."""


class VersionRow(msgspec.Struct, frozen=True):
    """One version of a workflow: it never changes."""

    workflow: str
    version: int
    active: bool
    """It is the one that a run gets which names none."""
    checksum: str
    text: str
    """The definition, as JSON in its one spelling."""
    published: Position
    published_at: datetime
    principal: PrincipalId
    description: str = ""
    owner: str = ""


class RunRow(msgspec.Struct, frozen=True):
    """A run."""

    id: str
    workflow: str
    version: int
    status: RunStatus
    paused_by: str
    """`operator`, `approval` or `hold`, while it is paused."""
    principal: PrincipalId
    parent: str | None
    """The run that started it."""
    started: Position
    """Its place among runs, and the fact that says what started it."""
    started_at: datetime
    ended_at: datetime | None
    changed: Position
    """The fact that brought it into its present state."""
    error: Failure | None
    """Of one that failed."""
    reason: str
    """Of one that crashed or was cancelled."""


class UnendedRun(msgspec.Struct, frozen=True):
    """A run that has not ended, as start-up looks at it.

    If nothing of the last three is so, a timer or an answer will bring it back: nobody need look at it now.
    """

    tenant: Tenant
    id: str
    workflow: str
    version: int
    status: RunStatus
    started: Position
    """The page after this one begins here."""
    in_flight: bool
    """An attempt of it was under way."""
    ready: bool
    """A step of it could begin."""
    answered: bool
    """Something that it waits for has happened."""


AttemptStatus = Literal[
    "running", "waiting", "waiting_approval", "completed", "failed", "cancelled", "interrupted"
]


class AttemptRow(msgspec.Struct, frozen=True):
    """One attempt of a step, with what is in the log about it."""

    step: str
    iteration: int
    attempt: int
    """0 where the step failed before it could begin."""
    status: AttemptStatus
    input: Any
    """As it was rendered; where a secret belongs there is nothing."""
    output: Any
    error: Failure | None
    started: Position
    """The page after this one begins here."""
    started_at: datetime
    ended_at: datetime | None
    bytes: int = 0
    """Of the output."""


class DecisionRow(msgspec.Struct, frozen=True):
    """One thing that was looked at to find out where a run goes."""

    position: Position
    """Of the event that it belongs to."""
    number: int
    about: str
    source: str
    to: str
    expression: str
    result: bool
    reason: str
    at: datetime


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are wanted; what is not named does not narrow."""

    workflow: str | None = None
    status: RunStatus | None = None
    since: datetime | None = None
    """Started at this instant, or later."""
    parent: str | None = None
    after: Position | None = None
    """Exclusive, a run's `started`: later ones, or earlier ones when the newest come first."""
    limit: int = 100
    newest_first: bool = False
