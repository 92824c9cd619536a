"""Forking: what a new run takes over from one that there is, and with which steps it begins.

A fork is done again from one step: that one and all that follows it. Steps that were cancelled, or skipped
because the run stopped, were never decided, so they and what follows them begin anew as well. Every other
step that has ended stays what it was; one that has not ended begins anew. What the variables were then is put
together from the steps that are taken over, so nothing remains of what the others had put.

The other run is read as far as it has come, ended or not, and is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

import msgspec

from callboard.errors import RequestInvalid, WrongState
from callboard.facts import events
from callboard.facts.forked import Forked, Put, TakenStep
from callboard.outcome import Failure
from callboard.planning.plan import Flow, Plan, PlannedStep
from callboard.run.edges import Spread, Tally, joins
from callboard.run.evolving import evolve
from callboard.run.state import RunState, StepState
from callboard.run.stopping import following
from callboard.run.work import Work
from callboard.spelling import no_such

_STAYS = frozenset({"completed", "failed", "skipped"})


class Source:
    """A run that is read in order to be forked, fact by fact."""

    def __init__(self) -> None:
        self.state = RunState()
        self._ended: dict[str, datetime] = {}
        self._errors: dict[str, Failure] = {}
        self._puts: dict[tuple[str, str], Any] = {}
        """By step and name, the newest last."""

    def see(self, fact: msgspec.Struct) -> None:
        """Take in the next fact of the run."""
        match fact:
            case events.WorkflowStarted(forked=Forked(taken=taken, puts=puts)):
                for one in taken:
                    self._ended[one.step] = one.at
                    if one.error is not None:
                        self._errors[one.step] = one.error
                for put in puts:
                    self._put(put.step, put.name, put.value)
            case events.ContextUpdated(step=step, vars=changed):
                for name, value in changed.items():
                    self._put(step, name, value)
            case events.StepFailed():
                self._ended[fact.step], self._errors[fact.step] = fact.at, fact.error
            case events.StepCompleted():
                self._ended[fact.step] = fact.at
            case events.StepSkipped():
                self._ended.update((one.step, fact.at) for one in fact.skipped)
        evolve(self.state, fact)

    def _put(self, step: str, name: str, value: object) -> None:
        self._puts.pop((step, name), None)
        self._puts[step, name] = value

    def fork(self, plan: Plan, step: str) -> Forked:
        """Return what a run that is done again from a step takes over; refuse what would not run it."""
        state, flow = self.state, plan.flow
        if step not in flow.steps:
            raise RequestInvalid(no_such("step", step, flow.order), field="$.from")
        undecided = {id_ for id_, one in state.steps.items() if _undecided(one, flow.steps[id_])}
        anew = following(flow, {step} | undecided)
        kept = {id_ for id_, one in state.steps.items() if one.status in _STAYS} - anew
        _check(state, flow, step, kept)
        taken = tuple(self._taken(id_, state.steps[id_]) for id_ in flow.order if id_ in kept)
        if step not in openings(flow, taken):
            text = f"Run {state.run} cannot be forked from {step}: what came before it leads elsewhere."
            raise WrongState(text, status=state.status)
        puts = tuple(Put(by, name, value) for (by, name), value in self._puts.items() if by in kept)
        return Forked(state.run, step, taken, puts)

    def _taken(self, id_: str, step: StepState) -> TakenStep:
        return TakenStep(
            *(id_, cast("Any", step.status), self._ended[id_], step.iteration, step.attempt),
            output=self.state.seen[id_]["output"],
            error=self._errors[id_] if step.status == "failed" else None,
            handled=id_ not in self.state.failures,
            edges=tuple(msgspec.structs.replace(edge, opens=False, reason="") for edge in step.edges),
            backs=step.backs,
            previous=self.state.previous.get(id_),
            bytes=step.bytes,
            before=step.before,
        )


def _undecided(step: StepState, planned: PlannedStep) -> bool:
    """Tell whether a step is over only because its run was."""
    cut_short = step.status in _STAYS and bool(planned.outgoing) and not step.edges
    return step.status == "cancelled" or step.cut or cut_short


def _check(state: RunState, flow: Flow, step: str, kept: set[str]) -> None:
    """Refuse a step to which the run has not come."""
    before = preceding(flow, step)
    left = [id_ for id_ in flow.order if id_ in before and id_ not in kept]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        text = (
            f"Run {state.run} cannot be forked from {step}: {left[0]}{more}, which comes before it, has not "
            "been done there; fork from a step that comes earlier."
        )
        raise WrongState(text, status=state.status, steps=left[:20])


def preceding(flow: Flow, step: str) -> set[str]:
    """Return all steps that lead to one, itself left out."""
    found: set[str] = set()
    ahead = [step]
    while ahead:
        for edge in flow.steps[ahead.pop()].incoming:
            if edge.source not in found:
                found.add(edge.source)
                ahead.append(edge.source)
    return found


def openings(flow: Flow, taken: Iterable[TakenStep]) -> tuple[str, ...]:
    """Return the steps that are ready at once, given those that were taken over."""
    taken = tuple(taken)
    over = {one.step for one in taken}
    resolved = Counter(edge.to for one in taken for edge in one.edges)
    satisfied = Counter(edge.to for one in taken for edge in one.edges if edge.result == "satisfied")

    def holds(id_: str) -> bool:
        tally = Tally(None)
        tally.resolved, tally.satisfied = resolved[id_], satisfied[id_]
        return joins(flow.steps[id_], tally) is True

    return tuple(id_ for id_ in flow.order if id_ not in over and holds(id_))


def skip_the_doomed(work: Work) -> None:
    """Skip what can never begin in a fork, since what was taken over leads elsewhere."""
    steps = work.state.steps
    rest = (id_ for id_ in work.plan.flow.order if id_ not in steps or steps[id_].status == "pending")
    spread = Spread(work)
    spread.forget(tuple(id_ for id_ in rest if id_ not in steps or not steps[id_].queued))
    spread.skips()
