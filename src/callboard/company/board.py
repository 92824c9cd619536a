"""Who is on the board and who listens to what, in memory: always exactly as the head of the log has it.

The journal tells the board of each committed turn, in log order and before anybody is answered. So whoever
got the receipt of a subscription can publish and be heard, and nobody sees what is not on disk.

A push to a bot is a hint. It carries the message and names the position before it in that bot's inbox; a bot
that does not stand there reads the log. So a full mailbox loses nothing but a little time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from callboard.actors.runtime import Envelope, Ref
from callboard.company.onlookers import Onlookers
from callboard.errors import AskCycle, NotFound, PositionUnknown
from callboard.facts.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
    channel_stream,
    matches,
)
from callboard.facts.mishaps import DeadLettered
from callboard.ids import DEFAULT_TENANT, BotName, ChannelName, MessageId, Position, StreamId
from callboard.messages import Message, To
from callboard.spelling import no_such
from callboard.store.boardrows import Subscription
from callboard.store.changes import AnswerAsk, Place, SettleAnswer
from callboard.store.port import Receipt, Store
from callboard.store.turn import NO_METADATA, NewAction, NewEvents, NewMessage, Turn

CHANNELS_REMEMBERED = 10_000
"""For so many channels the hearers are kept ready; past it all are found anew."""


class Hint(msgspec.Struct, frozen=True, gc=False):
    """A message for a bot, and where its inbox stood before."""

    before: Position
    message: Message


class Look:
    """Told to a bot: there may be something for you that no hint speaks of."""


class Line:
    """One bot's place on the board: how far its inbox reaches, and who is there to be told."""

    __slots__ = (
        *("again", "behind", "declared", "description", "handles", "kind", "last", "name"),
        *("ref", "removed", "schedules", "thread"),
    )

    def __init__(
        self, name: BotName, kind: str, description: str, declared: Position, last: Position
    ) -> None:
        self.name = name
        self.kind = kind
        self.description = description
        self.declared = declared
        self.removed: Position | None = None
        self.last = last
        """The position of the newest message in its inbox, or some position where there was none yet."""
        self.ref: Ref[Any] | None = None
        self.behind = False
        """A subscription began below where the bot stood, and nobody has looked yet."""
        self.again = False
        """Something was redriven, and nobody has looked yet."""
        self.handles: tuple[str, ...] = ()
        """The types of messages that its code has handlers for, if it is loaded."""
        self.schedules: Mapping[str, float] = {}
        """The types by which its schedules call it, and after how many seconds each time."""
        self.thread: asyncio.Future[None] | None = None
        """When the thread is free in which a handler of it runs: no other may before, of new code either."""

    def push(self, message: Message) -> None:
        """Note that the inbox has grown, and tell the bot if it has room to hear of it."""
        before, self.last = self.last, message.position
        if self.ref is not None:
            self.ref.actor_inbox.put(Envelope(Hint(before, message)))

    def look(self, *, again: bool = False) -> None:
        """Have the bot look for itself, also if its mailbox has no room to say so."""
        if again:
            self.again = True
        else:
            self.behind = True
        if self.ref is not None:
            self.ref.actor_inbox.put(Envelope(Look()))


class Asked(msgspec.Struct):
    """Somebody waits for an answer."""

    asker: str
    asked: str
    answer: asyncio.Future[Message]
    question: Position | None = None
    """Where the question stands in the log, once it does."""
    due: datetime | None = None
    """An answer of a later turn comes too late."""

    def answered_by(self, new: NewMessage, at: datetime) -> bool:
        """Tell whether a message is the answer; the store decides by the same rule."""
        in_time = self.due is None or at <= self.due
        return in_time and self.asked == new.sender and new.to == To.bot(self.asker)


