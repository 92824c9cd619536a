"""Parentage: how a step starts runs: another workflow's, those of items, those of rounds.

The ids of items and rounds follow from what they are: the machine draws none, and whoever decides the same
thing again after a refused commit names the same run. They are UUIDs of version 7 like all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from callboard.facts.child_events import ChildStarted, Origin
from callboard.outcome import Batch, Child, Done
from callboard.run import commands
from callboard.run.state import Progress, RunState, StepState
from callboard.run.work import Work

_RANDOM = (1 << 74) - 1


def start_child(work: Work, id_: str, step: StepState, child: Child, *, waited: bool) -> None:
    """Start a run of another workflow."""
    work.emit(ChildStarted(id_, work.now, child.run, child.workflow, waited, step.iteration))
    origin = Origin(work.state.run, id_, waited, above=above(work.state))
    work.wants.append(commands.StartChild(id_, step.iteration, child, waited, origin))


def start_next(work: Work, id_: str, step: StepState, batch: Batch, progress: Progress, index: int) -> None:
    """Start the run of the next item or round."""
    state = work.state
    run = _id_of(work.now, state.run, id_, step, index)
    item = step.input["items"][index] if batch.kind == "each" else None
    if batch.workflow:
        child = Child(run, batch.workflow, item, batch.version)
        origin = Origin(state.run, id_, above=above(state), index=index)
    else:
        child = Child(run, state.workflow, None, state.version)
        around = () if state.origin is None else state.origin.path
        origin = Origin(
            *(state.run, id_, True, above(state)[:-1], (*around, id_), progress.since, index, item),
            loops=batch.kind == "loop",
        )
    variables: Mapping[str, Any] = {name: state.vars[name] for name in progress.sets}
    work.emit(ChildStarted(id_, work.now, run, child.workflow, iteration=step.iteration, index=index))
    work.wants.append(
        commands.StartChild(id_, step.iteration, child, waited=True, origin=origin, vars=variables)
    )


def above(state: RunState) -> tuple[str, ...]:
    """Return the workflows in which a run stands that this one starts."""
    return (*(() if state.origin is None else state.origin.above), state.workflow)


def none_at_all(work: Work, id_: str, batch: Batch) -> Done | None:
    """Return what a step comes to that has no item, or whose `while` does not hold before the first round."""
    if batch.kind == "each":
        return None if batch.count else Done(gathered(batch, []))
    condition = work.planned(id_).conditions.get("while")
    if condition is None:
        return None
    verdict = condition.holds({**work.scope(work.state.step(id_)), "index": 0})
    work.rule("again", id_, id_, condition.text, result=verdict.holds, reason=verdict.reason)
    return None if verdict.holds else Done({"rounds": 0, "output": None})


def gathered(batch: Batch, results: list[Any]) -> Any:  # noqa: ANN401 - a step's output is any JSON
    """Return what a step gives for what its items came to."""
    if not batch.collects:
        return results
    completed = sum(one["status"] == "completed" for one in results)
    return {"results": results, "completed": completed, "failed": len(results) - completed}


def _id_of(now: datetime, run: str, id_: str, step: StepState, index: int) -> str:
    named = f"{run}/{id_}/{step.iteration}/{step.waits}/{index}".encode()
    drawn = int.from_bytes(hashlib.sha256(named).digest(), "big") & _RANDOM
    high, low = drawn >> 62, drawn & ((1 << 62) - 1)
    moment = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    return str(UUID(int=moment << 80 | 7 << 76 | high << 64 | 2 << 62 | low))
