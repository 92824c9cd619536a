"""What crosses the door about triggers and webhooks; `wire.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.web.talk import Name
from callboard.web.wire import Answer, Request

SHOWN = 20
"""Records that are told with a trigger, if nobody says how many."""


class TriggersQuery(Request, frozen=True, kw_only=True):
    """Which triggers."""

    workflow: Name | None = None
    all: bool = False
    """Also those that sleep: of archived workflows, and of entries that are gone."""


class TriggerRow(Answer, frozen=True, kw_only=True):
    """What starts runs of a workflow by itself."""

    id: str
    workflow: str
    kind: Literal["schedule", "webhook", "message", "run"]
    about: str
    """What fires it: the schedule, the path, the channel, or the other workflow."""
    live: bool
    """The active version has it; if not, it sleeps."""
    enabled: bool
    next_fire: datetime | None = None
    """Of a schedule that is on."""
    last_fire: datetime | None = None
    last_run: str | None = None
    """What it started then."""


class TriggerList(Answer, frozen=True, kw_only=True):
    """Triggers."""

    data: list[TriggerRow]
    """By id, so those of one workflow stand together."""


class RecordRow(Answer, frozen=True, kw_only=True):
    """One line of a trigger's story."""

    position: Position
    at: datetime
    what: Literal["set", "retired", "enabled", "disabled", "fired", "not_fired", "missed"]
    principal: PrincipalId
    run_id: str | None = None
    code: str = ""
    """Why nothing was started: `CONDITION_FALSE`, or what is wrong."""
    reason: str = ""
    scheduled_for: datetime | None = None
    by: str = ""
    """The operator who had it fire."""
    first: datetime | None = None
    last: datetime | None = None
    """Of the times that were missed."""
    count: int = 0


class TriggerQuery(Request, frozen=True, kw_only=True):
    """How much of its story."""

    records: Annotated[int, msgspec.Meta(ge=0, le=1000)] = SHOWN


class TriggerDetail(TriggerRow, frozen=True, kw_only=True):
    """A trigger, with what it is and what became of it."""

    version: int | None = None
    """Of the workflow, whose runs it starts."""
    condition: str = ""
    missed: Literal["once", "all", "skip"] | None = None
    auth: Literal["hmac", "bearer", "none"] | None = None
    """How a webhook knows its caller."""
    coming: list[datetime] = msgspec.field(default_factory=list)
    """The next times of a schedule that is on."""
    records: list[RecordRow]
    """The newest first."""


class FireRequest(Request, frozen=True, kw_only=True):
    """What a trigger is fired with."""

    data: Any = msgspec.UNSET
    """The event; if it is left out, what the trigger would see of itself: a schedule's time, else `{}`."""


class Fired(Answer, frozen=True, kw_only=True):
    """What came of an event."""

    started: bool
    run_id: str | None = None
    code: str = ""
    """Why nothing was started."""
    reason: str = ""
    repeated: bool = False
    """It came before, under the same id: this is what came of it then."""


class Switched(Answer, frozen=True, kw_only=True):
    """A trigger is on, or off."""

    id: str
    enabled: bool
    changed: bool
    """It was otherwise before."""
