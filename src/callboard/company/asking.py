"""The house as one handler sees it, and the durable ask.

An ask is the one thing that leaves a handler early. The question is committed at once, by itself, together
with a wait that names the delivery, the ordinal of the ask within it, and a digest of what was asked. If the
handler has to run again, the same ordinal finds that wait: with the same digest the recorded answer is given,
or the waiting goes on; with another one the handler does not do the same twice, which is `ASK_CHANGED`.

The answer resolves the wait in the turn of whoever answers, so it cannot be lost between two turns. An ask
that timed out is forgotten, and asked anew the next time.
"""

from __future__ import annotations

import asyncio
import hashlib
import types
from collections.abc import Awaitable, Callable, Generator
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from callboard.actors.journal import Journal
from callboard.authoring.bot import Say
from callboard.clock import Clock
from callboard.company.board import Board
from callboard.company.guard import Alert
from callboard.company.pace import Pace
from callboard.company.sitting import Delivered, written
from callboard.errors import (
    ActorError,
    AskChanged,
    AskCycle,
    AskTimeout,
    CallboardError,
    HandlerTimeout,
    HopLimitReached,
    MessageTooLarge,
    RecipientUnknown,
    TurnSealed,
)
from callboard.facts import encode
from callboard.facts.membership import bot_stream
from callboard.ids import BotName, Ids, MessageId, Position, PrincipalId, WaitId
from callboard.messages import Message, To, hops_allowed
from callboard.spelling import no_such
from callboard.store.boardrows import Timer, Wait
from callboard.store.changes import CloseWait, OpenWait
from callboard.store.port import Receipt, Store

LONGEST_CHAIN = 1_000
"""Causes that are looked at; no chain of messages is longer."""

ASK = "ask"
"""The kind of wait that an ask opens."""

T = TypeVar("T")


class Question(msgspec.Struct, frozen=True):
    """What the wait of an ask says of it."""

    asked: str
    delivery: Position
    ordinal: int
    digest: str


class Asking(msgspec.Struct):
    """An ask that is open, or answered and not yet used up."""

    wait: WaitId
    question: MessageId
    what: Question
    due: datetime
    answer: Position | None
    position: Position | None = None
    """Where the question stands in the log, if it was asked before a restart."""
    given_up: bool = False
    """It was in vain: the next time it is asked anew."""


def open_asks(waits: list[Wait]) -> dict[tuple[Position, int], Asking]:
    """Return the asks among what a bot waits for, by delivery and ordinal.

    Of two at one place the later was asked because the earlier had been in vain.
    """
    found: dict[tuple[Position, int], Asking] = {}
    for wait in sorted(waits, key=lambda one: one.since or 0):
        if wait.kind == ASK and wait.due_at is not None:
            what = msgspec.json.decode(wait.data, type=Question)
            name = MessageId(UUID(wait.key))
            if (what.delivery, what.ordinal) in found:
                _set_aside(found, what.delivery, what.ordinal)
            found[what.delivery, what.ordinal] = Asking(
                wait.id, name, what, wait.due_at, wait.answer, wait.since
            )
    return found


def _set_aside(asks: dict[tuple[Position, int], Asking], delivery: Position, ordinal: int) -> None:
    """Keep an ask that was in vain only for its wait, which may be there still, to be closed with the others.

    Its place is free for the ask that is made anew.
    """
    lowest = min(number for about, number in asks if about == delivery)
    asks[delivery, min(lowest, 0) - 1] = asks.pop((delivery, ordinal))


class Services(msgspec.Struct, frozen=True):
    """What every bot of a house shares."""

    store: Store
    journal: Journal
    board: Board
    clock: Clock
    ids: Ids
    message_bytes: int
    arm: Callable[[Timer], None]
    """Sets a timer that was committed."""
    alert: Alert
    pace: Pace


def check_sendable(board: Board, most: int, to: To, json: str, *, known: bool) -> None:
    """Refuse a message that nobody could ever receive, or that is too large."""
    size = len(json) if json.isascii() else len(json.encode())
    if size > most:
        raise MessageTooLarge(f"The body holds {size:,} bytes; a message may hold {most:,}.", limit=most)
    if to.kind == "bot" and not known and board.find(to.name) is None:
        here = [name for name in board.bots if board.find(name)]
        raise RecipientUnknown(no_such("bot", to.name, here), recipient=to.name)


