"""Taking over: how the first fact of a fork makes steps that ended in another run steps of this one."""

from __future__ import annotations

from callboard.facts.forked import Forked, TakenStep
from callboard.run.state import RunState, StepState, entry


def take_over(state: RunState, forked: Forked) -> None:
    """Put what was taken over where the facts of this run would have put it."""
    for put in forked.puts:
        state.vars[put.name] = put.value
    for one in forked.taken:
        _take(state, one)
    for one in forked.taken:
        for edge in one.edges:
            target = state.step(edge.to)
            target.resolved += 1
            target.satisfied += edge.result == "satisfied"


def _take(state: RunState, one: TakenStep) -> None:
    step = state.steps[one.step] = StepState(
        status=one.status,
        iteration=one.iteration,
        attempt=one.attempt,
        backs=one.backs,
        edges=one.edges,
        bytes=one.bytes,
        before=one.before,
    )
    attempt = 0 if one.status == "skipped" else one.attempt
    state.seen[one.step] = entry(one.status, step, attempt=attempt, output=one.output, error=one.error)
    if one.previous is not None:
        state.previous[one.step] = dict(one.previous)
    if one.error is not None and not one.handled:
        state.failures[one.step] = one.error
    state.bytes += one.bytes + one.before
