"""Decide: what follows from a command, given where a run stands.

First the command itself, then whatever can start is started, and a run of which nothing is left ends. A
command that cannot be meant (resuming what is not paused) raises `WrongState` and changes nothing; one that
comes too late (the end of an attempt that was cancelled meanwhile) gives a decision that is `stale`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from callboard.errors import WrongState
from callboard.facts import events
from callboard.outcome import Fail, Failure, Outcome
from callboard.planning.plan import Plan
from callboard.run import attempts, children, commands, queueing, stopping
from callboard.run.commands import Command, Decision, Limits, SetTimer, Timer
from callboard.run.forking import openings, skip_the_doomed
from callboard.run.leaving import cancel_children, leave
from callboard.run.moves import ENDED
from callboard.run.scope import Around
from callboard.run.state import RunState, StepState
from callboard.run.work import Room, Work, anywhere, plain

TIMEOUT = Timer("timeout")
_LIMITS = Limits()
_OTHERWISE = frozenset({"hold", "child"})
"""What ends by a command of its own, never by an answer."""
_BEGINS = frozenset({commands.GoOn, commands.Recover, commands.Admit})
"""Commands after which a run may begin."""
_SAME = 0.001  # seconds: what counting in parts may differ by


def decide(
    state: RunState,
    plan: Plan,
    command: Command,
    now: datetime,
    limits: Limits = _LIMITS,
    room: Room = anywhere,
    around: Around | None = None,
) -> Decision:
    """Decide what follows from a command. The state is taken along: it is the one after the events.

    `around` is what the steps of an item or a round see beside their own.
    """
    work = Work(state, plan, now, limits, room, around)
    kind = type(command)
    since, busy = None if kind is commands.Recover else state.busy_since, state.busy
    _HANDLE[kind](work, command)
    if kind in _BEGINS or (work.events and state.status != "pending"):
        _go_on(work)
    _watch(work, since, busy)
    return Decision(work.events, work.wants, work.rulings, work.more, work.stale, work.starved, work.size)


# ── what every decision ends with ────────────────────────────────────────────────────────────────────────


def _go_on(work: Work) -> None:
    """Start what is ready, end the run if nothing is left, or say that it waits for a person."""
    state = work.state
    if state.ended or state.status in {"new", "crashed"} or queueing.held_back(work):
        return
    if state.paused_by != "operator":
        if state.status == "paused" and _moves(state):
            work.emit(events.WorkflowResumed(work.now))
        children.go_on(work)
        _start_ready(work)
        if state.active or state.status in ENDED:  # an attempt under way will move it
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
    size = passed = 0
    while True:
        if state.events >= limits.events and state.alive:
            said = f"The run has passed {limits.events:,} events: split it into runs of their own."
            stopping.ruin(work, Failure("RUN_TOO_LONG", said))
            return
        if passed >= len(state.ready) or state.active >= work.plan.max_parallel:
            return
        if len(work.events) >= limits.facts_at_once or size >= limits.bytes_at_once:
            work.more = True
            return
        next_, left = state.ready[passed], len(state.ready) - 1
        if not work.room(work.planned(next_).kind.name):
            work.starved = True
            passed += 1  # what needs no room may pass
            continue
        size += attempts.begin(work, next_)
        if state.ended:
            return
        if len(state.ready) != left:
            passed = 0  # it could not begin, and its failure has altered what is ready


def _time_out(state: RunState, plan: Plan) -> datetime | None:
    """Return when the run's time will be up, if attempts go on running."""
    since = state.busy_since
    return None if since is None else since + timedelta(seconds=plan.timeout - state.busy)


def _watch(work: Work, since: datetime | None, busy: float) -> None:
    """Have the time in which attempts run watched, while any does; `since` and `busy` are from before."""
    state = work.state
    now = state.busy_since
    if now is None:
        if since is not None:
            work.wants.append(commands.DropTimer(TIMEOUT))
    elif since is None or abs((now - since).total_seconds() - (state.busy - busy)) > _SAME:
        work.wants.append(SetTimer(TIMEOUT, now + timedelta(seconds=work.plan.timeout - state.busy)))


# ── the commands of a run's own life ─────────────────────────────────────────────────────────────────────


