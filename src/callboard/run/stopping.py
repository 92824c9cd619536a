"""Stopping: how a run comes to its end, well or not, and how a failed one is opened again.

A failure that is not handled stops a run with `on_failure: stop` like this. Steps that the `always` edges of
steps that had started lead to, and all that follows there, are spared: they run, or go on running. Everything
else that is under way is cancelled, and the `always` edges of what is cancelled spare more; everything else
that has not begun is skipped. An operator's cancel, a time-out and a bound of the run spare nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from callboard.errors import ExpressionFailed
from callboard.facts import events
from callboard.facts.child_events import Given
from callboard.facts.crossings import Crossing
from callboard.facts.events import Cancelled, Skip
from callboard.outcome import Failure
from callboard.planning.plan import Body, Flow
from callboard.run import commands
from callboard.run.edges import Spread
from callboard.run.leaving import abandon
from callboard.run.state import LIVE, entry
from callboard.run.work import Work, bounded

DEADLINE = commands.Timer("deadline")


def following(flow: Flow, ids: Iterable[str]) -> set[str]:
    """Return steps and all that follow them."""
    found = set(ids)
    for id_ in flow.order:
        if id_ in found:
            found.update(edge.target for edge in flow.steps[id_].outgoing)
    return found


# ── a failure that is not handled ────────────────────────────────────────────────────────────────────────


def stop(work: Work, because: str) -> None:
    """Stop everything but what `always` edges lead to."""
    state, flow = work.state, work.plan.flow
    ended = [edge for step in state.steps.values() for edge in step.edges]
    spared = following(flow, _always(work, ended))
    spread = Spread(work)
    cancelled = []
    for id_ in flow.order:
        step = state.steps.get(id_)
        if step is None or step.status not in LIVE or id_ in spared:
            continue
        abandon(work, id_)
        state.seen[id_] = entry("cancelled", step, attempt=step.attempt)
        edges = spread.ends(flow.steps[id_], "cancelled")
        spared |= following(flow, _always(work, edges))
        cancelled.append(Cancelled(id_, edges))
    reason = f"{because} failed, which nothing handles, and the run stops."
    if cancelled:
        work.emit(events.StepCancelled(work.now, tuple(cancelled), reason))
    left = tuple(id_ for id_ in flow.order if id_ in spared and _unended(work, id_))
    work.emit(events.WorkflowStopping(because, work.now, left))
    spread.skips(cut=True)
    spread = Spread(work)
    spread.doom((id_ for id_ in flow.order if id_ not in spared and _pending(work, id_)), reason)
    spread.skips(cut=True)


def _always(work: Work, edges: Iterable[Crossing]) -> list[str]:
    flow = work.plan.flow
    return [
        edge.to for edge in edges if edge.result == "satisfied" and flow.edges[edge.edge].when == "always"
    ]


def _pending(work: Work, id_: str) -> bool:
    step = work.state.steps.get(id_)
    return step is None or step.status == "pending"


def _unended(work: Work, id_: str) -> bool:
    return _pending(work, id_) or work.state.steps[id_].status in LIVE


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────


def end(work: Work) -> None:
    """End a run of which nothing is left to do."""
    state = work.state
    if state.failures:
        step, error = next(iter(state.failures.items()))
        work.emit(events.WorkflowFailed(work.now, error, step=step))
        _ended(work, "failed")
        return
    if work.plan.body is not None:
        _end_body(work, work.plan.body)
        return
    planned = work.plan.output
    if planned is None:
        work.emit(events.WorkflowCompleted(work.now))
        _ended(work, "completed")
        return
    try:
        rendered = planned.lenient(work.scope(state.step(work.plan.flow.order[0])))
    except ExpressionFailed as error:
        _no_output(work, Failure(error.code, f"The output of the workflow: {error.message}"))
        return
    output = bounded(rendered.value, work.limits.output)
    if isinstance(output, Failure):
        _no_output(work, output)
        return
    work.emit(events.WorkflowCompleted(work.now, output[0], rendered.warnings))
    _ended(work, "completed")


def _end_body(work: Work, body: Body) -> None:
    """End an item or a round: its output is that of the step that is written last."""
    state, given = work.state, Given()
    output = state.seen.get(body.last, {}).get("output")
    if state.origin is not None and state.origin.loops:
        handed = bounded({name: state.vars[name] for name in state.sets}, work.limits.output)
        if isinstance(handed, Failure):
            _no_output(work, Failure(handed.code, f"What a round hands on: {handed.message}"))
            return
        given = Given(_goes_on(work, body), handed[0])
    work.emit(events.WorkflowCompleted(work.now, output, given=given))
    _ended(work, "completed")


def _goes_on(work: Work, body: Body) -> bool:
    """Find out whether another round follows: `until` looks at this one, `while` from before the next."""
    scope = work.scope(work.state.step(body.last))
    for name, condition in body.conditions.items():
        ahead = name == "while"
        verdict = condition.holds({**scope, "index": scope["index"] + ahead})
        work.rule("again", body.step, body.step, condition.text, result=verdict.holds, reason=verdict.reason)
        return verdict.holds is ahead
    return False


def _no_output(work: Work, error: Failure) -> None:
    work.emit(events.WorkflowFailed(work.now, error, recoverable=False))
    _ended(work, "failed")


def ruin(work: Work, error: Failure, *, step: str = "", recoverable: bool = False) -> None:
    """Fail a run where it stands."""
    _halt(work, f"The run failed: {error.code}.")
    work.emit(events.WorkflowFailed(work.now, error, recoverable, step))
    _ended(work, "failed")


def too_much(work: Work) -> Failure:
    """Return the failure of a run that holds more than it may."""
    return Failure(
        "CONTEXT_TOO_LARGE",
        f"All that the run's expressions can see has passed {work.limits.context:,} bytes: keep large "
        "outputs elsewhere, and only what leads to them here.",
    )


def cancel(work: Work, by: str, reason: str) -> None:
    """End a run because somebody wants it so."""
    _halt(work, f"The run was cancelled by {by}.")
    work.emit(events.WorkflowCancelled(work.now, reason, by))
    _ended(work, "cancelled")


def _halt(work: Work, reason: str) -> None:
    state, flow = work.state, work.plan.flow
    if state.queued:
        work.wants.append(commands.LeaveQueue())
    live = [id_ for id_ in flow.order if id_ in state.steps and state.steps[id_].status in LIVE]
    for id_ in live:
        abandon(work, id_)
    if live:
        work.emit(events.StepCancelled(work.now, tuple(Cancelled(id_) for id_ in live), reason))
    pending = tuple(Skip(id_, reason) for id_ in flow.order if _pending(work, id_))
    if pending:
        work.emit(events.StepSkipped(work.now, pending, cut=True))


def _ended(work: Work, status: commands.EndStatus) -> None:
    if work.plan.deadline is not None:
        work.wants.append(commands.DropTimer(DEADLINE))
    work.wants.append(commands.End(status))


def set_deadline(work: Work) -> None:
    """Have the run told when its deadline is reached."""
    opened = work.state.opened_at
    if work.plan.deadline is not None and opened is not None:
        due = opened + timedelta(seconds=work.plan.deadline)
        work.wants.append(commands.SetTimer(DEADLINE, due))


# ── opened again ─────────────────────────────────────────────────────────────────────────────────────────


def reopen(work: Work, by: str) -> None:
    """Have what failed, what was cancelled or cut off with it, and all that follows, done again."""
    state, flow = work.state, work.plan.flow
    roots = set(state.failures)
    roots.update(id_ for id_, step in state.steps.items() if step.status == "cancelled" or step.cut)
    reset = following(flow, roots)
    ids = tuple(id_ for id_ in flow.order if id_ in reset)
    spread = Spread(work)
    opens = spread.forget(ids)
    work.emit(events.Reopened(work.now, ids, opens, by))
    spread.skips()
    set_deadline(work)
