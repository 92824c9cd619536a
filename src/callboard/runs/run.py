"""One run at work: it feeds the machine, commits what was decided, and only then carries it out.

Theory of operation
    What a run is, is the fold of its events (`run/`). This actor holds that fold while there is something to
    do. Commands gather in its inbox while a commit is on its way; then all of them are decided one after the
    other, with the steps that are carried out at once, and go into one turn: facts with the version that is
    expected, decisions, timers, waits, messages. After the receipt, and not before, attempts begin, alarms
    are set and whoever asked is answered.

    `decide` changes the state that it is handed. So if the turn is refused, the state never was: it is thrown
    away and folded anew from the log. What was told (an attempt that ended, a timer that rang) is then
    decided again on the right state, since nobody would tell it a second time; whoever asked hears the error.

    A run with nothing to do but wait ends its actor. Its rows in waits and timers bring it back. Between
    looking into the inbox and closing it there is no await, so no `tell` vanishes: it was either seen, or
    finds the actor gone and wakes another.

    In an orderly end nothing new is begun; attempts in flight may end, and what they came to is committed.

Rejected
    Handing events to the state only after the commit: each fact would be applied twice, see `run/`.
    An actor for each sleeping run: a hundred thousand of them take half a gigabyte to do nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from callboard import run
from callboard.actors.inbox import DEFAULT_CAPACITY
from callboard.actors.runtime import Envelope, LoopActor, Reply
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.changes import Place, SaveSnapshot
from callboard.clock import Alarm
from callboard.errors import (
    CallboardError,
    ConcurrencyConflict,
    Conflict,
    NotFound,
    StoreUnavailable,
    StreamNotFound,
)
from callboard.events import run_stream
from callboard.fold import Fold, load, snapshot_due
from callboard.ids import Position, PrincipalId, Version
from callboard.plan import Plan
from callboard.retry import Backoff
from callboard.run import RunState, commands
from callboard.runs.running import Crew, Ended, Running, at_once
from callboard.runs.runturn import RunTurn, settled
from callboard.runs.runwords import (
    Begin,
    Decide,
    Do,
    Message,
    Rang,
    Standing,
    Taken,
    asks,
    hops_of,
    principal_of,
    told_by_itself,
    unanswered,
)
from callboard.step import Attempt
from callboard.steps import AT_ONCE, approval

MOST_AT_ONCE, MOST_CONFLICTS = 64, 3
LARGEST_SNAPSHOT = 1 << 20
"""Bytes: a state that holds more is folded from its events, or it would be written again each 50 of them."""

_log = structlog.get_logger("callboard.run")


FOLD = Fold(start=RunState, evolve=lambda state, event: run.evolve(state, event.fact), revision=run.REVISION)


Plans = Callable[[str, int], Any]
"""Gives the plan of a version, as an awaitable."""


class RunActor(LoopActor[Message]):
    """Drives one run."""

    def __init__(
        self,
        id_: str,
        crew: Crew,
        plans: Plans,
        set_timer: Callable[[SetTimer | CancelTimer], object],
        ring: Callable[[Any], object],
        limits: run.Limits,
        *,
        fresh: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"run:{id_}", capacity=DEFAULT_CAPACITY, clock=crew.services.clock)
        self._id = id_
        self._stream = run_stream(id_)
        self._crew = crew
        self._services = crew.services
        self._plans = plans
        self._set_timer = set_timer
        self._ring = ring
        self._limits = limits
        self._fresh = fresh
        self._chance = chance or random.Random()  # noqa: S311 - it spreads retries, and keeps no secret
        self._running = Running(crew, self._attempt_ended)
        self._late: deque[Ended] = deque()
        """Attempts that ended while the inbox had no room, or had closed."""
        self._began: dict[str, Position] = {}
        self._alarm: Alarm | None = None
        self._time_out: datetime | None = None
        self._snapshot: SaveSnapshot | None = None
        self._state = RunState()
        self._version = 0
        self._last: Position | None = None
        self._plan: Plan | None = None

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        if self._fresh:
            return
        try:
            await self._fold()
        except StreamNotFound:
            return  # it never began: whoever asks is told
        if self._state.ended or self._state.status == "crashed":
            self._rest()
            return
        word = self._crew.ordeal.first_word(self._id, lost=self._state.active > 0)
        await self._handle(deque([told_by_itself(word)]))
        self._rest()

    async def _serve(self, first: Envelope[Message]) -> None:
        taken = [first, *self.actor_inbox.take_waiting(MOST_AT_ONCE - 1)]
        await self._handle(deque((one.message, one.reply_to) for one in taken))
        self._rest()

    async def on_stop(self) -> None:
        """Let what is in flight end; nothing new begins."""
        while len(self._running) or self._late:
            if not self._late:
                await self._running.one_ends()
            await self._handle(deque())
        self._disarm()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._running.cancel_all()
        self._crew.ordeal.gone(self._id)
        self._disarm()

    def _rest(self) -> None:
        """End the actor if there is nothing to do now."""
        if not (len(self._running) or len(self.actor_inbox) or self._late):
            self._disarm()
            self.stop()

    async def _fold(self) -> None:
        """Read from the log how the run stands."""
        store = self._services.store
        self._state, version = await load(store, self._stream, FOLD)
        (last,) = await store.events(self._stream, Version(version - 1), 1)
        self._version, self._last = version, last.position
        self._plan = await self._plans(self._state.workflow, self._state.version)

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────────

    async def _handle(self, told: deque[tuple[Any, Any]]) -> None:
        """Decide and commit all that was told, and whatever follows from it at once."""
        pause, conflicts = Backoff(first=0.2, factor=2.0, longest=10.0), 0
        while told or self._late:
            while self._late:
                told.append((self._late.popleft(), None))
            taken, turn = self._decide(told)
            try:
                await self._commit(turn, taken)
            except (StoreUnavailable, ConcurrencyConflict) as error:
                conflicts += isinstance(error, ConcurrencyConflict)
                if conflicts > MOST_CONFLICTS:
                    raise
                told.extendleft(reversed(unanswered(taken, error)))
                if isinstance(error, StoreUnavailable):
                    await self.clock.sleep(pause.next())
                await self._fold_again()
                continue
            except CallboardError as error:
                if self._version:
                    raise
                unanswered(taken, error)  # it does not begin: there is no such run
                self._state, self._plan = RunState(), None
                return
            for reply, answer in taken.answers:
                self._answer(reply, answer)

    def _answer(self, reply: Reply | None, error: CallboardError | None) -> None:
        if reply is None:
            if error is not None:
                _log.warning("run.told_in_vain", run=self._id, reason=error.message)
        elif error is not None:
            reply.set_exception(error)
        else:
            state = self._state
            reply.set(Standing(self._id, state.workflow, state.version, state.status, state.paused_by))

    async def _fold_again(self) -> None:
        self._snapshot = None
        if self._version:
            await self._fold()
        else:
            self._state = RunState()

    def _decide(self, told: deque[tuple[Any, Any]]) -> tuple[Taken, RunTurn]:
        """Decide as much as belongs into one turn; the rest stays in `told`."""
        taken = Taken([], [])
        principal = principal_of(told[0][0], self._state)
        turn = self._turn(principal, told[0][0])
        while told and not turn.full:
            message, reply = told[0]
            if taken.told and (asks(message) or asks(taken.told[-1][0])):
                break  # whoever wants something of a run has a turn of his own, under his own name
            told.popleft()
            taken.told.append((message, reply))
            try:
                decision, inner = self._one(turn, message)
            except CallboardError as error:
                taken.answers.append((reply, error))
                continue
            self._follow(turn, inner, told)
            taken.answers.append((reply, None))
            if decision.more:
                told.append(told_by_itself(commands.GoOn()))
        return taken, turn

    def _turn(self, principal: PrincipalId, message: object) -> RunTurn:
        cause = message.cause if isinstance(message, Begin) else self._last
        turn = self._services.journal.turn(principal=principal)
        workflow = message.plan.name if isinstance(message, Begin) else self._state.workflow
        made = RunTurn(turn, self._id, workflow, cause)
        made.snapshot, self._snapshot = self._snapshot, None
        return made

    def _one(self, turn: RunTurn, message: object) -> tuple[run.Decision, list[commands.StartAttempt]]:
        """Decide what follows from one message; return also the attempts that are to be made at once."""
        match message:
            case Begin():
                return self._begin(turn, message)
            case Ended(key=(step, iteration, attempt), outcome=outcome, says=says):
                command = commands.AttemptEnded(step, iteration, attempt, outcome, self._chance.random())
                cause: Place | None = self._began.get(step, turn.last)
                return self._apply(turn, command, cause, says)
            case Rang(timer=timer):
                turn.drop(timer)  # before what may set it anew
                return self._apply(turn, commands.TimerDue(timer), turn.last)
            case Decide():
                return self._apply(turn, self._decision(message), turn.last)
            case Do(command=given):
                self._must_be()
                return self._apply(turn, given, turn.last)
            case _:
                self._must_be()
                return self._apply(turn, commands.GoOn(), turn.last)

    def _begin(self, turn: RunTurn, begin: Begin) -> tuple[run.Decision, list[commands.StartAttempt]]:
        if self._version:
            raise Conflict(f"The run {self._id} has been started before.")
        self._plan = begin.plan
        if begin.key is not None:
            turn.change(begin.key)
        started, _ = self._apply(turn, begin.start, begin.cause)
        decision, inner = self._apply(turn, commands.GoOn(), turn.last)
        return msgspec.structs.replace(decision, stale=started.stale), inner

    def _apply(
        self, turn: RunTurn, command: commands.Command, cause: Place | None, says: list[Any] | None = None
    ) -> tuple[run.Decision, list[commands.StartAttempt]]:
        plan, state = self._plan, self._state
        if plan is None:
            raise NotFound(f"There is no run {self._id}.", run=self._id)
        limits = self._limits
        if self.actor_inbox.closed:  # nothing new begins: it would be cut off at once
            limits = msgspec.structs.replace(limits, facts_at_once=0)
        decision = run.decide(state, plan, command, self.clock.now(), limits)
        before = set(turn.starts)
        turn.take(decision, cause, says, f"workflow.{plan.name}", hops_of(state))
        if self.actor_inbox.closed:
            decision = msgspec.structs.replace(decision, more=False)
        inner = [
            want
            for key, want in turn.starts.items()
            if key not in before and self._kind(want.step) in AT_ONCE
        ]
        return decision, inner

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
            ended = at_once(self._crew, self._kind(want.step), self._attempt(want), want)
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
        step = self._state.steps.get(wanted.step)
        same = step is not None and (step.iteration, step.waits) == (wanted.iteration, wanted.number)
        if step is None or step.wait is None or step.status != "waiting_approval" or not same:
            raise Conflict(f"Step {wanted.step} of run {self._id} was decided already, or its run has ended.")
        outcome = approval.decided(step.wait, step.answers, wanted.by, wanted.word, wanted.comment)
        answer = {"decision": wanted.word, "comment": wanted.comment}
        return commands.Answered(wanted.step, step.iteration, step.waits, answer, wanted.by, outcome)

    def _must_be(self) -> None:
        if self._plan is None:
            raise NotFound(f"There is no run {self._id}.", run=self._id)

    def _kind(self, step: str) -> str:
        return "" if self._plan is None else self._plan.flow.steps[step].kind.name

    def _attempt(self, want: commands.StartAttempt) -> Attempt:
        return Attempt(self._id, self._state.workflow, want.step, want.iteration, want.attempt, want.key)

    # ── committing ───────────────────────────────────────────────────────────────────────────────────────

    async def _commit(self, made: RunTurn, taken: Taken) -> None:
        """Commit a turn, and carry out what it wants."""
        if not made.empty:
            turn = made.close(self._services.board, self._version)
            receipt = await self._services.journal.commit(turn)
            before, self._version = self._version, self._version + len(made.facts)
            for step, place in made.began.items():
                self._began[step] = settled(place, receipt) or Position(0)
            self._last = settled(made.last, receipt)
            self._keep_snapshot(before)
        self._crew.ordeal.committed(self._id, (one.key for one, _ in taken.told if isinstance(one, Ended)))
        for key in made.stops:
            self._running.cancel(key)
        for name, timer in made.timers.items():
            if timer is None:
                self._set_timer(CancelTimer(name))
            else:
                self._set_timer(SetTimer(name, timer.due_at, self._ring, timer))
        for want in made.starts.values():
            self._running.begin(self._kind(want.step), self._attempt(want), want)
        if made.watched is not None:
            self._watch(made.time_out if made.watched else None)

    def _keep_snapshot(self, before: int) -> None:
        state = self._state
        if snapshot_due(before, self._version) and not state.ended and state.bytes < LARGEST_SNAPSHOT:
            # Without the search for what JSON cannot hold: it is made of facts, and those were searched.
            data = msgspec.json.encode(state).decode()
            if len(data) < LARGEST_SNAPSHOT:
                at, now = Version(self._version), self.clock.now()
                self._snapshot = SaveSnapshot(self._stream, at, FOLD.revision, data, now)

    def _attempt_ended(self, ended: Ended) -> None:
        if not self.actor_inbox.put(Envelope(ended)):
            self._late.append(ended)

    # ── the time in which attempts run ───────────────────────────────────────────────────────────────────

    def _watch(self, due: datetime | None) -> None:
        self._disarm()
        if due is not None:
            ahead = (due - self.clock.now()).total_seconds()
            rang = Rang(commands.Timer("timeout"))
            self._alarm = self.clock.call_at(self.clock.monotonic() + ahead, self._tell_later, rang)

    def _tell_later(self, message: Message) -> None:
        if not self.actor_inbox.put(Envelope(message)) and not self.actor_inbox.closed:
            again = self.clock.monotonic() + 0.1
            self._alarm = self.clock.call_at(again, self._tell_later, message)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
