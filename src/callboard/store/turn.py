"""A turn: all that one actor wants to be true at once, collected before it is committed whole.

    turn = journal.turn(principal=LOCAL_USER)
    opened = turn.append(stream, "ticket", [TicketOpened("lamp broken")], expected=Version(0))
    turn.send(sender="desk", to=bot("clerk"), type="ticket", body={"text": "lamp broken"}, cause=opened[0])
    turn.change(MoveCursor(BotName("desk"), position))
    receipt = await journal.commit(turn)
    receipt.position(opened[0])

Values are encoded as they are put in, so a value that cannot be stored raises at the line that names it and
never reaches the journal, where it could trouble a neighbour. What is asked for (here) and what was written
(`callboard.store.port`) are different types: only the commit knows positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from callboard import facts
from callboard.errors import BadInput, TurnTooLarge
from callboard.ids import (
    DEFAULT_TENANT,
    SYSTEM,
    Ids,
    MessageId,
    Position,
    PrincipalId,
    StreamId,
    Tenant,
    Version,
)
from callboard.messages import To
from callboard.store.changes import Change, Place, Ref

NO_METADATA = "{}"


class Limits(msgspec.Struct, frozen=True):
    """How much one turn may hold: a turn is written in one piece, and others wait for it."""

    facts: int = 1_000
    bytes: int = 8 * 1024 * 1024
    entries: int = 10_000
    """Facts and row changes together."""


DEFAULT_LIMITS = Limits()


class NewEvent(msgspec.Struct, frozen=True):
    """One event to append, already encoded."""

    id: str
    type: facts.FactType
    fact: msgspec.Struct
    data: str
    metadata: str
    cause: Place | None


class NewEvents(msgspec.Struct, frozen=True):
    """Events to append to one stream, which must be at the expected version; None takes any."""

    stream: StreamId
    kind: str
    expected: Version | None
    events: tuple[NewEvent, ...]


class NewMessage(msgspec.Struct, frozen=True):
    """A message to put into the log, already encoded."""

    id: MessageId
    sender: str
    to: To
    type: str
    json: str
    headers: str
    reply_to: MessageId | None
    conversation: str | None
    hops: int
    cause: Place | None
    asks: bool
    """Whether the sender waits for the answer."""


class NewAction(msgspec.Struct, frozen=True):
    """Something an operator did, already encoded."""

    action: str
    target: str
    data: str
    cause: Place | None


Entry = NewEvents | NewMessage | NewAction | Change

Mark = tuple[int, int, int]
"""How much a turn held: entries, facts, bytes."""


class Turn:
    """Facts and row changes, in the order in which they were put in."""

    __slots__ = (
        "_ids",
        "_limits",
        "at",
        "bytes",
        "cause",
        "entries",
        "facts",
        "principal",
        "sealed",
        "tenant",
    )

    def __init__(
        self,
        *,
        at: datetime,
        ids: Ids,
        tenant: Tenant = DEFAULT_TENANT,
        principal: PrincipalId = SYSTEM,
        cause: Position | None = None,
        limits: Limits | None = None,
    ) -> None:
        if at.tzinfo is None:
            msg = f"{at.isoformat()} names no time zone, so it is no instant: hand in datetime.now(UTC)."
            raise BadInput(msg)
        self.at = at
        self.tenant = tenant
        self.principal = principal
        self.cause: Place | None = cause
        """What led to this turn: the cause of each of its facts that names no other."""
        self.entries: list[Entry] = []
        self.facts = 0
        self.bytes = 0
        self.sealed = False
        """It was handed in: nothing more goes into it, and it is not handed in again."""
        self._ids = ids
        self._limits = limits or DEFAULT_LIMITS

    def append(
        self,
        stream: StreamId,
        kind: str,
        new: Sequence[msgspec.Struct],
        *,
        expected: Version | None,
        cause: Place | None = None,
        causes: Sequence[Place | None] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[Ref]:
        """Append facts to a stream that must be at the expected version (0: it must not exist yet).

        None is for facts that were not decided from those before them, such as a delivery that failed: they
        go to the end, wherever that is. `causes` names a cause for each fact, `cause` one for all.
        """
        if not new:
            msg = f"Nothing was given to append to {stream}: an append holds at least one fact."
            raise BadInput(msg)
        about = facts.encode(metadata) if metadata else NO_METADATA
        cause = self.cause if cause is None else cause
        events, size = [], _size(about) * len(new)
        for value, led in zip(new, causes or [cause] * len(new), strict=True):
            type_, as_read, data = facts.write(value)
            size += _size(data)
            events.append(NewEvent(self._ids.text(), type_, as_read, data, about, led))
        refs = self._count(len(events), size)
        self.entries.append(NewEvents(stream, kind, expected, tuple(events)))
        return refs

    def send(  # noqa: PLR0913 - a message has that many parts
        self,
        *,
        sender: str,
        to: To,
        type: str,  # noqa: A002 - the word of the domain, on the wire and in the log
        body: Any,
        headers: Mapping[str, str] | None = None,
        reply_to: MessageId | None = None,
        conversation: str | None = None,
        hops: int = 0,
        cause: Place | None = None,
        asks: bool = False,
        id: MessageId | None = None,  # noqa: A002 - as `type`
    ) -> tuple[Ref, MessageId]:
        """Put a message into the log; who receives it is decided by cursors and subscriptions."""
        data = facts.encode(body)
        about = facts.encode(headers) if headers else NO_METADATA
        message_id = id or MessageId(self._ids.new())
        cause = self.cause if cause is None else cause
        new = NewMessage(message_id, sender, to, type, data, about, reply_to, conversation, hops, cause, asks)
        return self.post(new), message_id

    def post(self, message: NewMessage) -> Ref:
        """Put a message into the log that is encoded already."""
        names = _size(message.sender) + _size(message.to.name) + _size(message.type)
        names += _size(message.conversation or "")
        (ref,) = self._count(1, _size(message.json) + _size(message.headers) + names)
        self.entries.append(message)
        return ref

    def act(self, action: str, target: str, data: Any = None, *, cause: Place | None = None) -> Ref:
        """Record what the turn's principal did to the house itself."""
        encoded = facts.encode(data)
        (ref,) = self._count(1, _size(encoded) + _size(action) + _size(target))
        self.entries.append(NewAction(action, target, encoded, self.cause if cause is None else cause))
        return ref

    def change(self, change: Change) -> None:
        """Alter a row in the same commit as the facts."""
        if len(self.entries) >= self._limits.entries:
            msg = f"A turn may hold {self._limits.entries:,} entries: split the work into several turns."
            raise TurnTooLarge(msg, limit=self._limits.entries)
        size = 0
        for value in msgspec.structs.astuple(change):
            if type(value) is str:
                size += len(value) if value.isascii() else _size(value)
        self._fit(0, size)
        self.bytes += size
        self.entries.append(change)

    def mark(self) -> Mark:
        """Return where the turn stands, for `cut`."""
        return len(self.entries), self.facts, self.bytes

    def cut(self, mark: Mark) -> None:
        """Take out what was put in since a mark: all of it belongs together, and some did not fit."""
        length, self.facts, self.bytes = mark
        del self.entries[length:]

    def seal(self) -> None:
        """Close the turn, as it is handed in. A second time is refused: it would happen twice."""
        if self.sealed:
            msg = "This turn was handed in already: make a new one, once you know what became of it."
            raise BadInput(msg)
        self.sealed = True

    def _count(self, more: int, size: int) -> list[Ref]:
        """Give the next facts their indexes, unless that would be more than a turn may hold."""
        self._fit(more, size)
        first = self.facts
        self.facts += more
        self.bytes += size
        return [Ref(index) for index in range(first, self.facts)]

    def _fit(self, more: int, size: int) -> None:
        """Refuse what would be more than a turn may hold."""
        limits = self._limits
        if self.sealed:
            msg = "This turn was handed in already, and nothing more goes into it."
            raise BadInput(msg)
        if self.facts + more > limits.facts:
            msg = f"A turn may hold {limits.facts:,} facts: split the work into several turns."
            raise TurnTooLarge(msg, limit=limits.facts)
        if self.bytes + size > limits.bytes:
            msg = f"A turn may hold {limits.bytes:,} bytes: split the work, or store less."
            raise TurnTooLarge(msg, limit=limits.bytes)


def _size(text: str) -> int:
    """Return the bytes of a text; one that is no Unicode is the store's to refuse."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
