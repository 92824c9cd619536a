"""What a run is told, and what it wants done: the two ends of `decide`.

Everything that the machine cannot know comes in with the command: what an attempt came to, a draw of luck for
the pause before the next one, who decided. What it wants is for its driver to carry out once the facts are
committed; wants that are rows (timers, waits, children) belong into the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.expressions import Stored
from callboard.facts.child_events import Given, Origin
from callboard.facts.crowd_events import Crowded
from callboard.facts.forked import Forked
from callboard.outcome import Child, Failure, Outcome, Wait
from callboard.workflow.definition import Consensus

EndStatus = Literal["completed", "failed", "cancelled"]


class Timer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a timer is for. One that comes due for something that is over does nothing."""

    kind: Literal["retry", "wait", "timeout", "deadline", "cancel", "replaced"]
    step: str = ""
    iteration: int = 0
    number: int = 0
    """Of the attempt that failed, or of the wait."""
    by: str = ""
    """The run that takes the place of the one that is told."""


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────


class Start(msgspec.Struct, frozen=True):
    """There shall be a run; the first command of all. It begins with `GoOn`."""

    run: str
    version: int
    trigger: Any = None
    envelope: Any = None
    principal: str = ""
    forked: Forked | None = None
    """What it takes over from another run, if it is forked."""
    origin: Origin | None = None
    """The step of another run that starts it, if one does."""
    vars: Mapping[str, Any] = {}
    """What it begins with beside the variables of its definition."""
    crowded: Crowded | None = None
    """How it found the others under its concurrency key, if it has one."""


class Admit(msgspec.Struct, frozen=True):
    """The turn of a run that stood in a queue has come."""


class GoOn(msgspec.Struct, frozen=True):
    """Start what is ready: after `Start`, after a decision that had `more`, and when a run is taken up."""


class AttemptEnded(msgspec.Struct, frozen=True):
    """An attempt came to something."""

    step: str
    iteration: int
    attempt: int
    outcome: Outcome
    luck: float = 1.0
    """A draw from 0 to 1, for a pause with jitter."""


class Answered(msgspec.Struct, frozen=True):
    """What a step waits for has happened; whoever knows its kind says what that makes of it."""

    step: str
    iteration: int
    number: int
    """Of the wait."""
    answer: Any = None
    by: str = ""
    outcome: Outcome | None = None
    """Nothing: it is not enough yet, the step waits on."""
    luck: float = 1.0
    message: int | None = None
    """The position of the message that it is, of which a run makes use but once."""


class ChildHasEnded(msgspec.Struct, frozen=True):
    """The run that a step waits for has ended."""

    step: str
    iteration: int
    run: str
    status: EndStatus
    output: Any = None
    error: Failure | None = None
    given: Given = Given()


class TimerDue(msgspec.Struct, frozen=True):
    """A timer came due."""

    timer: Timer
    outcome: Outcome | None = None
    """What that makes of its step, where whoever knows its kind says so; else it is as its wait says."""


class Give(msgspec.Struct, frozen=True):
    """Somebody gives the run a signal."""

    name: str
    body: Any = None
    by: str = ""


class Pause(msgspec.Struct, frozen=True):
    """An operator wants nothing to start."""

    by: str


class Resume(msgspec.Struct, frozen=True):
    """An operator lets a run go on that an operator paused, or that was left crashed."""

    by: str


class Release(msgspec.Struct, frozen=True):
    """An operator says what becomes of a step that is held after a crash."""

    step: str
    how: Literal["retry", "fail"]
    by: str


class Cancel(msgspec.Struct, frozen=True):
    """Somebody ends the run."""

    by: str
    reason: str = ""


class Reopen(msgspec.Struct, frozen=True):
    """An operator has a failed run tried again, from where it failed."""

    by: str


class Recover(msgspec.Struct, frozen=True):
    """The run has a new owner after the old one died."""


class GiveUp(msgspec.Struct, frozen=True):
    """The run took its owner with it too often."""

    reason: str


