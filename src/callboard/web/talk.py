"""What crosses the door about messages, channels, bots and dead letters; `wire.py` has the rest.

A bot is named as it is, a channel in a field or a path of its own: the # that people write before it never
crosses the door.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from callboard.ids import MessageId, Position, PrincipalId
from callboard.web.wire import CURSOR, DURATION, Answer, LogRow, Request

KEY_HEADER = "Idempotency-Key"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Duration = Annotated[str, msgspec.Meta(pattern=DURATION)]
Cursor = Annotated[str, msgspec.Meta(pattern=CURSOR)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]
AnyPosition = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Outcome = Literal["waiting", "handled", "retrying", "dead", "refused"]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────


class SendRequest(Request, frozen=True, kw_only=True):
    """A message: to a bot, or onto a channel."""

    to: Name | None = None
    """The bot that shall have it; this or `channel`."""
    channel: Name | None = None
    """The channel on which it is said."""
    type: Name
    body: msgspec.Raw
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    reply_to: MessageId | None = None
    conversation: Name | None = None
    after: Duration | None = None
    """How long it waits before it is sent, such as `10m`."""
    ask: Duration | None = None
    """Wait so long for the answer, and return it; only for a bot."""


class DeliveryRow(Answer, frozen=True, kw_only=True):
    """What became of a message at one bot."""

    bot: str
    outcome: Outcome
    attempts: int = 0
    at: datetime | None = None
    """When that was; None while it waits."""
    next_try_at: datetime | None = None
    error: str | None = None


class MessageRow(Answer, frozen=True, kw_only=True):
    """One message, as it stands in the log."""

    id: MessageId
    position: Position
    cause: Position | None
    """The position that led to it."""
    principal: PrincipalId
    sender: str
    to: str | None
    channel: str | None
    type: str
    body: msgspec.Raw
    headers: dict[str, str]
    reply_to: MessageId | None
    conversation: str | None
    hops: int
    at: datetime
    asks: bool
    deliveries: list[DeliveryRow] = msgspec.field(default_factory=list)
    """What became of it, by bot; those that have still to handle it included."""


class Accepted(Answer, frozen=True, kw_only=True):
    """The message is on disk."""

    id: MessageId
    position: Position | None
    """Where it stands in the log; None as long as it is delayed."""
    repeated: bool = False
    """The idempotency key was used before: this is what was sent then."""
    answer: MessageRow | None = None
    """What the bot answered, if it was asked."""


class AuditQuery(Request, frozen=True, kw_only=True):
    """Which messages, and in which order."""

    type: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    outcome: Outcome | None = None
    order: Literal["oldest", "newest"] = "oldest"
    """Which come first."""
    after: Cursor | None = None
    """The `next` of an earlier page."""
    limit: Limit = 100


class MessagesQuery(AuditQuery, frozen=True, kw_only=True):
    """Which messages, and in which order."""

    conversation: Name | None = None


class AuditPage(Answer, frozen=True, kw_only=True):
    """Messages, each with what became of it; a page of large ones holds fewer than its limit."""

    data: list[MessageRow]
    next: str | None
    """The cursor from which to go on; None when that was all."""


# ── causes and effects ───────────────────────────────────────────────────────────────────────────────────


class Chain(Answer, frozen=True, kw_only=True):
    """A fact, its cause, the cause of that, and so on."""

    data: list[LogRow]


class EffectsQuery(Request, frozen=True, kw_only=True):
    """Which part of the effects."""

    after: Cursor | None = None
    """The `next` of an earlier page."""
    limit: Limit = 100


class Effects(Answer, frozen=True, kw_only=True):
    """What a fact led to, directly and through others, in the order of the log."""

    data: list[LogRow]
    next: str | None
    """The cursor from which to go on; None when that was all."""


# ── channels ─────────────────────────────────────────────────────────────────────────────────────────────


class SubscriptionRow(Answer, frozen=True, kw_only=True):
    """One bot listens to the channels that fit a pattern."""

    bot: str
    pattern: str
    since: Position
    """It hears what lies above this position."""
    own: bool
    """Whether it also hears what it publishes itself."""
    declared: bool
    """Whether it stands in the bot's code."""


class ChannelAnswer(Answer, frozen=True, kw_only=True):
    """A channel, and who listens to it."""

    name: str
    created: Position
    subscribers: list[SubscriptionRow]


class ChannelList(Answer, frozen=True, kw_only=True):
    """All channels, by name."""

    data: list[ChannelAnswer]


