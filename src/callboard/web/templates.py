"""What crosses the door about templates; `wire.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.web.wire import Answer, Request
from callboard.web.workflows import FaultRow, Number, Page

Kind = Literal["document", "workflow"]
"""A set of documents that are rendered, or a workflow that is instantiated."""

DocumentName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


class TemplatesQuery(Request, frozen=True, kw_only=True):
    """Which templates; what is not named does not narrow."""

    kind: Kind | None = None
    search: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """What the name or the description holds."""
    after: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """The name at which an earlier page ended."""
    limit: Page = 1000


class TemplateRow(Answer, frozen=True, kw_only=True):
    """A template."""

    name: str
    kind: Kind
    version: int
    """The active one: what is rendered or instantiated where no other is named."""
    versions: int
    """How many there are; they are numbered from 1."""
    description: str
    published_at: datetime
    """When the active version was published."""


class TemplateList(Answer, frozen=True, kw_only=True):
    """Templates."""

    data: list[TemplateRow]
    """By name."""
    next: str | None = None
    """Go on after this name; nothing if there are no more."""


class TemplateQuery(Request, frozen=True, kw_only=True):
    """Which version of it."""

    version: Number | None = None
    """The active one if it is left out."""


class TemplateVersionRow(Answer, frozen=True, kw_only=True):
    """One version of a template."""

    version: int
    active: bool
    checksum: str
    """SHA-256 of the template in its one spelling."""
    principal: PrincipalId
    """Who published it."""
    published_at: datetime
    position: Position
    """Where in the log it was published."""


class TemplateVersionsQuery(Request, frozen=True, kw_only=True):
    """Which versions."""

    before: Number | None = None
    """Those with a smaller number."""
    limit: Page = 100


class TemplateVersionList(Answer, frozen=True, kw_only=True):
    """Versions of a template."""

    data: list[TemplateVersionRow]
    """The newest first."""
    next: int | None = None
    """Go on before this number; nothing if there are no more."""


class TemplateDetail(TemplateVersionRow, frozen=True, kw_only=True):
    """A template in one of its versions, whole."""

    name: str
    kind: Kind
    description: str
    versions: int
    definition: dict[str, Any]
    """Its documents with their fields, or its workflow with its config."""
    text: str
    """The same as YAML, in one spelling."""
    history: list[TemplateVersionRow]
    """The newest versions, the newest first."""


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────────


class TemplateText(Request, frozen=True, kw_only=True):
    """A template file."""

    text: str
    """The file as it is, YAML or JSON."""


class TemplatePublished(Answer, frozen=True, kw_only=True):
    """A template file is a version, and the active one."""

    name: str
    version: int
    created: bool
    """There was no such version before: the same content again makes none."""
    activated: bool
    """Another version was active before, or none."""
    warnings: list[FaultRow] = msgspec.field(default_factory=list)


# ── using them ───────────────────────────────────────────────────────────────────────────────────────────


class RenderRequest(Request, frozen=True, kw_only=True):
    """A document shall be filled in."""

    document: DocumentName | None = None
    """Which of the set; it need not be said of a set that has only one."""
    version: Number | None = None
    """The active one if it is left out."""
    answers: dict[str, Any] = msgspec.field(default_factory=dict)
    """What its fields ask for; values that are never rendered themselves."""


class PreviewRequest(Request, frozen=True, kw_only=True):
    """A document of a file that was not published shall be filled in."""

    text: str
    """The template file as it is."""
    document: DocumentName | None = None
    answers: dict[str, Any] = msgspec.field(default_factory=dict)


class RenderedDocument(Answer, frozen=True, kw_only=True):
    """A document that was filled in; no run took place, and nothing was kept."""

    body: str
    metadata: dict[str, Any]
    """What the author says beside the body, and which template, document and version it is."""


class InstantiateRequest(Request, frozen=True, kw_only=True):
    """A workflow shall be made of a template, as a draft."""

    config: dict[str, Any] = msgspec.field(default_factory=dict)
    """What the template asks for."""
    name: str | None = None
    """Of the workflow; what the template says, if it is left out."""
    version: Number | None = None
    """Of the template; the active one if it is left out."""