class Board:
    """Bots, channels, subscriptions and open asks."""

    def __init__(self) -> None:
        self.bots: dict[str, Line] = {}
        self.channels: set[str] = set()
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.asks: dict[MessageId, Asked] = {}
        self.head = Position(0)
        """The last position of the log."""
        self.redriving: set[Position] = set()
        """Dead letters that somebody has tried again just now."""
        self.witnesses: list[Callable[[Message], None]] = []
        """Told of each committed message, in order and at once: they must be quick, and must not raise."""
        self.listeners: dict[type, list[Callable[[Any, Position, StreamId], object]]] = {}
        """Told of each committed fact of a type, as witnesses are of messages."""
        self.mourners: list[Callable[[DeadLettered], None]] = []
        """The same, of each dead letter."""
        self.onlookers = Onlookers()
        """Told of each committed turn."""
        self._hearers: dict[str, list[tuple[Line, bool]]] = {}

    async def load(self, store: Store) -> None:
        """Read the board from the store; nothing may be committed meanwhile."""
        head = self.head = (await store.head()).position
        for row in await store.bots():
            line = self.bots[row.name] = Line(row.name, row.kind, row.description, row.declared, head)
            line.removed = row.removed
        self.channels = {row.name for row in await store.channels()}
        self.subscriptions = {(one.bot, one.pattern): one for one in await store.subscriptions()}

    def find(self, name: str) -> Line | None:
        """Return the bot of that name if it is on the board."""
        line = self.bots.get(name)
        return line if line is not None and line.removed is None else None

    def must_find(self, name: str) -> Line:
        """Return the bot of that name, or refuse the name."""
        line = self.find(name)
        if line is None:
            raise NotFound(no_such("bot", name, [one for one in self.bots if self.find(one)]), name=name)
        return line

    def check_since(self, since: int | None) -> Position | None:
        """Return the position that a subscription shall begin at, or refuse one that is not in the log."""
        if since is not None and not 0 <= since <= self.head:
            raise PositionUnknown(
                f"A subscription cannot begin at {since}: the log goes from 0 to {self.head}.", head=self.head
            )
        return None if since is None else Position(since)

    def listens(self, bot: str) -> list[Subscription]:
        """Return the open subscriptions of a bot."""
        return [one for (name, _), one in self.subscriptions.items() if name == bot]

    # ── what is put into turns ───────────────────────────────────────────────────────────────────────────

    def make_channel(self, turn: Turn, name: str, *, cause: Position | None = None) -> None:
        """Have a turn make a channel, unless there is one."""
        if name not in self.channels:
            channel = ChannelName(name)
            facts = [ChannelCreated(channel)]
            turn.append(channel_stream(channel), "channel", facts, expected=None, cause=cause)

    def answer_ask(self, turn: Turn, question: MessageId, by: str, asker: str, to: To, answer: Place) -> None:
        """Have a message of a turn answer an ask, if it may; one that goes elsewhere is no answer."""
        if to != To.bot(asker):
            return
        turn.change(AnswerAsk(question, by, answer))
        if self.find(asker) is not None:
            turn.change(SettleAnswer(BotName(asker), question, answer))

    # ── what the journal tells ───────────────────────────────────────────────────────────────────────────

    def committed(self, turn: Turn, receipt: Receipt) -> None:
        """Take in the facts of a turn, in order."""
        self.head = Position(receipt.first + receipt.count - 1)
        self.onlookers.committed(turn)
        if turn.tenant != DEFAULT_TENANT:
            return
        position = receipt.first
        for entry in turn.entries:
            kind = type(entry)
            if kind is NewMessage:
                self._route(turn, receipt, position, entry)  # type: ignore[arg-type]
                position = Position(position + 1)
            elif kind is NewEvents:
                for event in entry.events:  # type: ignore[union-attr]
                    learn = _LEARN.get(type(event.fact))
                    if learn is not None:
                        learn(self, event.fact, position)
                    for listener in self.listeners.get(type(event.fact), ()):
                        listener(event.fact, position, entry.stream)  # type: ignore[union-attr]
                    position = Position(position + 1)
            elif kind is NewAction:
                position = Position(position + 1)

    def _route(self, turn: Turn, receipt: Receipt, position: Position, new: NewMessage) -> None:
        message = _written(turn, receipt, position, new)
        self._tell_witnesses(message)
        if new.asks and new.id in self.asks:
            self.asks[new.id].question = position
        if new.reply_to is not None:
            asked = self.asks.get(new.reply_to)
            if asked is not None and asked.answered_by(new, turn.at):
                del self.asks[new.reply_to]
                if not asked.answer.done():
                    asked.answer.set_result(message)
            if any(
                type(entry) is SettleAnswer and _placed(entry.answer, receipt) == position
                for entry in turn.entries
            ):
                return  # it reaches no handler
        if new.to.kind == "bot":
            line = self.bots.get(new.to.name)
            if line is not None:
                line.push(message)
            return
        for line, own in self.hearers(new.to.name):
            if own or line.name != new.sender:
                line.push(message)

    def _tell_witnesses(self, message: Message) -> None:
        for witness in self.witnesses:
            witness(message)

    def hearers(self, channel: str) -> list[tuple[Line, bool]]:
        """Return who hears a channel, each once, and whether it hears itself."""
        found = self._hearers.get(channel)
        if found is None:
            if len(self._hearers) >= CHANNELS_REMEMBERED:
                self._hearers.clear()
            heard: dict[str, bool] = {}
            for one in self.subscriptions.values():
                if self.find(one.bot) is not None and matches(one.pattern, channel):
                    heard[one.bot] = heard.get(one.bot, False) or one.own
            found = self._hearers[channel] = [(self.bots[name], own) for name, own in heard.items()]
        return found

    def _declared(self, fact: BotDeclared, position: Position) -> None:
        line = self.bots.get(fact.bot)
        if line is None:
            self.bots[fact.bot] = Line(fact.bot, fact.kind, fact.description, position, position)
            return
        line.kind, line.description = fact.kind, fact.description
        if line.removed is not None:
            line.removed, line.declared = None, position
        self._hearers.clear()

    def _removed(self, fact: BotRemoved, position: Position) -> None:
        line = self.bots.get(fact.bot)
        if line is not None:
            line.removed = position
        self._hearers.clear()

    def _channel_made(self, fact: ChannelCreated, _position: Position) -> None:
        self.channels.add(fact.channel)

    def _channel_gone(self, fact: ChannelDeleted, _position: Position) -> None:
        self.channels.discard(fact.channel)

    def _subscribed(self, fact: Subscribed, position: Position) -> None:
        since = position if fact.since is None else fact.since
        self.subscriptions.setdefault(
            (fact.bot, fact.pattern),
            Subscription(position, fact.bot, fact.pattern, since, None, fact.own, fact.declared),
        )
        self._hearers.clear()
        if since < position - 1 and fact.bot in self.bots:
            self.bots[fact.bot].look()

    def _buried(self, fact: DeadLettered, _position: Position) -> None:
        for mourner in self.mourners:
            mourner(fact)

    def _unsubscribed(self, fact: Unsubscribed, _position: Position) -> None:
        self.subscriptions.pop((fact.bot, fact.pattern), None)
        self._hearers.clear()

    # ── asks ─────────────────────────────────────────────────────────────────────────────────────────────

    def wait_for(
        self,
        question: MessageId,
        asker: str,
        asked: str,
        position: Position | None = None,
        due: datetime | None = None,
    ) -> asyncio.Future[Message]:
        """Return what the answer to a question will be found in; refuse a wait that could never end.

        `position` is where the question stands, if it was asked before, and `due` when its answer is.
        """
        waits: dict[str, list[str]] = {}
        for one in self.asks.values():
            waits.setdefault(one.asker, []).append(one.asked)
        seen, ahead = set(), [asked]
        while ahead:
            name = ahead.pop()
            if name == asker:
                raise AskCycle(
                    f"{asker} cannot ask {asked}, which waits itself for an answer that hangs on {asker}'s."
                )
            if name not in seen:
                seen.add(name)
                ahead += waits.get(name, [])
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.asks[question] = Asked(asker, asked, answer, position, due)
        return answer

    def waits_itself(self, bot: str) -> bool:
        """Tell whether a bot waits for an answer."""
        return any(one.asker == bot for one in self.asks.values())

    def questions_of(self, bot: str) -> set[Position]:
        """Return where the questions stand that a bot waits for an answer to."""
        return {one.question for one in self.asks.values() if one.asker == bot and one.question is not None}

    def forget(self, question: MessageId) -> None:
        """Nobody waits for this answer any more."""
        self.asks.pop(question, None)


