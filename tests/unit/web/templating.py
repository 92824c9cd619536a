"""What the door asks about templates, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from callboard.errors import NotFound
from callboard.ids import LOCAL_USER, Position, PrincipalId
from callboard.web import templates, workflows

AT = datetime(2030, 1, 1, tzinfo=UTC)
FIELDS = {
    "customer": {"schema": {"type": "string"}, "help": "Who gets it"},
    "note": {"schema": {"type": ["string", "null"]}, "required": False},
}


@dataclass
class MemoryTemplates:
    """One set of documents, in two versions."""

    asked: Callable[..., Awaitable[None]]

    async def page(self, query: templates.TemplatesQuery) -> templates.TemplateList:
        await self.asked("templates", query)
        row = templates.TemplateRow(
            name="letters",
            kind="document",
            version=2,
            versions=2,
            description="What we write",
            published_at=AT,
        )
        return templates.TemplateList(data=[row], next="letters" if query.limit == 1 else None)

    async def template(self, name: str, version: int | None) -> templates.TemplateDetail:
        await self.asked("template", name, version)
        _must_be(name)
        found = _version(version or 2)
        return templates.TemplateDetail(
            **{field: getattr(found, field) for field in found.__struct_fields__},
            name=name,
            kind="document",
            description="What we write",
            versions=2,
            definition={"name": name, "documents": {"welcome": {"body": "Dear", "fields": FIELDS}}},
            text="name: letters\n",
            history=[_version(2), _version(1)],
        )

    async def versions(
        self, name: str, query: templates.TemplateVersionsQuery
    ) -> templates.TemplateVersionList:
        await self.asked("template versions", name, query)
        _must_be(name)
        return templates.TemplateVersionList(data=[_version(2), _version(1)][: query.limit])

    async def validate(self, text: str) -> workflows.Validation:
        await self.asked("validate template", text)
        return workflows.Validation(ok=True)

    async def publish(self, text: str, principal: PrincipalId) -> templates.TemplatePublished:
        await self.asked("publish template", text, principal)
        return templates.TemplatePublished(name="letters", version=3, created=True, activated=True)

    async def render(self, name: str, request: templates.RenderRequest) -> templates.RenderedDocument:
        await self.asked("render", name, request)
        _must_be(name)
        return templates.RenderedDocument(body="Dear Ann\n", metadata={"template": name, "version": 2})

    async def preview(self, request: templates.PreviewRequest) -> templates.RenderedDocument:
        await self.asked("preview", request)
        return templates.RenderedDocument(body="Dear Ann\n", metadata={"version": None})

    async def instantiate(
        self, name: str, request: templates.InstantiateRequest, principal: PrincipalId
    ) -> workflows.Draft:
        await self.asked("instantiate", name, request, principal)
        return workflows.Draft(
            name=request.name or "claims", revision=1, saved_at=AT, principal=principal, text="", ok=True
        )


def _must_be(name: str) -> None:
    if name != "letters":
        raise NotFound(f"There is no template called {name!r}.")


def _version(version: int) -> templates.TemplateVersionRow:
    return templates.TemplateVersionRow(
        version=version,
        active=version == 2,
        checksum="0" * 64,
        principal=LOCAL_USER,
        published_at=AT,
        position=Position(version),
    )
