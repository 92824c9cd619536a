"""What the store tells of the log, of streams and of the board: its rows, as `port.py` hands them out.

What was written has types of its own here, each with its position. Those of workflows and runs are in
`runrows.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from callboard.ids import (
    BotName,
    ChannelName,
    EventId,
    Position,
    PrincipalId,
    StreamId,
    Tenant,
    TimerId,
    Version,
    WaitId,
)
from callboard.messages import Message

# ── what was written ─────────────────────────────────────────────────────────────────────────────────────


class Event(msgspec.Struct, frozen=True):
    """One fact of a stream, as it stands in the log."""

    position: Position
    cause: Position | None
    tenant: Tenant
    principal: PrincipalId
    stream: StreamId
    stream_type: str
    version: Version
    id: EventId
    type: str
    fact: msgspec.Struct
    metadata: dict[str, Any]
    at: datetime


class LogEntry(msgspec.Struct, frozen=True):
    """Any fact, in the one shape in which the log is read across its kinds."""

    position: Position
    cause: Position | None
    kind: str
    """`event`, `message` or `action`."""
    tenant: Tenant
    principal: PrincipalId
    at: datetime
    subject: str
    """The stream, the recipient or the target."""
    type: str
    data: msgspec.Raw


class Stream(msgspec.Struct, frozen=True):
    """Where a stream stands."""

    id: StreamId
    type: str
    version: Version
    ended_at: datetime | None


class Snapshot(msgspec.Struct, frozen=True):
    """The newest fold of a stream that was saved."""

    version: Version
    revision: int
    data: str


class Delivery(msgspec.Struct, frozen=True):
    """What became of a message at one bot."""

    bot: BotName
    message: Position
    outcome: str
    attempts: int
    first_at: datetime
    last_at: datetime
    next_try_at: datetime | None
    error: str | None
    deaths: int = 0
    redriven: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Something that sleeps on disk."""

    id: WaitId
    tenant: Tenant
    owner: StreamId
    kind: str
    key: str
    since: Position | None
    due_at: datetime | None
    answer: Position | None
    data: msgspec.Raw


class Timer(msgspec.Struct, frozen=True):
    """Something that is due at a time."""

    id: TimerId
    tenant: Tenant
    due_at: datetime
    target: StreamId
    kind: str
    data: msgspec.Raw


# ── the board ────────────────────────────────────────────────────────────────────────────────────────────


class BotRow(msgspec.Struct, frozen=True):
    """A bot that was declared, whether or not it is still on the board."""

    name: BotName
    kind: str
    description: str
    declared: Position
    removed: Position | None


class ChannelRow(msgspec.Struct, frozen=True):
    """A channel that exists."""

    name: ChannelName
    created: Position


class Subscription(msgspec.Struct, frozen=True):
    """An interval of listening: positions above `since`, and below `until` once it has ended."""

    opened: Position
    bot: BotName
    pattern: str
    since: Position
    until: Position | None
    own: bool
    declared: bool


class InboxPage(msgspec.Struct, frozen=True):
    """Messages that a bot has still to handle, in log order."""

    messages: list[Message]
    seen: Position
    """Up to here the inbox was looked at: the last message's position if there may be more, else the head."""


class Said(msgspec.Struct, frozen=True):
    """Messages of one stretch of the log, in order."""

    messages: list[Message]
    seen: Position
    """Up to here it was looked at."""
    more: bool
    """There may be more past it; if not, the log ended there."""


class CatchUp(msgspec.Struct, frozen=True):
    """A subscription that begins below where the bot stood, and is not caught up with yet."""

    subscription: Subscription
    cursor: Position


class MemoryRow(msgspec.Struct, frozen=True):
    """What a bot keeps."""

    data: str
    saved_at: datetime


class KeyRow(msgspec.Struct, frozen=True):
    """An idempotency key that was used."""

    digest: str
    about: Position


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter on the list; the whole story is the event at its position."""

    letter: Position
    bot: BotName
    reason: str
    message: Position | None
    sender: str
    recipient: str
    """A bot, or a channel with # before it."""
    type: str
    attempts: int
    error: str
    redriven: Position | None


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages an operator wants to see; what is not named does not narrow."""

    pair: tuple[str, str] | None = None
    """Both directions between exactly these two, over channels too if the other one hears them."""
    channel: ChannelName | None = None
    conversation: str | None = None
    bot: str | None = None
    """Sent by it, or addressed to it by name."""
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    outcome: str | None = None
    """`waiting`, `handled`, `retrying`, `dead` or `refused`, at any recipient; in a pair the other one."""
    after: Position | None = None
    """Exclusive: later ones, or earlier ones when the newest come first."""
    newest_first: bool = False
    limit: int = 100


class Audited(msgspec.Struct, frozen=True):
    """A message, and what became of it; for a pair, at the other one of the two."""

    message: Message
    deliveries: list[Delivery]
    waiting: list[BotName]
    """Bots on the board that have still to handle it."""
