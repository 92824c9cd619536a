"""Steps that start runs: of a workflow, for each item of a list, and round after round.

What they are given is looked at here; the runs are started by the machine, in the turn in which the step says
that it waits for them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta

from callboard.outcome import Batch, Child, Done, Fail, Failure, Outcome, Wait
from callboard.planning import catalogue
from callboard.planning.step import Parameters
from callboard.steps.callee import Callee
from callboard.steps.work import Work

DEEPEST = 5
"""Workflows below the one that somebody started."""
ITEMS_AT_ONCE = 200
"""Items that are looked at before others have their turn."""


async def workflow(work: Work) -> Outcome:
    """Start a run of another workflow."""
    given = work.read(catalogue.SubWorkflow)
    refused = _nesting(work, given.name)
    if refused is not None:
        return refused
    callee = await work.house.workflow(given.name, given.version)
    wrong = callee.refuses(given.input)
    if wrong:
        return Fail(Failure("INPUT_INVALID", wrong))
    child = Child(str(work.house.new_id()), given.name, given.input, callee.version)
    return Wait("child", child=child) if given.wait else Done({"run": child.run}, child=child)


async def each(work: Work) -> Outcome:
    """Go through the items of a list."""
    given = work.read(catalogue.Each)
    count, collects = len(given.items), given.on_item_failure == "collect"
    if given.workflow is None:
        return Wait("child", batch=Batch("each", count, given.parallel, collects))
    refused = _nesting(work, given.workflow)
    if refused is not None:
        return refused
    callee = await work.house.workflow(given.workflow, None)
    wrong = await _misfits(callee, given.items)
    if wrong and not collects:
        index, said = next(iter(wrong.items()))
        return Fail(Failure("INPUT_INVALID", f"Item {index}: {said}", {"index": int(index)}))
    batch = Batch("each", count, given.parallel, collects, given.workflow, callee.version, wrong)
    return Wait("child", batch=batch)


async def _misfits(callee: Callee, items: list[Any]) -> dict[str, str]:
    """Return the items that a workflow does not take, by their index, each with the reason."""
    found = {}
    for index, item in enumerate(items):
        if said := callee.refuses(item):
            found[str(index)] = said
        if index % ITEMS_AT_ONCE == ITEMS_AT_ONCE - 1:
            await asyncio.sleep(0)
    return found


class Rounds(Parameters):
    """What is left of the parameters of a loop, without its steps and conditions."""

    max: Annotated[int, Meta(ge=1, le=catalogue.MOST_ROUNDS)] = 100


def loop(work: Work) -> Outcome:
    """Go round after round."""
    return Wait("child", batch=Batch("loop", work.read(Rounds).max))


def _nesting(work: Work, name: str) -> Fail | None:
    """Refuse a workflow inside itself, and too many in one another: files change after their check."""
    above = work.attempt.above
    if name in above:
        way = " → ".join([*above[above.index(name) :], name])
        return Fail(Failure("NESTING_RECURSES", f"The workflow would run inside itself: {way}."))
    if len(above) > DEEPEST:
        said = f"Workflows run at most {DEEPEST} deep in one another, and this would be deeper: {name}."
        return Fail(Failure("NESTING_TOO_DEEP", said))
    return None
