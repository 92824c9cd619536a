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
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec

from callboard.actors.board import Board
from callboard.actors.journal import Journal
from callboard.actors.sitting import Delivered, written
from callboard.bot import Say
from callboard.changes import CloseWait, OpenWait
from callboard.clock import Clock
from callboard.errors import (
    ActorError,
    AskChanged,
    AskTimeout,
    CallboardError,
    HandlerTimeout,
    MessageTooLarge,
    RecipientUnknown,
)
from callboard.facts import encode
from callboard.ids import BotName, Ids, MessageId, Position, PrincipalId, WaitId
from callboard.membership import bot_stream
from callboard.messages import Message, To, hops_allowed
from callboard.spelling import did_you_mean
from callboard.store import Store, Timer, Wait

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


def open_asks(waits: list[Wait]) -> dict[tuple[Position, int], Asking]:
    """Return the asks among what a bot waits for, by delivery and ordinal."""
    found = {}
    for wait in waits:
        if wait.kind == ASK and wait.due_at is not None:
            what = msgspec.json.decode(wait.data, type=Question)
            name = MessageId(UUID(wait.key))
            found[what.delivery, what.ordinal] = Asking(wait.id, name, what, wait.due_at, wait.answer)
    return found


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


def check_sendable(board: Board, most: int, to: To, json: str, *, known: bool) -> None:
    """Refuse a message that nobody could ever receive, or that is too large."""
    size = len(json) if json.isascii() else len(json.encode())
    if size > most:
        raise MessageTooLarge(f"The body holds {size:,} bytes; a message may hold {most:,}.", limit=most)
    if to.kind == "bot" and not known and board.find(to.name) is None:
        near = did_you_mean(to.name, [name for name in board.bots if board.find(name)])
        raise RecipientUnknown(f"There is no bot called {to.name!r}{near or '.'}", recipient=to.name)


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

    def now(self) -> datetime:
        return self._services.clock.now()

    def new_id(self) -> MessageId:
        return MessageId(self._services.ids.new())

    def check(self, _sender: str, to: To, json: str, *, known: bool) -> None:
        check_sendable(self._services.board, self._services.message_bytes, to, json, known=known)

    def waits(self) -> list[WaitId]:
        """Return the waits that this delivery opened, in this attempt and those before."""
        delivery = self._given.message.position
        return [asking.wait for (about, _), asking in self._asks.items() if about == delivery]

    async def ask(self, question: Say, seconds: float) -> Message:
        delivery, ordinal = self._given.message.position, self._ordinal
        self._ordinal += 1
        digest = hashlib.blake2b(
            f"{question.to}\0{question.type}\0{question.json}".encode(), digest_size=16
        ).hexdigest()
        asking = self._asks.get((delivery, ordinal))
        if asking is not None and asking.what.digest != digest:
            raise AskChanged(
                f"{self._bot} asked {asking.what.asked} something else before it was interrupted: on a retry "
                "a handler must ask the same questions in the same order."
            )
        if asking is not None and asking.answer is not None:
            return await self._recorded(asking.answer)
        board = self._services.board
        what = Question(question.to.name, delivery, ordinal, digest)
        name = asking.question if asking is not None else question.id
        answer = board.wait_for(name, self._bot, question.to.name)
        try:
            if asking is None:
                asking = await self._put(question, what, seconds)
            else:
                found = await self._answered_meanwhile(asking)
                if found is not None:
                    return found
            left = (asking.due - self._services.clock.now()).total_seconds()
            message = await within(self._services.clock, max(0.0, left), answer, _late(question, seconds))
        except AskTimeout:
            await self._give_up(asking)
            raise
        finally:
            board.forget(name)
        asking.answer = message.position
        return message

    async def _put(self, question: Say, what: Question, seconds: float) -> Asking:
        """Commit the question, after all that this bot did before it."""
        await self._flush()
        journal, message = self._services.journal, self._given.message
        hops = self._given.hops + 1
        if hops > hops_allowed(question.headers):
            raise ActorError(f"{self._bot} cannot ask: too many messages followed one from another.")
        turn = journal.turn(principal=PrincipalId(f"bot:{self._bot}"))
        ref = turn.post(written(question, self._bot, hops, message.position, asks=True))
        due = turn.at + timedelta(seconds=seconds)
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

    async def _give_up(self, asking: Asking | None) -> None:
        """Close the wait, so that an answer which comes now resolves nothing."""
        if asking is None:
            return
        self._asks.pop((asking.what.delivery, asking.what.ordinal), None)
        turn = self._services.journal.turn(principal=PrincipalId(f"bot:{self._bot}"))
        turn.change(CloseWait(asking.wait))
        await self._services.journal.commit(turn)


def _late(question: Say, seconds: float) -> AskTimeout:
    return AskTimeout(f"{question.to.name} did not answer the {question.type!r} within {seconds:g} s.")


def too_long(bot: str, seconds: float) -> HandlerTimeout:
    """Return the error of a handler that took longer than it may."""
    return HandlerTimeout(f"The handler of {bot} took longer than {seconds:g} s.")


async def within(clock: Clock, seconds: float, awaited: Awaitable[T], late: CallboardError) -> T:
    """Await something for so long on our clock, then cancel it and raise `late`."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("Only a task can wait.")
    expired = False
    before = task.cancelling()

    def ring() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    alarm = clock.call_at(clock.monotonic() + seconds, ring)
    try:
        return await awaited
    except asyncio.CancelledError:
        if expired and task.uncancel() <= before:
            raise late from None
        raise
    finally:
        alarm.cancel()
