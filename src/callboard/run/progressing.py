"""Progressing: what the facts about child runs make of the step that goes through items or rounds."""

from __future__ import annotations

from typing import Any

from callboard.facts import events
from callboard.facts.child_events import ChildEnded, ChildStarted
from callboard.run.state import Kept, Progress, RunState, StepState

_MAY_BE_REOPENED = frozenset({"step_failed", "step_cancelled"})


def begin(state: RunState, fact: events.StepWaiting, step: StepState) -> None:
    """Have a step begin with its items or rounds, if that is what it waits for."""
    batch = fact.wait.batch
    if batch is not None:
        results = [None] * (batch.count if batch.kind == "each" else 1)
        progress = Progress(since=state.events + 1, results=results)  # this fact is not counted yet
        kept, step.kept = step.kept, None
        if kept is not None and batch.kind == "each" and kept.items == step.input["items"]:
            progress.results, progress.done, progress.bytes = kept.results, kept.done, kept.bytes
        step.progress = progress
        state.batches.append(fact.step)


def leave(state: RunState, id_: str, step: StepState, fact: str) -> None:
    """Have a step be done with its items or rounds."""
    progress = step.progress
    if progress is None:
        return
    state.batches.remove(id_)
    step.progress = None
    batch = None if step.wait is None else step.wait.batch
    if fact in _MAY_BE_REOPENED and batch is not None and batch.kind == "each" and not batch.collects:
        ended = set(range(progress.next)) - {*progress.under_way.values(), *progress.failed}
        step.kept = Kept(step.input["items"], progress.results, progress.done | ended, progress.bytes)


def child_started(state: RunState, fact: ChildStarted) -> None:
    """Note that an item or a round has begun."""
    progress = state.step(fact.step).progress
    if progress is not None and fact.index is not None:
        progress.under_way[fact.run] = fact.index
        progress.next = fact.index + 1


def child_ended(state: RunState, fact: ChildEnded) -> None:
    """Note that an item or a round has ended, or was refused before it began."""
    step = state.step(fact.step)
    progress, batch = step.progress, None if step.wait is None else step.wait.batch
    if progress is None or batch is None or fact.index is None:
        return
    progress.under_way.pop(fact.run, None)
    progress.next = max(progress.next, fact.index + 1)
    if fact.status != "completed":
        progress.failed.append(fact.index)
    progress.goes_on = fact.goes_on
    if batch.kind == "loop":
        progress.results[0], progress.bytes = fact.output, fact.bytes
    else:
        progress.results[fact.index] = _result(fact) if batch.collects else fact.output
        progress.bytes += fact.bytes


def variables_set(state: RunState, fact: events.ContextUpdated) -> None:
    """Note which variables rounds set: only these are handed on."""
    progress = state.step(fact.step).progress
    if progress is not None:
        progress.sets.extend(name for name in fact.vars if name not in progress.sets)
    if state.origin is not None and state.origin.loops:
        state.sets.extend(name for name in fact.vars if name not in state.sets)


def _result(fact: ChildEnded) -> dict[str, Any]:
    """Return what an item came to, as an `each` that collects shows it."""
    error = None
    if fact.error is not None:
        error = {"code": fact.error.code, "message": fact.error.message}
    return {"index": fact.index, "status": fact.status, "output": fact.output, "error": error}