def _start(work: Work, command: commands.Start) -> None:
    state, plan = work.state, work.plan
    if state.status != "new":
        raise WrongState(f"Run {state.run} has been started before.", status=state.status)
    forked = command.forked
    puts = {} if forked is None else {put.name: put.value for put in forked.puts}
    variables, some = plain({**plan.vars, **command.vars, **puts})
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
            vars=variables if forked is None else plain({**plan.vars, **command.vars})[0],
            starts=plan.flow.starts if forked is None else openings(plan.flow, forked.taken),
            bytes=some + more,
            origin=command.origin,
            forked=forked,
            crowded=command.crowded,
        )
    )
    queueing.join(work, command.crowded)
    if forked is not None:
        skip_the_doomed(work)
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
    work.size += size
    if step.status == "waiting_approval":
        work.emit(
            events.ApprovalDecided(command.step, work.now, command.by, answer, iteration=step.iteration)
        )
    else:
        told = (answer, command.by, "", step.iteration, command.message)
        work.emit(events.WaitAnswered(command.step, work.now, *told))
    if command.outcome is not None:
        attempts.settle(work, command.step, command.outcome, command.luck)


def _timer_due(work: Work, command: commands.TimerDue) -> None:
    state, timer = work.state, command.timer
    if state.ended:
        work.stale = True
    elif timer.kind == "deadline":
        _deadline_due(work)
    elif timer.kind == "timeout":
        _timeout_due(work)
    elif timer.kind == "cancel":
        _unwanted(work)
    elif timer.kind == "replaced":
        queueing.replaced(work, timer.by)
    elif timer.kind == "retry":
        step = _live(work, timer.step, timer.iteration)
        if step is None or step.retry_at is None or step.attempt != timer.number:
            work.stale = True
            return
        work.emit(events.AttemptDue(timer.step, work.now, timer.iteration))
    else:
        _wait_due(work, timer, command.outcome)


def _wait_due(work: Work, timer: Timer, outcome: Outcome | None) -> None:
    step = _live(work, timer.step, timer.iteration)
    if step is None or step.wait is None or step.waits != timer.number:
        work.stale = True
        return
    cancel_children(work, timer.step, step)
    late = Fail(Failure("WAIT_EXPIRED", "What the step waited for has not happened in time."))
    attempts.settle(work, timer.step, outcome or step.wait.expired or late, 1.0)


def _deadline_due(work: Work) -> None:
    opened, allowed = work.state.opened_at, work.plan.deadline
    if opened is None or allowed is None:
        work.stale = True
    elif opened + timedelta(seconds=allowed) > work.now:
        stopping.set_deadline(work)
    else:
        said = f"The run has not ended within its deadline of {allowed:g} seconds."
        stopping.ruin(work, Failure("RUN_TIMEOUT", said), recoverable=True)


def _unwanted(work: Work) -> None:
    origin = work.state.origin
    by = "its parent" if origin is None else f"the run {origin.parent}"
    stopping.cancel(work, by, "The run that waited for it does not any more.")


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
    at_once = attempts.waits_for_signal(work, command.name)
    full = at_once is None and kept >= limits.signals
    if full or size > limits.output or state.bytes + size > limits.context:
        message = (
            f"Run {state.run} keeps {kept:,} signals that no step has used, and this one of {size:,} bytes "
            "is more than it may hold."
        )
        raise WrongState(message, status=state.status)
    work.emit(events.SignalReceived(command.name, work.now, body, command.by, size))
    if at_once is not None:
        attempts.use_signal(work, at_once, state.signals[command.name][0].body)


def _pause(work: Work, command: commands.Pause) -> None:
    _not_ended(work, "paused")
    queueing.not_queued(work, "paused")
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
        leave(work, command.step, step)
        attempts.fail(work, command.step, _cut_off(f"and {command.by} had the step fail"))


def _cancel(work: Work, command: commands.Cancel) -> None:
    _not_ended(work, "cancelled")
    stopping.cancel(work, command.by, command.reason)


def _reopen(work: Work, command: commands.Reopen) -> None:
    state = work.state
    if state.origin is not None and state.origin.waited:
        said = f"{state.origin.step} of run {state.origin.parent} has used what run {state.run} came to"
        raise WrongState(f"{said}, so it cannot be tried again: retry that run.", status=state.status)
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
    commands.Admit: queueing.admit,
    commands.GoOn: _go,
    commands.AttemptEnded: _attempt_ended,
    commands.Answered: _answered,
    commands.ChildHasEnded: children.has_ended,
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
