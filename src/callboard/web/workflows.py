"""What crosses the door about workflows; `wire.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.web.wire import Answer, Request


class ValidateRequest(Request, frozen=True, kw_only=True):
    """A workflow file to be checked."""

    text: str
    """The file as it is, YAML or JSON."""


class FaultRow(Answer, frozen=True, kw_only=True):
    """One thing that is wrong with a workflow file, or looks as if it were."""

    path: str
    """Such as `steps[2].next[0].to`; empty is the file itself."""
    line: int
    column: int
    """Both from 1."""
    code: str
    message: str
    severity: Literal["error", "warning"]


class Validation(Answer, frozen=True, kw_only=True):
    """Everything that a check found."""

    ok: bool
    """There is no error; there may be warnings."""
    faults: list[FaultRow] = msgspec.field(default_factory=list)
    """In the order of the file."""


class WorkflowRow(Answer, frozen=True, kw_only=True):
    """A workflow that was published."""

    name: str
    version: int
    """The active one: what a run gets which names none."""
    versions: int
    """How many there are; they are numbered from 1."""
    description: str
    owner: str
    """The bot that it belongs to; empty is everybody."""
    published_at: datetime
    """When the active version was published."""


class WorkflowList(Answer, frozen=True, kw_only=True):
    """All workflows that were published."""

    data: list[WorkflowRow]
    """By name."""


class WorkflowQuery(Request, frozen=True, kw_only=True):
    """Which version of it."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1 << 31)] | None = None
    """The active one if it is left out."""


class VersionRow(Answer, frozen=True, kw_only=True):
    """One version of a workflow."""

    version: int
    active: bool
    checksum: str
    """SHA-256 of the definition in its one spelling."""
    principal: PrincipalId
    """Who published it."""
    published_at: datetime
    position: Position
    """Where in the log it was published."""


class WorkflowDetail(VersionRow, frozen=True, kw_only=True):
    """A workflow in one of its versions."""

    name: str
    description: str
    owner: str
    definition: dict[str, Any]
    """As it runs; a file with this content is this version."""
    history: list[VersionRow]
    """The newest versions, the newest first."""
