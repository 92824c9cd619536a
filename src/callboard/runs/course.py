"""The course of a run: how it stands, and the turns that are decided from that.

It holds the fold of the run's events, the plan, and what else deciding needs: the plans of workflows of which
it starts runs, and what is around an item or a round. `draft` decides as many messages as belong into one
turn, along with the steps that are carried out at once; the actor (`run.py`) commits the turn and says so
with `committed`, or has all that was decided thrown away with `fold_again`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from callboard import run
from callboard.errors import CallboardError, Conflict, NotFound, StreamNotFound
from callboard.facts.events import run_stream
from callboard.ids import Position, PrincipalId, Version
from callboard.outcome import Done, Outcome, Wait
from callboard.planning.plan import Plan
from callboard.planning.step import Attempt
from callboard.run import RunState, commands
from callboard.runs import answers, asked, children, linking, placing
from callboard.runs.running import Crew, Ended, Running, at_once
from callboard.runs.runturn import RunTurn, settled
from callboard.runs.runwords import (
    Answer,
    Begin,
    Decide,
    Do,
    Rang,
    Taken,
    asks,
    hops_of,
    principal_of,
    told_by_itself,
)
from callboard.steps import AT_ONCE, approval
from callboard.store.boardrows import Event
from callboard.store.changes import CloseWait, Place, Ref, SaveSnapshot
from callboard.store.fold import Fold, load, snapshot_due
from callboard.store.port import Receipt

LARGEST_SNAPSHOT = 1 << 20
"""Bytes: a state that holds more is folded from its events, or it would be written again each 50 of them."""

FOLD = Fold(start=RunState, evolve=lambda state, event: run.evolve(state, event.fact), revision=run.REVISION)

Plans = Callable[[str, int], Any]
"""Gives the plan of a version, as an awaitable."""


def learns_first(outcome: Outcome) -> bool:
    """Whether something must be read before it is decided on: it starts runs, or links what others may."""
    if isinstance(outcome, Done):
        return outcome.child is not None or bool(outcome.links)
    return isinstance(outcome, Wait)


class Course:
    """What a run is, and what it comes to."""

    def __init__(
        self,
        id_: str,
        crew: Crew,
        plans: Plans,
        limits: run.Limits,
        running: Running,
        closing: Callable[[], bool],
        chance: random.Random,
    ) -> None:
        self.state = RunState()
        self.version = 0
        self.plan: Plan | None = None
        self.starved = False
        """Something is ready for which there was no room."""
        self._id = id_
        self._stream = run_stream(id_)
        self._crew = crew
        self._plans = plans
        self._limits = limits
        self._running = running
        self._closing = closing
        self._chance = chance
        self._first: Place = Ref(0)
        """Where the run's first fact stands, where any step of it listens from there on."""
        self._last: Position | None = None
        self._began: dict[str, Position] = {}
        self._snapshot: SaveSnapshot | None = None
        self._whole: Plan | None = None
        """Of the whole workflow, where the run is that of an item or a round."""
        self._callees: dict[tuple[str, int], Plan] = {}
        """Of the workflows of which it starts runs."""
        self._around: run.Around | None = None

    async def fold(self) -> None:
        """Read from the log how the run stands."""
        store = self._crew.services.store
        newest: list[Position] = []

        def evolve(state: RunState, event: Event) -> RunState:
            newest[:] = [event.position]
            return FOLD.evolve(state, event)

        fold = Fold(start=RunState, evolve=evolve, revision=FOLD.revision)
        self.state, version = await load(store, self._stream, fold)
        if not newest:  # a snapshot says it all
            newest = [one.position for one in await store.events(self._stream, Version(version - 1), 1)]
        self.version, self._last = version, newest[0]
        self._whole = await self._plans(self.state.workflow, self.state.version)
        origin = self.state.origin
        self.plan = self._whole.inside(() if origin is None else origin.path)
        if not self.state.ended:
            self._around = await self._crew.arounds.of(self.state)
        for id_ in self.state.batches:
            await self._know(self.state.steps[id_].wait)
        if any(step.kind.looks_later for step in self.plan.flow.steps.values()):
            self._first = (await store.events(self._stream, Version(0), 1))[0].position

    async def fold_again(self) -> None:
        """Throw away what was decided in vain."""
        self._snapshot = None
        if self.version:
            try:
                await self.fold()
            except StreamNotFound:
                self.forget()
        else:
            self.state = RunState()

    def forget(self) -> None:
        """Be no run: the first turn was refused, or it was deleted."""
        self.state, self.plan, self.version = RunState(), None, 0

    def draft(self, told: deque[tuple[Any, Any]]) -> tuple[Taken, RunTurn]:
        """Decide as much as belongs into one turn; the rest stays in `told`."""
        taken = Taken([], [])
        self._running.anew()
        principal = principal_of(told[0][0], self.state)
        turn = self._turn(principal, told[0][0])
        while told and not turn.full:
            message, reply = told[0]
            if taken.told and (asks(message) or asks(taken.told[-1][0])):
                break  # whoever wants something of a run has a turn of his own, under his own name
            told.popleft()
            taken.told.append((message, reply))
            entered = len(turn.entered)
            try:
                decision, inner = self._one(turn, message)
            except CallboardError as error:
                placing.withdrawn(self._crew.crowds, turn, entered)
                taken.answers.append((reply, error))
                continue
            if inner:
                self._follow(turn, inner, told)
            if reply is not None:
                taken.answers.append((reply, None))
            if decision.more:
                told.append(told_by_itself(commands.GoOn()))
        return taken, turn

    def _turn(self, principal: PrincipalId, message: object) -> RunTurn:
        cause = message.cause if isinstance(message, Begin) else self._last
        turn = self._crew.services.journal.turn(principal=principal)
        workflow = message.plan.name if isinstance(message, Begin) else self.state.workflow
        origin = self.state.origin
        parent = origin.parent if origin is not None and origin.waited else None
        made = RunTurn(turn, self._id, workflow, cause, parent)
        made.first, made.first_at = self._first, self.state.started_at
        made.snapshot, self._snapshot = self._snapshot, None
        return made

    def _one(self, turn: RunTurn, message: object) -> tuple[run.Decision, list[commands.StartAttempt]]:
        """Decide what follows from one message; return also the attempts that are to be made at once."""
        match message:
            case Ended(key=(step, iteration, attempt), outcome=outcome, says=says):
                command = commands.AttemptEnded(step, iteration, attempt, outcome, self._chance.random())
                cause: Place | None = self._began.get(step, turn.last)
                return self._apply(turn, command, cause, says)
            case Begin():
                return self._begin(turn, message)
            case Rang(timer=timer):
                turn.drop(timer)  # before what may set it anew
                turn.given_up |= timer.kind == "cancel"
                due, said = asked.late(self._crew, self._must_be(), self.state, timer)
                return self._apply(turn, due, turn.last, said)
            case Decide():
                return self._apply(turn, self._decision(message), turn.last)
            case Answer():
                return self._answer(turn, message)
            case _:
                self._must_be()
                given = message.command if isinstance(message, Do) else commands.GoOn()
                if isinstance(given, commands.Reopen):
                    placing.placed_again(self._crew.crowds, turn, self.state)
                return self._apply(turn, given, turn.last)

    def _answer(self, turn: RunTurn, answer: Answer) -> tuple[run.Decision, list[commands.StartAttempt]]:
        """Use up what was answered, whether or not anything follows from it."""
        made = answers.made_of(self._crew, self._must_be(), self.state, answer)
        turn.change(CloseWait(answer.wait.id))
        if made is None:
            return run.Decision([], [], []), []
        return self._apply(turn, made[0], answer.wait.answer, made[1])

    def _begin(self, turn: RunTurn, begin: Begin) -> tuple[run.Decision, list[commands.StartAttempt]]:
        if self.version:
            raise Conflict(f"The run {self._id} has been started before.")
        self.plan, turn.occasion = begin.plan, begin.occasion
        self._whole = begin.plan
        if begin.key is not None:
            turn.change(begin.key)
        start = placing.placed(self._crew.crowds, turn, begin.plan, begin.start)
        started, _ = self._apply(turn, start, begin.cause)
        decision, inner = self._apply(turn, commands.GoOn(), turn.last)
        return msgspec.structs.replace(decision, stale=started.stale), inner

    def _apply(
        self, turn: RunTurn, command: commands.Command, cause: Place | None, says: list[Any] | None = None
    ) -> tuple[run.Decision, list[commands.StartAttempt]]:
        plan, state = self.plan, self.state
        if plan is None:
            raise NotFound(f"There is no run {self._id}.", run=self._id)
        limits, closing = self._limits, self._closing()
        if closing:  # nothing new begins: it would be cut off at once
            limits = msgspec.structs.replace(limits, facts_at_once=0)
        now = turn.turn.at
        decision = run.decide(state, plan, command, now, limits, self._running.room, self._around)
        self.starved |= decision.starved
        before = set(turn.starts) if turn.starts else ()
        if says:
            turn.take(decision, cause, says, f"workflow.{plan.name}", hops_of(state))
        else:
            turn.take(decision, cause)
        if turn.births:
            self._bear(turn, now)
        if closing:
            decision = msgspec.structs.replace(decision, more=False)
        inner = [
            want for key, want in turn.starts.items() if key not in before and self.kind(want.step) in AT_ONCE
        ]
        return decision, inner

    def _bear(self, turn: RunTurn, now: datetime) -> None:
        """Put the beginnings of children into the turn."""
        place = placing.child_placed(self._crew.crowds, turn)
        for child, said in turn.births:
            turn.bear(child, said, children.first_turn(child, self.state, self._plan_of(child), now, place))
        turn.births.clear()

    def _follow(
        self, turn: RunTurn, inner: list[commands.StartAttempt], told: deque[tuple[Any, Any]]
    ) -> None:
        """Carry out what is carried out at once, and what follows from that, as far as there is room."""
        ahead = deque(inner)
        while ahead:
            want = ahead.popleft()
            key = (want.step, want.iteration, want.attempt)
            if turn.starts.pop(key, None) is None:
                continue  # it was cancelled meanwhile
            ended = at_once(self._crew, self.kind(want.step), self.attempt(want), want)
            if turn.full:
                told.appendleft((ended, None))
                continue
            command = commands.AttemptEnded(*key, ended.outcome, self._chance.random())
            decision, more = self._apply(turn, command, turn.began.get(want.step), ended.says)
            ahead.extend(more)
            if decision.more:
                told.append(told_by_itself(commands.GoOn()))

    def _decision(self, wanted: Decide) -> commands.Command:
        """Return the command that a person's decision is."""
        self._must_be()
        step = self.state.steps.get(wanted.step)
        same = step is not None and (step.iteration, step.waits) == (wanted.iteration, wanted.number)
        if step is None or step.wait is None or step.status != "waiting_approval" or not same:
            raise Conflict(f"Step {wanted.step} of run {self._id} was decided already, or its run has ended.")
        outcome = approval.decided(step.wait, step.answers, wanted.by, wanted.word, wanted.comment)
        answer = {"decision": wanted.word, "comment": wanted.comment}
        return commands.Answered(wanted.step, step.iteration, step.waits, answer, wanted.by, outcome)

    async def learn(self, told: deque[tuple[Any, Any]]) -> None:
        """See that what is needed to decide on this is at hand."""
        for number, (message, reply) in enumerate(told):
            if isinstance(message, Ended):
                await self._know(message.outcome)
                judged = await linking.judged(self._crew.services.store, self._id, message.outcome)
                if judged is not message.outcome:
                    told[number] = (msgspec.structs.replace(message, outcome=judged, says=[]), reply)

    async def _know(self, outcome: object) -> None:
        """See that the plan of what an outcome starts is at hand."""
        for workflow, version in children.called(outcome):
            if (workflow, version) not in self._callees:
                self._callees[workflow, version] = await self._plans(workflow, version)

    def _plan_of(self, want: commands.StartChild) -> Plan:
        if self._whole is not None and want.origin.path:
            return self._whole.inside(want.origin.path)
        return self._callees[want.child.workflow, want.child.version or 0]

    def _must_be(self) -> Plan:
        if self.plan is None:
            raise NotFound(f"There is no run {self._id}.", run=self._id)
        return self.plan

    def kind(self, step: str) -> str:
        """Return the name of the kind of a step."""
        return "" if self.plan is None else self.plan.flow.steps[step].kind.name

    def attempt(self, want: commands.StartAttempt) -> Attempt:
        """Return the attempt that is to be started."""
        state = self.state
        return Attempt(
            *(self._id, state.workflow, want.step, want.iteration, want.attempt, want.key),
            children.above(state),
        )

    def committed(self, made: RunTurn, receipt: Receipt) -> None:
        """Take in that a turn is on disk."""
        before, self.version = self.version, self.version + len(made.facts)
        for step, place in made.began.items():
            self._began[step] = settled(place, receipt) or Position(0)
        self._first = settled(self._first, receipt) or Position(0)
        self._last = settled(made.last, receipt)
        self._keep_snapshot(before)

    def _keep_snapshot(self, before: int) -> None:
        state = self.state
        if snapshot_due(before, self.version) and not state.ended and state.bytes < LARGEST_SNAPSHOT:
            # Without the search for what JSON cannot hold: it is made of facts, and those were searched.
            data = msgspec.json.encode(state).decode()
            if len(data) < LARGEST_SNAPSHOT:
                at, now = Version(self.version), self._crew.services.clock.now()
                self._snapshot = SaveSnapshot(self._stream, at, FOLD.revision, data, now)
