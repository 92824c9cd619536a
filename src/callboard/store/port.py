"""The store: a port. Facts in, facts out, expected versions, queries; nothing above it knows which database.

What it hands out is in `boardrows.py` and `runrows.py`. An adapter is right when it passes
`callboard.testing.store_conformance`, which it does by naming its factory.

Three things can come of a batch of turns, and the types keep them apart:

- each turn is answered: `Receipt` (it is on disk) or an error of its own (nothing of it exists);
- `StoreUnavailable` is raised: nothing of any turn exists, and the caller may say so;
- `CommitInDoubt` is raised: the commit itself failed. Its rows may or may not be there, and may even reappear
  at the next start. Nobody may be answered until `settle` has told which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from callboard.errors import CallboardError, PositionUnknown
from callboard.ids import (
    DEFAULT_TENANT,
    BotName,
    LogId,
    MessageId,
    Position,
    StreamId,
    Tenant,
    TimerId,
    Version,
    WaitId,
)
from callboard.messages import Message
from callboard.store.boardrows import (
    Audited,
    AuditQuery,
    BotRow,
    CatchUp,
    ChannelRow,
    DeadLetter,
    Delivery,
    Event,
    InboxPage,
    KeyRow,
    LogEntry,
    MemoryRow,
    Said,
    Snapshot,
    Stream,
    Subscription,
    Timer,
    Wait,
)
from callboard.store.changes import Ref
from callboard.store.runreads import RunReads
from callboard.store.turn import Turn
from callboard.templates.reads import TemplateReads

WHENEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""A time that is past all that is ever due."""

# ── the outcome of a commit ──────────────────────────────────────────────────────────────────────────────


class Receipt(msgspec.Struct, frozen=True):
    """The turn is on disk; its facts have consecutive positions."""

    first: Position
    count: int

    def position(self, ref: Ref) -> Position:
        """Return the position that a fact of the turn was given."""
        return Position(self.first + ref.index)


Outcome = Receipt | CallboardError
"""What became of one turn among those committed together."""


class CommitInDoubt(Exception):
    """The commit failed: its turns are neither acknowledged nor refused until `settle` has looked."""

    def __init__(self, fault: CallboardError, outcomes: Sequence[Outcome], mark: int) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.outcomes = outcomes
        """What each turn will be answered if the commit turns out to have taken place."""
        self.mark = mark
        """The commit's own number, by which it is looked for."""


# ── cursors held outside ─────────────────────────────────────────────────────────────────────────────────


class Head(msgspec.Struct, frozen=True):
    """Which log this is, and its last position."""

    log_id: LogId
    position: Position

    def cursor(self, position: Position) -> str:
        """Return the form in which a position leaves the house: it carries the log's id."""
        return f"{position}@{self.log_id}"

    def resolve(self, cursor: str) -> Position:
        """Return the position that a cursor means, or refuse it."""
        number, _, log_id = cursor.partition("@")
        if not number.isascii() or not number.isdigit() or not log_id or len(number) > 18:  # noqa: PLR2004 - fits 63 bits
            msg = f"{cursor[:80]!r} is not a cursor: it looks like {self.cursor(self.position)!r}."
            raise PositionUnknown(msg)
        if log_id != self.log_id:
            msg = (
                f"The cursor belongs to log {log_id[:40]!r}, and this is log {self.log_id!r}: the database "
                "was restored or replaced. Read again from the beginning, or from a position that you know."
            )
            raise PositionUnknown(msg, log_id=self.log_id)
        if int(number) > self.position:
            msg = f"The cursor is at position {number}, but the log ends at {self.position}."
            raise PositionUnknown(msg, head=self.position)
        return Position(int(number))


# ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────────


class Finding(msgspec.Struct, frozen=True):
    """One thing that a check looked at, and what it saw."""

    name: str
    ok: bool
    detail: str


