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
from callboard.facts.publishing import KIND, Standing, WorkflowFact, workflow_stream
from callboard.ids import PrincipalId, Tenant
from callboard.publish.agreed import agreed
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

        async def now() -> tuple[T, Sequence[WorkflowFact]]:
            return await decide(await self.standing(name, tenant))

        parts = self._store, self._journal, workflow_stream(name), KIND
        done, facts = await agreed(*parts, now, principal=principal, tenant=tenant)
        if facts:
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
