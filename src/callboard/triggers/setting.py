"""Setting triggers: from what the active version of a workflow says to rows, timers and what is in memory.

What was set before is left as it is, whatever version it came from; it only fires runs of the new one. What
is new is set from the publication on, not from now: who was told that a version is published can send a
message at once, and it fires.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.facts.publishing import workflow_stream
from callboard.facts.triggering import KIND, TriggerRetired, TriggerSet, trigger_stream
from callboard.ids import Position, Version
from callboard.runs.plans import Plans
from callboard.store.port import Store
from callboard.store.runrows import TriggerRow
from callboard.store.turn import Turn
from callboard.triggers.entries import Entry, entries
from callboard.triggers.timetable import Timetable

_log = structlog.get_logger("callboard.triggers")


class Kept(msgspec.Struct, eq=False):
    """One trigger that is awake."""

    entry: Entry
    enabled: bool
    since: Position
    lock: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)

    @property
    def hears(self) -> bool:
        """Whether it is fired by what is in the log."""
        return self.entry.kind in {"message", "run"}


async def compare(
    services: Services, plans: Plans, timetable: Timetable, workflow: str, kept: dict[str, Kept]
) -> list[str]:
    """Make rows, timers and `kept` those of the active version; return the names of what is new."""
    store = services.store
    rows = {row.id: row for row in await store.triggers(workflow=workflow)}
    wanted = _free(await _wanted(store, plans, workflow), kept)
    turn = services.journal.turn()
    since = await _published(store, workflow) if wanted else Position(0)
    due: dict[str, datetime | None] = {}
    fresh = [one.id for one in wanted.values() if not (one.id in rows and rows[one.id].live)]
    for one in wanted.values():
        row = rows.get(one.id)
        if one.id in fresh:
            fact = TriggerSet(one.id, workflow, one.kind, one.about, since)
            turn.append(trigger_stream(one.id), KIND, [fact], expected=None)
        if one.planned.schedule is not None and (row is None or row.enabled):
            due[one.id] = await _due(one, row, turn, timetable)
    gone = [row for row in rows.values() if row.live and row.id not in wanted]
    for row in gone:
        turn.append(trigger_stream(row.id), KIND, [TriggerRetired(row.id)], expected=None)
        turn.change(timetable.change(row.id, None))
    if turn.entries:
        await services.journal.commit(turn)
    for row in gone:
        kept.pop(row.id, None)
        timetable.stand(row.id, None)
        _log.info("trigger.retired", trigger=row.id)
    for one in wanted.values():
        _keep(one, rows.get(one.id), since if one.id in fresh else None, kept)
    for name, moment in due.items():
        if timetable.next(name) != moment:
            timetable.stand(name, moment)
    return fresh


def _keep(entry: Entry, row: TriggerRow | None, since: Position | None, kept: dict[str, Kept]) -> None:
    """Have in memory what is committed."""
    there = kept.get(entry.id)
    if there is not None:
        there.entry = entry
        return
    begin = since if since is not None else (row.since if row is not None else Position(0))
    kept[entry.id] = Kept(entry, row is None or row.enabled, begin)
    _log.info("trigger.set", trigger=entry.id, kind=entry.kind, about=entry.about)


async def _wanted(store: Store, plans: Plans, workflow: str) -> dict[str, Entry]:
    row = await store.workflow(workflow)
    if row is None or row.status != "active":
        return {}
    plan = await plans.plan(workflow, row.version)
    return {one.id: one for one in entries(plan, row.version)}


def _free(wanted: dict[str, Entry], kept: dict[str, Kept]) -> dict[str, Entry]:
    """Leave out webhooks whose path another workflow has: two may be published at one moment."""
    taken = {one.entry.planned.webhook: one.entry.workflow for one in kept.values()}
    found = {}
    for one in wanted.values():
        path = one.planned.webhook
        if path is not None and taken.get(path, one.workflow) != one.workflow:
            _log.error("trigger.path_taken", trigger=one.id, path=path, by=taken[path])
        else:
            found[one.id] = one
    return found


async def _published(store: Store, workflow: str) -> Position:
    """Return where the workflow's newest fact stands: its active version became so there, or before."""
    stream = await store.stream(workflow_stream(workflow))
    (newest,) = await store.events(stream.id, Version(stream.version - 1), 1)
    return newest.position


async def _due(entry: Entry, row: TriggerRow | None, turn: Turn, timetable: Timetable) -> datetime | None:
    """Return which time a schedule waits for: the one that it waited for before, or else the next."""
    if row is not None and row.live and row.due_at is not None:
        return row.due_at
    schedule = entry.planned.schedule
    due = None if schedule is None else schedule.after(turn.at)
    turn.change(timetable.change(entry.id, due))
    return due
