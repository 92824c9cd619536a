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
from functools import partial
from typing import Any

import structlog

from callboard import run
from callboard.actors.inbox import DEFAULT_CAPACITY, Inbox
from callboard.actors.runtime import Envelope, LoopActor, Reply
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.clock import Alarm
from callboard.company.patience import patiently
from callboard.errors import (
    CallboardError,
    ConcurrencyConflict,
    ConstraintViolated,
    OutcomeUnknown,
    StoreUnavailable,
    StreamNotFound,
)
from callboard.facts.events import run_stream
from callboard.retry import Backoff
from callboard.run import commands
from callboard.runs import answers, placing
from callboard.runs.course import Course, Plans, learns_first
from callboard.runs.replying import reply as reply_to_asker
from callboard.runs.running import Crew, Ended, Running
from callboard.runs.runturn import RunTurn
from callboard.runs.runwords import (
    Look,
    Message,
    Nap,
    Rang,
    Standing,
    Taken,
    is_late,
    told_by_itself,
    unanswered,
)
from callboard.store.port import Receipt

MOST_AT_ONCE, MOST_CONFLICTS = 64, 3
NAP_AFTER = 2.0
"""Seconds for which a run stays awake whose items or rounds go on elsewhere."""

_log = structlog.get_logger("callboard.run")


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
        look: Callable[[str], object],
        *,
        fresh: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"run:{id_}", capacity=DEFAULT_CAPACITY, clock=crew.services.clock)
        self._id = id_
        self._stream = run_stream(id_)
        self._crew = crew
        self._services = crew.services
        self._set_timer = set_timer
        self._ring = ring
        self._look = look
        self._fresh = fresh
        inbox: Inbox[Envelope[Message]] = self.actor_inbox
        late: deque[Ended] = deque()
        # Nothing that the actor holds holds the actor: when it has ended, its memory goes at once, and dozens
        # of objects for each run do not lie about until the collector has walked over all of them.
        self._running = Running(
            id_, crew, partial(_attempt_ended, inbox, late), partial(_there_is_room, inbox)
        )
        luck = chance or random.Random()  # noqa: S311 - it spreads retries, and keeps no secret
        self._course = Course(id_, crew, plans, limits, self._running, lambda: inbox.closed, luck)
        self._late = late
        """Attempts that ended while the inbox had no room, or had closed."""
        self._alarm: Alarm | None = None
        self._nap: Alarm | None = None
        self._napped = False
        """It has waited long enough for items or rounds, and sleeps until one has ended."""
        self._time_out: datetime | None = None

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        if self._fresh:
            return
        try:
            await patiently(self.clock, self._course.fold)
        except StreamNotFound:
            self.stop()  # it never began: whoever asks is told
            return
        if self._course.state.ended or self._course.state.status == "crashed":
            self._rest()
            return
        word = self._crew.ordeal.first_word(self._id, lost=self._course.state.active > 0)
        await self._handle(deque([told_by_itself(word), *await self._answered()]))
        self._rest()

    async def _serve(self, first: Envelope[Message]) -> None:
        told: deque[tuple[Any, Any]] = deque()
        looks = False
        taken = [first]
        if len(self.actor_inbox):
            taken += self.actor_inbox.take_waiting(MOST_AT_ONCE - 1)
        for one in taken:
            message = one.message
            if not isinstance(message, Nap):
                told.append((message, one.reply_to))
                looks = looks or isinstance(message, Look) or is_late(message)
        self._napped = not told
        if looks:
            told.extendleft(reversed(await self._answered()))  # before a deadline that they were in time for
        await self._handle(told)
        self._rest()

    async def _answered(self) -> list[tuple[Any, Any]]:
        """Return what the run waits for and was answered, as if it were told."""
        if not self._course.version:
            return []
        store = self._services.store
        found = await patiently(self.clock, lambda: answers.answered(store, self._stream))
        return [(one, None) for one in found]

    async def on_stop(self) -> None:
        """Let what is in flight end; nothing new begins."""
        self._running.close()
        while len(self._running) or self._late:
            if not self._late:
                await self._running.one_ends()
            await self._handle(deque())
            self._running.close()
        self._disarm()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._running.close()
        self._running.cancel_all()
        self._crew.ordeal.gone(self._id)
        self._disarm()

    def _rest(self) -> None:
        """Give back what it does not use, and end the actor if there is nothing to do now."""
        self._running.settle(starved=self._course.starved)
        self._course.starved = False
        if len(self._running) or len(self.actor_inbox) or self._late or self._running.asks:
            return
        if self._course.state.batches and not (
            self._napped or self._course.state.ended or self.actor_inbox.closed
        ):
            # To be folded anew for each of a thousand items would cost more than to stay.
            self._disarm()
            self._nap = self.clock.call_at(self.clock.monotonic() + NAP_AFTER, self._tell_later, Nap())
            return
        self._disarm()
        self.stop()

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────────

    async def _handle(self, told: deque[tuple[Any, Any]]) -> None:
        """Decide and commit all that was told, and whatever follows from it at once."""
        pause: Backoff | None = None
        conflicts = 0
        while told or self._late or self._running.granted:
            self._gather(told)
            if _learns_first(told):
                await patiently(self.clock, partial(self._course.learn, told))
            taken, turn = self._course.draft(told)
            try:
                await self._commit(turn, taken)
            except (StoreUnavailable, ConcurrencyConflict, ConstraintViolated) as error:
                if isinstance(error, ConstraintViolated) and not turn.links:
                    self._refused(taken, error)
                    return
                conflicts += isinstance(error, ConcurrencyConflict | ConstraintViolated)
                if conflicts > MOST_CONFLICTS:
                    raise
                told.extendleft(reversed(unanswered(taken, error)))
                if isinstance(error, StoreUnavailable):
                    pause = pause or Backoff(first=0.2, factor=2.0, longest=10.0)
                    await self.clock.sleep(pause.next())
                await patiently(self.clock, self._course.fold_again)
                continue
            except CallboardError as error:
                self._refused(taken, error)
                return
            for reply, answer in taken.answers:
                self._answer(reply, answer)

    def _gather(self, told: deque[tuple[Any, Any]]) -> None:
        """Add what the run hears of without its inbox."""
        if self._running.granted:
            self._running.granted = False
            told.append(told_by_itself(commands.GoOn()))
        while self._late:
            told.append((self._late.popleft(), None))

    def _refused(self, taken: Taken, error: CallboardError) -> None:
        if self._course.version:
            raise error
        unanswered(taken, error)  # it does not begin: there is no such run
        self._course.forget()

    def _answer(self, reply: Reply | None, error: CallboardError | None) -> None:
        if reply is None:
            if error is not None:
                _log.warning("run.told_in_vain", run=self._id, reason=error.message)
        elif error is not None:
            reply.set_exception(error)
        else:
            state = self._course.state
            reply.set(Standing(self._id, state.workflow, state.version, state.status, state.paused_by))

    # ── committing ───────────────────────────────────────────────────────────────────────────────────────

    async def _commit(self, made: RunTurn, taken: Taken) -> None:
        """Commit a turn, and carry out what it wants."""
        if not made.empty:
            receipt = await self._write(made)
            self._course.committed(made, receipt)
            made.tell(self._crew.hearing, receipt)
        if self._crew.ordeal.judges:
            ended = [one.key for one, _ in taken.told if isinstance(one, Ended)]
            self._crew.ordeal.committed(self._id, ended)
        for key in made.stops:
            self._running.cancel(key)
        for name, timer in made.timers.items():
            if timer is None:
                self._set_timer(CancelTimer(name))
            else:
                self._set_timer(SetTimer(name, timer.due_at, self._ring, timer))
        for want in made.starts.values():
            self._running.begin(self._course.kind(want.step), self._course.attempt(want), want)
        for other in made.looks:
            self._look(other)
        if made.watched is not None:
            self._watch(made.time_out if made.watched else None)

    async def _write(self, made: RunTurn) -> Receipt:
        crowds, state = self._crew.crowds, self._course.state
        try:
            placing.hand_on(crowds, made, state)
            turn = made.close(self._services.board, self._course.version)
            reply_to_asker(turn, self._services, state, made.facts)
            receipt = await self._services.journal.commit(turn)
        except CallboardError as error:
            if not isinstance(error, OutcomeUnknown):
                placing.undone(crowds, made, state)
            raise
        placing.settled(crowds, made, state)
        return receipt

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
        for alarm in (self._alarm, self._nap):
            if alarm is not None:
                alarm.cancel()
        self._alarm = self._nap = None


def _learns_first(told: deque[tuple[Any, Any]]) -> bool:
    """Tell whether something must be read before this is decided on; as a rule nothing is."""
    for message, _ in told:  # noqa: SIM110 - each step comes by here, and `any` would make a generator of it
        if isinstance(message, Ended) and learns_first(message.outcome):
            return True
    return False


def _attempt_ended(inbox: Inbox[Envelope[Message]], late: deque[Ended], ended: Ended) -> None:
    if not inbox.put(Envelope(ended)):
        late.append(ended)


def _there_is_room(inbox: Inbox[Envelope[Message]]) -> None:
    inbox.put(Envelope(told_by_itself(commands.GoOn())[0]))  # if it is full, it is read anyway
