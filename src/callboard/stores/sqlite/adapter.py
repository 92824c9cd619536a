"""The SQLite adapter of the store: one connection that writes, a few that only read.

Exactly one connection writes and checkpoints. SQLite versions up to 3.51.2 are reported to damage the
write-ahead log when two do so at once; all others are opened read-only, and see a snapshot of their own that
no write holds up. In memory there is but one connection, and everything takes turns on it.

Each call of the port is one piece of work on one connection (`connection.py` says why), and no read outlives
its call: a reader that stayed would keep the write-ahead log from ever being cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from callboard.clock import Clock, SystemClock
from callboard.errors import StoreUnavailable, StreamNotFound
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
    Snapshot,
    Stream,
    Subscription,
    Timer,
    Wait,
)
from callboard.store.port import Copy, Finding, Head, Outcome, Pruned, Retention
from callboard.store.turn import Turn
from callboard.stores.sqlite import (
    auditing,
    backup,
    checking,
    inboxes,
    opening,
    rebuilding,
    retention,
    rows,
    writing,
)
from callboard.stores.sqlite.connection import Connection, Connector, P, Result, Work, on_thread
from callboard.stores.sqlite.faults import fault
from callboard.stores.sqlite.overhearing import Overhears
from callboard.stores.sqlite.queries import QUERIES, as_many, every, maybe, the_head
from callboard.stores.sqlite.runs import RunReads
from callboard.stores.sqlite.templates import TemplateReads

MEMORY = ":memory:"
CLOSED = "The store is closed."
READERS = 2


class SqliteStore(RunReads, TemplateReads, Overhears):
    """The log in one SQLite file, or in memory."""

    def __init__(
        self,
        database: str | Path = MEMORY,
        *,
        connect: Connector = on_thread,
        clock: Clock | None = None,
        new_log_id: Callable[[], LogId] = opening.new_log_id,
    ) -> None:
        self._database = str(database)
        self._in_memory = self._database == MEMORY
        self._connect = connect
        self._clock = clock or SystemClock()
        self._new_log_id = new_log_id
        self._writer: Connection | None = None
        self._readers: list[Connection] = []
        self._next_reader = 0
        self._aside: list[Connection] = []
        """Connections of their own for what takes long; they end by themselves."""

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        try:
            self._writer = await self._connect(self._database, read_only=False)
            await self._writer.run(
                opening.open_writer, self._clock.now(), self._new_log_id(), in_memory=self._in_memory
            )
            for _ in range(0 if self._in_memory else READERS):
                reader = await self._connect(self._database, read_only=True)
                self._readers.append(reader)
                await reader.run(opening.open_reader)
        except BaseException as error:
            await self.close()
            if isinstance(error, sqlite3.Error):
                raise fault(error) from error
            raise

    async def close(self) -> None:
        # One at a time and shielded: a caller that gives up leaves none open that nobody knows of any more.
        for connections in (self._aside, self._readers):
            while connections:
                await asyncio.shield(connections.pop().close())
        # Last, so that it is the one that folds the write-ahead log into the file.
        writer, self._writer = self._writer, None
        if writer is not None:
            await asyncio.shield(writer.close())

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        return await self._write(writing.commit, turns)

    async def settle(self, mark: int | None) -> bool:
        there, number = await self._write(writing.settle, mark)
        # Read back through another connection: what the writer itself believes proves nothing.
        _, _, seen = await self._read(the_head)
        if seen != number:
            msg = f"A commit returned, but reading it back shows number {seen} instead of {number}."
            raise StoreUnavailable(msg)
        return there

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def head(self) -> Head:
        log_id, next_position, _ = await self._read(the_head)
        return Head(log_id, Position(next_position - 1))

    async def log(self, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT) -> list[LogEntry]:
        found = await self._read(every, QUERIES.log_page, (after, tenant, limit))
        return [rows.log_entry(row) for row in found]

    async def stream(self, stream: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> Stream:
        row = await self._read(maybe, QUERIES.read_stream, (tenant, stream))
        if row is None:
            msg = f"There is no stream {stream}."
            raise StreamNotFound(msg)
        return Stream(stream, row[0], row[1], None if row[2] is None else rows.instant(row[2]))

    async def events(
        self,
        stream: StreamId,
        after: Version,
        limit: int,
        *,
        size: int | None = None,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> list[Event]:
        wanted = (tenant, stream, after, limit)
        if size is None:
            found = await self._read(every, QUERIES.read_events, wanted)
        else:
            found = await self._read(as_many, QUERIES.read_events, wanted, rows.EVENT_DATA, size)
        return [rows.event(row) for row in found]

    async def version_at(
        self, stream: StreamId, position: Position, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Version:
        row = await self._read(maybe, QUERIES.read_version_at, (tenant, stream, position))
        return Version(0 if row is None else row[0])

    async def snapshot(self, stream: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> Snapshot | None:
        row = await self._read(maybe, QUERIES.read_snapshot, (tenant, stream))
        return None if row is None else Snapshot(*row)

    async def message(self, message: MessageId, *, tenant: Tenant = DEFAULT_TENANT) -> Message | None:
        row = await self._read(maybe, QUERIES.read_message, (str(message), tenant))
        return None if row is None else rows.message(row)

    async def cursor(
        self, bot: BotName, subscription: Position | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Position | None:
        row = await self._read(maybe, QUERIES.read_cursor, (tenant, bot, subscription or 0))
        return None if row is None else Position(row[0])

    async def deliveries(self, message: Position, *, tenant: Tenant = DEFAULT_TENANT) -> list[Delivery]:
        found = await self._read(every, QUERIES.read_deliveries, (message, tenant))
        return [rows.delivery(row) for row in found]

    async def message_at(self, position: Position, *, tenant: Tenant = DEFAULT_TENANT) -> Message | None:
        row = await self._read(maybe, QUERIES.read_message_at, (position, tenant))
        return None if row is None else rows.message(row)

    async def waits(self, owner: StreamId, *, tenant: Tenant = DEFAULT_TENANT) -> list[Wait]:
        found = await self._read(every, QUERIES.read_waits, (tenant, owner))
        return [rows.wait(row) for row in found]

    async def wait(self, wait: WaitId, *, tenant: Tenant = DEFAULT_TENANT) -> Wait | None:
        row = await self._read(maybe, QUERIES.read_wait, (tenant, str(wait)))
        return None if row is None else rows.wait(row)

    async def waits_of(
        self, kind: str, after: WaitId | None, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Wait]:
        found = await self._read(every, QUERIES.read_waits_of, (tenant, kind, str(after or ""), limit))
        return [rows.wait(row) for row in found]

    async def timers(self, after: TimerId | None, limit: int) -> list[Timer]:
        found = await self._read(every, QUERIES.read_timers, (str(after or ""), limit))
        return [rows.timer(row) for row in found]

    # ── the board and inboxes ────────────────────────────────────────────────────────────────────────────

    async def bots(self, *, tenant: Tenant = DEFAULT_TENANT) -> list[BotRow]:
        return [BotRow(*row) for row in await self._read(every, QUERIES.read_bots, (tenant,))]

    async def channels(self, *, tenant: Tenant = DEFAULT_TENANT) -> list[ChannelRow]:
        return [ChannelRow(*row) for row in await self._read(every, QUERIES.read_channels, (tenant,))]

    async def subscriptions(
        self, *, bot: BotName | None = None, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Subscription]:
        if bot is None:
            found = await self._read(every, QUERIES.read_subscriptions, (tenant,))
        else:
            found = await self._read(every, QUERIES.read_subscriptions_of, (tenant, bot))
        return [rows.subscription(row) for row in found]

    async def inbox(
        self, bot: BotName, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> InboxPage:
        return _page(await self._read(inboxes.inbox, tenant, bot, after, limit))

    async def catch_ups(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> list[CatchUp]:
        found = await self._read(every, QUERIES.read_catch_ups, (tenant, bot))
        return [CatchUp(rows.subscription(row[:-1]), Position(row[-1])) for row in found]

    async def catch_up(
        self, opened: Position, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> InboxPage:
        return _page(await self._read(inboxes.catch_up, tenant, opened, after, limit))

    async def waiting(self, bot: BotName, most: int, *, tenant: Tenant = DEFAULT_TENANT) -> int:
        return await self._read(inboxes.waiting, tenant, bot, most)

    async def retries(
        self, bot: BotName, due: datetime, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[Delivery]:
        wanted = (tenant, bot, rows.microseconds(due), limit)
        return [rows.delivery(row) for row in await self._read(every, QUERIES.read_retries, wanted)]

    async def started(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> list[Delivery]:
        return [rows.delivery(row) for row in await self._read(every, QUERIES.read_started, (tenant, bot))]

    async def next_retry(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> datetime | None:
        row = await self._read(maybe, QUERIES.read_next_retry, (tenant, bot))
        return None if row is None or row[0] is None else rows.instant(row[0])

    async def delivery(
        self, bot: BotName, message: Position, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Delivery | None:
        row = await self._read(maybe, QUERIES.read_delivery, (message, bot, tenant))
        return None if row is None else rows.delivery(row)

    async def memory(self, bot: BotName, *, tenant: Tenant = DEFAULT_TENANT) -> MemoryRow | None:
        row = await self._read(maybe, QUERIES.read_memory, (tenant, bot))
        return None if row is None else MemoryRow(row[0], rows.instant(row[1]))

    async def key(self, scope: str, key: str, *, tenant: Tenant = DEFAULT_TENANT) -> KeyRow | None:
        row = await self._read(maybe, QUERIES.read_key, (tenant, scope, key))
        return None if row is None else KeyRow(*row)

    async def dead_letters(
        self,
        *,
        bot: BotName | None = None,
        after: Position | None = None,
        limit: int = 100,
        redriven: bool = False,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> list[DeadLetter]:
        page = (tenant, after or 0, redriven, limit)
        if bot is None:
            found = await self._read(every, QUERIES.read_dead_letters, page)
        else:
            found = await self._read(every, QUERIES.read_dead_letters_of, (bot, *page))
        return [DeadLetter(*row) for row in found]

    async def dead_letter(self, letter: Position, *, tenant: Tenant = DEFAULT_TENANT) -> DeadLetter | None:
        row = await self._read(maybe, QUERIES.read_dead_letter, (letter, tenant))
        return None if row is None else DeadLetter(*row)

    # ── auditing ─────────────────────────────────────────────────────────────────────────────────────────

    async def audit(self, query: AuditQuery, *, tenant: Tenant = DEFAULT_TENANT) -> list[Audited]:
        # Aside: what it looks for may be rare, and inboxes do not wait until it is found.
        found = await self._read_aside(auditing.audit, tenant, query)
        return [
            Audited(
                rows.message(one.message),
                [rows.delivery(row) for row in one.deliveries],
                [BotName(bot) for bot in one.waiting],
            )
            for one in found
        ]

    async def entry(self, position: Position, *, tenant: Tenant = DEFAULT_TENANT) -> LogEntry | None:
        row = await self._read(maybe, QUERIES.read_entry, (position, tenant))
        return None if row is None else rows.log_entry(row)

    async def causes(
        self, position: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[LogEntry]:
        return [rows.log_entry(row) for row in await self._read(auditing.causes, tenant, position, limit)]

    async def effects(
        self, position: Position, after: Position, limit: int, *, tenant: Tenant = DEFAULT_TENANT
    ) -> list[LogEntry]:
        found = await self._read(auditing.effects, tenant, position, after, limit)
        return [rows.log_entry(row) for row in found]

    # ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────

    async def check(self, *, full: bool) -> list[Finding]:
        durable = await self._write(checking.check_writer, in_memory=self._in_memory)
        return [durable, *await self._read_aside(checking.check_file, full=full)]

    async def rebuild(self) -> list[str]:
        return await self._write(rebuilding.rebuild)

    async def prune(self, wanted: Retention, *, dry_run: bool = False) -> Pruned:
        return await retention.prune(self._write, wanted, self._clock.now(), dry_run=dry_run)

    async def remove_stream(
        self, stream: StreamId, *, dry_run: bool = False, tenant: Tenant = DEFAULT_TENANT
    ) -> bool:
        return await retention.remove(self._write, tenant, stream, dry_run=dry_run)

    async def backup(self, target: str) -> Copy:
        return await self._read_aside(backup.copy, Path(target))

    # ── the ways in ──────────────────────────────────────────────────────────────────────────────────

    async def _write(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        if self._writer is None:
            raise StoreUnavailable(CLOSED)
        return await self._guarded(self._writer, work, *args, **kwargs)

    async def _read(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        if not self._readers:
            return await self._write(work, *args, **kwargs)
        self._next_reader = (self._next_reader + 1) % len(self._readers)
        return await self._guarded(self._readers[self._next_reader], work, *args, **kwargs)

    async def _read_aside(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Read what takes long, on a connection that nobody else waits for."""
        if self._in_memory:
            return await self._write(work, *args, **kwargs)
        if self._writer is None:
            raise StoreUnavailable(CLOSED)
        reader = await self._connect(self._database, read_only=True)
        self._aside.append(reader)
        try:
            await self._guarded(reader, opening.open_reader)
            return await self._guarded(reader, work, *args, **kwargs)
        finally:
            if reader in self._aside:
                self._aside.remove(reader)
                await asyncio.shield(reader.close())

    async def _guarded(
        self,
        connection: Connection,
        work: Work[P, Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        try:
            return await connection.run(work, *args, **kwargs)
        except sqlite3.Error as error:
            raise fault(error) from error


def _page(page: inboxes.Page) -> InboxPage:
    return InboxPage([rows.message(row) for row in page.messages], Position(page.seen))
