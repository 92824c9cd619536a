"""Paths of webhooks: each leads to one workflow, and a second one that wants it is not published."""

from __future__ import annotations

from callboard.errors import Conflict
from callboard.ids import Tenant
from callboard.store.port import Store
from callboard.workflow import Definition


async def check_paths(store: Store, definition: Definition, tenant: Tenant) -> None:
    """Refuse a definition with a webhook whose path another workflow has; one that sleeps keeps none."""
    wanted = [on.webhook for on in definition.on if on.webhook is not None]
    if not wanted:
        return
    for row in await store.triggers(tenant=tenant):
        if row.kind == "webhook" and row.live and row.about in wanted and row.workflow != definition.name:
            raise Conflict(
                f"The path /webhooks/{row.about} leads to the workflow {row.workflow}: take another one, or "
                f"archive that workflow.",
                path=row.about,
                workflow=row.workflow,
            )
