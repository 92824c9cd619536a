"""What the store tells of workflows and runs: its rows, as `port.py` hands them out.

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
WorkflowStatus = Literal["draft", "active", "archived"]
"""A draft has no version that runs; of a workflow that is archived, no run starts."""


class Archived(msgspec.Struct, frozen=True):
    """That a workflow was archived."""

    at: datetime
    by: PrincipalId
    reason: str


class WorkflowRow(msgspec.Struct, frozen=True):
    """A workflow."""

    name: str
    version: int
    """The one that a run gets which names none, or got until it was archived; 0 is none."""
    versions: int
    """How many there are: they are numbered from 1."""
    description: str
    owner: str
    """The bot that it belongs to; empty is everybody."""
    checksum: str
    """Of the version that runs; empty if none does."""
    published_at: datetime | None
    """When the version that runs was published."""
    status: WorkflowStatus = "active"
    draft: int = 0
    """The revision of the draft beside the versions; 0 is none."""
    filed: int = 0
    """The version that its file in the folder was when it last changed; 0 is none."""
    archived: Archived | None = None
    """If it is."""


class WorkflowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which workflows are wanted; what is not named does not narrow."""

    owner: str | None = None
    """Empty is everybody's."""
    status: WorkflowStatus | None = None
    search: str | None = None
    """What its name or description holds, whatever the case of ASCII letters."""
    after: str = ""
    """Exclusive, a name: they come in the order of their names."""
    limit: int | None = None


class DraftRow(msgspec.Struct, frozen=True):
    """What somebody works on, to be the next version of a workflow."""

    workflow: str
    revision: int
    text: str
    """As it was written."""
    saved: Position
    saved_at: datetime
    principal: PrincipalId


class VersionRow(msgspec.Struct, frozen=True):
    """One version of a workflow: it never changes."""

    workflow: str
    version: int
    active: bool
    """It is the one that a run gets which names none, or got until its workflow was archived."""
    checksum: str
    text: str
    """The definition, as JSON in its one spelling."""
    published: Position
    published_at: datetime
    principal: PrincipalId
    description: str = ""
    owner: str = ""


class TriggerRow(msgspec.Struct, frozen=True):
    """What starts runs of a workflow by itself."""

    id: str
    workflow: str
    kind: Literal["schedule", "webhook", "message", "run"]
    about: str
    """What fires it, for people."""
    live: bool
    """The active version has it; if not, it sleeps."""
    enabled: bool
    since: Position
    """What happened up to here does not fire it."""
    fired: Position | None
    """The fact that says that it fired last."""
    fired_at: datetime | None = None
    run: str = ""
    """What it started then."""
    due_at: datetime | None = None
    """When it fires next, if it is a schedule."""


class Audible(msgspec.Struct, frozen=True):
    """Something that could fire a trigger: a message on a channel, or the end of a run."""

    position: Position
    kind: Literal["message", "event"]
    subject: str
    """The channel, or the run's stream."""
    type: str


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
    forked_from: str | None = None
    """The run that it was forked from."""
    path: str = ""
    """Of the run of an item or a round: the steps under which its own stand, as `rows/cells`."""
    item: int | None = None
    """Which item or round of its parent's step it is, from 0."""
    crowd: str | None = None
    """The concurrency key under which it is counted, if it has one."""
    queued: bool = False
    """It waits for its turn, or ended before it came."""


class LinkRow(msgspec.Struct, frozen=True):
    """What a run has to do with a thing that lives elsewhere."""

    run: str
    workflow: str
    step: str
    """The first one that said so."""
    system: str
    type: str
    id: str
    how: Literal["created", "touched"]
    position: Position
    """Of the fact that says so."""
    number: int
    """Its place among the links of that fact."""
    at: datetime


class LinkQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which links are wanted; what is not named does not narrow. They come in the order of the log."""

    run: str | None = None
    system: str | None = None
    type: str | None = None
    id: str | None = None
    after: tuple[int, int] = (0, 0)
    """Exclusive: the position and the number of a link."""
    limit: int = 100


class CountedRun(msgspec.Struct, frozen=True):
    """A run that has not ended, as it is counted under its concurrency key."""

    run: str
    workflow: str
    key: str
    places: int
    """How many runs with that key its version allows."""
    queued: bool
    """It waits for its turn, which has not come."""
    started: Position


class Descendant(msgspec.Struct, frozen=True):
    """A run that a step started: of a run, or of one that it had started."""

    step: str
    """Of its parent."""
    run: RunRow


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
    """Without it, runs of items and rounds are left out: they are parts of others."""
    after: Position | None = None
    """Exclusive, a run's `started`: later ones, or earlier ones when the newest come first."""
    limit: int = 100
    newest_first: bool = False
