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

from callboard.authoring.handling import Say
from callboard.company.board import Board
from callboard.company.sitting import written
from callboard.errors import TurnTooLarge
from callboard.facts import encode, events
from callboard.facts.child_events import ChildStarted
from callboard.facts.events import run_stream
from callboard.facts.link_events import ResourcesLinked
from callboard.ids import Position, StreamId, TimerId, Version, WaitId
from callboard.run import Decision, Ruling, commands
from callboard.runs import linking
from callboard.runs.children import CANCEL, end_of
from callboard.runs.crowding import KIND as TURN
from callboard.runs.crowding import turn_of
from callboard.runs.decided import remembered
from callboard.runs.occasion import Occasion
from callboard.runs.overhearing import KIND, Overhearing, since_of, used
from callboard.runs.questioned import closed, opened, questions
from callboard.store.boardrows import Timer
from callboard.store.changes import (
    AnswerWait,
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
from callboard.store.port import Receipt
from callboard.store.turn import Turn

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

    __slots__ = (
        *("_born", "_causes", "_changes", "_children", "_ears", "_parent", "_questions", "_run", "_said"),
        *("_size", "_stream", "_workflow", "began", "births", "entered", "facts", "first", "first_at"),
        *("given_up", "last", "links", "looks", "occasion", "snapshot", "starts", "stops", "time_out"),
        *("timers", "turn", "watched"),
    )

    def __init__(
        self, turn: Turn, run: str, workflow: str, last: Place | None, parent: str | None = None
    ) -> None:
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
        self.occasion: Occasion | None = None
        """What goes with the beginning of the run."""
        self.births: list[tuple[commands.StartChild, Ref]] = []
        """Children that are still to be put in with `bear`, each with the fact that says so."""
        self.looks: list[str] = []
        """Runs that have something to look at once this is committed: children, and who waits for the end."""
        self.first: Place = Ref(0)
        """The first fact of the run: from there on it hears what it waits for, unless it says otherwise."""
        self.first_at: datetime | None = None
        self._ears: list[OpenWait] = []
        self.entered: list[str] = []
        """Runs that took a place under a concurrency key, or stand in its queue, if this is committed."""
        self.links = False
        """It says what steps made elsewhere, which another run may have said a moment before."""
        self.given_up = False
        """The parent has told the run to end, and does not wait to hear of it."""
        self._born: dict[str, Ref] = {}
        self._children: list[RunTurn] = []
        self._run = run
        self._parent = parent
        self._workflow = workflow
        self._stream = run_stream(run)
        self._changes: list[Change] = []
        self._causes: list[Place | None] = []
        self._said: list[tuple[Say, str, Place, int]] = []
        self._questions: set[str] = set()
        """The ids of those messages whose replies the run waits for."""
        self._size = 0

    @property
    def full(self) -> bool:
        count = len(self.facts) + len(self._said) + len(self._children)
        return count >= FULL_FACTS or self._size >= FULL_BYTES or len(self._changes) >= FULL_CHANGES

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.facts or self._changes)

    @property
    def rows(self) -> list[Change]:
        """The rows that are altered in the same commit."""
        return self._changes

    def enter(self, turn: Turn, expected: int) -> None:
        """Put the facts into the turn of the journal."""
        turn.append(self._stream, RUN, self.facts, expected=Version(expected), causes=self._causes)

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
        first = number = len(self.facts)
        led: Place | None = cause
        for fact in decision.events:
            ref = Ref(number)
            self._causes.append(led)
            if number == first:
                led = ref  # the first of them leads to the others
            number += 1
            if isinstance(fact, (events.StepActivated, events.AttemptStarted)):
                self.began[fact.step] = ref
            elif isinstance(fact, (events.StepCompleted, events.ContextUpdated, events.WorkflowStarted)):
                self._size += 2 * fact.bytes  # an output is a row, too
            else:
                self._note(fact, ref)
            self.last = ref
        self._size += decision.size
        self.facts += decision.events
        if said and decision.events:
            self._said += [(one, sender, Ref(first), hops) for one in said]
            self._size += sum(len(one.json) for one in said)
        if decision.rulings:
            self._rule(decision.rulings, first)
        for want in decision.wants:
            self._want(want)
            if isinstance(want, commands.CloseWait):
                self._remember(decision, want, first)

    def _note(self, fact: msgspec.Struct, ref: Ref) -> None:
        """Put in the rows that go with a fact, and what must be known of it later."""
        if isinstance(fact, ChildStarted):
            self._born[fact.run] = ref
        elif isinstance(fact, ResourcesLinked):
            self.links = True
            self._changes += linking.rows(self._run, self._workflow, fact, ref)
        elif isinstance(fact, events.WaitAnswered) and fact.message is not None:
            self._changes.append(used(self._run, Position(fact.message), self.first))

    def bear(self, want: commands.StartChild, cause: Ref, decision: Decision) -> None:
        """Put in the beginning of a child; the parent's wait for its end, if it waits, with it."""
        child = RunTurn(self.turn, want.child.run, want.child.workflow, cause)
        child.take(decision, cause)
        self._children.append(child)
        self._changes += child.rows
        self.timers.update(child.timers)
        self.looks.append(want.child.run)
        self._size += 2 * len(encode([want.child.input, want.origin, want.vars]))  # its wait holds it, too
        if want.waited:
            told = Waited(
                *(self._run, self._workflow, want.step, want.iteration, 0), self.turn.at, want.origin.index
            )
            self._changes.append(
                OpenWait(end_of(want.child.run), self._stream, "child", want.child.run, data=encode(told))
            )

    def tell(self, hearing: Overhearing, receipt: Receipt) -> None:
        """Have messages heard for the waits that were opened, and no more for those that were closed."""
        for one in self._ears:
            hearing.opened(one.wait, one.owner, settled(one.since, receipt) or Position(0), one.data)
        for change in self._changes:
            if isinstance(change, CloseWait):
                hearing.closed(change.wait)

    def close(self, board: Board, expected: int) -> Turn:
        """Put everything into the turn of the journal, and return it."""
        turn = self.turn
        if self.facts:
            self.enter(turn, expected)
        for child in self._children:
            child.enter(turn, 0)
        if self.occasion is not None:
            self.occasion.into(turn)
        made: set[str] = set()
        for said, sender, cause, hops in self._said:
            if said.to.kind == "channel" and said.to.name not in made:
                board.make_channel(turn, said.to.name)
                made.add(said.to.name)
            turn.post(written(said, sender, hops, cause, asks=str(said.id) in self._questions))
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
                self._changes += [CloseWait(name), *closed(want.wait)]
            case _:
                self._want_of_kin(want)

    def _want_of_kin(self, want: commands.Want) -> None:
        match want:
            case commands.StartChild():
                self.births.append((want, self._born[want.child.run]))
            case commands.CancelChild(run=child):
                self._give_up(child)
            case commands.JoinQueue(crowded=crowded):
                about = {"key": crowded.key, "limit": crowded.limit}
                told = Waited(self._run, self._workflow, "", 1, 0, self.turn.at, about)
                self._changes.append(
                    OpenWait(turn_of(self._run), self._stream, TURN, crowded.key, data=encode(told))
                )
            case commands.LeaveQueue():
                self._changes.append(CloseWait(turn_of(self._run)))
            case commands.End():
                self._end()

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

    def _give_up(self, child: str) -> None:
        """Have a child end that is not wanted any more: it is told by a timer that is due."""
        self._changes.append(CloseWait(end_of(child)))
        self.tell_at_once(child, CANCEL)

    def tell_at_once(self, run: str, timer: commands.Timer) -> None:
        """Tell another run something by a timer that is due: a row that stands for it until it has heard."""
        data, name, stream = encode(Due(run, timer)), timer_id(run, timer), run_stream(run)
        self._changes.append(KeepTimer(name, self.turn.at, stream, RUN, data))
        self.timers[name] = Timer(
            name, self.turn.tenant, self.turn.at, stream, RUN, msgspec.Raw(data.encode())
        )

    def _end(self) -> None:
        """Answer whoever waits for the end of the run."""
        if self._parent is not None and self.last is not None:
            self._changes.append(AnswerWait(end_of(self._run), self.last))
            if not self.given_up:
                self.looks.append(self._parent)

    def _remember(self, decision: Decision, want: commands.CloseWait, first: int) -> None:
        """Keep who decided, where it was a person's decision that ended the wait."""
        for number, fact in enumerate(decision.events):
            if isinstance(fact, events.ApprovalDecided) and fact.step == want.step:
                name = wait_id(self._run, want.step, want.iteration, want.number)
                self._changes.append(remembered(name, Ref(first + number)))

    def _open(self, want: commands.OpenWait) -> None:
        wait = want.wait
        if wait.what == "answer":
            self._questions.update(questions(wait).values())
            self._changes += opened(self._run, self._stream, want.step, wait)
            return
        told = Waited(
            *(self._run, self._workflow, want.step, want.iteration, want.number), self.turn.at, wait.data
        )
        name = wait_id(self._run, want.step, want.iteration, want.number)
        since = since_of(wait.data, self.first, self.first_at) if wait.what == KIND else None
        opened_ = OpenWait(name, self._stream, wait.what, wait.key, since, wait.until, encode(told))
        self._changes.append(opened_)
        if wait.what == KIND:
            self._ears.append(opened_)


def settled(place: Place | None, receipt: Receipt) -> Position | None:
    """Return the position of a fact once the turn is committed."""
    return receipt.position(place) if isinstance(place, Ref) else place
