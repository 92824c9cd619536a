"""Attempts: how a step begins, is tried again, waits, and comes to an end."""

from __future__ import annotations

import math
from datetime import UTC, timedelta
from typing import Any

import msgspec

from callboard.errors import ExpressionFailed, Unencodable
from callboard.expressions import Placed, Stored, seen_by, stored
from callboard.facts import events
from callboard.facts.link_events import ResourcesLinked
from callboard.outcome import Done, Fail, Failure, Outcome, Retry, Wait
from callboard.planning.plan import PlannedStep, Retrying
from callboard.run import commands, parentage, stopping
from callboard.run.edges import Spread
from callboard.run.going_back import go_back, look_back
from callboard.run.leaving import leave, wait_timer
from callboard.run.state import StepState, entry, key_of
from callboard.run.work import Work, bounded, plain
from callboard.units import LONGEST

LATER = frozenset({"item", "now"})
"""What a condition that is looked at later sees as it is then."""

# ── the beginning ────────────────────────────────────────────────────────────────────────────────────────


def begin(work: Work, id_: str) -> int:
    """Begin the next attempt of a step, and return the size of what it is given."""
    planned, step = work.planned(id_), work.state.step(id_)
    attempt = step.attempt + 1
    first = step.status == "pending"
    told: tuple[Any, tuple[Placed, ...]] = (step.input, step.secrets)
    size = 0
    if first or planned.retry.rerender:
        try:
            told, size = _rendered(work, planned, step, attempt)
            work.size += size
        except (ExpressionFailed, Unencodable) as error:
            fail(work, id_, Failure(error.code, error.message))
            return 0
    if first:
        work.emit(
            events.StepActivated(id_, work.now, planned.kind.name, step.iteration, attempt, told[0], told[1])
        )
    elif planned.retry.rerender:
        work.emit(
            events.AttemptStarted(
                id_, work.now, attempt, step.iteration, rendered=True, input=told[0], secrets=told[1]
            )
        )
    else:
        work.emit(events.AttemptStarted(id_, work.now, attempt, step.iteration))
    key = key_of(work.state.run, id_, step.iteration)
    work.wants.append(
        commands.StartAttempt(
            id_, step.iteration, attempt, Stored(*told), key, planned.timeout, planned.consensus
        )
    )
    return size


def _rendered(
    work: Work, planned: PlannedStep, step: StepState, attempt: int
) -> tuple[tuple[Any, tuple[Placed, ...]], int]:
    scope = work.scope(step)
    scope["run"]["attempt"] = attempt
    given = planned.parameters.render(scope)
    if planned.kind.looks_later and isinstance(given, dict):
        for name, one in planned.conditions.items():
            given[name] = {"text": one.text, "sees": seen_by(one, scope, apart=LATER)}
    kept = stored(given) if planned.parameters.secrets else Stored(given)
    value, size = plain(kept.value)
    return (value, kept.secrets), size


# ── what it came to ──────────────────────────────────────────────────────────────────────────────────────


def settle(work: Work, id_: str, outcome: Outcome, luck: float) -> None:
    """Take what an attempt, or the answer that a step waited for, came to."""
    if isinstance(outcome, Done):
        complete(work, id_, outcome)
    elif isinstance(outcome, Fail):
        fail(work, id_, outcome.error)
    elif isinstance(outcome, Retry):
        retry(work, id_, outcome, luck)
    else:
        wait(work, id_, outcome)


def retry(work: Work, id_: str, outcome: Retry, luck: float) -> None:
    """Have a step tried again after a pause, or let it fail if it was tried often enough."""
    planned, step = work.planned(id_), work.state.step(id_)
    if step.faults + 1 >= planned.retry.attempts:
        fail(work, id_, outcome.error)
        return
    leave(work, id_, step)
    due = work.now + timedelta(seconds=pause(planned.retry, step.faults + 1, outcome.after, luck))
    work.emit(
        events.AttemptRetried(id_, work.now, _told(work, outcome.error), due, step.iteration, step.attempt)
    )
    work.wants.append(commands.SetTimer(commands.Timer("retry", id_, step.iteration, step.attempt), due))


def pause(policy: Retrying, faults: int, after: float | None, luck: float) -> float:
    """Return the seconds before the next attempt, after so many that failed."""
    if after is not None and math.isfinite(after):
        return min(max(0.0, after), LONGEST)
    grown = policy.max_delay
    if policy.delay <= 0:
        grown = 0.0
    elif policy.factor == 1 or faults - 1 < math.log(max(1.0, grown / policy.delay), policy.factor):
        grown = min(grown, policy.delay * policy.factor ** (faults - 1))
    return grown * min(max(luck, 0.0), 1.0) if policy.jitter else grown


def wait(work: Work, id_: str, outcome: Wait) -> None:
    """Let a step wait."""
    kept = bounded(outcome, work.limits.output)
    if isinstance(kept, Failure):
        fail(work, id_, kept)
        return
    work.size += 2 * kept[1]  # its row holds it, too
    given = msgspec.convert(kept[0], Wait)
    wrong = _endless(given)
    if wrong:
        fail(work, id_, Failure("WAIT_INVALID", wrong))
        return
    step = work.state.step(id_)
    leave(work, id_, step)
    asked = events.ApprovalAsked if given.what == "approval" else events.StepWaiting
    work.emit(asked(id_, work.now, given, step.iteration, step.attempt))
    if given.child is not None:
        parentage.start_child(work, id_, step, given.child, waited=True)
    elif given.batch is not None:
        none_at_all = parentage.none_at_all(work, id_, given.batch)
        if none_at_all is not None:
            complete(work, id_, none_at_all)
    elif given.what not in {"timer", "hold"}:
        work.wants.append(commands.OpenWait(id_, step.iteration, step.waits, given))
    if given.until is not None:
        work.wants.append(commands.SetTimer(wait_timer(id_, step), given.until))
    signals = work.state.signals.get(given.key) if given.what == "signal" else None
    if signals:
        use_signal(work, id_, signals[0].body)


