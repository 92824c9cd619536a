"""What the door asks about workflows, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from callboard.errors import NotFound
from callboard.ids import LOCAL_USER, Position, PrincipalId
from callboard.web import workflows

AT = datetime(2030, 1, 1, tzinfo=UTC)
STEPS = [
    {"id": "fetch", "uses": "core.echo", "next": [{"to": "pay", "if": "trigger.claim > 1"}, {"to": "tell"}]},
    {"id": "pay", "uses": "core.echo"},
    {"id": "tell", "uses": "core.echo", "needs": ["pay"]},
]
DRAFT = workflows.DraftRow(name="claims", revision=3, saved_at=AT, principal=LOCAL_USER)
DIFF = "--- claims, version 1\n+++ claims, version 2\n@@ -1,1 +1,1 @@\n-a\n+b\n"


@dataclass
class MemoryWorkflows:
    """One workflow, in two versions, with a draft beside them."""

    asked: Callable[..., Awaitable[None]]

    async def page(self, query: workflows.WorkflowsQuery) -> workflows.WorkflowList:
        await self.asked("workflows", query)
        row = workflows.WorkflowRow(
            name="claims",
            status="active",
            version=2,
            versions=2,
            draft=3,
            description="Sort claims",
            owner="clerk",
            published_at=AT,
        )
        return workflows.WorkflowList(data=[row], next="claims" if query.limit == 1 else None)

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        await self.asked("workflow", name, version)
        found = _whole(name, version or 2)
        return workflows.WorkflowDetail(
            **{field: getattr(found, field) for field in found.__struct_fields__},
            status="active",
            versions=2,
            draft=DRAFT,
            history=[_version(2), _version(1)],
        )

    async def versions(self, name: str, query: workflows.VersionsQuery) -> workflows.VersionList:
        await self.asked("versions", name, query)
        _must_be(name)
        return workflows.VersionList(data=[_version(2), _version(1)][: query.limit])

    async def version(self, name: str, version: int) -> workflows.VersionDetail:
        await self.asked("version", name, version)
        return _whole(name, version)

    async def diff(self, name: str, query: workflows.DiffQuery) -> workflows.Diff:
        await self.asked("diff", name, query.old, query.new)
        _must_be(name)
        return workflows.Diff(name=name, old="version 1", new="version 2", same=False, diff=DIFF)

    async def draft(self, name: str) -> workflows.Draft:
        await self.asked("draft", name)
        return _draft(name)

    async def create(self, request: workflows.DraftRequest, principal: PrincipalId) -> workflows.Draft:
        await self.asked("create", request, principal)
        return _draft(request.name or "claims", request.text)

    async def save(
        self, name: str, request: workflows.SaveRequest, principal: PrincipalId
    ) -> workflows.Draft:
        await self.asked("save", name, request, principal)
        return _draft(name, request.text)

    async def drop(self, name: str, revision: int | None, principal: PrincipalId) -> workflows.WorkflowState:
        await self.asked("drop", name, revision, principal)
        return _state(name)

    async def delete(self, name: str, principal: PrincipalId) -> workflows.WorkflowState:
        await self.asked("delete", name, principal)
        return workflows.WorkflowState(name=name, status=None, version=0, draft=0)

    async def publish(self, request: workflows.PublishRequest, principal: PrincipalId) -> workflows.Published:
        await self.asked("publish", request, principal)
        return workflows.Published(name="claims", version=1, created=True, activated=request.activate)

    async def publish_draft(
        self, name: str, request: workflows.PublishDraftRequest, principal: PrincipalId
    ) -> workflows.Published:
        await self.asked("publish_draft", name, request, principal)
        _must_be(name)
        return workflows.Published(name=name, version=3, created=True, activated=request.activate)

    async def archive(self, name: str, reason: str, principal: PrincipalId) -> workflows.WorkflowState:
        await self.asked("archive", name, reason, principal)
        return _state(name, "archived")

    async def reactivate(
        self, name: str, version: int | None, principal: PrincipalId
    ) -> workflows.WorkflowState:
        await self.asked("reactivate", name, version, principal)
        return _state(name)

    async def activate(self, name: str, version: int, principal: PrincipalId) -> workflows.WorkflowState:
        await self.asked("activate", name, version, principal)
        return _state(name, version=version)


def _must_be(name: str, version: int = 1) -> None:
    if name != "claims" or version not in {1, 2}:
        raise NotFound(f"There is no workflow {name}; did you mean claims?")


def _state(name: str, status: str = "active", version: int = 2) -> workflows.WorkflowState:
    _must_be(name)
    return workflows.WorkflowState(name=name, status=status, version=version, draft=3)  # type: ignore[arg-type]


def _draft(name: str, text: str = "name: claims\n") -> workflows.Draft:
    _must_be(name)
    fault = workflows.FaultRow(
        path="", line=1, column=1, code="MISSING", message="No steps.", severity="error"
    )
    return workflows.Draft(
        name=name, revision=3, saved_at=AT, principal=LOCAL_USER, text=text, ok=False, faults=[fault]
    )


def _whole(name: str, version: int) -> workflows.VersionDetail:
    _must_be(name, version)
    row = _version(version)
    return workflows.VersionDetail(
        **{field: getattr(row, field) for field in row.__struct_fields__},
        name=name,
        description="Sort claims",
        owner="clerk",
        definition={"name": name, "steps": STEPS},
        text=f"name: {name}\n",
    )


def _version(number: int) -> workflows.VersionRow:
    return workflows.VersionRow(
        version=number,
        active=number == 2,
        checksum="c",
        principal=LOCAL_USER,
        published_at=AT,
        position=Position(number),
    )
