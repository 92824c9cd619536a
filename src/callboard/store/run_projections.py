"""From the facts of a run to its rows: the run list, the attempts of its steps, and the queue.

Each fact says by itself what follows from it, without a look at those before it or at the plan, so rows can
be made one fact at a time when they are made anew. Taken so, a step that ends puts into the queue what the
next fact takes out. `net` leaves out what cancels, and makes one row of an attempt that begins and ends in
the same append: the rows are the same, and fewer statements are said. `handed_on` is the short way there for
the commonest append. That all ways agree is what a rebuild compares.

A run's own row changes only when its state does, and not with each step: a chain of a thousand steps changes
it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec.structs import replace

from callboard.facts import events
from callboard.facts.child_events import ChildStarted
from callboard.facts.crossings import Crossing
from callboard.facts.crowd_events import WorkflowAdmitted
from callboard.ids import Position
from callboard.store.changes import Change
from callboard.store.run_changes import (
    AdmitRun,
    BeginAttempt,
    CloseSteps,
    CompleteStep,
    FailAttempt,
    LeavePending,
    MoveAttempt,
    MoveRun,
    PutChild,
    PutRun,
    QueueStep,
    RepeatAttempt,
    UnqueueStep,
)

Changes = list[Change]


def _queued(run: str, steps: Iterable[str], position: Position) -> Changes:
    return [QueueStep(run, step, position) for step in steps]


def _opened(run: str, edges: Iterable[Crossing], position: Position) -> Changes:
    return [QueueStep(run, edge.to, position) for edge in edges if edge.opens]


def _unqueued(run: str, steps: Iterable[str]) -> Changes:
    return [UnqueueStep(run, step) for step in steps]


# ── a step ───────────────────────────────────────────────────────────────────────────────────────────────


def _activated(fact: events.StepActivated, at: Position, run: str) -> Changes:
    return [
        LeavePending(run, at),
        UnqueueStep(run, fact.step),
        BeginAttempt(run, fact.step, fact.iteration, fact.attempt, at, at),
    ]


def _attempt_started(fact: events.AttemptStarted, at: Position, run: str) -> Changes:
    begin = BeginAttempt if fact.rendered else RepeatAttempt
    return [UnqueueStep(run, fact.step), begin(run, fact.step, fact.iteration, fact.attempt, at, at)]


Moving = events.AttemptRetried | events.StepWaiting | events.ApprovalAsked
"""What says of one attempt that it is in another state, while its step goes on."""


def _moved(fact: Moving, at: Position, run: str, status: str) -> Change:
    return MoveAttempt(run, fact.step, fact.iteration, fact.attempt, status, at)


def _retried(fact: events.AttemptRetried, at: Position, run: str) -> Changes:
    return [_moved(fact, at, run, "failed")]


def _waits(fact: events.StepWaiting, at: Position, run: str) -> Changes:
    return [_moved(fact, at, run, "waiting")]


def _asked(fact: events.ApprovalAsked, at: Position, run: str) -> Changes:
    return [_moved(fact, at, run, "waiting_approval")]


def _completed(fact: events.StepCompleted, at: Position, run: str) -> Changes:
    done = CompleteStep(run, fact.step, fact.iteration, fact.attempt, at)
    return [done, *_opened(run, fact.edges, at)]


def _failed(fact: events.StepFailed, at: Position, run: str) -> Changes:
    failed = FailAttempt(run, fact.step, fact.iteration, fact.attempt, at)
    closed = CloseSteps(run, (fact.step,), at)
    return [LeavePending(run, at), UnqueueStep(run, fact.step), failed, closed, *_opened(run, fact.edges, at)]


def _ready_again(fact: events.AttemptDue | events.HoldReleased, at: Position, run: str) -> Changes:
    return [QueueStep(run, fact.step, at)]


def _skipped(fact: events.StepSkipped, at: Position, run: str) -> Changes:
    opened = (edge for one in fact.skipped for edge in one.edges)
    return [*_unqueued(run, (one.step for one in fact.skipped)), *_opened(run, opened, at)]


def _cancelled(fact: events.StepCancelled, at: Position, run: str) -> Changes:
    steps = tuple(one.step for one in fact.cancelled)
    opened = (edge for one in fact.cancelled for edge in one.edges)
    return [CloseSteps(run, steps, at), *_unqueued(run, steps), *_opened(run, opened, at)]


def _reworked(fact: events.Reworked, at: Position, run: str) -> Changes:
    return [CloseSteps(run, fact.reset, at), *_unqueued(run, fact.reset), *_queued(run, fact.opens, at)]


def _child(fact: ChildStarted, at: Position, run: str) -> Changes:
    return [PutChild(fact.run, run, fact.step, at)]


# ── the whole run ────────────────────────────────────────────────────────────────────────────────────────


def _started(fact: events.WorkflowStarted, at: Position, run: str) -> Changes:
    source = None if fact.forked is None else fact.forked.run
    put = PutRun(*(run, fact.workflow, fact.version, fact.principal, at, fact.at, at), forked_from=source)
    if fact.origin is not None and fact.origin.index is not None:
        put = replace(put, path="/".join(fact.origin.path), item=fact.origin.index)
    crowded = fact.crowded
    if crowded is not None and crowded.refused is None:
        put = replace(put, crowd=crowded.key, places=crowded.limit, queued=crowded.queued)
    return [put, *_queued(run, () if put.queued else fact.starts, at)]


def _admitted(fact: WorkflowAdmitted, at: Position, run: str) -> Changes:
    return [AdmitRun(run), *_queued(run, fact.opens, at)]


def _paused(fact: events.WorkflowPaused, at: Position, run: str) -> Changes:
    return [MoveRun(run, "paused", at, fact.by)]


def _resumed(_fact: events.WorkflowResumed, at: Position, run: str) -> Changes:
    return [MoveRun(run, "running", at)]


def _recovered(fact: events.WorkflowRecovered, at: Position, run: str) -> Changes:
    found: Changes = []
    for one in fact.interrupted:
        found.append(MoveAttempt(run, one.step, one.iteration, one.attempt, "interrupted", at))
        if one.then == "retry":
            found.append(QueueStep(run, one.step, at))
    return found


def _crashed(_fact: events.WorkflowCrashed, at: Position, run: str) -> Changes:
    return [MoveRun(run, "crashed", at)]


def _ended(
    status: Literal["completed", "failed", "cancelled"],
) -> Callable[[Any, Position, str], Changes]:
    def end(fact: Any, at: Position, run: str) -> Changes:  # noqa: ANN401 - one of the three ends
        ended_at: datetime = fact.at
        return [MoveRun(run, status, at, ended_at=ended_at)]

    return end


def _reopened(fact: events.Reopened, at: Position, run: str) -> Changes:
    return [MoveRun(run, "running", at), AdmitRun(run), *_queued(run, fact.opens, at)]


RUN_PROJECTIONS: dict[type, Callable[[Any, Position, str], Changes]] = {
    events.WorkflowStarted: _started,
    WorkflowAdmitted: _admitted,
    events.StepActivated: _activated,
    events.AttemptStarted: _attempt_started,
    events.AttemptRetried: _retried,
    events.AttemptDue: _ready_again,
    events.StepWaiting: _waits,
    events.ApprovalAsked: _asked,
    events.HoldReleased: _ready_again,
    ChildStarted: _child,
    events.StepCompleted: _completed,
    events.StepFailed: _failed,
    events.StepSkipped: _skipped,
    events.StepCancelled: _cancelled,
    events.Reworked: _reworked,
    events.WorkflowPaused: _paused,
    events.WorkflowResumed: _resumed,
    events.WorkflowRecovered: _recovered,
    events.WorkflowCrashed: _crashed,
    events.WorkflowCompleted: _ended("completed"),
    events.WorkflowFailed: _ended("failed"),
    events.WorkflowCancelled: _ended("cancelled"),
    events.Reopened: _reopened,
}


# ── several at once ──────────────────────────────────────────────────────────────────────────────────────


def handed_on(facts: Sequence[object], first: Position, run: str) -> list[Change] | None:
    """Return what `net` would leave, if a step ends and the only one that it opens begins: most appends."""
    done, begun = facts if len(facts) == 2 else (None, None)  # noqa: PLR2004 - an end and a beginning
    if not (isinstance(done, events.StepCompleted) and isinstance(begun, events.StepActivated)):
        return None
    if [edge.to for edge in done.edges if edge.opens] != [begun.step]:
        return None
    at = Position(first + 1)
    return [
        CompleteStep(run, done.step, done.iteration, done.attempt, first),
        BeginAttempt(run, begun.step, begun.iteration, begun.attempt, at, at),
    ]


def net(changes: Sequence[Change]) -> list[Change]:
    """Return fewer changes that make the same rows: all are of one run, and of one append to its stream."""
    return _Net().of(changes)


class _Net:
    """What is left of the changes of one append."""

    def __init__(self) -> None:
        self._kept: dict[int, Change] = {}
        self._queued: dict[str, int] = {}
        self._begun: dict[tuple[str, int, int], int] = {}
        self._put: int | None = None
        self._left_pending = False
        """Something says that the run was not pending any more."""

    def of(self, changes: Sequence[Change]) -> list[Change]:
        for number, change in enumerate(changes):
            look = _LOOKS.get(type(change))
            if look is None or look(self, number, change):
                self._kept[number] = change
        return list(self._kept.values())

    # Each tells whether the change is to be kept.

    def queue(self, number: int, change: QueueStep) -> bool:
        self._queued[change.step] = number
        return True

    def unqueue(self, _number: int, change: UnqueueStep) -> bool:
        at = self._queued.pop(change.step, None)
        if at is not None:
            del self._kept[at]
        return at is None

    def begin(self, number: int, change: BeginAttempt) -> bool:
        self._begun[change.step, change.iteration, change.attempt] = number
        return True

    def move(self, _number: int, change: MoveAttempt) -> bool:
        self._left_pending = True
        return not self._with_the_attempt(change, status=change.status)

    def complete(self, _number: int, change: CompleteStep) -> bool:
        self._left_pending = True
        if change.attempt > 1:  # those before it are to be settled, too
            return True
        return not self._with_the_attempt(change, status="completed", open=False)

    def fail(self, _number: int, change: FailAttempt) -> bool:
        self._begun.pop((change.step, change.iteration, change.attempt), None)
        return True

    def _with_the_attempt(self, change: MoveAttempt | CompleteStep, **told: object) -> bool:
        """Put it into the row that is made in this very append, if one is."""
        at = self._begun.get((change.step, change.iteration, change.attempt))
        if at is None:
            return False
        self._kept[at] = replace(self._kept[at], last=change.last, **told)
        return True

    def close(self, _number: int, change: CloseSteps) -> bool:
        self._begun = {key: at for key, at in self._begun.items() if key[0] not in change.steps}
        return True

    def put_run(self, number: int, _change: PutRun) -> bool:
        self._put = number
        return True

    def leave_pending(self, _number: int, change: LeavePending) -> bool:
        if self._left_pending:
            return False
        self._left_pending = True
        return not self._with_the_run("running", change.changed)

    def move_run(self, _number: int, change: MoveRun) -> bool:
        self._left_pending = True
        return not self._with_the_run(change.status, change.changed, change.paused_by, change.ended_at)

    def _with_the_run(
        self, status: str, changed: Position, paused_by: str = "", ended_at: datetime | None = None
    ) -> bool:
        """Put it into the row that is made in this very append, if one is."""
        if self._put is None:
            return False
        told = {"status": status, "changed": changed, "paused_by": paused_by, "ended_at": ended_at}
        self._kept[self._put] = replace(self._kept[self._put], **told)
        return True


_LOOKS: dict[type, Callable[[_Net, int, Any], bool]] = {
    QueueStep: _Net.queue,
    UnqueueStep: _Net.unqueue,
    BeginAttempt: _Net.begin,
    RepeatAttempt: _Net.begin,
    MoveAttempt: _Net.move,
    CompleteStep: _Net.complete,
    FailAttempt: _Net.fail,
    CloseSteps: _Net.close,
    PutRun: _Net.put_run,
    LeavePending: _Net.leave_pending,
    MoveRun: _Net.move_run,
}
