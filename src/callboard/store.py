"""The store: a port. Facts in, facts out, expected versions, queries; nothing above it knows which database.

What was written has types of its own here (`Event`, `Message`, `Action`, each with its position). An adapter
is right when it passes `callboard.testing.store_conformance`, which it does by naming its factory.

Three things can come of a batch of turns, and the types keep them apart:

- each turn is answered: `Receipt` (it is on disk) or an error of its own (nothing of it exists);
- `StoreUnavailable` is raised: nothing of any turn exists, and the caller may say so;
- `CommitInDoubt` is raised: the commit itself failed. Its rows may or may not be there, and may even reappear
  at the next start. Nobody may be answered until `settle` has told which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from callboard.changes import Ref
from callboard.errors import CallboardError, PositionUnknown
from callboard.ids import (
    DEFAULT_TENANT,
    BotName,
    EventId,
    LogId,
    MessageId,
    Position,
    PrincipalId,
    StreamId,
    Tenant,
    TimerId,
    Version,
    WaitId,
)
from callboard.turn import To, Turn

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


class Message(msgspec.Struct, frozen=True):
    """One message, as it stands in the log."""

    position: Position
    cause: Position | None
    tenant: Tenant
    principal: PrincipalId
    id: MessageId
    sender: str
    to: To
    type: str
    body: Any
    headers: dict[str, str]
    reply_to: MessageId | None
    conversation: str | None
    hops: int
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


class Store(Protocol):
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
        self, stream: StreamId, after: Version, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Event]:
        """Return the events of a stream that follow a version, in order."""

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

    async def waits(self, owner: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> list[Wait]:
        """Return what an owner waits for."""

    async def timers(self, after: TimerId | None, limit: int) -> list[Timer]:
        """Return the timers of all tenants in pages, in the order of their ids."""

    # housekeeping

    async def check(self, *, full: bool) -> list[Finding]:
        """Look for damage: pragmas, pages, gaps in streams, positions out of order, cursors past the head."""

    async def rebuild(self) -> list[str]:
        """Make every derived table anew from the log; return the names of those that differed."""

    async def prune(self, retention: Retention, *, dry_run: bool = False) -> Pruned:
        """Take away what is older than asked and needed by nobody, and give the room back to the disk."""

    async def backup(self, target: str) -> Copy:
        """Copy the whole store into a new file while work goes on, and check the copy."""