class Retention(msgspec.Struct, frozen=True):
    """What may go, by age and by count, as long as nobody needs it. None sets no bound."""

    messages_before: datetime | None = None
    messages_kept: int | None = None
    """So many of the newest messages stay; what is older may go, whatever its age."""
    streams_ended_before: datetime | None = None
    streams_kept: int | None = None
    """So many of the streams that ended last stay."""


class Pruned(msgspec.Struct, frozen=True):
    """What a pruning took, or would take."""

    messages: int
    streams: int
    events: int
    bytes_before: int
    bytes_after: int


class Copy(msgspec.Struct, frozen=True):
    """A backup that was made and passed its check."""

    bytes: int
    head: Head


# ── the port ─────────────────────────────────────────────────────────────────────────────────────────────


class Store(RunReads, TemplateReads, Protocol):
    """Where the log lives."""

    async def open(self) -> None:
        """Make or migrate the database and read where the log stands."""

    async def close(self) -> None:
        """Let go of the database."""

    # writing: called by the journal alone

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        """Commit all turns as one transaction; a faulty one is answered with its error, alone."""

    async def settle(self, mark: int | None) -> bool:
        """Reach the disk once more, read that back, and tell whether the commit in doubt took place."""

    # reading: never waits behind writing

    async def head(self) -> Head:
        """Return the log's identity and its last position."""

    async def log(self, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT) -> list[LogEntry]:
        """Return facts of all kinds that follow a position, in order."""

    async def stream(self, stream: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> Stream:
        """Return where a stream stands; `StreamNotFound` if it has never been appended to."""

    async def events(
        self,
        stream: StreamId,
        after: Version,
        limit: int,
        *,
        size: int | None = None,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> list[Event]:
        """Return the events of a stream that follow a version, in order, and none after so many bytes."""

    async def version_at(
        self, stream: StreamId, position: Position, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Version:
        """Return how far a stream had come at a position of the log; 0 where it had not begun."""

    async def snapshot(self, stream: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> Snapshot | None:
        """Return the newest snapshot of a stream."""

    async def message(self, message: MessageId, *, tenant: Tenant = DEFAULT_TENANT) -> Message | None:
        """Return one message."""

    async def cursor(
        self, bot: BotName, subscription: Position | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Position | None:
        """Return up to where a bot's inbox, or one catch-up of it, is settled."""

    async def deliveries(self, message: Position, *, tenant: Tenant = DEFAULT_TENANT) -> list[Delivery]:
        """Return what became of a message, by bot."""

    async def message_at(self, position: Position, *, tenant: Tenant = DEFAULT_TENANT) -> Message | None:
        """Return the message at a position."""

    async def waits(self, owner: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> list[Wait]:
        """Return what an owner waits for."""

    async def wait(self, wait: WaitId, *, tenant: Tenant = DEFAULT_TENANT) -> Wait | None:
        """Return one wait, as long as somebody waits."""

    async def waits_of(
        self, kind: str, after: WaitId | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Wait]:
        """Return what of one kind is waited for and not answered, in pages, in the order of their ids."""

    async def timers(self, after: TimerId | None, limit: int) -> list[Timer]:
        """Return the timers of all tenants in pages, in the order of their ids."""

    # the board and inboxes

    async def bots(self, *, tenant: Tenant = DEFAULT_TENANT) -> list[BotRow]:
        """Return all bots that were ever declared, by name."""

    async def channels(self, *, tenant: Tenant = DEFAULT_TENANT) -> list[ChannelRow]:
        """Return the channels there are, by name."""

    async def subscriptions(
        self, *, bot: BotName | None = None, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Subscription]:
        """Return the open subscriptions, of one bot or of all, in the order in which they were opened."""

    async def inbox(
        self, bot: BotName, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> InboxPage:
        """Return what a bot has still to handle of its own stream, past a position.

        That is, in log order: messages addressed to it, and messages on channels that lie above `opened` and
        below `until` of one of its subscriptions (its own ones only where the subscription says so), each
        once. Those with a delivery are left out, unless it is `started`, or `retrying` and past the bot's
        cursor (then the bot holds its stream for it).
        """

    async def catch_ups(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> list[CatchUp]:
        """Return the subscriptions of a bot, ended ones too, that are not caught up with, oldest first."""

    async def catch_up(
        self, opened: Position, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> InboxPage:
        """Return what a bot has still to handle of one catch-up, past a position.

        Messages on its channels above `since` and below `opened`, without those that have a delivery (other
        than `started`, or `retrying` past the catch-up's cursor). `seen` is `opened` when there are no more.
        """

    async def said(
        self,
        after: Position,
        limit: int,
        *,
        channel: str | None = None,
        sender: str | None = None,
        type: str | None = None,  # noqa: A002 - the word of the domain
        tenant: Tenant = DEFAULT_TENANT,
    ) -> Said:
        """Return messages past a position, in log order, whoever they are for.

        Those on the channels of a pattern, from a sender, of a type: what is told narrows, and one of the
        first two is told.
        """

    async def waiting(self, bot: BotName, most: int, *, tenant: Tenant = DEFAULT_TENANT) -> int:
        """Return how many messages a bot has still to handle, catch-ups included; stops at `most`."""

    async def retries(
        self, bot: BotName, due: datetime, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Delivery]:
        """Return the deliveries of a bot that are to be tried again by a time, the earliest first."""

    async def started(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> list[Delivery]:
        """Return the attempts of a bot that began and of which nothing more was said, in log order."""

    async def next_retry(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> datetime | None:
        """Return when a bot's next delivery is to be tried again."""

    async def delivery(
        self, bot: BotName, message: Position, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Delivery | None:
        """Return what became of one message at one bot."""

    async def memory(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> MemoryRow | None:
        """Return what a bot keeps."""

    async def key(self, scope: str, key: str, *, tenant: Tenant = DEFAULT_TENANT) -> KeyRow | None:
        """Return what became of an idempotency key."""

    async def dead_letters(
        self,
        *,
        bot: BotName | None = None,
        after: Position | None = None,
        limit: int = 100,
        redriven: bool = False,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> list[DeadLetter]:
        """Return dead letters past a position, oldest first; redriven ones only if asked for."""

    async def dead_letter(self, letter: Position, *, tenant: Tenant = DEFAULT_TENANT) -> DeadLetter | None:
        """Return one dead letter."""

    # auditing

    async def audit(self, query: AuditQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[Audited]:
        """Return messages with what became of them."""

    async def entry(self, position: Position, *, tenant: Tenant = DEFAULT_TENANT) -> LogEntry | None:
        """Return the fact at a position."""

    async def causes(
        self, position: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[LogEntry]:
        """Return the fact at a position, its cause, the cause of that, and so on."""

    async def effects(
        self, position: Position, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[LogEntry]:
        """Return what a fact led to, directly and through others, in log order, past a position."""

    # housekeeping

    async def check(self, *, full: bool) -> list[Finding]:
        """Look for damage: pragmas, pages, gaps in streams, positions out of order, cursors past the head."""

    async def rebuild(self) -> list[str]:
        """Make every derived table anew from the log; return the names of those that differed."""

    async def prune(self, retention: Retention, *, dry_run: bool = False) -> Pruned:
        """Take away what is older than asked and needed by nobody, and give the room back to the disk."""

    async def remove_stream(
        self, stream: StreamId, *, dry_run: bool = False, tenant: Tenant = DEFAULT_TENANT
    ) -> bool:
        """Take a stream that has ended away, with all that hangs on it.

        Tell whether it is gone: not if it goes on, or if something waits in it or has still to read its end.
        With `dry_run` nothing is taken, and the answer is whether it would be.
        """

    async def backup(self, target: str) -> Copy:
        """Copy the whole store into a new file while work goes on, and check the copy."""
