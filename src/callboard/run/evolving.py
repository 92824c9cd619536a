"""Evolve: a state and a fact make the next state. Pure in what it says, in place in how it does it.

The fact is believed: whether it should have been written is decided elsewhere (`deciding.py`), and no plan is
asked. Only a fact that does not belong in the state it meets is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from callboard.errors import FactUnreadable
from callboard.expressions import Placed
from callboard.facts import events, registered
from callboard.facts.child_events import ChildEnded, ChildStarted
from callboard.facts.crossings import Crossing
from callboard.facts.crowd_events import WorkflowAdmitted
from callboard.facts.link_events import ResourcesLinked
from callboard.outcome import Wait
from callboard.run import moves, progressing
from callboard.run.state import RunState, Signal, StepState, entry
from callboard.run.taking_over import take_over


def evolve(state: RunState, fact: msgspec.Struct) -> RunState:
    """Take a state one fact further. The state that was handed in is changed, and returned."""
    apply = _APPLY.get(type(fact))
    if apply is None:
        name = registered(type(fact)).name
        raise FactUnreadable(f"A {name!r} stands in the history of a run, where it does not belong.")
    apply(state, fact)
    state.events += 1
    state.last_at = fact.at  # type: ignore[attr-defined]  # every fact of a run has one
    return state


# ── how steps move ───────────────────────────────────────────────────────────────────────────────────────


def _move_run(state: RunState, fact: str) -> None:
    state.status = moves.moved(moves.RUN, state.status, fact, "Run", state.run)


def _enter(state: RunState, id_: str, fact: str, at: datetime) -> StepState:
    """Take a step out of its state, with all that counts it, and into the one that the fact leads to."""
    step = state.step(id_)
    status = moves.moved(moves.STEP, step.status, fact, "Step", id_)
    if step.queued:
        step.queued = False
        if state.ready[0] == id_:
            del state.ready[0]
        else:
            state.ready.remove(id_)
    elif step.status == "running":
        state.active -= 1
        if not state.active:
            _idle(state, at)
    elif step.status == "waiting":
        if step.wait is not None and step.wait.what == "hold":
            state.holds -= 1
        else:
            state.waiting -= 1
        progressing.leave(state, id_, step, fact)
    elif step.status == "waiting_approval":
        state.approvals -= 1
    step.status = status
    return step


def _idle(state: RunState, at: datetime) -> None:
    if state.busy_since is not None:
        state.busy += max(0.0, (at - state.busy_since).total_seconds())  # a wall clock may be set back
        state.busy_since = None


def _run_attempt(
    state: RunState, step: StepState, at: datetime, attempt: int, told: tuple[Any, tuple[Placed, ...]] | None
) -> None:
    step.attempt = attempt
    step.wait = step.retry_at = None
    if told is not None:
        step.input, step.secrets = told
    if not state.active:
        state.busy_since = at
    state.active += 1


def _queue(state: RunState, ids: Iterable[str]) -> None:
    for id_ in ids:
        state.step(id_).queued = True
        state.ready.append(id_)


def _crossed(state: RunState, source: StepState, edges: tuple[Crossing, ...]) -> None:
    source.edges = edges
    for edge in edges:
        target = state.step(edge.to)
        target.resolved += 1
        if edge.result == "satisfied":
            target.satisfied += 1
        if edge.opens:
            target.queued = True
            state.ready.append(edge.to)


def _over(state: RunState, id_: str, step: StepState, seen: dict[str, Any], size: int = 0) -> None:
    """Let go of what only a step that has not ended needs, and show what it came to."""
    step.input = step.wait = step.retry_at = None
    step.secrets = ()
    if step.answers:
        step.answers = []
    step.bytes = size
    state.bytes += size
    state.seen[id_] = seen


def _reset(state: RunState, ids: tuple[str, ...], at: datetime, fact: str) -> None:
    """Make steps pending again. What their edges came to is forgotten, so only edges from outside count."""
    for id_ in ids:
        for edge in state.step(id_).edges:
            target = state.step(edge.to)
            target.resolved -= 1
            target.satisfied -= edge.result == "satisfied"
    for id_ in ids:
        old = _enter(state, id_, fact, at)
        again = fact == "reworked"
        new = StepState(iteration=old.iteration + again, satisfied=old.satisfied, resolved=old.resolved)
        new.before = old.before
        state.failures.pop(id_, None)
        ended = state.seen.pop(id_, None)
        if not again:
            new.attempt, new.waits, new.backs, new.kept = old.attempt, old.waits, old.backs, old.kept
            state.bytes -= old.bytes
        elif ended is not None:
            state.previous[id_] = ended
            state.bytes -= old.before
            new.before = old.bytes
        state.steps[id_] = new


# ── one function for each fact ───────────────────────────────────────────────────────────────────────────


def _started(state: RunState, fact: events.WorkflowStarted) -> None:
    _move_run(state, "workflow_started")
    state.run, state.workflow, state.version = fact.run, fact.workflow, fact.version
    state.trigger, state.envelope, state.principal = fact.trigger, fact.envelope, fact.principal
    state.origin, state.forked = fact.origin, fact.forked is not None
    state.started_at = state.opened_at = fact.at
    state.vars = dict(fact.vars)
    state.bytes = fact.bytes
    if fact.forked is not None:
        take_over(state, fact.forked)
    state.crowded = fact.crowded
    if fact.crowded is not None and fact.crowded.queued:
        state.queued, state.held_back = True, list(fact.starts)
    else:
        _queue(state, fact.starts)


def _admitted(state: RunState, fact: WorkflowAdmitted) -> None:
    state.queued, state.held_back = False, []
    _queue(state, fact.opens)


def _activated(state: RunState, fact: events.StepActivated) -> None:
    if state.status == "pending":
        _move_run(state, "step_activated")
    step = _enter(state, fact.step, "step_activated", fact.at)
    _run_attempt(state, step, fact.at, fact.attempt, (fact.input, fact.secrets))


def _attempt_started(state: RunState, fact: events.AttemptStarted) -> None:
    step = _enter(state, fact.step, "attempt_started", fact.at)
    told = (fact.input, fact.secrets) if fact.rendered else None
    _run_attempt(state, step, fact.at, fact.attempt, told)


def _retried(state: RunState, fact: events.AttemptRetried) -> None:
    step = _enter(state, fact.step, "attempt_retried", fact.at)
    step.faults += 1
    step.wait = None
    step.answers = []
    step.retry_at = fact.due
    state.waiting += 1


def _due(state: RunState, fact: events.AttemptDue) -> None:
    state.step(fact.step).retry_at = None
    state.waiting -= 1
    _queue(state, (fact.step,))


def _waits(state: RunState, fact: events.StepWaiting) -> None:
    step = _enter(state, fact.step, "step_waiting", fact.at)
    step.wait = fact.wait
    step.waits += 1
    step.answers = []  # what came for an earlier wait is in this one, if it is wanted still
    if fact.wait.what == "hold":
        state.holds += 1
    else:
        state.waiting += 1
    progressing.begin(state, fact, step)


def _asked(state: RunState, fact: events.ApprovalAsked) -> None:
    step = _enter(state, fact.step, "approval_asked", fact.at)
    step.wait = fact.wait
    step.waits += 1
    state.approvals += 1


def _answered(state: RunState, fact: events.WaitAnswered) -> None:
    step = state.step(fact.step)
    step.answers.append({"by": fact.by, "answer": fact.answer})
    if fact.signal:
        kept = state.signals[fact.signal]
        state.bytes -= kept.pop(0).bytes
        if not kept:
            del state.signals[fact.signal]


def _decided(state: RunState, fact: events.ApprovalDecided) -> None:
    state.step(fact.step).answers.append({"by": fact.by, "answer": fact.answer})


def _released(state: RunState, fact: events.HoldReleased) -> None:
    state.step(fact.step).wait = None
    state.holds -= 1
    _queue(state, (fact.step,))


def _nothing(_state: RunState, _fact: msgspec.Struct) -> None:
    """Nothing: it is for people, and for rows."""


def _set(state: RunState, fact: events.ContextUpdated) -> None:
    state.vars.update(fact.vars)
    state.bytes += fact.bytes
    progressing.variables_set(state, fact)


def _completed(state: RunState, fact: events.StepCompleted) -> None:
    step = _enter(state, fact.step, "step_completed", fact.at)
    seen = entry("completed", step, attempt=fact.attempt, output=fact.output)
    _over(state, fact.step, step, seen, fact.bytes)
    _crossed(state, step, fact.edges)


def _failed(state: RunState, fact: events.StepFailed) -> None:
    if state.status == "pending":
        _move_run(state, "step_failed")
    step = _enter(state, fact.step, "step_failed", fact.at)
    _over(state, fact.step, step, entry("failed", step, attempt=fact.attempt, error=fact.error))
    _crossed(state, step, fact.edges)
    if not fact.handled:
        state.failures[fact.step] = fact.error


def _skipped(state: RunState, fact: events.StepSkipped) -> None:
    for one in fact.skipped:
        step = _enter(state, one.step, "step_skipped", fact.at)
        step.cut = fact.cut
        _over(state, one.step, step, entry("skipped", step, attempt=0))
        _crossed(state, step, one.edges)


def _cancelled(state: RunState, fact: events.StepCancelled) -> None:
    for one in fact.cancelled:
        step = _enter(state, one.step, "step_cancelled", fact.at)
        _over(state, one.step, step, entry("cancelled", step, attempt=step.attempt))
        _crossed(state, step, one.edges)


def _reworked(state: RunState, fact: events.Reworked) -> None:
    # Loops inside this one count anew. Those of steps that come later do not, or each of two loops in one
    # another could give the other its count back for ever.
    kept = [(id_, state.step(id_).backs) for id_ in fact.reset[fact.reset.index(fact.step) :]]
    _reset(state, fact.reset, fact.at, "reworked")
    for id_, backs in kept:
        state.step(id_).backs = backs + (id_ == fact.step)
    _queue(state, fact.opens)


def _signalled(state: RunState, fact: events.SignalReceived) -> None:
    state.signals.setdefault(fact.name, []).append(Signal(fact.body, fact.bytes))
    state.bytes += fact.bytes


def _paused(state: RunState, fact: events.WorkflowPaused) -> None:
    _move_run(state, "workflow_paused")
    state.paused_by = fact.by


def _resumed(state: RunState, _fact: events.WorkflowResumed) -> None:
    _move_run(state, "workflow_resumed")
    state.paused_by = ""


def _stopping(state: RunState, fact: events.WorkflowStopping) -> None:
    state.stopping = True
    state.spared = list(fact.spared)


def _recovered(state: RunState, fact: events.WorkflowRecovered) -> None:
    last = state.last_at or fact.at
    for one in fact.interrupted:
        step = _enter(state, one.step, "workflow_recovered", last)  # while it was down nothing ran
        if one.then == "retry":
            _queue(state, (one.step,))
        elif one.then == "hold":
            step.wait = Wait("hold")
            step.waits += 1
            state.holds += 1
        else:
            state.waiting += 1  # its failure is the next fact


def _crashed(state: RunState, _fact: events.WorkflowCrashed) -> None:
    _move_run(state, "workflow_crashed")
    state.paused_by = ""


def _run_completed(state: RunState, fact: events.WorkflowCompleted) -> None:
    _move_run(state, "workflow_completed")
    _end(state, fact.at)
    state.output = fact.final_output


def _run_failed(state: RunState, fact: events.WorkflowFailed) -> None:
    _move_run(state, "workflow_failed")
    _end(state, fact.at)
    state.error, state.recoverable = fact.error, fact.recoverable


def _run_cancelled(state: RunState, fact: events.WorkflowCancelled) -> None:
    _move_run(state, "workflow_cancelled")
    _end(state, fact.at)


def _end(state: RunState, at: datetime) -> None:
    state.paused_by = ""
    state.ended_at = at
    state.queued, state.held_back = False, []


def _reopened(state: RunState, fact: events.Reopened) -> None:
    _move_run(state, "reopened")
    state.opened_at, state.ended_at = fact.at, None
    state.error, state.recoverable = None, False
    state.failures = {}
    state.stopping, state.spared = False, []
    state.busy = 0.0
    _reset(state, fact.reset, fact.at, "reopened")
    _queue(state, fact.opens)


_APPLY: dict[type, Callable[[RunState, Any], None]] = {
    events.WorkflowStarted: _started,
    WorkflowAdmitted: _admitted,
    events.StepActivated: _activated,
    events.AttemptStarted: _attempt_started,
    events.AttemptRetried: _retried,
    events.AttemptDue: _due,
    events.StepWaiting: _waits,
    events.ApprovalAsked: _asked,
    events.WaitAnswered: _answered,
    events.ApprovalDecided: _decided,
    events.HoldReleased: _released,
    events.ConsensusCalculated: _nothing,
    ResourcesLinked: _nothing,
    events.ContextUpdated: _set,
    ChildStarted: progressing.child_started,
    ChildEnded: progressing.child_ended,
    events.StepCompleted: _completed,
    events.StepFailed: _failed,
    events.StepSkipped: _skipped,
    events.StepCancelled: _cancelled,
    events.Reworked: _reworked,
    events.SignalReceived: _signalled,
    events.WorkflowPaused: _paused,
    events.WorkflowResumed: _resumed,
    events.WorkflowStopping: _stopping,
    events.WorkflowRecovered: _recovered,
    events.WorkflowCrashed: _crashed,
    events.WorkflowCompleted: _run_completed,
    events.WorkflowFailed: _run_failed,
    events.WorkflowCancelled: _run_cancelled,
    events.Reopened: _reopened,
}
