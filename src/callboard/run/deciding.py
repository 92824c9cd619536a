"""Decide: what follows from a command, given where a run stands.

First the command itself, then whatever can start is started, and a run of which nothing is left ends. A
command that cannot be meant (resuming what is not paused) raises `WrongState` and changes nothing; one that
comes too late (the end of an attempt that was cancelled meanwhile) gives a decision that is `stale`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from callboard import events
from callboard.errors import WrongState
from callboard.outcome import Done, Fail, Failure
from callboard.plan import Plan
from callboard.run import attempts, commands, stopping
from callboard.run.commands import Command, Decision, Limits, SetTimer, Timer
from callboard.run.leaving import leave
from callboard.run.moves import ENDED
from callboard.run.state import RunState, StepState
from callboard.run.work import Work, plain

TIMEOUT = Timer("timeout")
_LIMITS = Limits()
_OTHERWISE = frozenset({"hold", "child"})
"""What ends by a command of its own, never by an answer."""
_SAME = 0.001  # seconds: what counting in parts may differ by


def decide(
    state: RunState, plan: Plan, command: Command, now: datetime, limits: Limits = _LIMITS
) -> Decision:
    """Decide what follows from a command. The state is taken along: it is the one after the events."""
    work = Work(state, plan, now, limits)
    before = None if isinstance(command, commands.Recover) else _time_out(state, plan)
    _HANDLE[type(command)](work, command)
    begins = isinstance(command, (commands.GoOn, commands.Recover))
    if begins or (work.events and state.status != "pending"):
        _go_on(work)
    _watch(work, before)
    return Decision(work.events, work.wants, work.rulings, work.more, work.stale)


# ── what every decision ends with ────────────────────────────────────────────────────────────────────────


def _go_on(work: Work) -> None:
    """Start what is ready, end the run if nothing is left, or say that it waits for a person."""
    state = work.state
    if state.ended or state.status in {"new", "crashed"}:
        return
    if state.paused_by != "operator":
        if state.status == "paused" and _moves(state):
            work.emit(events.WorkflowResumed(work.now))
        _start_ready(work)
        if state.status in ENDED:
            return
    if not state.alive:
        stopping.end(work)
    elif state.paused_by != "operator" and not _moves(state):
        by: Literal["approval", "hold"] = "approval" if state.approvals else "hold"
        if state.paused_by != by:
            work.emit(events.WorkflowPaused(by, work.now))


def _moves(state: RunState) -> bool:
    """Tell whether anything but a person will move the run."""
    return bool(state.active or state.ready or state.waiting)


def _start_ready(work: Work) -> None:
    state, limits = work.state, work.limits
    size = 0
    while True:
        if state.events >= limits.events and state.alive:
            said = f"The run has passed {limits.events:,} events: split it into runs of their own."
            stopping.ruin(work, Failure("RUN_TOO_LONG", said))
            return
        if not state.ready or state.active >= work.plan.max_parallel:
            return
        if len(work.events) >= limits.facts_at_once or size >= limits.bytes_at_once:
            work.more = True
            return
        size += attempts.begin(work, state.ready[0])
        if state.ended:
            return


def _time_out(state: RunState, plan: Plan) -> datetime | None:
    """Return when the run's time will be up, if attempts go on running."""
    if state.busy_since is None:
        return None
    return state.busy_since + timedelta(seconds=plan.timeout - state.busy)


def _watch(work: Work, before: datetime | None) -> None:
    """Have the time in which attempts run watched, while any does."""
    after = _time_out(work.state, work.plan)
    if after is None:
        if before is not None:
            work.wants.append(commands.DropTimer(TIMEOUT))
    elif before is None or abs((after - before).total_seconds()) > _SAME:
        work.wants.append(SetTimer(TIMEOUT, after))


# ── the commands of a run's own life ─────────────────────────────────────────────────────────────────────


def _start(work: Work, command: commands.Start) -> None:
    state, plan = work.state, work.plan
    if state.status != "new":
        raise WrongState(f"Run {state.run} has been started before.", status=state.status)
    variables, some = plain(dict(plan.vars))
    trigger, more = plain(command.trigger)
    work.emit(
        events.WorkflowStarted(
            run=command.run,
            workflow=plan.name,
            version=command.version,
            at=work.now,
            trigger=trigger,
            envelope=plain(command.envelope)[0],
            principal=command.principal,
            vars=variables,
            starts=plan.flow.starts,
            bytes=some + more,
        )
    )
    stopping.set_deadline(work)


def _go(work: Work, _command: commands.GoOn) -> None:
    work.stale = work.state.ended


