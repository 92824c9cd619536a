"""One message at a bot: its handler is called, and what came of it goes into the sitting.

Theory of operation
    A handler's outcome goes into the sitting (`sitting.py`), which is committed when there is nothing more to
    do at once. Only then is anything of it true: the memory that handlers see is put back to what was last
    committed if the commit fails, and the bot goes on from its cursor.

    A handler that raises is a failed delivery, not a dead actor. It is tried again beside the stream, or
    holding it, and becomes a dead letter past its last attempt.

    Only one handler runs at a time. One in a thread cannot be stopped: past its time-out its turn is sealed,
    the delivery has failed, and the bot waits for the thread to end before it does anything else.

Rejected
    A commit for each message however quick its handler: under load most of the time went into waiting for a
    disk that could have taken a hundred of them at once.
    A task for each handler: most never wait, and a task costs as much as all the rest of such a handler.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from callboard import logs
from callboard.authoring.bot import Bot, Handler, Shape, Turn, decode_body
from callboard.authoring.terms import Terms
from callboard.company.ahead import Ahead
from callboard.company.asking import Asking, Backstage, Services, open_asks, too_long, within
from callboard.company.board import Line
from callboard.company.carrying import Resumed, in_a_thread
from callboard.company.guard import DEATHS, Guard
from callboard.company.sitting import Delivered, Sitting, said, storable
from callboard.errors import (
    AskChanged,
    BodyInvalid,
    CallboardError,
    HandlerTimeout,
    HopLimitReached,
    MemoryUnreadable,
    RunRefused,
    ShuttingDown,
    StoreUnavailable,
    TurnSealed,
    TurnTooLarge,
    WebhookFailed,
    WebhookRefused,
)
from callboard.facts import encode
from callboard.facts.membership import bot_stream
from callboard.facts.mishaps import Reason
from callboard.ids import BotName, MessageId, Position, WaitId
from callboard.messages import Body, Message

FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0

_log = structlog.get_logger("callboard.authoring.bot")


class Refused(Exception):
    """The sitting could not be committed, though nothing is wrong with the disk."""

    def __init__(self, error: CallboardError, count: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.count = count


class Again(msgspec.Struct, frozen=True):
    """The attempt failed and will be repeated."""

    at: datetime
    holds: bool
    """Whether what follows waits for it."""


class Attempts:
    """What a bot does with messages, one after the other."""

    def __init__(
        self,
        cls: type[Bot],
        shape: Shape,
        line: Line,
        services: Services,
        terms: Terms,
        chance: random.Random | None = None,
    ) -> None:
        self.settled = Position(0)
        """Up to where the cursor was committed."""
        self.one_by_one = 0
        """So many messages get a commit each: together they were refused, and only one is to blame."""
        self._bot = cls()
        self._name = BotName(shape.name)
        self._shape = shape
        self._terms = terms
        self._line = line
        self._services = services
        self._chance = chance or random.Random()  # noqa: S311 - it spreads retries, and keeps no secret
        self._sitting: Sitting | None = None
        self._memory = ""
        self._saved = ""
        """What the memory was after the last handler that returned, and what of it is on disk."""
        self._asks: dict[tuple[Position, int], Asking] = {}
        self._guard = Guard(self._name, services.alert)
        self._ahead = Ahead(self.flush)

    async def take_up(self) -> None:
        """Read what the bot keeps and waits for; again has no effect."""
        self._bot.settings = self._terms.settings
        row = await self._services.store.memory(self._name)
        if self._shape.memory is not None:
            self._memory = self._saved = row.data if row else ""
            self._recall()
            self._memory = self._memory or encode(self._bot.memory)
        await self.look_for_answers()

    async def begin(self) -> None:
        """Let the bot prepare."""
        await self._bot.started()

    async def end(self) -> None:
        """Let the bot close what it keeps open."""
        try:
            await self._bot.ended()
        except Exception:  # noqa: BLE001  what it kept open is its own affair, and it has ended all the same
            _log.exception("bot.ended_badly", bot=self._name)

    async def look_for_answers(self) -> None:
        """Read which questions are open, and which were answered meanwhile."""
        self._asks = open_asks(await self._services.store.waits(bot_stream(self._name)))

    async def look_back(self) -> None:
        """See how far the bot came and what was under way when the process ended.

        Give up what ended it too often. If the disk fails half-way, it is done again from the beginning.
        """
        self._sitting = None
        cursor = await self._services.store.cursor(self._name)
        self.settled = self._line.declared if cursor is None else cursor
        started = await self._services.store.started(self._name)
        for lost in self._guard.look_back(started, self.settled, self._sit()):
            message = await self._services.store.message_at(lost.message)
            if message is not None:
                text = f"{DEATHS} times the process ended while {self._name} handled it."
                given = Delivered(message, lost.attempts, lost.redriven, beside=True, deaths=DEATHS)
                await self._bury(given, "KILLED_PROCESS", text, None, self._waits_of(lost.message))
        await self.flush()

    def _waits_of(self, delivery: Position) -> list[WaitId]:
        return [asking.wait for (about, _), asking in self._asks.items() if about == delivery]

    # ── one message ──────────────────────────────────────────────────────────────────────────────────────

    async def take(self, given: Delivered) -> Again | None:
        """Handle one message, put what came of it into the sitting, and say if it is to be tried again."""
        if self._line.thread is not None:
            await asyncio.shield(self._line.thread)
            self._line.thread = None
        sitting, alone = self._sit(), self.one_by_one > 0 or given.attempt > 1
        if sitting.full or (alone and sitting.count):
            await self.flush()
        self.one_by_one = max(0, self.one_by_one - 1)
        message = given.message
        handler = self._handler(message)
        if handler is None:
            text = f"{self._name} has no handler for {message.type!r}."
            await self._bury(given, "NO_HANDLER", text, None, [])
            return None
        try:
            argument = message if handler.body is None else decode_body(message, handler.body)
        except BodyInvalid as error:
            await self._bury(given, "BODY_INVALID", error.message, None, [])
            return None
        if self._guard.watches(given):
            return await self._attempt_watched(given, handler, argument)
        again = await self._attempt(given, handler, argument)
        return await self._commit_alone(given, again) if alone else again

    async def _commit_alone(self, given: Delivered, again: Again | None) -> Again | None:
        """Commit what came of one message; if that cannot be, it is the message that has failed."""
        try:
            await self.flush()
        except Refused as refused:
            self.start_over()
            return await self._failed(given, refused.error, self._waits_of(given.message.position))
        return again

    async def _attempt_watched(self, given: Delivered, handler: Handler, argument: object) -> Again | None:
        """Write the attempt down before it begins: it may take the process with it."""
        await self.flush()
        try:
            await self._guard.take_place(given)
            self._sit().begins(given)
            await self.flush()
            again = await self._commit_alone(given, await self._attempt(given, handler, argument))
            self._guard.survived(given.message.position)
        finally:
            self._guard.give_place()
        return again

    async def _attempt(self, given: Delivered, handler: Handler, argument: object) -> Again | None:
        message = given.message
        house = Backstage(self._name, given, self._services, self._asks, self._before_asking)
        turn = Turn(message, self._name, house, given.hops)
        try:
            try:
                result = await self._carry_out(handler, argument, turn)
            finally:
                await house.settle()
                await self._ahead.gone()
            if isinstance(result, Body):
                turn.reply(result)
            elif result is not None:
                _refuse(handler, result)
            memory = self._memory if self._shape.memory is None else encode(self._bot.memory)
            answered = {message.id: message.sender} if message.asks else {}
            if turn.wants:
                answered |= await self._questions(turn)
            await self._put(lambda sitting: sitting.handled(given, turn.wants, house.waits(), answered))
        except (StoreUnavailable, ShuttingDown, Refused):
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a failed delivery
            self._recall()
            return await self._failed(given, error, house.waits())
        else:
            self._memory = memory
            self._forget_asks(message.position)
            return None
        finally:
            turn.finish()

    async def _before_asking(self) -> None:
        """Commit what was done so far, and hold up no suspect of whoever is asked."""
        self._guard.give_place()
        await self._ahead.go()

    def _handler(self, message: Message) -> Handler | None:
        handler = self._shape.handler(message.type)
        if handler is not None and handler.every is not None and message.sender != self._name:
            return self._shape.otherwise  # only its own schedule calls it
        return handler

    async def _carry_out(self, handler: Handler, argument: object, turn: Turn) -> object:
        method = getattr(self._bot, handler.name)
        arguments = (turn,) if handler.every is not None else (argument, turn)
        if not handler.waits:
            await self.flush()
            thread = in_a_thread(lambda: method(*arguments), f"bot:{self._name}")
            self._line.thread = thread.ended
            late = too_long(self._name, self._terms.timeout)
            try:
                return await self._in_time(asyncio.shield(thread.outcome), late)
            except HandlerTimeout:
                turn.seal(TurnSealed(f"{late.message} What it still does is no part of its turn."))
                raise
        handling: Coroutine[Any, Any, object] = method(*arguments)
        before = logs.begin_turn(self._name, turn.message.id)
        try:
            awaited = handling.send(None)
            # It waits, and what was handled before must not wait with it.
            flushing = asyncio.ensure_future(self.flush())
            try:
                late = too_long(self._name, self._terms.timeout)
                return await self._in_time(Resumed(handling, awaited), late)
            finally:
                await flushing
        except StopIteration as done:
            return done.value
        finally:
            logs.end_turn(before)

    async def _in_time(self, outcome: Awaitable[object], late: HandlerTimeout) -> object:
        return await within(self._services.clock, self._terms.timeout, outcome, late)

    async def _questions(self, turn: Turn) -> dict[MessageId, str]:
        """Return which messages that a turn replies to, beside the one at hand, are asks, and whose."""
        found = {}
        for want in turn.wants:
            earlier = getattr(want, "reply_to", None)
            if earlier is not None and earlier != turn.message.id:
                message = await self._services.store.message(earlier)
                if message is not None and message.asks:
                    found[message.id] = message.sender
        return found

    # ── when it fails ────────────────────────────────────────────────────────────────────────────────────

    async def _failed(self, given: Delivered, error: Exception, waits: list[WaitId]) -> Again | None:
        text, trace = said(error), storable("".join(traceback.format_exception(error)))
        if isinstance(error, AskChanged | HopLimitReached):
            reason: Reason = "ASK_CHANGED" if isinstance(error, AskChanged) else "HOP_LIMIT"
            await self._bury(given, reason, text, trace, waits)
            return None
        if given.attempt >= self._terms.attempts or isinstance(error, WebhookRefused | RunRefused):
            await self._bury(given, "FAILED", text, trace, waits)
            return None
        again = Again(
            self._services.clock.now() + timedelta(seconds=self._pause(given.attempt, error)),
            holds=self._terms.on_error == "block" and not given.beside,
        )
        _log.warning("bot.failed", bot=self._name, message=str(given.message.id), error=text)
        await self._put(lambda sitting: sitting.failed(given, text, trace, again.at, hold=again.holds))
        await self.flush()
        return again

    def _pause(self, attempt: int, error: Exception) -> float:
        """Return how long to wait after an attempt: longer each time, and not the same for all."""
        pause: float = min(LONGEST_RETRY, FIRST_RETRY * 2 ** (attempt - 1)) * self._chance.uniform(0.5, 1.0)
        return max(pause, error.retry_after) if isinstance(error, WebhookFailed) else pause

    async def _bury(
        self, given: Delivered, reason: Reason, error: str, trace: str | None, waits: list[WaitId]
    ) -> None:
        _log.error(
            "bot.dead_letter", bot=self._name, message=str(given.message.id), reason=reason, error=error
        )
        await self._put(lambda sitting: sitting.dead(given, reason, error, trace, waits))
        self._forget_asks(given.message.position)
        await self.flush()

    def _forget_asks(self, delivery: Position) -> None:
        if self._asks:
            self._asks = {key: asking for key, asking in self._asks.items() if key[0] != delivery}

    def _recall(self) -> None:
        """Give the handlers the memory as it was after the last one that returned."""
        shape = self._shape.memory
        if shape is None:
            return
        try:
            self._bot.memory = msgspec.json.decode(self._memory, type=shape) if self._memory else shape()
        except msgspec.DecodeError as error:
            raise MemoryUnreadable(
                f"The memory of {self._name} is no {shape.__name__}: {error}. It is kept as it is: give new "
                "fields a default, or bring back the code that wrote it, and restart the bot."
            ) from None

    # ── the commit ───────────────────────────────────────────────────────────────────────────────────────

    def reach(self, catch_up: Position) -> None:
        """Note that a catch-up is done."""
        self._sit().reach(catch_up, catch_up)

    def start_over(self) -> None:
        """Forget what was not committed."""
        self._sitting = None
        self._memory = self._saved
        self._recall()

    async def _put(self, what: Callable[[Sitting], None]) -> None:
        """Put something into the sitting, which is committed first if there is no more room in it."""
        try:
            what(self._sit())
        except TurnTooLarge:
            if not self._sit().count:
                raise
            await self.flush()
            what(self._sit())

    def _sit(self) -> Sitting:
        if self._sitting is None:
            self._sitting = Sitting(self._name, self._services.board, self._services.journal)
        return self._sitting

    async def flush(self) -> None:
        """Commit what was done; return when it is on disk."""
        sitting, self._sitting = self._sitting, None
        if sitting is None:
            return
        memory = self._memory
        try:
            turn = sitting.close(memory if memory != self._saved else None)
            if not turn.entries:
                return
            await self._services.journal.commit(turn)
        except (StoreUnavailable, ShuttingDown):
            raise
        except CallboardError as error:
            raise Refused(error, sitting.count) from error
        self._saved = memory
        self.settled = Position(max(self.settled, sitting.reached))
        for timer in sitting.timers:
            self._services.arm(timer)


def _refuse(handler: Handler, result: object) -> None:
    raise TypeError(f"{handler.name} returned a {type(result).__name__}: return a Body or nothing.")
