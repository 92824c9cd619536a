"""The state of a run: what its facts have come to.

It changes in place, and only through `evolve`. Everything in it is plain data, so a snapshot is its JSON.
What a fact costs does not grow with the number of steps: a step counts the edges that lead to it as they end,
the run counts what is under way, and what is ready stands in a queue.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from callboard.expressions import Placed
from callboard.facts.child_events import Origin
from callboard.facts.crossings import Crossing
from callboard.facts.crowd_events import Crowded
from callboard.outcome import Failure, Wait
from callboard.run.moves import ENDED

LIVE = frozenset({"running", "waiting", "waiting_approval"})


class Progress(msgspec.Struct, omit_defaults=True):
    """How far a step has come with its items or rounds."""

    since: int
    """The version of the run's stream at which it began: up to there its runs see what is around them."""
    under_way: dict[str, int] = {}
    """The runs that have not ended, each with its index."""
    next: int = 0
    results: list[Any] = []
    """Of `each`: what the items came to, in their order; of `loop`, the output of the last round."""
    done: set[int] = set()
    """Items that had ended well before the run was reopened: they are not done again."""
    failed: list[int] = []
    bytes: int = 0
    goes_on: bool = False
    """The last round said that there is another one."""
    sets: list[str] = []
    """Variables that rounds have set: the next one begins with them."""


class Kept(msgspec.Struct):
    """What items came to in a step that failed, should the run be reopened."""

    items: list[Any]
    results: list[Any]
    done: set[int]
    bytes: int


class StepState(msgspec.Struct, omit_defaults=True):
    """One step, in its present iteration. Steps that no edge has reached yet are not kept."""

    status: str = "pending"
    iteration: int = 1
    attempt: int = 0
    """The number of the last attempt; each has its own, whatever became of it."""
    faults: int = 0
    """Attempts that failed for a passing reason and count: interrupted ones do not."""
    satisfied: int = 0
    resolved: int = 0
    """Of the edges that lead here: how many are satisfied, and how many are decided at all."""
    queued: bool = False
    """It stands in the queue: its join holds, or another attempt of it is due."""
    cut: bool = False
    """It was skipped because the run stopped or ended."""
    backs: int = 0
    """How often it has gone back."""
    edges: tuple[Crossing, ...] = ()
    """What the edges from here came to."""
    input: Any = None
    secrets: tuple[Placed, ...] = ()
    wait: Wait | None = None
    waits: int = 0
    """The number of the last wait, so that a late answer is known as such."""
    progress: Progress | None = None
    """While it waits for items or rounds."""
    kept: Kept | None = None
    answers: list[Any] = []
    """What has come in for this wait so far."""
    retry_at: datetime | None = None
    bytes: int = 0
    """Of its output, in the context."""
    before: int = 0
    """Of the output of its last iteration, in the context."""


class Signal(msgspec.Struct, frozen=True):
    """A signal that nobody has used yet."""

    body: Any
    bytes: int


class RunState(msgspec.Struct, omit_defaults=True):
    """A run."""

    status: str = "new"
    paused_by: str = ""
    run: str = ""
    workflow: str = ""
    version: int = 0
    principal: str = ""
    trigger: Any = None
    envelope: Any = None
    origin: Origin | None = None
    forked: bool = False
    """It has the envelope of another run, and whoever waits for an answer has it from that one."""
    started_at: datetime | None = None
    opened_at: datetime | None = None
    """From here the deadline counts: the start, or when it was last reopened."""
    ended_at: datetime | None = None
    last_at: datetime | None = None
    output: Any = None
    error: Failure | None = None
    recoverable: bool = False

    crowded: Crowded | None = None
    queued: bool = False
    """It waits for its turn."""
    held_back: list[str] = []
    """The steps that it begins with once it is its turn."""

    vars: dict[str, Any] = {}
    sets: list[str] = []
    """Of a round: the variables that it has set."""
    steps: dict[str, StepState] = {}
    seen: dict[str, dict[str, Any]] = {}
    """The steps that have ended, as expressions see them."""
    previous: dict[str, dict[str, Any]] = {}
    """The same, of the iteration before."""
    signals: dict[str, list[Signal]] = {}
    bytes: int = 0
    """Of all that expressions see."""

    ready: list[str] = []
    """The queue, first come first served."""
    active: int = 0
    """Attempts under way: each holds a slot."""
    waiting: int = 0
    """Steps that something else than a person will move."""
    approvals: int = 0
    holds: int = 0
    batches: list[str] = []
    """Steps that wait for items or rounds."""

    failures: dict[str, Failure] = {}
    """Of the steps that failed and were not handled, the first one first."""
    stopping: bool = False
    spared: list[str] = []
    """While it stops: the steps that may still run."""

    busy: float = 0.0
    """Seconds in which an attempt ran."""
    busy_since: datetime | None = None
    events: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more, unless it is reopened."""
        return self.status in ENDED

    @property
    def alive(self) -> bool:
        """Whether anything is under way, ready or waited for."""
        return bool(self.active or self.ready or self.waiting or self.approvals or self.holds or self.queued)

    def step(self, id_: str) -> StepState:
        """Return a step; one that nothing has reached yet is pending."""
        found = self.steps.get(id_)
        if found is None:
            found = self.steps[id_] = StepState()
        return found


def key_of(run: str, step: str, iteration: int) -> str:
    """Return the idempotency key of a step: the same for all its attempts."""
    return f"{run}:{step}:{iteration}"


def entry(
    status: str, step: StepState, *, attempt: int, output: object = None, error: Failure | None = None
) -> dict[str, Any]:
    """Return a step that has ended, as expressions see it."""
    told = None
    if error is not None:
        told = {"code": error.code, "message": error.message, "attempts": attempt}
        if error.details:
            told["details"] = dict(error.details)
    return {
        "status": status,
        "output": output,
        "error": told,
        "iteration": step.iteration,
        "attempts": attempt,
    }
