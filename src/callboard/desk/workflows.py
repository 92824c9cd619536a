"""The part of the front desk that tells which workflows there are."""

from __future__ import annotations

import msgspec

from callboard.errors import NotFound
from callboard.runrows import VersionRow
from callboard.spelling import did_you_mean
from callboard.store import Store
from callboard.web import workflows

HISTORY = 20
"""How many of the newest versions are told with a workflow."""


class WorkflowsDesk:
    """What the house says of workflows."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all_workflows(self) -> workflows.WorkflowList:
        """Return all workflows that were published."""
        names = workflows.WorkflowRow.__struct_fields__
        rows = await self._store.workflows()
        return workflows.WorkflowList(
            data=[workflows.WorkflowRow(**{name: getattr(row, name) for name in names}) for row in rows]
        )

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        """Return a workflow in one version, or in the active one; `NotFound` if there is none."""
        row = await self._store.version(name, version)
        if row is None:
            raise await self._missing(name, version)
        history = await self._store.versions(name, None, HISTORY)
        return workflows.WorkflowDetail(
            **msgspec.structs.asdict(_version(row)),
            name=name,
            description=row.description,
            owner=row.owner,
            definition=msgspec.json.decode(row.text),
            history=[_version(one) for one in history],
        )

    async def _missing(self, name: str, version: int | None) -> NotFound:
        known = {row.name: row.versions for row in await self._store.workflows()}
        if name in known:
            said = f"The workflow {name} has no version {version}: there are 1 to {known[name]}."
            return NotFound(said, workflow=name, version=version)
        hint = did_you_mean(name, known) or ": put its file into config/workflows and start the server again."
        return NotFound(f"There is no workflow {name}{hint}", workflow=name)


def _version(row: VersionRow) -> workflows.VersionRow:
    return workflows.VersionRow(
        version=row.version,
        active=row.active,
        checksum=row.checksum,
        principal=row.principal,
        published_at=row.published_at,
        position=row.published,
    )
