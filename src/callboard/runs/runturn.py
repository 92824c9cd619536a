"""One turn of a run in the making: what was decided, and all that is committed with it.

A turn takes as many commands as come together and fit, and the steps that are carried out at once (`steps/`)
along with them, so that a chain of such steps is one commit. What the machine wants is kept apart: rows
(timers, waits, decisions, messages) go into the turn; what only the process knows (attempts, alarms) is
carried out once the turn is committed, and only as far as it still holds then: an attempt that the same turn
began and cancelled is never begun.

Causes. What an attempt came to is caused by the fact with which that attempt began, and what is decided from
it by the fact that says so. Everything else that happens to a run follows from the fact before it.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

import msgspec

from callboard import events
from callboard.changes import (
    Change,
    CloseWait,
    DropTimer,
    KeepTimer,
    OpenWait,
    Place,
    RecordDecision,
    Ref,
    SaveSnapshot,
)
from callboard.company.board import Board
from callboard.company.sitting import written
from callboard.errors import TurnTooLarge
from callboard.events import run_stream
from callboard.facts import encode
from callboard.handling import Say
from callboard.ids import Position, StreamId, TimerId, Version, WaitId
from callboard.run import Decision, Ruling, commands
from callboard.store import Receipt, Timer
from callboard.turn import Turn

RUN = "run"
"""The kind of timers that runs keep, and the type of their streams."""

FULL_FACTS = 200
FULL_CHANGES = 2_000
FULL_BYTES = 1 << 20
"""Past these a turn of a run is committed before more is decided."""


class Due(msgspec.Struct, frozen=True):
    """What the timer of a run keeps."""

    run: str
    timer: commands.Timer


def timer_id(run: str, timer: commands.Timer) -> TimerId:
    """Return the id of a timer: the same each time, so that nobody need remember it."""
    return TimerId(uuid5(NAMESPACE_OID, f"{run}/{timer.kind}/{timer.step}/{timer.iteration}/{timer.number}"))


def wait_id(run: str, step: str, iteration: int, number: int) -> WaitId:
    """Return the id of a wait; the same each time, as that of a timer."""
    return WaitId(uuid5(NAMESPACE_OID, f"{run}/{step}/{iteration}/{number}"))


class Waited(msgspec.Struct, frozen=True):
    """What the wait of a step keeps: for lists, and for whoever answers."""

    run: str
    workflow: str
    step: str
    iteration: int
    number: int
    since: datetime
    about: object = None
    """What it is about, in the words of its kind: of an approval, who may decide, and the question."""


class RunTurn:
    """What is to be committed, and what is to be carried out after."""

    def __init__(self, turn: Turn, run: str, workflow: str, last: Place | None) -> None:
        self.turn = turn
        self.facts: list[msgspec.Struct] = []
        self.last = last
        """The newest fact of the run."""
        self.began: dict[str, Place] = {}
        """Where the attempts begin that this turn begins, by step."""
        self.starts: dict[tuple[str, int, int], commands.StartAttempt] = {}
        self.stops: list[tuple[str, int, int]] = []
        self.timers: dict[TimerId, Timer | None] = {}
        """Timers as they stand after the turn; None is one that is not there."""
        self.time_out: datetime | None = None
        self.watched: bool | None = None
        """Whether the run's time is watched after this turn, where the turn says anything of it."""
        self.snapshot: SaveSnapshot | None = None
        """Of the state as the turn before left it."""
        self._run = run
        self._workflow = workflow
        self._stream = run_stream(run)
        self._changes: list[Change] = []
        self._causes: list[Place | None] = []
        self._said: list[tuple[Say, str, Place, int]] = []
        self._size = 0

    @property
    def full(self) -> bool:
        return len(self.facts) >= FULL_FACTS or self._size >= FULL_BYTES or len(self._changes) >= FULL_CHANGES

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.facts or self._changes)

    def change(self, change: Change) -> None:
        """Have a row altered in the same commit."""
        self._changes.append(change)

    def take(
        self,
        decision: Decision,
        cause: Place | None,
        said: list[Say] | None = None,
        sender: str = "",
        hops: int = 0,
    ) -> None:
        """Put in what was decided; `said` are messages that are sent if the decision holds anything."""
        first = len(self.facts)
        for number, fact in enumerate(decision.events):
            ref = Ref(first + number)
            self._causes.append(Ref(first) if number else cause)
            if isinstance(fact, events.StepActivated | events.AttemptStarted):
                self.began[fact.step] = ref
            elif isinstance(fact, events.StepCompleted | events.ContextUpdated):
                self._size += 2 * fact.bytes  # and, where a step is carried out at once, its input
            self.last = ref
        self.facts += decision.events
        if decision.events:
            self._said += [(one, sender, Ref(first), hops) for one in said or ()]
        self._rule(decision.rulings, first)
        for want in decision.wants:
            self._want(want)

    def close(self, board: Board, expected: int) -> Turn:
        """Put everything into the turn of the journal, and return it."""
        turn = self.turn
        if self.facts:
            turn.append(*(self._stream, RUN, self.facts), expected=Version(expected), causes=self._causes)
        made: set[str] = set()
        for said, sender, cause, hops in self._said:
            if said.to.kind == "channel" and said.to.name not in made:
                board.make_channel(turn, said.to.name)
                made.add(said.to.name)
            turn.post(written(said, sender, hops, cause))
        for change in self._changes:
            turn.change(change)
        if self.snapshot is not None:
            with contextlib.suppress(TurnTooLarge):  # it is only a shortcut: the next one will do
                turn.change(self.snapshot)
        return turn

    # ── what the machine wants ───────────────────────────────────────────────────────────────────────────

    def _rule(self, rulings: list[Ruling], first: int) -> None:
        for number, one in enumerate(rulings):
            self._changes.append(
                RecordDecision(
                    *(self._run, Ref(first), number, one.about, one.source, one.to),
                    *(one.expression, one.result, one.reason),
                )
            )

    def _want(self, want: commands.Want) -> None:
        match want:
            case commands.StartAttempt():
                self.starts[want.step, want.iteration, want.attempt] = want
            case commands.CancelAttempt():
                key = (want.step, want.iteration, want.attempt)
                if self.starts.pop(key, None) is None:
                    self.stops.append(key)
            case commands.SetTimer(timer=timer, due=due):
                self._set(timer, due)
            case commands.DropTimer(timer=timer):
                self.drop(timer)
            case commands.OpenWait():
                self._open(want)
            case commands.CloseWait():
                name = wait_id(self._run, want.step, want.iteration, want.number)
                self._changes.append(CloseWait(name))
            case commands.End():
                pass  # whoever drives the run sees it in the state
            case _:
                text = f"A run wants {type(want).__name__}, which cannot be carried out yet."
                raise NotImplementedError(text)

    def _set(self, timer: commands.Timer, due: datetime) -> None:
        if timer.kind == "timeout":  # it counts time in which attempts run, and none do after a crash
            self.watched, self.time_out = True, due
            return
        name, data = timer_id(self._run, timer), encode(Due(self._run, timer))
        self._changes.append(KeepTimer(name, due, self._stream, RUN, data))
        kept = Timer(name, self.turn.tenant, due, StreamId(self._stream), RUN, msgspec.Raw(data.encode()))
        self.timers[name] = kept

    def drop(self, timer: commands.Timer) -> None:
        """Have a timer forgotten."""
        if timer.kind == "timeout":
            self.watched = False
            return
        name = timer_id(self._run, timer)
        self._changes.append(DropTimer(name))
        self.timers[name] = None

    def _open(self, want: commands.OpenWait) -> None:
        wait = want.wait
        told = Waited(
            *(self._run, self._workflow, want.step, want.iteration, want.number), self.turn.at, wait.data
        )
        name = wait_id(self._run, want.step, want.iteration, want.number)
        self._changes.append(
            OpenWait(name, self._stream, wait.what, wait.key, None, wait.until, encode(told))
        )


def settled(place: Place | None, receipt: Receipt) -> Position | None:
    """Return the position of a fact once the turn is committed."""
    return receipt.position(place) if isinstance(place, Ref) else place