_LEARN: dict[type, Callable[[Board, msgspec.Struct, Position], None]] = {
    BotDeclared: Board._declared,  # type: ignore[dict-item]  # noqa: SLF001 - its own table, below it
    BotRemoved: Board._removed,  # type: ignore[dict-item]  # noqa: SLF001 - as above
    ChannelCreated: Board._channel_made,  # type: ignore[dict-item]  # noqa: SLF001 - as above
    DeadLettered: Board._buried,  # type: ignore[dict-item]  # noqa: SLF001 - as above
    ChannelDeleted: Board._channel_gone,  # type: ignore[dict-item]  # noqa: SLF001 - as above
    Subscribed: Board._subscribed,  # type: ignore[dict-item]  # noqa: SLF001 - as above
    Unsubscribed: Board._unsubscribed,  # type: ignore[dict-item]  # noqa: SLF001 - as above
}


def _placed(place: Place, receipt: Receipt) -> Position:
    return place if isinstance(place, int) else receipt.position(place)


def _written(turn: Turn, receipt: Receipt, position: Position, new: NewMessage) -> Message:
    """Return a message of a turn as it now stands in the log."""
    cause = new.cause
    return Message(
        position,
        None if cause is None else cause if isinstance(cause, int) else receipt.position(cause),
        turn.tenant,
        turn.principal,
        new.id,
        new.sender,
        new.to,
        new.type,
        new.json,
        {} if new.headers == NO_METADATA else msgspec.json.decode(new.headers),
        new.reply_to,
        new.conversation,
        new.hops,
        turn.at,
        new.asks,
    )