def _live(work: Work, id_: str, iteration: int) -> StepState | None:
    """Return a step if it is still in that iteration, and the run has not ended."""
    step = work.state.steps.get(id_)
    if step is None or step.iteration != iteration or work.state.ended:
        work.stale = True
        return None
    return step


def _attempt_ended(work: Work, command: commands.AttemptEnded) -> None:
    step = _live(work, command.step, command.iteration)
    if step is None or step.status != "running" or step.attempt != command.attempt:
        work.stale = True
        return
    attempts.settle(work, command.step, command.outcome, command.luck)


def _answered(work: Work, command: commands.Answered) -> None:
    step = _live(work, command.step, command.iteration)
    if step is None or step.wait is None or step.waits != command.number or step.wait.what in _OTHERWISE:
        work.stale = True
        return
    answer, size = plain(command.answer)
    if size > work.limits.output or len(step.answers) >= work.limits.answers:
        said = f"an answer of {size:,} bytes after {len(step.answers):,} others is more than it takes"
        raise WrongState(f"Step {command.step} of run {work.state.run}: {said}.", status=work.state.status)
    if step.status == "waiting_approval":
        work.emit(
            events.ApprovalDecided(command.step, work.now, command.by, answer, iteration=step.iteration)
        )
    else:
        work.emit(events.WaitAnswered(command.step, work.now, answer, command.by, iteration=step.iteration))
    if command.outcome is not None:
        attempts.settle(work, command.step, command.outcome, command.luck)


def _child_ended(work: Work, command: commands.ChildHasEnded) -> None:
    step = _live(work, command.step, command.iteration)
    child = None if step is None or step.wait is None else step.wait.child
    if step is None or child is None or child.run != command.run:
        work.stale = True
        return
    work.emit(
        events.ChildEnded(command.step, work.now, command.run, command.status, iteration=step.iteration)
    )
    if command.status == "completed":
        attempts.complete(work, command.step, Done(command.output))
        return
    error = command.error
    said = f"The run {command.run} of {child.workflow} was {command.status}."
    if error is not None:
        said = f"The run {command.run} of {child.workflow} failed: {error.message}"
    details = {"run": command.run} if error is None else {"run": command.run, "code": error.code}
    attempts.fail(work, command.step, Failure(f"CHILD_{command.status.upper()}", said, details))


def _timer_due(work: Work, command: commands.TimerDue) -> None:
    state, timer = work.state, command.timer
    if state.ended:
        work.stale = True
    elif timer.kind == "deadline":
        _deadline_due(work)
    elif timer.kind == "timeout":
        _timeout_due(work)
    elif timer.kind == "retry":
        step = _live(work, timer.step, timer.iteration)
        if step is None or step.retry_at is None or step.attempt != timer.number:
            work.stale = True
            return
        work.emit(events.AttemptDue(timer.step, work.now, timer.iteration))
    else:
        _wait_due(work, timer)


def _wait_due(work: Work, timer: Timer) -> None:
    step = _live(work, timer.step, timer.iteration)
    if step is None or step.wait is None or step.waits != timer.number:
        work.stale = True
        return
    if step.wait.child is not None:
        work.wants.append(commands.CancelChild(timer.step, step.wait.child.run))
    late = Fail(Failure("WAIT_EXPIRED", "What the step waited for has not happened in time."))
    attempts.settle(work, timer.step, step.wait.expired or late, 1.0)


def _deadline_due(work: Work) -> None:
    opened, allowed = work.state.opened_at, work.plan.deadline
    if opened is None or allowed is None:
        work.stale = True
    elif opened + timedelta(seconds=allowed) > work.now:
        stopping.set_deadline(work)
    else:
        said = f"The run has not ended within its deadline of {allowed:g} seconds."
        stopping.ruin(work, Failure("RUN_TIMEOUT", said), recoverable=True)


def _timeout_due(work: Work) -> None:
    due = _time_out(work.state, work.plan)
    if due is None:
        work.stale = True
    elif due > work.now:
        work.wants.append(SetTimer(TIMEOUT, due))
    else:
        said = f"Attempts of the run have taken more than its {work.plan.timeout:g} seconds."
        stopping.ruin(work, Failure("RUN_TIMEOUT", said), recoverable=True)


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────


def _not_ended(work: Work, what: str) -> None:
    state = work.state
    if state.ended or state.status == "new":
        said = f"has ended ({state.status})" if state.ended else "has not been started"
        raise WrongState(f"Run {state.run} {said}, so it cannot be {what}.", status=state.status)


