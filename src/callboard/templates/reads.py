"""What a store answers of templates: a part of its port (`store/port.py`)."""

from __future__ import annotations

from typing import Protocol

from callboard.ids import DEFAULT_TENANT, Tenant
from callboard.templates.rows import TemplateQuery, TemplateRow, TemplateVersionRow


class TemplateReads(Protocol):
    """The queries of templates."""

    async def templates(
        self, query: TemplateQuery | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TemplateRow]:
        """Return templates, by name: all that there are, if no query narrows them."""

    async def template(self, name: str, *, tenant: Tenant = DEFAULT_TENANT) -> TemplateRow | None:
        """Return one template."""

    async def template_version(
        self, name: str, number: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> TemplateVersionRow | None:
        """Return one version of a template; the active one, if none is named."""

    async def template_like(self, name: str, checksum: str, *, tenant: Tenant = DEFAULT_TENANT) -> int | None:
        """Return the number of the version that has this content."""

    async def template_versions(
        self, name: str, before: int | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TemplateVersionRow]:
        """Return versions of a template, the newest first, from below a number."""