def _endless(given: Wait) -> str:
    """Say what is wrong with a wait that could not end: a run is not stranded by a step's slip."""
    if (given.what == "child") is (given.child is None and given.batch is None):
        return "A step waits for a child run, and says so, or for something else."
    if given.what == "timer" and given.until is None:
        return "A step that waits for a time must say which."
    if given.until is not None and given.until.tzinfo is None:
        return "A step waits until a time that has no zone."
    try:
        if given.until is not None:
            given.until.astimezone(UTC)
    except OverflowError:
        return "A step waits until a time that no clock shows."
    return ""


def waits_for_signal(work: Work, name: str) -> str | None:
    """Return the step that waits for a signal; the first in the order of the file, if several do."""
    for id_ in work.plan.flow.order:
        step = work.state.steps.get(id_)
        wait = None if step is None else step.wait
        if wait is not None and wait.what == "signal" and wait.key == name:
            return id_
    return None


def use_signal(work: Work, id_: str, body: object) -> None:
    """Give a step the oldest signal of the name that it waits for."""
    step = work.state.step(id_)
    name = step.wait.key if step.wait is not None else ""
    work.emit(events.WaitAnswered(id_, work.now, signal=name, iteration=step.iteration))
    complete(work, id_, Done(body))


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────


def complete(work: Work, id_: str, outcome: Done) -> None:
    """Complete a step, and follow what that leads to."""
    taken = bounded(outcome.output, work.limits.output)
    if isinstance(taken, Failure):
        fail(work, id_, taken)
        return
    sets = bounded(dict(outcome.sets), work.limits.output) if outcome.sets else ({}, 0)
    if isinstance(sets, Failure):
        fail(work, id_, sets)
        return
    output, size = taken
    state, step, planned = work.state, work.state.step(id_), work.planned(id_)
    leave(work, id_, step)
    if outcome.sets:
        before = plain({name: state.vars[name] for name in outcome.sets if name in state.vars})[1]
        work.emit(events.ContextUpdated(id_, work.now, sets[0], sets[1] - before))
    if outcome.agreement is not None:
        work.emit(events.ConsensusCalculated(id_, work.now, outcome.agreement, step.iteration))
    if outcome.child is not None:
        parentage.start_child(work, id_, step, outcome.child, waited=False)
    if outcome.links:
        work.emit(ResourcesLinked(id_, work.now, outcome.links, step.iteration, step.attempt))
    made = (id_, work.now, output, step.iteration, step.attempt)
    if state.bytes + size > work.limits.context:
        work.emit(events.StepCompleted(*made, bytes=size))
        stopping.ruin(work, stopping.too_much(work), step=id_)
        return
    again = None
    if planned.judged:
        state.seen[id_] = entry("completed", step, attempt=step.attempt, output=output)
        again = look_back(work, planned, step)
    if again is not None and again.taken:
        work.emit(events.StepCompleted(*made, bytes=size, again=again))
        go_back(work, planned)
        return
    spread = Spread(work)
    edges = spread.ends(planned, "completed")
    work.emit(events.StepCompleted(*made, edges=edges, bytes=size, again=again))
    spread.skips()


def fail(work: Work, id_: str, error: Failure) -> None:
    """Let a step fail, and follow what that leads to."""
    state, step, planned = work.state, work.state.step(id_), work.planned(id_)
    leave(work, id_, step)
    told = _told(work, error)
    state.seen[id_] = entry("failed", step, attempt=step.attempt, error=told)
    spread = Spread(work)
    edges = spread.ends(planned, "failed")
    met = {edge.edge for edge in edges if edge.result == "satisfied"}
    handled = any(edge.number in met and edge.when == "failure" for edge in planned.outgoing)
    work.emit(
        events.StepFailed(
            id_, work.now, told, step.faults, step.iteration, step.attempt, edges, handled=handled
        )
    )
    spread.skips()
    if not handled and work.plan.stops_on_failure and not state.stopping:
        stopping.stop(work, id_)


def _told(work: Work, error: Failure) -> Failure:
    """Return an error as it can be kept."""
    try:
        details, size = plain(dict(error.details))
    except (Unencodable, TypeError, ValueError):
        details, size = {}, 0
    if size > _MOST_DETAILS:
        details = {"left_out": f"{size:,} bytes: an error keeps {_MOST_DETAILS:,}"}
    work.size += 2 * min(size, _MOST_DETAILS)
    code, message = (text.encode(errors="backslashreplace").decode() for text in (error.code, error.message))
    return Failure(code[:_LONGEST_CODE], message[:_LONGEST_MESSAGE], details)


_LONGEST_CODE, _LONGEST_MESSAGE = 200, 10_000
_MOST_DETAILS = 1 << 20
"""Bytes; what is further down in the same turn holds them once more."""
