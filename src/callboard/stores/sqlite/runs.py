"""What the adapter reads of workflows and runs: the part of it that `RunReads` is.

Lists come from the rows alone. Where a text, an input, an output or an error is wanted, its event is joined
by the position that the row holds, and read through the upcasters like any stored fact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, cast

import msgspec

from callboard import facts
from callboard.facts import events
from callboard.facts.publishing import DraftSaved, WorkflowPublished
from callboard.ids import DEFAULT_TENANT, Position, Tenant
from callboard.store.runrows import (
    Archived,
    AttemptRow,
    Audible,
    CountedRun,
    DecisionRow,
    Descendant,
    DraftRow,
    LinkQuery,
    LinkRow,
    RunQuery,
    RunRow,
    TriggerRow,
    UnendedRun,
    VersionRow,
    WorkflowQuery,
    WorkflowRow,
)
from callboard.stores.sqlite.connection import P, Result, Work
from callboard.stores.sqlite.queries import QUERIES, Row, every, maybe
from callboard.stores.sqlite.rows import instant, microseconds

NEWEST = 2**63 - 1
"""Later than every position, and more than every version."""


class RunReads(ABC):
    """The queries of workflows and runs, over the ways in that the adapter gives."""

    @abstractmethod
    async def _read(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do a piece of reading on a connection."""

    async def workflows(
        self, query: WorkflowQuery | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[WorkflowRow]:
        statement, given = _wanted_workflows(query or WorkflowQuery(), tenant)
        found = await self._read(every, statement, given)
        return [_workflow(row) for row in found]

    async def workflow(self, name: str, *, tenant: Tenant = DEFAULT_TENANT) -> WorkflowRow | None:
        found = await self._read(every, _ONE_WORKFLOW, {"tenant": tenant, "name": name, "limit": 1})
        return _workflow(found[0]) if found else None

    async def draft(self, workflow: str, *, tenant: Tenant = DEFAULT_TENANT) -> DraftRow | None:
        row = await self._read(maybe, QUERIES.read_draft, (tenant, workflow))
        return None if row is None else _draft(row)

    async def version(
        self, workflow: str, number: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> VersionRow | None:
        if number is not None and not 0 < number <= NEWEST:
            return None
        row = await self._read(maybe, QUERIES.read_version, (tenant, workflow, number))
        return None if row is None else _version(row)

    async def version_like(
        self, workflow: str, checksum: str, *, tenant: Tenant = DEFAULT_TENANT
    ) -> int | None:
        row = await self._read(maybe, QUERIES.read_version_like, (tenant, workflow, checksum))
        return None if row is None else int(row[0])

    async def versions(
        self, workflow: str, before: int | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[VersionRow]:
        wanted = (tenant, workflow, NEWEST if before is None else before, limit)
        return [_version(row) for row in await self._read(every, QUERIES.read_versions, wanted)]

    async def triggers(
        self, *, trigger: str | None = None, workflow: str | None = None, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TriggerRow]:
        found = await self._read(every, QUERIES.read_triggers, (tenant, trigger, workflow))
        return [_trigger(row) for row in found]

    async def audible(
        self, after: Position, until: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Audible]:
        found = await self._read(every, QUERIES.read_audible, (tenant, after, until, limit))
        return [Audible(*row) for row in found]

    async def heard(self, *, tenant: Tenant = DEFAULT_TENANT) -> Position | None:
        row = await self._read(maybe, QUERIES.read_hearing, (tenant,))
        return None if row is None else Position(row[0])

    async def run(self, run: str, *, tenant: Tenant = DEFAULT_TENANT) -> RunRow | None:
        row = await self._read(maybe, QUERIES.read_run, (tenant, run))
        return None if row is None else _run(row)

    async def runs(self, query: RunQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[RunRow]:
        statement, given = _wanted(query, tenant)
        found = await self._read(every, statement, given)
        return [_run(row) for row in found]

    async def descendants(self, run: str, limit: int, *, tenant: Tenant = DEFAULT_TENANT) -> list[Descendant]:
        found = await self._read(every, QUERIES.read_descendants, (tenant, run, limit))
        return [Descendant(row[0], _run(row[1:])) for row in found]

    async def attempts(
        self, run: str, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[AttemptRow]:
        wanted = (tenant, events.run_stream(run), after, limit)
        found = await self._read(every, QUERIES.read_attempts, wanted)
        return [_attempt(row) for row in found]

    async def decisions(
        self, run: str, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[DecisionRow]:
        wanted = (tenant, events.run_stream(run), after, limit)
        found = await self._read(every, QUERIES.read_decisions, wanted)
        return [_decision(row) for row in found]

    async def unended(self, after: Position, limit: int, *, stirring: bool = False) -> list[UnendedRun]:
        statement = QUERIES.read_stirring if stirring else QUERIES.read_unended
        found = await self._read(every, statement, (after, limit))
        return [UnendedRun(*row[:6], *(bool(one) for one in row[6:])) for row in found]

    async def crowds(
        self, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[CountedRun]:
        found = await self._read(every, QUERIES.read_crowds, (tenant, after, limit))
        return [CountedRun(*row[:4], *[bool(row[4]), row[5]]) for row in found]

    async def created(
        self, system: str, type_: str, id_: str, *, tenant: Tenant = DEFAULT_TENANT
    ) -> LinkRow | None:
        row = await self._read(maybe, QUERIES.read_created, (tenant, system, type_, id_))
        return None if row is None else _link(row)

    async def links(self, query: LinkQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[LinkRow]:
        narrow = {name: value for name in _LINKED if (value := getattr(query, name)) is not None}
        wanted = " AND ".join(["tenant = :tenant", *(_LINKED[name] for name in narrow)])
        position, number = query.after
        given = {**narrow, "tenant": tenant, "position": position, "number": number, "limit": query.limit}
        found = await self._read(every, QUERIES.read_links.format(wanted=wanted), given)
        return [_link(row) for row in found]


_LINKED = {
    "run": "run_id = :run",
    "system": "system = :system",
    "type": "type = :type",
    "id": "resource = :id",
}


def _link(row: Row) -> LinkRow:
    return LinkRow(*row[:9], *[instant(row[9])])


_ONE_WORKFLOW = QUERIES.read_workflows.format(wanted="w.tenant = :tenant AND w.workflow = :name")
_NARROWING = {
    "owner": "w.owner = :owner",
    "status": "w.status = :status",
    "search": "(instr(lower(w.workflow), lower(:search)) OR instr(lower(w.description), lower(:search)))",
}


def _wanted_workflows(query: WorkflowQuery, tenant: Tenant) -> tuple[str, dict[str, Any]]:
    """Return the statement of a list of workflows, and what it is to be given."""
    given = {name: value for name in _NARROWING if (value := getattr(query, name)) is not None}
    narrow = ["w.tenant = :tenant", "w.workflow > :after", *(_NARROWING[name] for name in given)]
    limit = -1 if query.limit is None else query.limit
    given |= {"tenant": tenant, "after": query.after, "limit": limit}
    return QUERIES.read_workflows.format(wanted=" AND ".join(narrow)), given


def _workflow(row: Row) -> WorkflowRow:
    *told, published_at, status, draft, filed, since, by, reason = row
    at = None if published_at is None else instant(published_at)
    archived = None if since is None else Archived(instant(since), by, reason)
    return WorkflowRow(*(*told, at, status, draft, filed, archived))


def _draft(row: Row) -> DraftRow:
    workflow, revision, type_, shape, data, saved, at, principal = row
    fact = cast("DraftSaved", facts.read(type_, shape, data))  # from one such the row was made
    return DraftRow(workflow, revision, fact.text, saved, instant(at), principal)


def _trigger(row: Row) -> TriggerRow:
    id_, workflow, kind, about, live, enabled, since, fired, fired_at, run, due_at = row
    return TriggerRow(
        *(id_, workflow, kind, about, bool(live), bool(enabled), since, fired),
        fired_at=None if fired_at is None else instant(fired_at),
        run=run or "",
        due_at=None if due_at is None else instant(due_at),
    )


def _decision(row: Row) -> DecisionRow:
    position, number, about, source, to, expression, result, reason, at = row
    return DecisionRow(position, number, about, source, to, expression, bool(result), reason, instant(at))


def _version(row: Row) -> VersionRow:
    workflow, version, active, checksum, type_, revision, data, published, at, principal = row
    fact = cast("WorkflowPublished", facts.read(type_, revision, data))  # from one such the row was made
    return VersionRow(
        *(workflow, version, bool(active), checksum, fact.text, published, instant(at), principal),
        description=fact.description,
        owner=fact.owner,
    )


def _run(row: Row) -> RunRow:
    id_, workflow, version, status, paused_by, principal, parent, forked_from, path, item, *times = row
    crowd, queued, started, started_at, ended_at, changed, type_, revision, data = times
    fact = None if type_ is None else facts.read(type_, revision, data)
    return RunRow(
        *(id_, workflow, version, status, paused_by, principal, parent, started, instant(started_at)),
        *(None if ended_at is None else instant(ended_at), changed),
        error=fact.error if isinstance(fact, events.WorkflowFailed) else None,
        reason=fact.reason if isinstance(fact, events.WorkflowCrashed | events.WorkflowCancelled) else "",
        forked_from=forked_from,
        path=path,
        item=item,
        crowd=crowd,
        queued=bool(queued),
    )


def _wanted(query: RunQuery, tenant: Tenant) -> tuple[str, dict[str, Any]]:
    """Return the statement of a list of runs, and what it is to be given."""
    given: dict[str, Any] = {"tenant": tenant, "limit": query.limit}
    narrow = ["tenant = :tenant"]
    for name in ("workflow", "status"):
        if (value := getattr(query, name)) is not None:
            narrow.append(f"{name} = :{name}")
            given[name] = value
    if query.since is not None:
        narrow.append("started_at >= :since")
        given["since"] = microseconds(query.since)
    if query.parent is not None:
        narrow.append(
            "run_id IN (SELECT child FROM workflow_children WHERE tenant = :tenant AND parent = :parent)"
        )
        given["parent"] = query.parent
    else:
        narrow.append("path = ''")
    if query.after is not None:
        narrow.append("started < :after" if query.newest_first else "started > :after")
        given["after"] = query.after
    order = "DESC" if query.newest_first else "ASC"
    return QUERIES.read_runs.format(wanted=" AND ".join(narrow), order=order), given


ENDED = frozenset({"completed", "failed", "cancelled", "interrupted"})


def _attempt(row: Row) -> AttemptRow:
    step, iteration, attempt, status, began, begun, *rest = row
    told, last = facts.read(*rest[:3]), facts.read(*rest[3:])
    return AttemptRow(
        *(step, iteration, attempt, status),
        input=getattr(told, "input", None),
        output=last.output if isinstance(last, events.StepCompleted) else None,
        error=last.error if isinstance(last, events.StepFailed | events.AttemptRetried) else None,
        started=began,
        started_at=_at(told) if begun is None else msgspec.json.decode(begun, type=_Told).at,
        ended_at=_at(last) if status in ENDED else None,
        bytes=last.bytes if isinstance(last, events.StepCompleted) else 0,
    )


class _Told(msgspec.Struct):
    """When a fact was decided."""

    at: datetime


def _at(fact: msgspec.Struct) -> datetime:
    at: datetime = fact.at  # type: ignore[attr-defined]  # every fact of a run has one
    return at
