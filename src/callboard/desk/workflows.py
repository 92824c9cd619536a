"""The part of the front desk that answers for workflows: their versions, their drafts, and which of them run.

Whatever changes something goes through the publisher or the drafts; what only looks is asked of the store.
Definitions are read and written in threads, since one may have a mebibyte.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from callboard.desk.comparing import unified
from callboard.errors import NotFound, WrongState
from callboard.facts.publishing import Published
from callboard.ids import PrincipalId
from callboard.publish.drafting import Drafts
from callboard.publish.publisher import Publisher
from callboard.store.port import Store
from callboard.store.runrows import DraftRow, VersionRow, WorkflowQuery, WorkflowRow
from callboard.web import workflows
from callboard.workflow import Enough, Fault, Notes, Unreadable, define, plain, read, to_yaml

HISTORY = 20
"""How many of the newest versions are told with a workflow."""

ALL = "global"
"""The owner that is everybody, as files and callers name it."""


class WorkflowsDesk:
    """What the house says of workflows."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._drafts = Drafts(store, publisher)

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, query: workflows.WorkflowsQuery) -> workflows.WorkflowList:
        """Return workflows, by name."""
        found = await self._store.workflows(
            WorkflowQuery(
                owner="" if query.owner == ALL else query.owner,
                status=query.status,
                search=query.search,
                after=query.after or "",
                limit=query.limit + 1,
            )
        )
        rows = [_row(row) for row in found]
        more = len(rows) > query.limit
        return workflows.WorkflowList(
            data=rows[: query.limit], next=rows[query.limit - 1].name if more else None
        )

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        """Return a workflow in one version, or in the active one; `NotFound` if there is none."""
        row = await self._must_be(name)
        draft = await self._store.draft(name)
        told = None if version is None and not row.version else await self._version(row, version)
        shown: dict[str, Any] = {"version": 0, "description": row.description, "owner": row.owner}
        if told is not None:
            shown |= msgspec.structs.asdict(await _whole(told))
        return workflows.WorkflowDetail(
            **{**shown, "name": name},
            status=row.status,
            versions=row.versions,
            archived=_archived(row),
            draft=None if draft is None else _that_is(draft),
            history=[_version(one) for one in await self._store.versions(name, None, HISTORY)],
        )

    async def versions(self, name: str, query: workflows.VersionsQuery) -> workflows.VersionList:
        """Return versions of a workflow, the newest first."""
        await self._must_be(name)
        found = await self._store.versions(name, query.before, query.limit + 1)
        rows = [_version(row) for row in found]
        more = len(rows) > query.limit
        return workflows.VersionList(
            data=rows[: query.limit], next=rows[query.limit - 1].version if more else None
        )

    async def version(self, name: str, version: int) -> workflows.VersionDetail:
        """Return one version, whole."""
        return await _whole(await self._version(await self._must_be(name), version))

    async def diff(self, name: str, query: workflows.DiffQuery) -> workflows.Diff:
        """Return what differs between two versions, or between a version and the draft."""
        row = await self._must_be(name)
        side = query.new or ("draft" if row.draft else "active")
        old = await self._text(row, query.old or self._before(row, side))
        new = await self._text(row, side)
        diff = await asyncio.to_thread(unified, old[1], new[1], f"{name}, {old[0]}", f"{name}, {new[0]}")
        return workflows.Diff(
            name=name, old=old[0], new=new[0], same=not diff, diff=diff, as_written=old[2] or new[2]
        )

    def _before(self, row: WorkflowRow, side: str) -> str:
        """Return what a text is compared with if nobody says it."""
        if side == "draft":
            return "active"
        number = row.version if side == "active" else int(side)
        if number == 1:
            raise NotFound(
                f"There is nothing before version 1 of {row.name} to compare it with.", workflow=row.name
            )
        if not number:
            return side
        return str(number - 1)

    async def _text(self, row: WorkflowRow, side: str) -> tuple[str, str, bool]:
        """Return what one side is called, its text, and whether that is only as it was written."""
        if side == "draft":
            draft = await self._drafts.read(row.name)
            text, sound = await asyncio.to_thread(_spelled, draft.text)
            return f"draft {draft.revision}", text, not sound
        if side == "active" and not row.version:
            raise WrongState(f"No version of {row.name} is active: name one, or draft.", workflow=row.name)
        found = await self._version(row, None if side == "active" else int(side))
        text, _ = await asyncio.to_thread(_spelled, found.text)
        return f"version {found.version}", text, False

    async def _must_be(self, name: str) -> WorkflowRow:
        row = await self._store.workflow(name)
        if row is None:
            raise await self._publisher.missing(name)
        return row

    async def _version(self, row: WorkflowRow, version: int | None) -> VersionRow:
        found = await self._store.version(row.name, version)
        if found is not None:
            return found
        there = f"there are 1 to {row.versions}" if row.versions else "it is a draft"
        said = f"The workflow {row.name} has no version {version}: {there}."
        raise NotFound(said, workflow=row.name, version=version)

    # ── drafts ───────────────────────────────────────────────────────────────────────────────────────────

    async def draft(self, name: str) -> workflows.Draft:
        """Return the draft of a workflow, with what is wrong with it."""
        return await self._draft(await self._drafts.read(name))

    async def create(self, request: workflows.DraftRequest, principal: PrincipalId) -> workflows.Draft:
        """Make a workflow that is a draft."""
        return await self._draft(await self._drafts.create(request.text, request.name, principal=principal))

    async def save(
        self, name: str, request: workflows.SaveRequest, principal: PrincipalId
    ) -> workflows.Draft:
        """Save a draft on top of the one that was read."""
        return await self._draft(
            await self._drafts.save(name, request.text, request.revision, principal=principal)
        )

    async def drop(self, name: str, revision: int | None, principal: PrincipalId) -> workflows.WorkflowState:
        """Throw a draft away."""
        await self._drafts.drop(name, revision, principal=principal)
        return await self._state(name)

    async def delete(self, name: str, principal: PrincipalId) -> workflows.WorkflowState:
        """Take a workflow away that was never published."""
        await self._drafts.delete(name, principal=principal)
        return await self._state(name)

    async def _draft(self, row: DraftRow) -> workflows.Draft:
        faults = await self._drafts.faults(row)
        return workflows.Draft(
            **msgspec.structs.asdict(_that_is(row)),
            text=row.text,
            ok=not any(fault.severity == "error" for fault in faults),
            faults=fault_rows(faults),
        )

    # ── what runs ────────────────────────────────────────────────────────────────────────────────────────

    async def publish(self, request: workflows.PublishRequest, principal: PrincipalId) -> workflows.Published:
        """Publish a file."""
        return _published(
            *await self._publisher.publish(request.text, activate=request.activate, principal=principal)
        )

    async def publish_draft(
        self, name: str, request: workflows.PublishDraftRequest, principal: PrincipalId
    ) -> workflows.Published:
        """Publish a draft."""
        return _published(
            *await self._drafts.publish(
                name, request.revision, activate=request.activate, principal=principal
            )
        )

    async def archive(self, name: str, reason: str, principal: PrincipalId) -> workflows.WorkflowState:
        """Let no more runs start."""
        await self._publisher.archive(name, reason, principal=principal)
        return await self._state(name)

    async def reactivate(
        self, name: str, version: int | None, principal: PrincipalId
    ) -> workflows.WorkflowState:
        """Let runs start again."""
        await self._publisher.reactivate(name, version, principal=principal)
        return await self._state(name)

    async def activate(self, name: str, version: int, principal: PrincipalId) -> workflows.WorkflowState:
        """Let runs get a version."""
        await self._publisher.activate(name, version, principal=principal)
        return await self._state(name)

    async def _state(self, name: str) -> workflows.WorkflowState:
        row = await self._store.workflow(name)
        if row is None:
            return workflows.WorkflowState(name=name, status=None, version=0, draft=0)
        return workflows.WorkflowState(name=name, status=row.status, version=row.version, draft=row.draft)


