"""What crosses the door about runs, signals and approvals; `wire.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.store.runrows import AttemptStatus, RunStatus
from callboard.web.talk import Cursor, Limit, Moment, Name
from callboard.web.wire import Answer, Request

RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Sentence = Annotated[str, msgspec.Meta(max_length=2000)]
Part = Literal["steps", "events", "decisions"]


class StartRequest(Request, frozen=True, kw_only=True):
    """A run that shall be."""

    input: Any = msgspec.field(default_factory=dict)
    """What the run sees as `trigger`."""
    version: Annotated[int, msgspec.Meta(ge=1, le=1 << 31)] | None = None
    """Of the workflow; the active one if it is left out."""
    request_id: RequestId | None = None
    """The same again gives the run that there is, and starts no other."""


class Started(Answer, frozen=True, kw_only=True):
    """The run is on disk."""

    run_id: str
    workflow: str
    version: int
    status: RunStatus
    """As it stood when this was said."""
    url: str
    repeated: bool = False
    """The request id was used before: this is what came of it then."""


class ErrorRow(Answer, frozen=True, kw_only=True):
    """Why something failed."""

    code: str
    message: str
    details: dict[str, Any] = msgspec.field(default_factory=dict)


class RunRow(Answer, frozen=True, kw_only=True):
    """A run."""

    id: str
    workflow: str
    version: int
    status: RunStatus
    paused_by: str = ""
    """`operator`, `approval` or `hold`, while it is paused."""
    principal: PrincipalId
    parent: str | None = None
    """The run that started it."""
    forked_from: str | None = None
    """The run that it was forked from."""
    path: str = ""
    """Of an item or a round: the steps under which its own stand, as `rows/cells`."""
    item: int | None = None
    """Which item or round of its parent's step it is, from 0."""
    concurrency_key: str | None = None
    """Under which it is counted, if its workflow says how many of its runs there may be."""
    queued: bool = False
    """It waits for its turn: as many runs with its key go on as may."""
    started_at: datetime
    ended_at: datetime | None = None
    error: ErrorRow | None = None
    reason: str = ""
    """Of one that was cancelled or crashed."""
    position: Position
    """Where in the log it was started."""


class StepRow(Answer, frozen=True, kw_only=True):
    """One attempt of a step."""

    step: str
    iteration: int
    attempt: int
    status: AttemptStatus
    input: Any = None
    output: Any = None
    error: ErrorRow | None = None
    started_at: datetime
    ended_at: datetime | None = None
    position: Position
    taken_from: str | None = None
    """The run in which it was done, where a fork has taken it over; its times are of when it ended there."""


class EventRow(Answer, frozen=True, kw_only=True):
    """One fact of a run."""

    position: Position
    cause: Position | None
    version: int
    type: str
    at: datetime
    data: Any


class DecisionRow(Answer, frozen=True, kw_only=True):
    """One thing that was looked at to find out where a run goes."""

    position: Position
    about: str
    source: str
    to: str
    expression: str
    result: bool
    reason: str
    at: datetime


class ContextValue(Answer, frozen=True, kw_only=True):
    """A value of a run's context."""

    bytes: int
    value: Any = None
    left_out: bool = False
    """It is not shown here, only how large it is."""


class ContextStep(Answer, frozen=True, kw_only=True):
    """A step that has ended, as expressions see it."""

    status: str
    iteration: int
    output: ContextValue


class RunContext(Answer, frozen=True, kw_only=True):
    """What the expressions of a run see, as much of it as its workflow says in `context`."""

    mode: Literal["summary", "full", "keys"]
    bytes: int
    """Of all of it, as they count against the limit."""
    trigger: ContextValue
    vars: dict[str, ContextValue]
    steps: dict[str, ContextStep]


class Queue(Answer, frozen=True, kw_only=True):
    """Where a run stands that waits for its turn."""

    limit: int
    """How many runs with its key its version allows."""
    place: int
    """From 1, which is next."""
    behind: str
    """The run right before it: in the queue, or else among those that go on."""
    holders: list[str]
    """The runs that go on, the oldest first; ten at most."""


class RunDetail(RunRow, frozen=True, kw_only=True):
    """A run, and as much of its story as was asked for."""

    output: Any = None
    """Of one that is completed."""
    steps: list[StepRow] | None = None
    events: list[EventRow] | None = None
    decisions: list[DecisionRow] | None = None
    context: RunContext | None = None
    queue: Queue | None = None
    """Of one that waits for its turn."""
    cut: list[Part] = msgspec.field(default_factory=list)
    """Those of which there is more than one answer holds: about 4 MiB, or 10,000 rows."""


class RunsQuery(Request, frozen=True, kw_only=True):
    """Which runs, and in which order."""

    workflow: Name | None = None
    status: RunStatus | None = None
    since: Moment | None = None
    order: Literal["newest", "oldest"] = "newest"
    after: Cursor | None = None
    """The `next` of an earlier page."""
    limit: Limit = 100


class RunQuery(Request, frozen=True, kw_only=True):
    """How much of a run's story."""

    include: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Any of steps, events, decisions and context, with commas between."""


class RunPage(Answer, frozen=True, kw_only=True):
    """Runs."""

    data: list[RunRow]
    next: str | None
    """Where the next page begins; None if there is none."""


class Standing(Answer, frozen=True, kw_only=True):
    """How a run stands after what was done."""

    run_id: str
    workflow: str
    status: RunStatus
    paused_by: str = ""


class Deleted(Answer, frozen=True, kw_only=True):
    """A run is gone."""

    run_id: str


class NothingMore(Request, frozen=True, kw_only=True):
    """There is nothing to say."""


class CancelRequest(Request, frozen=True, kw_only=True):
    """Why a run is ended."""

    reason: Sentence = ""


class ReleaseRequest(Request, frozen=True, kw_only=True):
    """What becomes of a step that is held: its attempt was under way when the server died."""

    step: Name
    how: Literal["retry", "fail"] = "retry"


class SignalRequest(Request, frozen=True, kw_only=True):
    """A signal to a run."""

    name: Name
    body: Any = None


class ApprovalRow(Answer, frozen=True, kw_only=True):
    """A step that waits for people to decide."""

    id: str
    run_id: str
    workflow: str
    step: str
    message: str
    approvers: list[str]
    """Who may decide."""
    needed: int
    """How many of them must approve."""
    since: datetime
    expires_at: datetime | None = None


class ApprovalsQuery(Request, frozen=True, kw_only=True):
    """A page of what waits for decisions."""

    after: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    limit: Limit = 100


class ApprovalPage(Answer, frozen=True, kw_only=True):
    """What waits for decisions."""

    data: list[ApprovalRow]
    next: str | None


class DecisionRequest(Request, frozen=True, kw_only=True):
    """What somebody decides."""

    decision: Literal["approve", "reject"]
    by: Name | None = None
    """Who decides; the caller, if it is left out."""
    comment: Sentence = ""
