"""What the door asks about workflows that were published, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from callboard.errors import NotFound
from callboard.ids import LOCAL_USER, Position
from callboard.web import workflows

AT = datetime(2030, 1, 1, tzinfo=UTC)
STEPS = [
    {"id": "fetch", "uses": "core.echo", "next": [{"to": "pay", "if": "trigger.claim > 1"}, {"to": "tell"}]},
    {"id": "pay", "uses": "core.echo"},
    {"id": "tell", "uses": "core.echo", "needs": ["pay"]},
]


@dataclass
class MemoryWorkflows:
    """One workflow, in two versions."""

    asked: Callable[..., Awaitable[None]]

    async def all_workflows(self) -> workflows.WorkflowList:
        await self.asked("workflows")
        row = workflows.WorkflowRow(
            name="claims", version=2, versions=2, description="Sort claims", owner="clerk", published_at=AT
        )
        return workflows.WorkflowList(data=[row])

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        await self.asked("workflow", name, version)
        if name != "claims" or version not in {None, 1, 2}:
            raise NotFound(f"There is no workflow {name}; did you mean claims?")
        history = [_version(2), _version(1)]
        return workflows.WorkflowDetail(
            version=version or 2,
            active=version != 1,
            checksum="c",
            principal=LOCAL_USER,
            published_at=AT,
            position=Position(version or 2),
            name=name,
            description="Sort claims",
            owner="clerk",
            definition={"name": name, "steps": STEPS},
            history=history,
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
