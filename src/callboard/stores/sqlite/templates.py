"""What the adapter reads of templates: the part of it that `TemplateReads` is.

The text of a version lies in its event, which is read through the upcasters like any stored fact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, cast

from callboard import facts
from callboard.ids import DEFAULT_TENANT, Tenant
from callboard.stores.sqlite.connection import P, Result, Work
from callboard.stores.sqlite.queries import QUERIES, Row, every
from callboard.stores.sqlite.rows import instant
from callboard.templates.publishing import TemplatePublished
from callboard.templates.rows import TemplateQuery, TemplateRow, TemplateVersionRow

MOST = 2**63 - 1
"""More than every version."""

_ONE = QUERIES.read_templates.format(wanted="t.tenant = :tenant AND t.template = :name")
_ACTIVE = QUERIES.read_template_versions.format(wanted="v.version = t.version")
_NUMBERED = QUERIES.read_template_versions.format(wanted="v.version = :number")
_LIKE = QUERIES.read_template_versions.format(wanted="v.checksum = :checksum")
_BEFORE = QUERIES.read_template_versions.format(wanted="v.version < :before")
_NARROWING = {
    "kind": "t.kind = :kind",
    "search": "(instr(lower(t.template), lower(:search)) OR instr(lower(t.description), lower(:search)))",
}


class TemplateReads(ABC):
    """The queries of templates, over the ways in that the adapter gives."""

    @abstractmethod
    async def _read(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do a piece of reading on a connection."""

    async def templates(
        self, query: TemplateQuery | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TemplateRow]:
        query = query or TemplateQuery()
        given: dict[str, Any] = {
            name: value for name in _NARROWING if (value := getattr(query, name)) is not None
        }
        narrow = ["t.tenant = :tenant", "t.template > :after", *(_NARROWING[name] for name in given)]
        given |= {"tenant": tenant, "after": query.after, "limit": -1 if query.limit is None else query.limit}
        statement = QUERIES.read_templates.format(wanted=" AND ".join(narrow))
        return [_template(row) for row in await self._read(every, statement, given)]

    async def template(self, name: str, *, tenant: Tenant = DEFAULT_TENANT) -> TemplateRow | None:
        found = await self._read(every, _ONE, {"tenant": tenant, "name": name, "limit": 1})
        return _template(found[0]) if found else None

    async def template_version(
        self, name: str, number: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> TemplateVersionRow | None:
        if number is not None and not 0 < number <= MOST:
            return None
        given = {"tenant": tenant, "name": name, "number": number, "limit": 1}
        found = await self._read(every, _ACTIVE if number is None else _NUMBERED, given)
        return _version(found[0]) if found else None

    async def template_like(self, name: str, checksum: str, *, tenant: Tenant = DEFAULT_TENANT) -> int | None:
        given = {"tenant": tenant, "name": name, "checksum": checksum, "limit": 1}
        found = await self._read(every, _LIKE, given)
        return _version(found[0]).version if found else None

    async def template_versions(
        self, name: str, before: int | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TemplateVersionRow]:
        last = MOST if before is None else before
        given = {"tenant": tenant, "name": name, "before": last, "limit": limit}
        return [_version(row) for row in await self._read(every, _BEFORE, given)]


def _template(row: Row) -> TemplateRow:
    *told, published_at = row
    return TemplateRow(*(*told, instant(published_at)))


def _version(row: Row) -> TemplateVersionRow:
    name, version, active, checksum, type_, revision, data, published, at, principal = row
    fact = cast("TemplatePublished", facts.read(type_, revision, data))  # from one such the row was made
    return TemplateVersionRow(
        *(name, version, bool(active), checksum, fact.text, published, instant(at), principal),
        kind=fact.kind,
        description=fact.description,
    )
