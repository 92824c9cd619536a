"""What a store answers of workflows and runs: a part of its port (`port.py`)."""

from __future__ import annotations

from typing import Protocol

from callboard.ids import DEFAULT_TENANT, Position, Tenant
from callboard.store.runrows import (
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


class RunReads(Protocol):
    """The queries of workflows and runs."""

    async def workflows(
        self, query: WorkflowQuery | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[WorkflowRow]:
        """Return workflows, by name: all that there are, if no query narrows them."""

    async def workflow(self, name: str, *, tenant: Tenant = DEFAULT_TENANT) -> WorkflowRow | None:
        """Return one workflow."""

    async def draft(self, workflow: str, *, tenant: Tenant = DEFAULT_TENANT) -> DraftRow | None:
        """Return the draft of a workflow."""

    async def version(
        self, workflow: str, number: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> VersionRow | None:
        """Return one version of a workflow; the one that runs, if none is named."""

    async def version_like(
        self, workflow: str, checksum: str, *, tenant: Tenant = DEFAULT_TENANT
    ) -> int | None:
        """Return the number of the version that has this content."""

    async def versions(
        self, workflow: str, before: int | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[VersionRow]:
        """Return versions of a workflow, the newest first, from below a number."""

    async def triggers(
        self, *, trigger: str | None = None, workflow: str | None = None, tenant: Tenant = DEFAULT_TENANT
    ) -> list[TriggerRow]:
        """Return triggers, those that sleep too, in the order of their ids."""

    async def audible(
        self, after: Position, until: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Audible]:
        """Return messages on channels and ends of runs between two positions, the second one included."""

    async def heard(self, *, tenant: Tenant = DEFAULT_TENANT) -> Position | None:
        """Return up to where the log was heard by triggers; nothing if it never was."""

    async def run(self, run: str, *, tenant: Tenant = DEFAULT_TENANT) -> RunRow | None:
        """Return one run."""

    async def runs(self, query: RunQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[RunRow]:
        """Return runs in the order in which they started, or the other way round."""

    async def descendants(self, run: str, limit: int, *, tenant: Tenant = DEFAULT_TENANT) -> list[Descendant]:
        """Return the runs that a run's steps started, and those that theirs did, in the order of the log."""

    async def attempts(
        self, run: str, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[AttemptRow]:
        """Return the attempts of a run that began past a position, in the order in which they began."""

    async def decisions(
        self, run: str, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[DecisionRow]:
        """Return what was looked at in a run, in order, past the position of an event.

        What belongs to one event is never cut, so there may be more of them than the limit.
        """

    async def unended(self, after: Position, limit: int, *, stirring: bool = False) -> list[UnendedRun]:
        """Return the runs of all tenants that have not ended, in pages, in the order in which they started.

        `stirring` leaves out those that only wait, and costs nothing for them.
        """

    async def crowds(
        self, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[CountedRun]:
        """Return the runs that are counted under a concurrency key, in pages, in the order of their start."""

    async def created(
        self, system: str, type_: str, id_: str, *, tenant: Tenant = DEFAULT_TENANT
    ) -> LinkRow | None:
        """Return which run has created a thing that lives elsewhere, if one has."""

    async def links(self, query: LinkQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[LinkRow]:
        """Return what runs have to do with things that live elsewhere."""