def _spelled(text: str) -> tuple[str, bool]:
    """Return a text in the one spelling, and whether it has one: else as it was written."""
    try:
        notes = Notes(read(text))
        definition = define(notes).definition
    except (Unreadable, Enough):
        return text, False
    if any(fault.severity == "error" for fault in notes.faults):
        return text, False  # what could not be read is left out of the definition
    return to_yaml(plain(definition)), True


async def _whole(row: VersionRow) -> workflows.VersionDetail:
    text, _ = await asyncio.to_thread(_spelled, row.text)
    return workflows.VersionDetail(
        **msgspec.structs.asdict(_version(row)),
        name=row.workflow,
        description=row.description,
        owner=row.owner,
        definition=msgspec.json.decode(row.text),
        text=text,
    )


def _row(row: WorkflowRow) -> workflows.WorkflowRow:
    same = [name for name in workflows.WorkflowRow.__struct_fields__ if name != "archived"]
    return workflows.WorkflowRow(**{name: getattr(row, name) for name in same}, archived=_archived(row))


def _archived(row: WorkflowRow) -> workflows.Archived | None:
    return None if row.archived is None else workflows.Archived(**msgspec.structs.asdict(row.archived))


def _version(row: VersionRow) -> workflows.VersionRow:
    return workflows.VersionRow(
        version=row.version,
        active=row.active,
        checksum=row.checksum,
        principal=row.principal,
        published_at=row.published_at,
        position=row.published,
    )


def _that_is(row: DraftRow) -> workflows.DraftRow:
    return workflows.DraftRow(
        name=row.workflow, revision=row.revision, saved_at=row.saved_at, principal=row.principal
    )


def _published(done: Published, warnings: list[Fault]) -> workflows.Published:
    return workflows.Published(
        name=done.name,
        version=done.version,
        created=done.created,
        activated=done.activated,
        warnings=fault_rows(warnings),
    )


def fault_rows(faults: list[Fault]) -> list[workflows.FaultRow]:
    """Return faults as they cross the door."""
    return [workflows.FaultRow(**msgspec.structs.asdict(fault)) for fault in faults]
