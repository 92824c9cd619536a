"""What crosses the door about inboxes that are read from outside; `talk.py` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from callboard.ids import MessageId, Position
from callboard.web.talk import Cursor, Duration, Name
from callboard.web.wire import UP_TO, Answer, Request

STREAM_TYPE = "text/event-stream"
RESUME_HEADER = "Last-Event-ID"

Few = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Reader = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
UpTo = Annotated[str, msgspec.Meta(pattern=UP_TO)]


# ── who is outside ───────────────────────────────────────────────────────────────────────────────────────


class DeclareRequest(Request, frozen=True, kw_only=True):
    """A bot outside, or a person, that there shall be."""

    name: Name
    kind: str
    """`outside` or `person`."""
    description: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    subscribes: Annotated[list[Name], msgspec.Meta(max_length=100)] | None = None
    """Channels and patterns that it hears; without it that stays as it is."""


class RemovedAnswer(Answer, frozen=True, kw_only=True):
    """The bot is off the board."""

    name: str
    dead_letters: int
    """How many messages still waited for it, and are dead letters now."""


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


class StreamQuery(Request, frozen=True, kw_only=True):
    """How an inbox is read as a stream."""

    reader: Reader | None = None
    """A name for whoever reads: it keeps the inbox for itself for a minute after each read."""
    take_over: bool = False
    """Also when another one reads; its read ends."""
    after: Cursor | None = None
    """Go on past this cursor, which acknowledges nothing."""


class InboxQuery(StreamQuery, frozen=True, kw_only=True):
    """How an inbox is read."""

    limit: Few = 100
    wait: Duration = "0s"
    """How long to wait for something if nothing is there, up to 60s."""


class InboxRow(Answer, frozen=True, kw_only=True):
    """A message that waits."""

    id: MessageId
    position: Position
    cursor: str
    """Its position as it may be kept outside, for `after`, `up_to` and `Last-Event-ID`."""
    cause: Position | None
    sender: str
    channel: str | None
    """The channel on which it was said; None is to this bot by name."""
    type: str
    body: msgspec.Raw
    headers: dict[str, str]
    reply_to: MessageId | None
    conversation: str | None
    hops: int
    at: datetime
    asks: bool
    """The sender waits for the answer: a message that replies to it."""
    attempt: int
    """1 is the first; it grows when it was said to have failed."""


class InboxPage(Answer, frozen=True, kw_only=True):
    """What waits, in the order in which it is to be handled. Reading acknowledges nothing."""

    data: list[InboxRow]
    next: str | None
    """The cursor of the last message: acknowledge up to it, or read on after it."""
    held_until: datetime | None = None
    """Nothing is served before this: a message that failed is due again then."""


# ── acknowledging ────────────────────────────────────────────────────────────────────────────────────────


class AckMessage(Request, frozen=True, kw_only=True):
    """A message that is sent with the acknowledgement, or not at all."""

    to: Name | None = None
    """The bot that shall have it; this or `channel`. With neither it is a reply, to whoever sent what it
    replies to."""
    channel: Name | None = None
    type: Name
    body: msgspec.Raw
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    reply_to: MessageId | None = None
    """What it replies to; with neither `to` nor `channel`, the message at `up_to` unless another is named."""
    conversation: Name | None = None
    """Without it that of the message that is acknowledged."""
    after: Duration | None = None


class AckFailed(Request, frozen=True, kw_only=True):
    """The message could not be handled."""

    reason: Reason


class AckRequest(Request, frozen=True, kw_only=True):
    """Up to where everything that was served has been handled."""

    up_to: UpTo | Annotated[int, msgspec.Meta(ge=0, lt=1 << 60)]
    """The cursor or the position of a message that was read."""
    messages: Annotated[list[AckMessage], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    """What is sent with it, in one turn."""
    failed: AckFailed | None = None
    """The message at `up_to` was not handled, and all before it was."""
    reader: Reader | None = None
    """Who acknowledges, if it said its name when it read."""


class AckSent(Answer, frozen=True, kw_only=True):
    """A message that was sent with an acknowledgement."""

    id: MessageId
    position: Position | None
    """None is one that is delayed, or one too many that followed from each other: a dead letter."""


class AckAnswer(Answer, frozen=True, kw_only=True):
    """What came of an acknowledgement; it is on disk."""

    settled: int
    """How many messages it settled as handled."""
    repeated: bool = False
    """It was acknowledged before: nothing was done, and nothing sent again."""
    sent: list[AckSent] = msgspec.field(default_factory=list)
    next_try_at: datetime | None = None
    """When the message that failed is served again; nothing is before that."""
    dead: bool = False
    """It failed for the last time, and is a dead letter."""
