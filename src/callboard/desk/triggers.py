"""The part of the front desk that answers for triggers, and takes what webhooks are sent.

What there is is asked of the store, so that those that sleep are told of, too; what fires, of the triggers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from callboard.clock import Clock
from callboard.errors import NotFound, RequestInvalid, StreamNotFound, WrongState
from callboard.facts.triggering import TriggerFired, TriggerMissed, TriggerNotFired, trigger_stream
from callboard.ids import PrincipalId, Version
from callboard.spelling import no_such
from callboard.store.boardrows import Event
from callboard.store.port import Finding, Store
from callboard.store.runrows import TriggerRow
from callboard.triggers.delivery import deliver
from callboard.triggers.entries import Entry
from callboard.triggers.firing import Fired
from callboard.triggers.triggers import Triggers
from callboard.web import triggers

COMING = 5
"""Times of a schedule that are told with it."""
PLAIN = {"CONDITION_FALSE", "DISABLED", "HOP_LIMIT", "GONE"}
"""Codes for which nothing is wrong with what was sent, and nothing with the workflow."""
OF_THE_INPUT = {"INPUT_FAILED", "INPUT_REFUSED"}


class TriggersDesk:
    """What the house says of triggers."""

    def __init__(self, store: Store, triggers_: Triggers, clock: Clock) -> None:
        self._store = store
        self._triggers = triggers_
        self._clock = clock

    async def all_triggers(self, workflow: str | None, *, sleeping: bool) -> triggers.TriggerList:
        if workflow is not None and await self._store.workflow(workflow) is None:
            known = [row.name for row in await self._store.workflows()]
            raise NotFound(no_such("workflow", workflow, known), workflow=workflow)
        rows = await self._store.triggers(workflow=workflow)
        return triggers.TriggerList(data=[trigger_row(row) for row in rows if row.live or sleeping])

    async def trigger(self, trigger: str, records: int) -> triggers.TriggerDetail:
        found = await self._store.triggers(trigger=trigger)
        if not found:
            raise NotFound(
                no_such("trigger", trigger, [row.id for row in await self._store.triggers()]), trigger=trigger
            )
        (row,) = found
        entry = self._triggers.find(trigger).entry if row.live else None
        return triggers.TriggerDetail(
            **msgspec.structs.asdict(trigger_row(row)),
            **({} if entry is None else _said(entry, row)),
            records=[record_row(event) for event in await self._records(trigger, records)],
        )

    async def finding(self) -> Finding:
        """Look whether each trigger that is awake is waited for: by a time, or by whoever fires it."""
        rows = [row for row in await self._store.triggers() if row.live]
        lost = [row.id for row in rows if not self._triggers.keeps(row.id)]
        lost += [
            f"{row.id} (no time)"
            for row in rows
            if row.kind == "schedule" and row.enabled and row.due_at is None and row.id not in lost
        ]
        said = f"not kept: {', '.join(lost)}" if lost else f"{len(rows)} awake"
        return Finding("triggers", ok=not lost, detail=said)

    async def _records(self, trigger: str, count: int) -> list[Event]:
        stream = trigger_stream(trigger)
        try:
            newest = (await self._store.stream(stream)).version
        except StreamNotFound:
            return []
        found = await self._store.events(stream, Version(max(0, newest - count)), count) if count else []
        return found[::-1]

    # ── firing ───────────────────────────────────────────────────────────────────────────────────────────

    async def fire(
        self, trigger: str, event: object, *, key: str | None, principal: PrincipalId
    ) -> triggers.Fired:
        if event is msgspec.UNSET:
            scheduled = self._triggers.find(trigger).entry.kind == "schedule"
            event = {"scheduled_for": self._clock.now().isoformat()} if scheduled else {}
        return told(await self._triggers.fire(trigger, event, principal=principal, key=key))

    async def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> triggers.Fired:
        return told(await deliver(self._triggers, path, headers, body))

    async def switch(self, trigger: str, *, on: bool, principal: PrincipalId) -> triggers.Switched:
        changed = await self._triggers.switch(trigger, on=on, principal=principal)
        return triggers.Switched(id=trigger, enabled=on, changed=changed)


def told(fired: Fired) -> triggers.Fired:
    """Say what came of an event, or refuse it with what is wrong."""
    if fired.run is None and fired.code in OF_THE_INPUT:
        raise RequestInvalid(fired.reason, field="$", code=fired.code)
    if fired.run is None and fired.code not in PLAIN:
        raise WrongState(f"No run was started: {fired.reason}", code=fired.code)
    return triggers.Fired(
        started=fired.run is not None,
        run_id=fired.run,
        code=fired.code,
        reason=fired.reason,
        repeated=fired.repeated,
    )


def _said(entry: Entry, row: TriggerRow) -> dict[str, Any]:
    """Return what the file says of a trigger, and when it fires."""
    planned = entry.planned
    auth = "hmac" if planned.hmac is not None else "bearer" if planned.bearer is not None else "none"
    coming: list[datetime] = []
    schedule, moment = planned.schedule, row.due_at
    while schedule is not None and moment is not None and len(coming) < COMING:
        coming.append(moment)
        moment = schedule.after(moment)
    return {
        "version": entry.version,
        "condition": planned.text,
        "missed": None if schedule is None else planned.missed,
        "auth": None if planned.webhook is None else auth,
        "coming": coming,
    }


def trigger_row(row: TriggerRow) -> triggers.TriggerRow:
    """Return a trigger as it crosses the door."""
    return triggers.TriggerRow(
        id=row.id,
        workflow=row.workflow,
        kind=row.kind,
        about=row.about,
        live=row.live,
        enabled=row.enabled,
        next_fire=row.due_at,
        last_fire=row.fired_at,
        last_run=row.run or None,
    )


def record_row(event: Event) -> triggers.RecordRow:
    """Return one line of a trigger's story as it crosses the door."""
    fact = event.fact
    more: dict[str, Any] = {}
    match fact:
        case TriggerFired():
            more = {"run_id": fact.run, "scheduled_for": fact.scheduled_for, "by": fact.by}
        case TriggerNotFired():
            told = {"code": fact.code, "reason": fact.reason}
            more = {**told, "scheduled_for": fact.scheduled_for, "by": fact.by}
        case TriggerMissed():
            more = {"first": fact.first, "last": fact.last, "count": fact.count}
    return triggers.RecordRow(
        position=event.position,
        at=event.at,
        what=event.type.removeprefix("trigger_"),  # type: ignore[arg-type]  # the facts of such a stream
        principal=event.principal,
        **more,
    )
