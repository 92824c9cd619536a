"""A sitting: what a bot has done since its last commit, collected into one turn of the journal.

A handler that returns without ever having waited leaves the next message free to be handled at once, so one
sitting may hold several. Each of them is whole or not there: a handler that raises adds nothing but its
failure. The sitting is committed when the mailbox is empty, when a handler waits, or when it is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from callboard.actors.journal import Journal
from callboard.authoring.bot import Listen, Say, Unlisten, Want
from callboard.company.board import Board
from callboard.errors import HandlerTimeout, TurnTooLarge
from callboard.facts import encode
from callboard.facts.membership import Subscribed, Unsubscribed, bot_stream
from callboard.facts.mishaps import DeadLettered, DeliveryFailed, Reason
from callboard.ids import BotName, MessageId, Position, PrincipalId, StreamId, TimerId, WaitId
from callboard.messages import WORKFLOW, Message, To, hops_allowed
from callboard.store.boardrows import Delivery, Timer
from callboard.store.changes import (
    AnswerAsk,
    CloseWait,
    KeepTimer,
    MoveCursor,
    Place,
    RecordDelivery,
    SaveMemory,
)
from callboard.store.turn import NO_METADATA, Mark, NewMessage, Turn

FULL_ENTRIES = 256
FULL_BYTES = 1 << 20
"""A sitting that holds so much is committed before another message is begun."""

DELAYED = "send"
"""The kind of timer that sends a message when it is due."""

LONGEST_ERROR = 2_000
LONGEST_TRACEBACK = 20_000


class Delayed(msgspec.Struct, frozen=True):
    """A message that is sent later, as its timer keeps it."""

    id: MessageId
    sender: str
    to: To
    type: str
    json: str
    headers: dict[str, str]
    reply_to: MessageId | None
    conversation: str | None
    hops: int
    cause: Position | None
    principal: str


class Delivered(msgspec.Struct, frozen=True):
    """Which message is being handled, and how it came to be."""

    message: Message
    attempt: int = 1
    redriven: bool = False
    catch_up: Position | None = None
    """The subscription whose catch-up it belongs to."""
    beside: bool = False
    """It is tried again beside the stream, and moves no cursor."""
    deaths: int = 0
    """How often the process ended while it was being handled."""

    @property
    def hops(self) -> int:
        """What the hops of the messages that it causes are counted from."""
        return 0 if self.redriven else self.message.hops


class Sitting:
    """One turn of the journal, growing."""

    def __init__(self, bot: BotName, board: Board, journal: Journal) -> None:
        self.turn: Turn = journal.turn(principal=PrincipalId(f"bot:{bot}"))
        self.count = 0
        """How many messages were handled in it."""
        self.timers: list[Timer] = []
        """What must be set once it is committed."""
        self._bot = bot
        self._board = board
        self._stream = bot_stream(bot)
        self._cursors: dict[Position | None, Position] = {}
        self._listens: dict[str, bool] = {}
        self._made: set[str] = set()
        """Subscriptions that it changes and channels that it makes: the board hears of both at the commit."""

    @property
    def full(self) -> bool:
        return len(self.turn.entries) >= FULL_ENTRIES or self.turn.bytes >= FULL_BYTES

    def handled(
        self,
        given: Delivered,
        wants: Sequence[Want],
        waits: Sequence[WaitId],
        answered: dict[MessageId, str],
    ) -> None:
        """Add a message that was handled, and all that its handler wants; `answered` are asks by question.

        If not all of it fits, none of it is added: it raises TurnTooLarge.
        """
        before = self._mark()
        try:
            for want in wants:
                if isinstance(want, Say):
                    self._say(given, want, answered)
                elif isinstance(want, Listen):
                    self._listen(given.message, want)
                else:
                    self._unlisten(given.message, want)
            self._close(waits)
            self.turn.change(
                RecordDelivery(
                    self._bot, given.message.position, "handled", given.attempt, redriven=given.redriven
                )
            )
        except BaseException:
            self._cut(before)
            raise
        self.settle(given)

    def failed(
        self, given: Delivered, error: str, traceback: str | None, again: datetime, *, hold: bool
    ) -> None:
        """Add an attempt that failed and will be repeated; `hold` leaves the cursor before the message."""
        fact = DeliveryFailed(
            self._bot, given.message.position, given.attempt, error[:LONGEST_ERROR], _end(traceback)
        )
        before = self.turn.mark()
        try:
            self.turn.append(self._stream, "bot", [fact], expected=None, cause=given.message.position)
            self.turn.change(
                RecordDelivery(
                    *(self._bot, given.message.position, "retrying", given.attempt, again),
                    error[:LONGEST_ERROR],
                    redriven=given.redriven,
                )
            )
        except TurnTooLarge:
            self.turn.cut(before)
            raise
        self.settle(given, cursor=not hold)

    def dead(
        self, given: Delivered, reason: Reason, error: str, traceback: str | None, waits: Sequence[WaitId]
    ) -> None:
        """Add a message that will not be handled."""
        message = given.message
        letter = DeadLettered(
            *(self._bot, reason, error[:LONGEST_ERROR], message.position, message.id, message.sender),
            *(message.to, message.type, given.attempt, _end(traceback)),
        )
        before = self.turn.mark()
        try:
            (ref,) = self.turn.append(self._stream, "bot", [letter], expected=None, cause=message.position)
            if message.asks and message.sender.startswith(WORKFLOW):  # a run need not wait for the deadline
                self.turn.change(AnswerAsk(message.id, self._bot, ref))
            self._close(waits)
            self.turn.change(
                RecordDelivery(
                    *(self._bot, message.position, "dead", given.attempt, None, error[:LONGEST_ERROR]),
                    redriven=given.redriven,
                )
            )
        except TurnTooLarge:
            self.turn.cut(before)
            raise
        self.settle(given)

    def begins(self, given: Delivered) -> None:
        """Note that an attempt is about to begin; what an earlier one left behind stays noted with it."""
        self.turn.change(
            RecordDelivery(
                *(self._bot, given.message.position, "started", given.attempt - 1),
                deaths=given.deaths,
                redriven=given.redriven,
            )
        )

    def settle(self, given: Delivered, *, cursor: bool = True) -> None:
        """Count the message; its cursor moves when the sitting is closed."""
        self.count += 1
        if cursor and not given.beside:
            self._cursors[given.catch_up] = given.message.position

    def _mark(self) -> tuple[Mark, int, dict[str, bool], set[str]]:
        # Copies only of what is there: hardly any message subscribes, or makes a channel.
        return self.turn.mark(), len(self.timers), dict(self._listens), set(self._made)

    def _cut(self, before: tuple[Mark, int, dict[str, bool], set[str]]) -> None:
        mark, timers, self._listens, self._made = before
        self.turn.cut(mark)
        del self.timers[timers:]

    def reach(self, catch_up: Position, position: Position) -> None:
        """Note that a catch-up has come so far."""
        self._cursors[catch_up] = position

    @property
    def reached(self) -> Position:
        """Up to where it moves the cursor of the bot's own stream."""
        return self._cursors.get(None, Position(0))

    def close(self, memory: str | None) -> Turn:
        """Put in the cursors, and the memory if it changed, and return the turn."""
        for catch_up, position in self._cursors.items():
            self.turn.change(MoveCursor(self._bot, position, catch_up))
        if memory is not None:
            self.turn.change(SaveMemory(self._bot, memory))
        return self.turn

    # ── wants ────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, given: Delivered, want: Say, answered: dict[MessageId, str]) -> None:
        message, hops = given.message, given.hops + 1
        allowed = hops_allowed(want.headers)
        if hops > allowed:
            text = f"{hops - 1} messages followed one from another; {allowed} may."
            letter = unsent(self._bot, "HOP_LIMIT", text, self._bot, want)
            (ref,) = self.turn.append(self._stream, "bot", [letter], expected=None, cause=message.position)
            if want.reply_to is not None and answered.get(want.reply_to, "").startswith(WORKFLOW):
                self.turn.change(AnswerAsk(want.reply_to, self._bot, ref))  # it is not waited for in vain
            return
        if want.after > 0:
            self._later(message, want, hops)
            return
        if want.to.kind == "channel" and want.to.name not in self._made:
            self._board.make_channel(self.turn, want.to.name, cause=message.position)
            self._made.add(want.to.name)
        ref = self.turn.post(written(want, self._bot, hops, message.position))
        asker = answered.get(want.reply_to) if want.reply_to is not None else None
        if asker is not None and want.reply_to is not None:
            self._board.answer_ask(self.turn, want.reply_to, self._bot, asker, want.to, ref)

    def _later(self, message: Message, want: Say, hops: int) -> None:
        kept = Delayed(
            *(want.id, self._bot, want.to, want.type, want.json, dict(want.headers), want.reply_to),
            *(want.conversation, hops, message.position, self.turn.principal),
        )
        due = self.turn.at + timedelta(seconds=want.after)
        self.timers.append(keep(self.turn, TimerId(want.id), due, self._stream, DELAYED, encode(kept)))

    def _listen(self, message: Message, want: Listen) -> None:
        if not self._hears(want.pattern):
            self._listens[want.pattern] = True
            since = None if want.since is None else Position(want.since)
            fact = Subscribed(self._bot, want.pattern, since, want.own)
            self.turn.append(self._stream, "bot", [fact], expected=None, cause=message.position)

    def _unlisten(self, message: Message, want: Unlisten) -> None:
        if self._hears(want.pattern):
            self._listens[want.pattern] = False
            fact = Unsubscribed(self._bot, want.pattern)
            self.turn.append(self._stream, "bot", [fact], expected=None, cause=message.position)

    def _hears(self, pattern: str) -> bool:
        return self._listens.get(pattern, (self._bot, pattern) in self._board.subscriptions)

    def _close(self, waits: Sequence[WaitId]) -> None:
        for wait in waits:
            self.turn.change(CloseWait(wait))


