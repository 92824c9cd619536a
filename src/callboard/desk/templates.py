"""The part of the front desk that answers for templates: publishing, rendering, and making drafts of them.

Texts are read and rendered in threads, since a hostile one takes up to a second and the loop has others to
serve.
"""

from __future__ import annotations

import asyncio

import msgspec

from callboard.desk.workflows import WorkflowsDesk, fault_rows
from callboard.ids import PrincipalId
from callboard.publish.library import Library
from callboard.store.port import Store
from callboard.templates import Documents, Rendered, accept, check
from callboard.templates.rows import TemplateQuery, TemplateRow, TemplateVersionRow
from callboard.web import templates, workflows
from callboard.workflow import to_yaml

HISTORY = 20
"""How many of the newest versions are told with a template."""


class TemplatesDesk:
    """What the house says of templates."""

    def __init__(self, store: Store, library: Library, workflows_: WorkflowsDesk) -> None:
        self._store = store
        self._library = library
        self._workflows = workflows_

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, query: templates.TemplatesQuery) -> templates.TemplateList:
        """Return templates, by name."""
        found = await self._store.templates(
            TemplateQuery(
                kind=query.kind, search=query.search, after=query.after or "", limit=query.limit + 1
            )
        )
        rows = [_row(row) for row in found]
        more = len(rows) > query.limit
        return templates.TemplateList(
            data=rows[: query.limit], next=rows[query.limit - 1].name if more else None
        )

    async def template(self, name: str, version: int | None) -> templates.TemplateDetail:
        """Return a template in one version, or in the active one; `NotFound` if there is none."""
        row = await self._library.version(name, version)
        history = await self._store.template_versions(name, None, HISTORY)
        newest = history[0].version if history else row.version
        definition = msgspec.json.decode(row.text)
        return templates.TemplateDetail(
            **msgspec.structs.asdict(_version(row)),
            name=name,
            kind=row.kind,
            description=row.description,
            versions=newest,
            definition=definition,
            text=await asyncio.to_thread(to_yaml, definition),
            history=[_version(one) for one in history],
        )

    async def versions(
        self, name: str, query: templates.TemplateVersionsQuery
    ) -> templates.TemplateVersionList:
        """Return versions of a template, the newest first; `NotFound` if there is no such template."""
        await self._library.version(name)
        found = await self._store.template_versions(name, query.before, query.limit + 1)
        rows = [_version(row) for row in found]
        more = len(rows) > query.limit
        return templates.TemplateVersionList(
            data=rows[: query.limit], next=rows[query.limit - 1].version if more else None
        )

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────

    async def validate(self, text: str) -> workflows.Validation:
        """Return everything that is wrong with a template file."""
        faults = await asyncio.to_thread(check, text)
        ok = not any(fault.severity == "error" for fault in faults)
        return workflows.Validation(ok=ok, faults=fault_rows(faults))

    async def publish(self, text: str, principal: PrincipalId) -> templates.TemplatePublished:
        """Publish a template file."""
        done, warnings = await self._library.publish(text, principal=principal)
        return templates.TemplatePublished(
            name=done.name,
            version=done.version,
            created=done.created,
            activated=done.activated,
            warnings=fault_rows(warnings),
        )

    # ── using them ───────────────────────────────────────────────────────────────────────────────────────

    async def render(self, name: str, request: templates.RenderRequest) -> templates.RenderedDocument:
        """Fill a document in."""
        documents = await self._library.documents(name, request.version)
        return _rendered(await asyncio.to_thread(documents.render, request.document, request.answers))

    async def preview(self, request: templates.PreviewRequest) -> templates.RenderedDocument:
        """Fill in a document of a file that was not published."""

        def render() -> Rendered:
            definition = accept(request.text).definition
            return Documents(definition.name, None, definition).render(request.document, request.answers)

        return _rendered(await asyncio.to_thread(render))

    async def instantiate(
        self, name: str, request: templates.InstantiateRequest, principal: PrincipalId
    ) -> workflows.Draft:
        """Make a workflow of a template, as a draft; `AlreadyExists` if there is one of the name."""
        template = await self._library.instantiable(name, request.version)
        text = await asyncio.to_thread(template.instantiate, request.config, request.name)
        return await self._workflows.create(workflows.DraftRequest(text=text, name=request.name), principal)


def _row(row: TemplateRow) -> templates.TemplateRow:
    names = templates.TemplateRow.__struct_fields__
    return templates.TemplateRow(**{name: getattr(row, name) for name in names})


def _version(row: TemplateVersionRow) -> templates.TemplateVersionRow:
    return templates.TemplateVersionRow(
        version=row.version,
        active=row.active,
        checksum=row.checksum,
        principal=row.principal,
        published_at=row.published_at,
        position=row.published,
    )


def _rendered(rendered: Rendered) -> templates.RenderedDocument:
    return templates.RenderedDocument(body=rendered.body, metadata=rendered.metadata)