Command = (
    Start
    | Admit
    | GoOn
    | AttemptEnded
    | Answered
    | ChildHasEnded
    | TimerDue
    | Give
    | Pause
    | Resume
    | Release
    | Cancel
    | Reopen
    | Recover
    | GiveUp
)


# ── wants ────────────────────────────────────────────────────────────────────────────────────────────────


class StartAttempt(msgspec.Struct, frozen=True):
    """Carry out a step, and tell what it came to."""

    step: str
    iteration: int
    attempt: int
    input: Stored
    key: str
    """The idempotency key: the same for all attempts of this iteration."""
    timeout: float
    """Seconds. Past them the attempt came to `Retry`, with TIMEOUT: time-outs are passing faults."""
    consensus: Consensus | None = None
    """Of an ask: how answers become one."""


class CancelAttempt(msgspec.Struct, frozen=True):
    """Stop an attempt; what it comes to is not wanted any more."""

    step: str
    iteration: int
    attempt: int


class SetTimer(msgspec.Struct, frozen=True):
    """Say when it is time."""

    timer: Timer
    due: datetime


class DropTimer(msgspec.Struct, frozen=True):
    """Forget a timer."""

    timer: Timer


class OpenWait(msgspec.Struct, frozen=True):
    """Tell the run when this has happened."""

    step: str
    iteration: int
    number: int
    wait: Wait


class CloseWait(msgspec.Struct, frozen=True):
    """Nobody waits for it any more."""

    step: str
    iteration: int
    number: int
    wait: Wait | None = None


class StartChild(msgspec.Struct, frozen=True):
    """Start a run of another workflow."""

    step: str
    iteration: int
    child: Child
    waited: bool
    origin: Origin
    vars: Mapping[str, Any] = {}


class CancelChild(msgspec.Struct, frozen=True):
    """End a run that was started for a step."""

    step: str
    run: str


class JoinQueue(msgspec.Struct, frozen=True):
    """Tell the run when its turn has come."""

    crowded: Crowded


class LeaveQueue(msgspec.Struct, frozen=True):
    """The run does not wait for its turn any more."""


class End(msgspec.Struct, frozen=True):
    """The run has ended: tell who waits for it, and let go of it."""

    status: EndStatus


Want = (
    StartAttempt
    | CancelAttempt
    | SetTimer
    | DropTimer
    | OpenWait
    | CloseWait
    | StartChild
    | CancelChild
    | JoinQueue
    | LeaveQueue
    | End
)


# ── decisions ────────────────────────────────────────────────────────────────────────────────────────────


class Ruling(msgspec.Struct, frozen=True):
    """One thing that was looked at to find out where a run goes: a row of the decisions."""

    about: Literal["edge", "again"]
    source: str
    to: str
    expression: str
    """As written; empty where there was only the outcome to look at."""
    result: bool
    reason: str


class Decision(msgspec.Struct, frozen=True):
    """What follows from a command."""

    events: list[msgspec.Struct]
    wants: list[Want]
    rulings: list[Ruling]
    more: bool = False
    """There is more to start than one commit should hold: commit, then say `GoOn`."""
    stale: bool = False
    """The command was about something that is over, so nothing follows from it."""
    starved: bool = False
    """Something is ready for which there was no room: say `GoOn` when there is."""
    size: int = 0
    """Bytes in the facts, but for those that say their own; a turn holds 8 MiB."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a run may hold, and how much is decided at once."""

    output: int = 1 << 20
    context: int = 10 << 20
    events: int = 50_000
    iterations: int = 1_000
    """How often a step is done again, whoever goes back to it: as often as one `again` may."""
    signals: int = 1_000
    answers: int = 1_000
    """To one wait of a step."""
    facts_at_once: int = 400
    """Nothing further is started in a decision that holds so many facts: a turn holds 1,000."""
    bytes_at_once: int = 3 << 20
    """The same, of the inputs of what it starts: a turn holds 8 MiB."""
