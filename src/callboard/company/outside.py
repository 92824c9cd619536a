"""The actor of one bot outside, or one person: what was served, what is acknowledged, and who reads.

Theory of operation
    Reading serves what is in the inbox and changes nothing in it: what is due again beside the stream, then
    the parts of `unsettled.py` in order. Up to where each part was served is remembered here, since no more
    than that can be acknowledged. It is not on disk: after a restart all that a read could have served counts
    as served, so an acknowledgement of what was read before it is still good.

    Acknowledging P settles what was served up to P: one turn with the deliveries, the cursors, and the
    messages that came with the acknowledgement, caused by P. So an acknowledgement that is repeated finds
    nothing left to settle, and sends nothing again. One that settles more than `STEP` messages does so in
    several turns; what it sends goes with the last.

    A message that failed holds the inbox: nothing is served until its next attempt is due, and what was
    served behind it is served anew. Past the last attempt it is a dead letter, and the inbox goes on. One
    that was redriven is served beside the stream, before all else, and holds nothing up.

    Nothing waits in here. A read that found nothing rests in its caller's task (`reading.py`) and is woken by
    whatever the board tells this actor.

Rejected
    Keeping on disk what was served: a write for each read, to refuse what no careful reader sends.
    Acknowledging by number alone: a catch-up lies below the cursor, so a lower number is no earlier message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from callboard.actors.runtime import LoopActor
from callboard.authoring.bot import Say, inherited
from callboard.company.asking import ASK, Services
from callboard.company.board import Line
from callboard.company.clearing import Expire, expire_one
from callboard.company.composing import compose
from callboard.company.patience import patiently
from callboard.company.reading import Reading, Seat
from callboard.company.serving import Last, Served, Serving
from callboard.company.sitting import Sitting
from callboard.errors import ActorStopped, NotFound
from callboard.facts.membership import bot_stream
from callboard.ids import MessageId, Position, PrincipalId
from callboard.messages import Message, To
from callboard.store.changes import CloseWait
from callboard.store.port import Receipt
from callboard.store.turn import NewAction, NewEvents, NewMessage, Turn

ATTEMPTS = 5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0

STEP = 1_000
"""So many deliveries go into one turn."""

_log = structlog.get_logger("callboard.authoring.bot")


class Open(msgspec.Struct, frozen=True):
    """Begin to read."""

    reading: Reading


class ReadOn(msgspec.Struct, frozen=True):
    """Give what follows; the answer is a Served."""

    reading: Reading
    limit: int


class Outgoing(msgspec.Struct, frozen=True):
    """A message that goes with an acknowledgement.

    One that names no recipient is a reply: to the message that it names, or to the one that is acknowledged.
    """

    to: To | None
    type: str
    json: str
    headers: dict[str, str]
    reply_to: MessageId | None
    conversation: str | None
    after: float


class Ack(msgspec.Struct, frozen=True):
    """Settle what was served up to a position; the answer is a Settled."""

    up_to: Position
    messages: Sequence[Outgoing] = ()
    failed: str | None = None
    reader: str | None = None


class SentWith(msgspec.Struct, frozen=True):
    """A message that went with an acknowledgement; no position is one that is sent later, or went too far."""

    id: MessageId
    position: Position | None


class Settled(msgspec.Struct, frozen=True):
    """What came of an acknowledgement."""

    count: int
    repeated: bool = False
    """It was settled before: nothing was done."""
    sent: Sequence[SentWith] = ()
    next_try_at: datetime | None = None
    dead: bool = False
    """The last attempt failed: the message is a dead letter."""


class OutsideBot(LoopActor["Open | ReadOn | Ack | Any"]):
    """Serves one inbox to whoever reads it."""

    def __init__(self, line: Line, services: Services) -> None:
        super().__init__(name=f"bot:{line.name}", clock=services.clock)
        self._line = line
        self._name = line.name
        self._services = services
        self.seat = Seat(line.name, services.clock)
        """Who reads, for all to see: also while this actor waits for a disk that is full."""
        self._serving = Serving(line, services)

    # ── the life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        wait = partial(patiently, self.clock, unless=lambda: self.actor_inbox.closed, bot=self._name)
        await wait(self._forget_asks)
        await wait(self._serving.begin)
        self._line.ref = self.actor_ref

    async def on_stop(self) -> None:
        self._leave(f"{self._name} is no longer served here: the server is closing, or the bot was removed.")

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._leave(f"The inbox of {self._name} is being opened anew: read again.")

    def _leave(self, why: str) -> None:
        if self._line.ref is self.actor_ref:
            self._line.ref = None
        if self.seat.reading is not None:
            self.seat.reading.end(ActorStopped(why, bot=self._name))

    async def _forget_asks(self) -> None:
        """Close what nobody waits for any more: whoever asked was cut off with the process."""
        turn = self._services.journal.turn(principal=PrincipalId(f"bot:{self._name}"))
        for wait in await self._services.store.waits(bot_stream(self._name)):
            if wait.kind == ASK:
                turn.change(CloseWait(wait.id))
        if turn.entries:
            await self._services.journal.commit(turn)

    async def on_receive(self, message: Any) -> Any:
        answer: object = None
        match message:
            case Open():
                return await self._open(message.reading)
            case ReadOn():
                return await self._read_on(message)
            case Ack():
                answer = await self._acknowledge(message)
            case Expire():
                await expire_one(self._services, self._name, message.before)
                await self._serving.see_what_holds(self.seat.reading)
            case _:
                pass  # a hint, a look, a retry: whatever it is, the log says the rest
        if self.seat.reading is not None:
            self.seat.reading.wake()
        return answer

    async def _open(self, reading: Reading) -> None:
        if not reading.closed:  # whoever asked may have gone meanwhile
            self.seat.open(reading)
            reading.place = await self._serving.place_after(reading.after)

    async def _read_on(self, on: ReadOn) -> Served:
        reading = on.reading
        if reading.ended is not None:
            raise reading.ended
        reading.begin_look()
        self.seat.touch(reading)
        return await self._serving.read_on(reading, on.limit)

    # ── acknowledging ────────────────────────────────────────────────────────────────────────────────────

    async def _acknowledge(self, ack: Ack) -> Settled:
        self.seat.check(ack.reader)
        parts = await self._serving.parts()
        last = await self._serving.find(parts, ack.up_to, failed=ack.failed is not None)
        if last is None:
            return Settled(0, repeated=True)
        says, answered = await self._compose(last.given.message, ack.messages)
        count, sitting = 0, self._sit()
        done: set[Position] = {last.given.message.position}
        async for given in self._serving.before(parts, last):
            if given.message.position not in done:
                done.add(given.message.position)
                sitting.handled(given, (), (), {})
                count += 1
            if sitting.count >= STEP:
                await self._services.journal.commit(sitting.close(None))
                sitting = self._sit()
        if ack.failed is not None:
            settled = await self._failed(last, ack.failed, sitting, count)
            self._serving.let_go(done - {last.given.message.position})
            return settled
        sitting.handled(last.given, says, (), answered)
        turn = sitting.close(None)
        receipt = await self._services.journal.commit(turn)
        for timer in sitting.timers:
            self._services.arm(timer)
        self._serving.let_go(done)
        return Settled(count + 1, sent=_sent(turn, receipt, says))

    async def _compose(
        self, cause: Message, messages: Sequence[Outgoing]
    ) -> tuple[list[Say], dict[MessageId, str]]:
        says: list[Say] = []
        answered: dict[MessageId, str] = {}
        for one in messages:
            to, reply_to = one.to, one.reply_to
            if to is None:
                to, reply_to = await self._answering(cause, reply_to)
            say, asker = await compose(
                *(self._services, to, one.type, one.json),
                headers=inherited(cause.headers, one.headers or None),
                reply_to=reply_to,
                conversation=one.conversation or cause.conversation,
                after=one.after,
            )
            says.append(say)
            if asker is not None and reply_to is not None:
                answered[reply_to] = asker
        for say in says:
            self._services.pace.take(self._name, say.to)
        return says, answered

    async def _answering(self, cause: Message, reply_to: MessageId | None) -> tuple[To, MessageId]:
        """Return to whom a reply goes, and what it replies to."""
        earlier = cause if reply_to is None else await self._services.store.message(reply_to)
        if earlier is None:
            raise NotFound(f"There is no message {reply_to} to reply to.")
        return To.bot(earlier.sender), earlier.id

    async def _failed(self, last: Last, error: str, sitting: Sitting, count: int) -> Settled:
        given, again = last.given, None
        if given.attempt >= ATTEMPTS:
            sitting.dead(given, "FAILED", error, None, [])
        else:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (given.attempt - 1))
            again = self._services.clock.now() + timedelta(seconds=pause)
            sitting.failed(given, error, None, again, hold=True)
        await self._services.journal.commit(sitting.close(None))
        self._serving.let_go({given.message.position})
        if again is not None and last.part is not None:
            self._serving.hold(given, again, self.seat.reading)
        _log.warning("bot.failed", bot=self._name, message=str(given.message.id), error=error)
        return Settled(count, next_try_at=again, dead=again is None)

    def _sit(self) -> Sitting:
        return Sitting(self._name, self._services.board, self._services.journal)


def _sent(turn: Turn, receipt: Receipt, says: Sequence[Say]) -> tuple[SentWith, ...]:
    """Return where the messages of a turn stand now."""
    found: dict[MessageId, Position] = {}
    position = receipt.first
    for entry in turn.entries:
        if isinstance(entry, NewMessage):
            found[entry.id] = position
        if isinstance(entry, NewEvents):
            position = Position(position + len(entry.events))
        elif isinstance(entry, NewMessage | NewAction):
            position = Position(position + 1)
    return tuple(SentWith(say.id, found.get(say.id)) for say in says)
