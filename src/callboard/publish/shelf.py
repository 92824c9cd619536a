"""The shelf: how a workflow stands, and the one way in which that changes.

    published = await shelf.change("claims", decide, principal=principal)
    shelf.witnesses.append(look_again)

Whoever changes a workflow decides from how it stands; if somebody else was faster, he decides again from how
it stands now. So of two who want the same at the same instant, one does it and the other finds it done.

A witness is told which workflow has changed, after the change is on the disk; how it stands by then is asked
of the store. Two changes may be told in one order and read in another: only what is read counts. What a
witness does about it is waited for, if it says so: who is told that a version runs finds its webhooks open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from callboard.actors.journal import Journal
from callboard.errors import ConcurrencyConflict, StreamNotFound
from callboard.facts.publishing import KIND, Standing, WorkflowFact, workflow_stream
from callboard.ids import PrincipalId, Tenant, Version
from callboard.store.port import Store

T = TypeVar("T")
Decide = Callable[[Standing], Awaitable[tuple[T, Sequence[WorkflowFact]]]]
"""Says what came of it, and the facts that make it so; none if nothing changes."""

Witness = Callable[[str, Tenant], Awaitable[object] | None]

_log = structlog.get_logger("callboard.publish.shelf")


class Shelf:
    """Where workflows are kept."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self.witnesses: list[Witness] = []
        """Told of each workflow that has changed."""
        self._store = store
        self._journal = journal

    async def change(self, name: str, decide: Decide[T], *, principal: PrincipalId, tenant: Tenant) -> T:
        """Do to a workflow what was decided; once more if somebody else did something meanwhile."""
        stream = workflow_stream(name)
        while True:
            try:
                expected = (await self._store.stream(stream, tenant=tenant)).version
            except StreamNotFound:
                expected = Version(0)
            done, facts = await decide(await self.standing(name, tenant))
            if not facts:
                return done
            turn = self._journal.turn(principal=principal, tenant=tenant)
            turn.append(stream, KIND, facts, expected=expected)
            try:
                await self._journal.commit(turn)
            except ConcurrencyConflict:
                continue
            _log.info("workflow.changed", workflow=name, facts=[type(fact).__name__ for fact in facts])
            for witness in self.witnesses:
                doing = witness(name, tenant)
                if doing is not None:
                    await doing
            return done

    async def standing(self, name: str, tenant: Tenant) -> Standing:
        """Return how a workflow stands."""
        row = await self._store.workflow(name, tenant=tenant)
        if row is None:
            return Standing(name)
        return Standing(name, row.status, row.versions, row.version, row.owner, row.draft, row.filed)