def _give(work: Work, command: commands.Give) -> None:
    _not_ended(work, "given a signal")
    state, limits = work.state, work.limits
    body, size = plain(command.body)
    kept = sum(map(len, state.signals.values()))
    if kept >= limits.signals or size > limits.output or state.bytes + size > limits.context:
        message = (
            f"Run {state.run} keeps {kept:,} signals that no step has used, and this one of {size:,} bytes "
            "is more than it may hold."
        )
        raise WrongState(message, status=state.status)
    work.emit(events.SignalReceived(command.name, work.now, body, command.by, size))
    for id_ in work.plan.flow.order:
        step = state.steps.get(id_)
        wait = None if step is None else step.wait
        if wait is not None and wait.what == "signal" and wait.key == command.name:
            attempts.use_signal(work, id_, state.signals[command.name][0].body)
            return


def _pause(work: Work, command: commands.Pause) -> None:
    _not_ended(work, "paused")
    state = work.state
    if state.paused_by == "operator" or state.status == "crashed":
        said = "is paused already" if state.paused_by else "has crashed"
        raise WrongState(f"Run {state.run} {said}.", status=state.status)
    work.emit(events.WorkflowPaused("operator", work.now, command.by))


def _resume(work: Work, command: commands.Resume) -> None:
    _not_ended(work, "resumed")
    state = work.state
    crashed = state.status == "crashed"
    if state.paused_by != "operator" and not crashed:
        said = f"waits for a person ({state.paused_by})" if state.paused_by else f"is {state.status}"
        raise WrongState(f"Run {state.run} {said}: nobody has paused it.", status=state.status)
    work.emit(events.WorkflowResumed(work.now, command.by))
    if crashed:
        _interrupt(work)


def _release(work: Work, command: commands.Release) -> None:
    _not_ended(work, "released")
    step = work.state.steps.get(command.step)
    if step is None or step.wait is None or step.wait.what != "hold":
        said = f"Step {command.step} of run {work.state.run} is not held."
        raise WrongState(said, status=work.state.status)
    if command.how == "retry":
        work.emit(events.HoldReleased(command.step, work.now, command.by, step.iteration))
    else:
        leave(work, command.step)
        attempts.fail(work, command.step, _cut_off(f"and {command.by} had the step fail"))


def _cancel(work: Work, command: commands.Cancel) -> None:
    _not_ended(work, "cancelled")
    stopping.cancel(work, command.by, command.reason)


def _reopen(work: Work, command: commands.Reopen) -> None:
    state = work.state
    if state.status != "failed" or not state.recoverable:
        said = "failed in a way that trying again cannot mend" if state.error else f"is {state.status}"
        message = f"Run {state.run} {said}, so it cannot be tried again from where it failed."
        raise WrongState(message, status=state.status)
    stopping.reopen(work, command.by)


# ── a new owner ──────────────────────────────────────────────────────────────────────────────────────────


def _recover(work: Work, _command: commands.Recover) -> None:
    if work.state.ended or work.state.status in {"new", "crashed"}:
        work.stale = True
        return
    _interrupt(work)


def _interrupt(work: Work) -> None:
    """Close the attempts that were in flight when the owner of the run died."""
    state = work.state
    if not state.active:
        return
    interrupted = tuple(
        events.Interrupted(id_, work.planned(id_).on_interrupt, step.iteration, step.attempt)
        for id_, step in state.steps.items()
        if step.status == "running"
    )
    work.emit(events.WorkflowRecovered(work.now, interrupted))
    for one in interrupted:
        # a failure before it may have stopped the run, and cancelled this one
        if one.then == "fail" and state.steps[one.step].status == "waiting":
            attempts.fail(work, one.step, _cut_off("and the step is not tried again"))


def _cut_off(then: str) -> Failure:
    return Failure("INTERRUPTED", f"The server died while this attempt was under way, {then}.")


def _give_up(work: Work, command: commands.GiveUp) -> None:
    _not_ended(work, "given up")
    work.emit(events.WorkflowCrashed(work.now, command.reason))


_HANDLE: dict[type, Callable[[Work, Any], None]] = {
    commands.Start: _start,
    commands.GoOn: _go,
    commands.AttemptEnded: _attempt_ended,
    commands.Answered: _answered,
    commands.ChildHasEnded: _child_ended,
    commands.TimerDue: _timer_due,
    commands.Give: _give,
    commands.Pause: _pause,
    commands.Resume: _resume,
    commands.Release: _release,
    commands.Cancel: _cancel,
    commands.Reopen: _reopen,
    commands.Recover: _recover,
    commands.GiveUp: _give_up,
}
