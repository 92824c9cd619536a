"""Rows of templates: what the store says of them, and the changes that make it so.

All are derived: `projections.py` alone makes the changes, from the facts of `publishing.py`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from callboard.ids import Position, PrincipalId
from callboard.templates.definition import Kind


class TemplateRow(msgspec.Struct, frozen=True):
    """A template."""

    name: str
    kind: Kind
    version: int
    """The active one."""
    versions: int
    description: str
    filed: int
    """The version that its file in the folder was when it last changed; 0 is none."""
    published_at: datetime
    """When the active version was published."""


class TemplateVersionRow(msgspec.Struct, frozen=True):
    """One version of a template: it never changes."""

    template: str
    version: int
    active: bool
    checksum: str
    text: str
    """The template, as JSON in its one spelling."""
    published: Position
    published_at: datetime
    principal: PrincipalId
    kind: Kind
    description: str = ""


class TemplateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which templates; what is not named does not narrow."""

    kind: Kind | None = None
    search: str | None = None
    """What its name or description holds, whatever the case of ASCII letters."""
    after: str = ""
    """Exclusive, a name: they come in the order of their names."""
    limit: int | None = None


class PutTemplate(msgspec.Struct, frozen=True):
    """Whoever names no version of the template gets this one."""

    template: str
    kind: Kind
    version: int
    description: str


class PutTemplateVersion(msgspec.Struct, frozen=True):
    """The template has this version, too; its text is in the fact at the position."""

    template: str
    version: int
    checksum: str
    published: Position


class PutTemplateFiled(msgspec.Struct, frozen=True):
    """The template's file was this version when it last changed."""

    template: str
    version: int
