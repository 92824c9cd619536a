"""Events: the facts of a run, in the order in which a run meets them.

A step that goes well writes two: `step_activated` (its first attempt begins, with its input) and
`step_completed` (with its output). What its edges came to travels in the fact that ends the step, as
`Crossing`s, not as a fact of its own for each: a fan of a thousand edges would pass the thousand facts that a
turn may hold, and a chain would write half as much again (docs/decisions/0012). For the same reason all steps
that are skipped, or cancelled, at once share a fact.

The facts say everything: folding them (`run/evolving.py`) needs no plan, so a stored run reads the same
whatever later versions make of its definition. Each carries the time at which it was decided, since a turn is
committed later; iteration and attempt are left out where they are 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.expressions import Placed
from callboard.facts import fact
from callboard.facts.child_events import Given, Origin
from callboard.facts.crossings import Crossing
from callboard.facts.crowd_events import Crowded
from callboard.facts.forked import Forked
from callboard.ids import StreamId
from callboard.outcome import Agreement, Failure, Wait


def run_stream(run: str) -> StreamId:
    """Return the stream that holds a run's history."""
    return StreamId(f"run:{run}")


class WentBack(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the `again` of a step came to."""

    to: str
    taken: bool
    reason: str


# ── the run begins ───────────────────────────────────────────────────────────────────────────────────────


@fact("workflow_started")
class WorkflowStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """There is a run; nothing of it has begun yet."""

    run: str
    workflow: str
    version: int
    at: datetime
    trigger: Any = None
    envelope: Any = None
    """What fired, whole: `run.trigger`."""
    principal: str = ""
    vars: Mapping[str, Any] = {}
    starts: tuple[str, ...] = ()
    bytes: int = 0
    """Of trigger and vars."""
    origin: Origin | None = None
    """Where a step of another run started it."""
    forked: Forked | None = None
    """What it has from another run, if it was forked."""
    crowded: Crowded | None = None
    """Where its workflow says how many of its runs there may be."""


# ── a step ───────────────────────────────────────────────────────────────────────────────────────────────


@fact("step_activated")
class StepActivated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step begins: its first attempt is under way, with this input."""

    step: str
    at: datetime
    assigned_to: str  # the kind of step that carries it out
    iteration: int = 1
    attempt: int = 1
    """More than 1 where the run was reopened."""
    input: Any = None
    secrets: tuple[Placed, ...] = ()


@fact("attempt_started")
class AttemptStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A further attempt is under way: with the same input, or with one that was rendered anew."""

    step: str
    at: datetime
    attempt: int
    iteration: int = 1
    rendered: bool = False
    input: Any = None
    secrets: tuple[Placed, ...] = ()


@fact("attempt_retried")
class AttemptRetried(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt failed, and there will be another at a time."""

    step: str
    at: datetime
    error: Failure
    due: datetime
    iteration: int = 1
    attempt: int = 1


@fact("attempt_due")
class AttemptDue(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pause before another attempt is over: it begins as soon as there is room."""

    step: str
    at: datetime
    iteration: int = 1


@fact("step_waiting")
class StepWaiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The attempt ended without an outcome: the step waits."""

    step: str
    at: datetime
    wait: Wait
    iteration: int = 1
    attempt: int = 1


@fact("approval_asked")
class ApprovalAsked(StepWaiting, frozen=True, omit_defaults=True):
    """The step waits for people to approve or reject."""


@fact("wait_answered")
class WaitAnswered(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a step waits for has happened; whether it was enough is told by what follows."""

    step: str
    at: datetime
    answer: Any = None
    by: str = ""
    signal: str = ""
    """The signal that was used up."""
    iteration: int = 1
    message: int | None = None
    """The position of the message that was used."""


@fact("approval_decided")
class ApprovalDecided(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody approved or rejected."""

    step: str
    at: datetime
    by: str
    answer: Any = None
    iteration: int = 1


@fact("hold_released")
class HoldReleased(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operator had a step that was held after a crash tried again."""

    step: str
    at: datetime
    by: str
    iteration: int = 1


@fact("consensus_calculated")
class ConsensusCalculated(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the answers to an ask agreed."""

    step: str
    at: datetime
    result: Agreement
    iteration: int = 1


@fact("context_updated")
class ContextUpdated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Variables of the run have other values."""

    step: str
    at: datetime
    vars: Mapping[str, Any]
    bytes: int = 0  # by how much the context grew


@fact("step_completed")
class StepCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step is done."""

    step: str
    at: datetime
    output: Any = None
    iteration: int = 1
    attempt: int = 1
    edges: tuple[Crossing, ...] = ()
    again: WentBack | None = None
    bytes: int = 0
    """Of the output."""


@fact("step_failed")
class StepFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step failed for good."""

    step: str
    at: datetime
    error: Failure
    retries: int = 0
    iteration: int = 1
    attempt: int = 0
    """0 if it could not even begin."""
    edges: tuple[Crossing, ...] = ()
    handled: bool = False
    """A failure edge of it is satisfied."""


class Skip(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step that is skipped; its edges are dead."""

    step: str
    reason: str
    edges: tuple[Crossing, ...] = ()


@fact("step_skipped")
class StepSkipped(msgspec.Struct, frozen=True, omit_defaults=True):
    """These steps will not run: their joins cannot hold any more, or the run is over for them."""

    at: datetime
    skipped: tuple[Skip, ...]
    cut: bool = False
    """It was the run that stopped or ended, not a join: a run that is reopened has them again."""


class Cancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step that is cancelled."""

    step: str
    edges: tuple[Crossing, ...] = ()


@fact("step_cancelled")
class StepCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """These steps were under way and are no longer."""

    at: datetime
    cancelled: tuple[Cancelled, ...]
    reason: str


@fact("reworked")
class Reworked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step went back: all these steps begin anew, in their next iteration."""

    step: str
    to: str
    at: datetime
    reset: tuple[str, ...]
    opens: tuple[str, ...] = ()
    """Those of them whose join holds already, by edges from outside."""


# ── the whole run ────────────────────────────────────────────────────────────────────────────────────────


@fact("signal_received")
class SignalReceived(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody gave the run a signal; it is kept until a step uses it."""

    name: str
    at: datetime
    body: Any = None
    by: str = ""
    bytes: int = 0


@fact("workflow_paused")
class WorkflowPaused(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nothing starts from here on: an operator wants it so, or nothing can until a person acts."""

    by: Literal["operator", "approval", "hold"]
    at: datetime
    principal: str = ""


@fact("workflow_resumed")
class WorkflowResumed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run goes on."""

    at: datetime
    principal: str = ""


@fact("workflow_stopping")
class WorkflowStopping(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failure was not handled: of what has not ended, only these steps may still run."""

    step: str
    at: datetime
    spared: tuple[str, ...] = ()


class Interrupted(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt that was in flight when its owner died, and what becomes of its step."""

    step: str
    then: Literal["retry", "fail", "hold"]
    iteration: int = 1
    attempt: int = 1


@fact("workflow_recovered")
class WorkflowRecovered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run was taken up after its owner died."""

    at: datetime
    interrupted: tuple[Interrupted, ...] = ()


@fact("workflow_crashed")
class WorkflowCrashed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run took its owner with it too often, and is left until somebody resumes it."""

    at: datetime
    reason: str


@fact("workflow_completed", ends=True)
class WorkflowCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run is done."""

    at: datetime
    final_output: Any = None
    warnings: tuple[str, ...] = ()
    """Values that were missing in its output."""
    given: Given = Given()
    """Of a round of `loop`."""


@fact("workflow_failed", ends=True)
class WorkflowFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run failed."""

    at: datetime
    error: Failure
    recoverable: bool = True
    """Whether it can be reopened."""
    step: str = ""


@fact("workflow_cancelled", ends=True)
class WorkflowCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody ended the run."""

    at: datetime
    reason: str = ""
    principal: str = ""


@fact("reopened", reopens=True)
class Reopened(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failed run is tried again from where it failed, in the same iteration."""

    at: datetime
    reset: tuple[str, ...]
    opens: tuple[str, ...] = ()
    principal: str = ""
