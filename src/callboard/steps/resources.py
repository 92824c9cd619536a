"""Links to what lives elsewhere: `resource.link` reports one, `resource.check` asks who made it.

That something was `created` is true of one run only. Whether another one has said so is looked at when the
step ends, and settled by the row that its turn makes (`runs/linking.py`): here nothing is promised.
"""

from __future__ import annotations

from callboard.outcome import Done, Link, Outcome
from callboard.planning import resources
from callboard.steps.work import Work


async def link(work: Work) -> Outcome:
    """Report that the run made something, or laid hands on it."""
    given = work.read(resources.ResourceLink)
    made = Link(given.system, given.type, str(given.id), given.how)
    return Done({"system": made.system, "type": made.type, "id": made.id, "how": made.how}, links=(made,))


async def check(work: Work) -> Outcome:
    """Find out whether a run has made something, and which."""
    given = work.read(resources.ResourceCheck)
    found = await work.house.created(given.system, given.type, str(given.id))
    if found is None:
        return Done({"exists": False, "run": None})
    told = {"workflow": found.workflow, "step": found.step, "at": found.at.isoformat()}
    return Done({"exists": True, "run": found.run, "mine": found.run == work.attempt.run, **told})