class ChannelRequest(Request, frozen=True, kw_only=True):
    """Which channel there shall be."""

    name: Name


class ChannelMade(Answer, frozen=True, kw_only=True):
    """The channel is there."""

    name: str
    made: bool
    """False: it was there before."""


class DeleteChannelQuery(Request, frozen=True, kw_only=True):
    """How to delete a channel."""

    force: bool = False
    """Also when bots listen to it."""


class SubscribeRequest(Request, frozen=True, kw_only=True):
    """How a bot shall listen."""

    since: AnyPosition | None = None
    """It hears what lies above this position; without it what comes from now on."""
    own: bool = False
    """Whether it also hears what it publishes itself."""


class Done(Answer, frozen=True, kw_only=True):
    """It was done, and is on disk."""

    done: Literal[True] = True


# ── bots ─────────────────────────────────────────────────────────────────────────────────────────────────


class BotAnswer(Answer, frozen=True, kw_only=True):
    """A bot that was declared, whether or not it is still on the board."""

    name: str
    kind: str
    description: str
    state: str
    """Such as `running`, `absent`, `quarantined`, `backing_off` or `removed`."""
    since: Position
    removed: Position | None
    subscriptions: list[SubscriptionRow]
    last_error: str | None


class ReaderRow(Answer, frozen=True, kw_only=True):
    """Who has the inbox of a bot outside, or of a person."""

    name: str | None
    """None is one that did not say its name."""
    since: datetime
    reading: bool
    """Whether a read is open now."""


class BotDetail(BotAnswer, frozen=True, kw_only=True):
    """A bot, and how much waits for it."""

    waiting: int
    """How many messages it has still to handle; counting ends at 1,000."""
    reader: ReaderRow | None = None
    handles: list[str] = msgspec.field(default_factory=list)
    """The types of messages that it has handlers for, if its code is loaded."""
    schedules: dict[str, float] = msgspec.field(default_factory=dict)
    """Handlers that a schedule calls, and after how many seconds each time."""


class BotList(Answer, frozen=True, kw_only=True):
    """All bots, by name."""

    data: list[BotAnswer]


class FileFault(Answer, frozen=True, kw_only=True):
    """Something that keeps what a file says from being loaded or published."""

    file: str
    line: int | None
    message: str


class ActionsReloaded(Answer, frozen=True, kw_only=True):
    """What became of the actions when their files were loaded again, by name."""

    added: list[str]
    replaced: list[str]
    """Attempts that begin from now on call the new code."""
    gone: list[str]
    """A step that calls one fails."""
    kept: list[str]
    """Nothing changed, or a fault keeps them on the code that they had."""


class FromFolder(Answer, frozen=True, kw_only=True):
    """A workflow or a template that a file of the folder made another version of."""

    name: str
    version: int


class Reloaded(Answer, frozen=True, kw_only=True):
    """What became of the bots when all files were loaded again, by name; and of all else."""

    started: list[str]
    replaced: list[str]
    """They work on new code or settings."""
    stopped: list[str]
    """Their code is gone: they are absent, and their messages wait."""
    kept: list[str]
    """Nothing changed, or a fault keeps them on the code that they had."""
    actions: ActionsReloaded
    workflows: list[FromFolder] | None
    """Those published because their file changed; null where `workflows.auto_publish` is off."""
    templates: list[FromFolder] | None
    """The same of templates."""
    faults: list[FileFault]
    """What is wrong with files of every sort; whatever they define goes on as it was."""


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────


class DeadLettersQuery(Request, frozen=True, kw_only=True):
    """Which dead letters."""

    bot: Name | None = None
    after: Cursor | None = None
    """The `next` of an earlier page."""
    limit: Limit = 100


class DeadLetterRow(Answer, frozen=True, kw_only=True):
    """A message that will not be handled, unless it is redriven."""

    id: Position
    """The position of the fact."""
    bot: str
    reason: str
    message: Position | None
    """Where the message stands; None if it was never sent."""
    sender: str
    recipient: str
    """A bot, or a channel with # before it."""
    type: str
    attempts: int
    error: str
    redriven: Position | None
    """Where it was redriven."""


class DeadLetterDetail(DeadLetterRow, frozen=True, kw_only=True):
    """A dead letter with its whole story."""

    at: datetime
    story: msgspec.Raw
    """The fact as the log holds it: with the traceback, and with the message if that was never sent."""


class DeadLetters(Answer, frozen=True, kw_only=True):
    """Dead letters, oldest first."""

    data: list[DeadLetterRow]
    next: str | None
    """The cursor from which to go on; None when that was all."""
