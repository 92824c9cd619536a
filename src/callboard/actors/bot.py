"""The actor of one python bot: it takes messages in the order of the log and carries out handlers.

Theory of operation
    The bot stands at a *place*: it has seen everything in its inbox up to there. A hint is taken if the bot
    stands between the position that it names and the message; an older one is a repeat, and behind a newer
    one lies a gap, so the log is read. When the mailbox is empty and the board says that the inbox reaches
    further, the log is read too. Catch-ups come before the bot's own stream.

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
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from callboard import logs
from callboard.actors.asking import Asking, Backstage, Services, open_asks, too_long, within
from callboard.actors.board import Hint, Line, Look
from callboard.actors.carrying import Resumed, in_a_thread
from callboard.actors.runtime import Envelope, LoopActor
from callboard.actors.sitting import Delivered, Sitting, said
from callboard.actors.timers import SetTimer
from callboard.bot import EVERY_TYPE, Bot, Handler, Shape, Turn, decode_body
from callboard.errors import (
    AskChanged,
    BodyInvalid,
    CallboardError,
    HandlerTimeout,
    MemoryUnreadable,
    ShuttingDown,
    StoreUnavailable,
    TurnSealed,
)
from callboard.facts import encode
from callboard.ids import BotName, MessageId, Position
from callboard.membership import bot_stream
from callboard.messages import Body, Message
from callboard.mishaps import Reason
from callboard.retry import Backoff
from callboard.store import Delivery
from callboard.units import seconds

PAGE = 100
"""Messages that are read from the log at once."""

FIRST_RETRY = 0.2
LONGEST_RETRY = 30.0

_log = structlog.get_logger("callboard.bot")


class Retry:
    """Told by a timer: a delivery is to be tried again."""


class Refused(Exception):
    """The sitting could not be committed, though nothing is wrong with the disk."""

    def __init__(self, error: CallboardError, count: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.count = count


class BotActor(LoopActor["Hint | Look | Retry"]):
    """Carries out one bot."""

    def __init__(
        self,
        cls: type[Bot],
        shape: Shape,
        line: Line,
        services: Services,
        *,
        set_timer: Callable[[SetTimer], object],
        chance: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"bot:{shape.name}", capacity=cls.mailbox, clock=services.clock)
        self._bot = cls()
        self._name = BotName(shape.name)
        self._shape = shape
        self._line = line
        self._services = services
        self._set_timer = set_timer
        self._chance = chance or random.Random()  # noqa: S311 - it spreads retries, and keeps no secret
        self._timeout = seconds(cls.timeout)
        self._place = Position(0)
        self._settled = Position(0)
        """Up to where the cursor was committed."""
        self._sitting: Sitting | None = None
        self._memory = ""
        self._saved = ""
        """What the memory was after the last handler that returned, and what of it is on disk."""
        self._asks: dict[tuple[Position, int], Asking] = {}
        self._held: Position | None = None
        self._stuck: asyncio.Future[None] | None = None
        self._one_by_one = 0
        self._retry_at: datetime | None = None

    # ── the life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        store, name = self._services.store, self._name
        self._bot.settings = self._shape.settings() if self._shape.settings else None
        row = await store.memory(name)
        if self._shape.memory is not None:
            self._memory = self._saved = row.data if row else ""
            self._recall()
            self._memory = self._memory or encode(self._bot.memory)
        self._asks = open_asks(await store.waits(bot_stream(name)))
        await self._bot.started()
        cursor = await store.cursor(name)
        self._place = self._settled = self._line.declared if cursor is None else cursor
        self._line.ref = self.actor_ref  # hints come from here on; those that lie behind are repeats
        self._begin_again()

    async def on_stop(self) -> None:
        self._leave()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._leave()

    def _leave(self) -> None:
        if self._line.ref is self.actor_ref:
            self._line.ref = None

    async def _serve(self, first: Envelope[Any]) -> None:
        envelopes = [first, *self.actor_inbox.take_waiting(self.actor_inbox.capacity)]
        try:
            for envelope in envelopes:
                told = envelope.message
                if self.actor_inbox.closed:
                    break  # the rest waits in the log
                if type(told) is Hint:
                    if told.before <= self._place < told.message.position and self._held is None:
                        await self._take(Delivered(told.message))
                        if self._held is None:
                            self._place = told.message.position
                elif type(told) is Retry:
                    await self._try_again()
                elif type(told) is Look:
                    await self._catch_up()
                    await self._read_on(always=True)
            await self._read_on()
            await self._flush()
        except (StoreUnavailable, ShuttingDown) as fault:
            await self._recover(fault)
        except Refused as refused:
            self._start_over()
            self._one_by_one = refused.count
            self._begin_again()

    # ── what there is to do ──────────────────────────────────────────────────────────────────────────────

    async def _read_on(self, *, always: bool = False) -> None:
        """Read the log until the bot stands where its inbox ends."""
        while (always or self._line.last > self._place) and self._held is None:
            always = False
            page = await self._services.store.inbox(self._name, self._place, PAGE)
            for message in page.messages:
                if self.actor_inbox.closed or self._held is not None:
                    return
                await self._take(await self._found(message))
                if self._held is None:
                    self._place = message.position
            if self._held is None:
                self._place = Position(max(self._place, page.seen))

    async def _catch_up(self) -> None:
        """Handle what lies in subscriptions that began below where the bot stood, before all else."""
        store = self._services.store
        await self._flush()  # what was handled just now must be seen as handled
        for behind in await store.catch_ups(self._name):
            opened, place = behind.subscription.opened, behind.cursor
            while place < opened:
                page = await store.catch_up(opened, place, PAGE)
                for message in page.messages:
                    if self.actor_inbox.closed or self._held is not None:
                        return
                    await self._take(await self._found(message, opened))
                await self._flush()
                place = page.seen
            self._sit().reach(opened, opened)
            await self._flush()
            self._place = self._settled  # what the catch-up has handled must not be taken from the mailbox

    async def _try_again(self) -> None:
        """Try again what is due; a delivery that holds the stream is found by reading on."""
        self._held = self._retry_at = None
        store, now = self._services.store, self._services.clock.now()
        for due in await store.retries(self._name, now, PAGE):
            message = await store.message_at(due.message)
            if message is None or self.actor_inbox.closed:
                continue
            if self._bot.on_error == "block" and not due.redriven and due.message > self._settled:
                continue
            await self._take(_again(message, due, beside=True))
        await self._flush()
        await self._read_on(always=self._bot.on_error == "block")
        following = await store.next_retry(self._name)
        if following is not None:
            self._arm(max(following, now + timedelta(seconds=FIRST_RETRY)))

    async def _found(self, message: Message, catch_up: Position | None = None) -> Delivered:
        """Return a message from the log with what earlier attempts left behind."""
        if self._bot.on_error == "block":
            before = await self._services.store.delivery(self._name, message.position)
            if before is not None:
                return msgspec.structs.replace(_again(message, before, beside=False), catch_up=catch_up)
        return Delivered(message, catch_up=catch_up)

    def _arm(self, at: datetime) -> None:
        if self._retry_at is None or at < self._retry_at:
            self._retry_at = at
            self._set_timer(SetTimer(("retry", self._name), at, self.actor_ref.tell, Retry()))

    # ── one message ──────────────────────────────────────────────────────────────────────────────────────

    async def _take(self, given: Delivered) -> None:
        """Handle one message, and put what came of it into the sitting."""
        if self._stuck is not None:
            await self._stuck
            self._stuck = None
        sitting = self._sit()
        if sitting.full or (self._one_by_one and sitting.count):
            await self._flush()
        self._one_by_one = max(0, self._one_by_one - 1)
        message = given.message
        handler = self._handler(message)
        if handler is None:
            await self._bury(
                given, "NO_HANDLER", f"{self._name} has no handler for {message.type!r}.", None, []
            )
            return
        house = Backstage(self._name, given, self._services, self._asks, self._flush)
        turn = Turn(message, self._name, house)
        try:
            argument = message if handler.body is None else decode_body(message, handler.body)
        except BodyInvalid as error:
            await self._bury(given, "BODY_INVALID", error.message, None, [])
            return
        try:
            result = await self._carry_out(handler, argument, turn)
            if isinstance(result, Body):
                turn.reply(result)
            elif result is not None:
                _refuse(handler, result)
            memory = self._memory if self._shape.memory is None else encode(self._bot.memory)
            answered = {message.id: message.sender} if message.asks else {}
            answered |= await self._questions(turn)
            self._sit().handled(given, turn.wants, house.waits(), answered)
        except (StoreUnavailable, ShuttingDown, Refused):
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a failed delivery
            self._recall()
            await self._failed(given, error, house)
        else:
            self._memory = memory
            self._forget_asks(message.position)
        finally:
            turn.seal(TurnSealed(f"The turn that handled {message.id} is over; nothing more goes into it."))

    def _handler(self, message: Message) -> Handler | None:
        handler = self._shape.handler(message.type)
        if handler is not None and handler.every is not None and message.sender != self._name:
            return self._shape.otherwise  # only its own schedule calls it
        return handler

    async def _carry_out(self, handler: Handler, argument: object, turn: Turn) -> object:
        method = getattr(self._bot, handler.name)
        arguments = (turn,) if handler.every is not None else (argument, turn)
        if not handler.waits:
            await self._flush()
            thread = in_a_thread(lambda: method(*arguments), self.name)
            late = too_long(self._name, self._timeout)
            try:
                return await within(self.clock, self._timeout, asyncio.shield(thread.outcome), late)
            except HandlerTimeout:
                turn.seal(TurnSealed(f"{late.message} What it still does is no part of its turn."))
                self._stuck = thread.ended
                raise
        handling: Coroutine[Any, Any, object] = method(*arguments)
        with logs.context(bot=self._name, message_id=str(turn.message.id)):
            try:
                awaited = handling.send(None)
            except StopIteration as done:
                return done.value
            # It waits, and what was handled before must not wait with it.
            flushing = asyncio.ensure_future(self._flush())
            try:
                late = too_long(self._name, self._timeout)
                result = await within(self.clock, self._timeout, Resumed(handling, awaited), late)
            finally:
                await flushing
        return result

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

    async def _failed(self, given: Delivered, error: Exception, house: Backstage) -> None:
        text, trace = said(error), "".join(traceback.format_exception(error))
        if isinstance(error, AskChanged):
            await self._bury(given, "ASK_CHANGED", text, trace, house.waits())
        elif given.attempt >= self._bot.attempts:
            await self._bury(given, "FAILED", text, trace, house.waits())
        else:
            hold = self._bot.on_error == "block" and not given.beside
            pause = min(LONGEST_RETRY, FIRST_RETRY * 2 ** (given.attempt - 1)) * self._chance.uniform(
                0.5, 1.0
            )
            again = self._services.clock.now() + timedelta(seconds=pause)
            _log.warning("bot.failed", bot=self._name, message=str(given.message.id), error=text)
            self._sit().failed(given, text, trace, again, hold=hold)
            self._held = given.message.position if hold else self._held
            await self._flush()
            self._arm(again)

    async def _bury(
        self, given: Delivered, reason: Reason, error: str, trace: str | None, waits: list[Any]
    ) -> None:
        _log.error(
            "bot.dead_letter", bot=self._name, message=str(given.message.id), reason=reason, error=error
        )
        self._sit().dead(given, reason, error, trace, waits)
        self._forget_asks(given.message.position)
        await self._flush()

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

    def _sit(self) -> Sitting:
        if self._sitting is None:
            self._sitting = Sitting(self._name, self._services.board, self._services.journal)
        return self._sitting

    async def _flush(self) -> None:
        """Commit what was done; return when it is on disk."""
        sitting, self._sitting = self._sitting, None
        if sitting is None:
            return
        memory = self._memory
        turn = sitting.close(memory if memory != self._saved else None)
        if not turn.entries:
            return
        try:
            await self._services.journal.commit(turn)
        except (StoreUnavailable, ShuttingDown):
            raise
        except CallboardError as error:
            raise Refused(error, sitting.count) from error
        self._saved = memory
        self._settled = Position(max(self._settled, sitting.reached))
        for timer in sitting.timers:
            self._services.arm(timer)

    async def _recover(self, fault: CallboardError) -> None:
        """Go back to what is on disk and try again, for as long as it takes."""
        self._start_over()
        _log.warning("bot.waits_for_the_disk", bot=self._name, reason=fault.message)
        pause = Backoff(first=0.1, factor=2.0, longest=5.0)
        while not self.actor_inbox.closed:
            await self.clock.sleep(pause.next())
            try:
                self._asks = open_asks(await self._services.store.waits(bot_stream(self._name)))
                break
            except StoreUnavailable:
                continue
        self._begin_again()

    def _begin_again(self) -> None:
        if not self.actor_inbox.closed:
            self.actor_inbox.put_back([Envelope(Retry()), Envelope(Look())])

    def _start_over(self) -> None:
        self._sitting = None
        self._memory = self._saved
        self._recall()
        self._place, self._held = self._settled, None


def _again(message: Message, before: Delivery, *, beside: bool) -> Delivered:
    attempt = before.attempts + 1 if before.outcome == "retrying" else 1
    return Delivered(message, attempt, before.redriven, beside=beside)


def _refuse(handler: Handler, result: object) -> None:
    raise TypeError(f"{handler.name} returned a {type(result).__name__}: return a Body or nothing.")


def schedules(shape: Shape) -> dict[str, float]:
    """Return the types of messages by which a bot's schedules call it, and how often."""
    return {
        type_: handler.every
        for type_, handler in shape.handlers.items()
        if handler.every is not None and type_.startswith(EVERY_TYPE)
    }