class Backstage:
    """The house, for one attempt at one message."""

    def __init__(
        self,
        bot: BotName,
        given: Delivered,
        services: Services,
        asks: dict[tuple[Position, int], Asking],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._given = given
        self._services = services
        self._asks = asks
        self._flush = flush
        self._ordinal = 0
        self._over = False
        self._open: set[asyncio.Future[Message]] = set()
        self._putting: set[asyncio.Task[Asking]] = set()

    def now(self) -> datetime:
        return self._services.clock.now()

    def new_id(self) -> MessageId:
        return MessageId(self._services.ids.new())

    def check(self, sender: str, to: To, json: str, *, known: bool) -> None:
        check_sendable(self._services.board, self._services.message_bytes, to, json, known=known)
        self._services.pace.take(sender, to)

    def check_since(self, since: int | None) -> None:
        self._services.board.check_since(since)

    async def settle(self) -> None:
        """End all that the handler still asks, now that it is over: it may have left tasks behind."""
        self._over = True
        for answer in self._open:
            answer.cancel()
        if self._putting:
            await asyncio.wait(self._putting)

    def waits(self) -> list[WaitId]:
        """Return the waits that this delivery opened, in this attempt and those before."""
        delivery = self._given.message.position
        return [asking.wait for (about, _), asking in self._asks.items() if about == delivery]

    async def ask(self, question: Say, seconds: float) -> Message:
        if self._over:
            raise TurnSealed(
                f"The turn that handled {self._given.message.id} is over; nothing more is asked."
            )
        delivery, ordinal = self._given.message.position, self._ordinal
        self._ordinal += 1
        digest = hashlib.blake2b(
            f"{question.to}\0{question.type}\0{question.json}".encode(), digest_size=16
        ).hexdigest()
        asking = self._asked_before(delivery, ordinal)
        if asking is not None and asking.what.digest != digest:
            raise AskChanged(
                f"{self._bot} asked {asking.what.asked} something else before it was interrupted: on a retry "
                "a handler must ask the same questions in the same order."
            )
        if asking is not None and asking.answer is not None:
            return await self._recorded(asking.answer)
        await self._flush()
        board = self._services.board
        what = Question(question.to.name, delivery, ordinal, digest)
        name = asking.question if asking is not None else question.id
        if board.waits_itself(question.to.name):
            await self._refuse_circle(question.to.name)
        before = None if asking is None else asking.position
        due = None if asking is None else asking.due
        answer = board.wait_for(name, self._bot, question.to.name, before, due)
        self._open.add(answer)
        try:
            if asking is None:
                asking = await self._put_whole(question, what, seconds)
            else:
                found = await self._answered_meanwhile(asking)
                if found is not None:
                    return found
            message = await self._answer(asking, answer, _late(question, seconds))
        finally:
            self._open.discard(answer)
            board.forget(name)
        asking.answer = message.position
        return message

    async def _answer(self, asking: Asking, answer: asyncio.Future[Message], late: AskTimeout) -> Message:
        """Wait for the answer until it is due; what the log says of an answer at the last moment holds."""
        left = (asking.due - self._services.clock.now()).total_seconds()
        try:
            return await within(self._services.clock, max(0.0, left), asyncio.shield(answer), late)
        except AskTimeout:
            found = await self._answered_meanwhile(asking)
            if found is not None:
                return found
            closed = await self._give_up(asking)
            if answer.done() and not answer.cancelled() and answer.result().position < closed.first:
                asking.given_up = False
                return answer.result()
            raise

    def _asked_before(self, delivery: Position, ordinal: int) -> Asking | None:
        """Return the same question of an earlier attempt, unless it was in vain."""
        asking = self._asks.get((delivery, ordinal))
        if asking is not None and asking.given_up:
            _set_aside(self._asks, delivery, ordinal)
            return None
        return asking

    async def _refuse_circle(self, asked: str) -> None:
        """Refuse to ask a bot whose own open question led to the message at hand, through whomever."""
        causes = await self._services.store.causes(self._given.message.position, LONGEST_CHAIN)
        open_questions = self._services.board.questions_of(asked)
        if any(entry.position in open_questions for entry in causes):
            raise AskCycle(
                f"{self._bot} cannot ask {asked}, which waits itself for an answer to what led to this."
            )

    async def _put_whole(self, question: Say, what: Question, seconds: float) -> Asking:
        """Commit the question and know of it, also if whoever asks is interrupted meanwhile."""
        task = asyncio.ensure_future(self._put(question, what, seconds))
        self._putting.add(task)
        task.add_done_callback(self._put_done)
        return await asyncio.shield(task)

    def _put_done(self, task: asyncio.Task[Asking]) -> None:
        self._putting.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked was told; if he was interrupted, nobody need be

    async def _put(self, question: Say, what: Question, seconds: float) -> Asking:
        """Commit the question, after all that this bot did before it."""
        journal, message = self._services.journal, self._given.message
        hops = self._given.hops + 1
        if hops + 1 > hops_allowed(question.headers):  # the answer is a message too
            raise HopLimitReached(f"{self._bot} cannot ask: too many messages followed one from another.")
        turn = journal.turn(principal=PrincipalId(f"bot:{self._bot}"))
        ref = turn.post(written(question, self._bot, hops, message.position, asks=True))
        due = self._services.board.asks[question.id].due = turn.at + timedelta(seconds=seconds)
        wait = WaitId(self._services.ids.new())
        turn.change(OpenWait(wait, bot_stream(self._bot), ASK, str(question.id), ref, due, encode(what)))
        await journal.commit(turn)
        asking = self._asks[what.delivery, what.ordinal] = Asking(wait, question.id, what, due, None)
        return asking

    async def _recorded(self, position: Position) -> Message:
        found = await self._services.store.message_at(position)
        if found is None:
            raise ActorError(f"The answer at position {position} is no longer in the log.")
        return found

    async def _answered_meanwhile(self, asking: Asking) -> Message | None:
        """Look whether the answer was committed between reading the waits and waiting again."""
        for wait in await self._services.store.waits(bot_stream(self._bot)):
            if wait.id == asking.wait and wait.answer is not None:
                asking.answer = wait.answer
                return await self._recorded(wait.answer)
        return None

    async def _give_up(self, asking: Asking) -> Receipt:
        """Close the wait, so that an answer which comes now resolves nothing."""
        asking.given_up = True
        turn = self._services.journal.turn(principal=PrincipalId(f"bot:{self._bot}"))
        turn.change(CloseWait(asking.wait, unanswered=True))
        return await self._services.journal.commit(turn)


def _late(question: Say, seconds: float) -> AskTimeout:
    return AskTimeout(f"{question.to.name} did not answer the {question.type!r} within {seconds:g} s.")


def too_long(bot: str, seconds: float) -> HandlerTimeout:
    """Return the error of a handler that took longer than it may."""
    return HandlerTimeout(f"The handler of {bot} took longer than {seconds:g} s.")


async def within(clock: Clock, seconds: float, awaited: Awaitable[T], late: CallboardError) -> T:
    """Await something for so long on our clock, then cancel it and raise `late`."""
    began = clock.monotonic()
    steps = awaited.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as done:  # it had nothing to wait for: no alarm could have rung meanwhile
        at_once: T = done.value
        return at_once
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("Only a task can wait.")
    expired = False
    before = task.cancelling()

    def ring() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    alarm = clock.call_at(began + seconds, ring)
    try:
        return await _the_rest(steps, waits_for)
    except asyncio.CancelledError:
        if expired and task.uncancel() <= before:
            raise late from None
        raise
    finally:
        alarm.cancel()


@types.coroutine
def _the_rest(steps: Generator[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    """Go on with something that was begun, and waits."""
    while True:
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for what waits
            try:
                waits_for = steps.throw(error)
            except StopIteration as done:
                came_to: T = done.value
                return came_to
        else:
            return (yield from steps)
