"""Deleting a run that has ended: its history, with all that hangs on it.

What it said to others stays, since it is theirs; so does the request id that began it, so that the same
request begins no other. That it was deleted, by whom, and what it was, stands in the log. It is written
first, so that no run is gone of which the log does not say so; after a death in between the run is still
there, and the next such request deletes it.
"""

from __future__ import annotations

from callboard.company.asking import Services
from callboard.errors import NotFound, WrongState
from callboard.facts.events import run_stream
from callboard.ids import PrincipalId


async def delete(services: Services, run: str, principal: PrincipalId) -> None:
    """Take a run away for good."""
    row = await services.store.run(run)
    if row is None:
        raise NotFound(f"There is no run {run}.", run=run)
    if row.ended_at is None:
        said = f"Run {run} is {row.status}: only one that has ended can be deleted. Cancel it first."
        raise WrongState(said, status=row.status)
    said = f"Run {run} cannot be deleted yet: somebody waits for its end and has not read it."
    if not await services.store.remove_stream(run_stream(run), dry_run=True):
        raise WrongState(said, status=row.status)
    turn = services.journal.turn(principal=principal)
    told = {"workflow": row.workflow, "version": row.version, "status": row.status}
    turn.act("runs.delete", run_stream(run), told)
    await services.journal.commit(turn)
    if not await services.store.remove_stream(run_stream(run)):
        raise WrongState(said, status=row.status)
