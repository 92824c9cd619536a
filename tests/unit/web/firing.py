"""What the door asks about triggers, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callboard.errors import NotFound
from callboard.ids import LOCAL_USER, Position, PrincipalId
from callboard.web import triggers

AT = datetime(2030, 1, 1, tzinfo=UTC)
TRIGGER = "claims.0a1b2c3d"
ROW: dict[str, Any] = {
    "id": TRIGGER,
    "workflow": "claims",
    "kind": "webhook",
    "about": "claims",
    "live": True,
    "enabled": True,
}


@dataclass
class MemoryTriggers:
    """One trigger, which is a webhook."""

    asked: Callable[..., Awaitable[None]]

    async def all_triggers(self, workflow: str | None, *, sleeping: bool) -> triggers.TriggerList:
        await self.asked("triggers", workflow, sleeping)
        return triggers.TriggerList(data=[triggers.TriggerRow(**ROW)])

    async def trigger(self, trigger: str, records: int) -> triggers.TriggerDetail:
        await self._told("trigger", trigger, records)
        line = triggers.RecordRow(position=Position(1), at=AT, what="set", principal=LOCAL_USER)
        return triggers.TriggerDetail(**ROW, records=[line][:records])

    async def fire(
        self, trigger: str, event: object, *, key: str | None, principal: PrincipalId
    ) -> triggers.Fired:
        await self._told("fire", trigger, event, key, principal)
        return triggers.Fired(started=True, run_id="r", repeated=key == "again")

    async def switch(self, trigger: str, *, on: bool, principal: PrincipalId) -> triggers.Switched:
        await self._told("switch", trigger, on, principal)
        return triggers.Switched(id=trigger, enabled=on, changed=True)

    async def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> triggers.Fired:
        await self.asked("receive", path, dict(headers), body)
        return triggers.Fired(started=True, run_id="r")

    async def _told(self, what: str, trigger: str, *more: object) -> None:
        await self.asked(what, trigger, *more)
        if trigger != TRIGGER:
            raise NotFound(f"There is no trigger {trigger}.")
