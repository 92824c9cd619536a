"""What crosses the door about workflows; `wire.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.store.runrows import WorkflowStatus
from callboard.web.wire import SIDE, Answer, Request

Number = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]
"""Of a version."""
Revision = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Page = Annotated[int, msgspec.Meta(ge=1, le=1000)]


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


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


class WorkflowsQuery(Request, frozen=True, kw_only=True):
    """Which workflows; what is not named does not narrow."""

    owner: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """A bot, or `global`: what belongs to everybody."""
    status: WorkflowStatus | None = None
    search: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """What the name or the description holds."""
    after: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """The name at which an earlier page ended."""
    limit: Page = 1000


class Archived(Answer, frozen=True, kw_only=True):
    """That a workflow was archived."""

    at: datetime
    by: PrincipalId
    reason: str


class WorkflowRow(Answer, frozen=True, kw_only=True):
    """A workflow."""

    name: str
    status: WorkflowStatus
    version: int
    """The active one: what a run gets which names none; of an archived one, what it was. 0 is none."""
    versions: int
    """How many there are; they are numbered from 1."""
    draft: int
    """The revision of the draft beside them; 0 is none."""
    description: str
    owner: str
    """The bot that it belongs to; empty is everybody."""
    published_at: datetime | None
    """When the active version was published."""
    archived: Archived | None = None
    """If it is."""


class WorkflowList(Answer, frozen=True, kw_only=True):
    """Workflows."""

    data: list[WorkflowRow]
    """By name."""
    next: str | None = None
    """Go on after this name; nothing if there are no more."""


class WorkflowQuery(Request, frozen=True, kw_only=True):
    """Which version of it."""

    version: Number | None = None
    """The active one if it is left out."""


class VersionRow(Answer, frozen=True, kw_only=True):
    """One version of a workflow."""

    version: int
    active: bool
    """Runs get it that name none, or did until the workflow was archived."""
    checksum: str
    """SHA-256 of the definition in its one spelling."""
    principal: PrincipalId
    """Who published it."""
    published_at: datetime
    position: Position
    """Where in the log it was published."""


class VersionsQuery(Request, frozen=True, kw_only=True):
    """Which versions."""

    before: Number | None = None
    """Those with a smaller number."""
    limit: Page = 100


class VersionList(Answer, frozen=True, kw_only=True):
    """Versions of a workflow."""

    data: list[VersionRow]
    """The newest first."""
    next: int | None = None
    """Go on before this number; nothing if there are no more."""


class VersionDetail(VersionRow, frozen=True, kw_only=True):
    """A version of a workflow, whole."""

    name: str
    description: str
    owner: str
    definition: dict[str, Any]
    """As it runs; a file with this content is this version."""
    text: str
    """The same as YAML, in one spelling."""


class DraftRow(Answer, frozen=True, kw_only=True):
    """That there is a draft."""

    name: str
    revision: int
    """What to name when it is saved again: of two editors the second is told of the first."""
    saved_at: datetime
    principal: PrincipalId
    """Who saved it."""


class WorkflowDetail(Answer, frozen=True, kw_only=True):
    """A workflow, in one of its versions if it has any."""

    name: str
    status: WorkflowStatus
    description: str
    owner: str
    versions: int
    version: int
    """The one that is told here; 0 is none, and what follows says nothing then."""
    active: bool = False
    checksum: str = ""
    principal: PrincipalId | None = None
    published_at: datetime | None = None
    position: Position | None = None
    definition: dict[str, Any] | None = None
    text: str = ""
    """The definition as YAML, in one spelling."""
    archived: Archived | None = None
    draft: DraftRow | None = None
    history: list[VersionRow]
    """The newest versions, the newest first."""


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────


class DraftRequest(Request, frozen=True, kw_only=True):
    """A workflow that shall be, as a draft."""

    text: str
    """The file as it is; it may be faulty."""
    name: str | None = None
    """What the text says, if it is left out."""


class SaveRequest(Request, frozen=True, kw_only=True):
    """A text in the place of the draft that was read."""

    text: str
    revision: Revision
    """Of the draft that was read; 0 if there was none."""


class DropQuery(Request, frozen=True, kw_only=True):
    """Which draft is thrown away."""

    revision: Revision | None = None
    """Only if it is at this; whatever it is at, if left out."""


class Draft(DraftRow, frozen=True, kw_only=True):
    """A draft, whole, with what a check says of it."""

    text: str
    """As it was written."""
    ok: bool
    """It could be published."""
    faults: list[FaultRow] = msgspec.field(default_factory=list)


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────


class PublishRequest(Request, frozen=True, kw_only=True):
    """A workflow file that shall be a version."""

    text: str
    """The file as it is, YAML or JSON."""
    activate: bool = True
    """Whether runs get it from here on."""


class PublishDraftRequest(Request, frozen=True, kw_only=True):
    """The draft shall be a version."""

    revision: Revision | None = None
    """Only if it is at this; whatever it is at, if left out."""
    activate: bool = True
    """Whether runs get it from here on."""


class Published(Answer, frozen=True, kw_only=True):
    """A workflow file is a version, and the one that runs, if that was wanted."""

    name: str
    version: int
    created: bool
    """There was no such version before: the same content again makes none."""
    activated: bool
    """Runs get another version from here on than they did before."""
    warnings: list[FaultRow] = msgspec.field(default_factory=list)


class ArchiveRequest(Request, frozen=True, kw_only=True):
    """No more runs shall start."""

    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class ReactivateRequest(Request, frozen=True, kw_only=True):
    """Runs shall start again."""

    version: Number | None = None
    """In the version that it had, if left out."""


class ActivateRequest(Request, frozen=True, kw_only=True):
    """Runs shall get this version."""

    version: Number


class WorkflowState(Answer, frozen=True, kw_only=True):
    """How a workflow stands after what was done."""

    name: str
    status: WorkflowStatus | None
    """Nothing: it is gone."""
    version: int
    """The active one; 0 is none."""
    draft: int
    """The revision of its draft; 0 is none."""


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────

Side = Annotated[str, msgspec.Meta(pattern=SIDE)]
"""A version by its number, `active`, or `draft`."""


class DiffQuery(Request, frozen=True, kw_only=True):
    """What is compared."""

    old: Side | None = None
    """If left out: the version before the other one; beside a draft, the active one."""
    new: Side | None = None
    """If left out: the draft, or the active version if there is none."""


class Diff(Answer, frozen=True, kw_only=True):
    """What differs between two texts of a workflow."""

    name: str
    old: str
    """Such as `version 1`."""
    new: str
    same: bool
    diff: str
    """A unified diff of both as YAML, in one spelling; empty if they say the same."""
    as_written: bool = False
    """The draft has errors, and is compared as it was written."""