def next_attempt(message: Message, before: Delivery, *, beside: bool) -> Delivered:
    """Return a message for the attempt that follows those before."""
    attempt = before.attempts + 1 if before.outcome in {"retrying", "started"} else 1
    return Delivered(message, attempt, before.redriven, beside=beside, deaths=before.deaths)


def unsent(bot: BotName, reason: Reason, error: str, sender: str, said: Say) -> DeadLettered:
    """Return the dead letter of a message that was never sent: all there is of it is in the letter."""
    return DeadLettered(
        bot=bot,
        reason=reason,
        error=error,
        message=None,
        message_id=said.id,
        sender=sender,
        to=said.to,
        type=said.type,
        json=said.json,
        headers=said.headers,
        conversation=said.conversation,
    )


def written(want: Say, sender: str, hops: int, cause: Place | None, *, asks: bool = False) -> NewMessage:
    """Return what a turn of the journal takes for what a handler said."""
    headers = encode(dict(want.headers)) if want.headers else NO_METADATA
    return NewMessage(
        *(want.id, sender, want.to, want.type, want.json, headers, want.reply_to),
        want.conversation,
        hops,
        cause,
        asks,
    )


def keep(turn: Turn, name: TimerId, due: datetime, target: str, kind: str, data: str) -> Timer:
    """Put a timer into a turn, and return it for whoever sets it once the turn is committed."""
    turn.change(KeepTimer(name, due, StreamId(target), kind, data))
    return Timer(name, turn.tenant, due, StreamId(target), kind, msgspec.Raw(data.encode()))


def said(error: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(error, HandlerTimeout):
        return error.message
    return storable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def storable(text: str) -> str:
    """Return a text without what is no Unicode: an error may quote anything."""
    return text.encode(errors="backslashreplace").decode()


def _end(traceback: str | None) -> str | None:
    return None if traceback is None else traceback[-LONGEST_TRACEBACK:]
