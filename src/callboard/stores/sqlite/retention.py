"""Taking away what is old and needed by nobody, and giving the room back to the disk.

It runs on the writer's connection in small transactions, between which the journal's batches go on: nobody
waits for more than one of them, and each looks at a bounded stretch, whether anything in it may go or not.
What may go is decided in the same transaction that takes it, so a message that somebody subscribes to a
moment earlier is not lost.

Deleting rows leaves free pages in the file. They go back to the disk by incremental vacuum, a few at a time,
and the write-ahead log is then folded into the file and cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from callboard.store.port import Pruned, Retention
from callboard.store.projections import RUN
from callboard.stores.sqlite.opening import BUSY_MILLISECONDS
from callboard.stores.sqlite.queries import QUERIES
from callboard.stores.sqlite.rows import microseconds
from callboard.stores.sqlite.writing import roll_back

POSITIONS_AT_ONCE = 500
"""How long a stretch of the log one step looks at, whether anything in it may go or not."""

STREAMS_AT_ONCE = 500
EVENTS_AT_ONCE = 2_000
PAGES_AT_ONCE = 256
KEYS_AT_ONCE = 500
KEYS_KEPT = timedelta(days=30)
"""Whoever repeats a request does so within this."""

EVERYTHING = 2**62

Place = tuple[int, str, str]
"""Where a step over streams stopped: ended at, tenant, name."""


class Taken(msgspec.Struct):
    """What one step took."""

    messages: int = 0
    streams: int = 0
    events: int = 0
    position: int = 0
    """Up to where messages were looked at."""
    place: Place = (0, "", "")
    """Up to where streams were looked at."""
    more: bool = False


class Bounds(msgspec.Struct, frozen=True):
    """What retention means for this database: what lies below any of these may go."""

    sent_before: int
    position_below: int
    ended_before: int


Write = Callable[..., Awaitable[Any]]
"""Does a piece of work on the writer's connection."""


async def prune(write: Write, wanted: Retention, now: datetime, *, dry_run: bool) -> Pruned:
    """Take away what is old, step by step."""
    before, limits = await write(size), await write(bounds, wanted)
    total = Taken()
    for take in (take_messages, take_streams):
        step = Taken(more=True)
        while step.more:
            step = await write(take, limits, step, dry_run=dry_run)
            total.messages += step.messages
            total.streams += step.streams
            total.events += step.events
    if not dry_run:
        for clear in (take_keys, take_links):
            while await write(clear, now):
                pass
        while await write(give_back):
            pass
        await write(fold_log)
    return Pruned(total.messages, total.streams, total.events, before, await write(size))


def bounds(db: sqlite3.Connection, retention: Retention) -> Bounds:
    """Turn ages and counts into bounds on rows; a bound of 0 lets nothing go."""
    ended = max(
        _stored(retention.streams_ended_before), _oldest_kept(db, QUERIES.nth_ended, retention.streams_kept)
    )
    below = _oldest_kept(db, QUERIES.nth_message, retention.messages_kept)
    return Bounds(_stored(retention.messages_before), below, ended)


def take_messages(db: sqlite3.Connection, bounds: Bounds, last: Taken, *, dry_run: bool) -> Taken:
    """Take what is old and needed by nobody from the next stretch of the log."""
    first = db.execute(QUERIES.next_message, (last.position,)).fetchone()[0]
    if first is None:
        return Taken()
    stretch = (first, first + POSITIONS_AT_ONCE - 1)
    limits = (*stretch, bounds.sent_before, bounds.position_below)
    if not db.execute(QUERIES.any_old_message, limits).fetchone()[0]:
        return Taken()
    db.execute("BEGIN" if dry_run else "BEGIN IMMEDIATE")
    try:
        old = db.execute(QUERIES.old_messages, limits).fetchall()
        if not dry_run:
            db.executemany(QUERIES.delete_deliveries, old)
            db.executemany(QUERIES.delete_message, old)
        db.execute("COMMIT")
    finally:
        roll_back(db)
    return Taken(messages=len(old), position=stretch[1], more=True)


def take_streams(db: sqlite3.Connection, bounds: Bounds, last: Taken, *, dry_run: bool) -> Taken:
    """Take the next streams that ended long ago, each whole."""
    taken = Taken(place=last.place)
    db.execute("BEGIN" if dry_run else "BEGIN IMMEDIATE")
    try:
        limits = (bounds.ended_before, *last.place, STREAMS_AT_ONCE)
        rows = db.execute(QUERIES.old_streams, limits).fetchall()
        for ended_at, tenant, stream, version in rows:
            if taken.events >= EVENTS_AT_ONCE:
                break
            taken.streams += 1
            taken.events += version
            taken.place = (ended_at, tenant, stream)
            if not dry_run:
                _take_stream(db, tenant, stream)
        db.execute("COMMIT")
    finally:
        roll_back(db)
    taken.more = bool(rows)
    return taken


async def remove(write: Write, tenant: str, stream: str, *, dry_run: bool) -> bool:
    """Take one stream with its parts, or tell whether it could be taken."""
    if dry_run:
        return bool(await write(is_over, tenant, stream))
    while (taken := await write(take_parts, tenant, stream)) > 0:
        pass
    return not taken and bool(await write(take_stream, tenant, stream))


def is_over(db: sqlite3.Connection, tenant: str, stream: str) -> bool:
    """Tell whether a stream has ended and nobody needs it."""
    return db.execute(QUERIES.stream_is_over, (EVERYTHING, tenant, stream)).fetchone() is not None


def take_stream(db: sqlite3.Connection, tenant: str, stream: str) -> bool:
    """Take one stream if it has ended and nobody needs it; tell whether it was taken."""
    db.execute("BEGIN IMMEDIATE")
    try:
        over = is_over(db, tenant, stream)
        if over:
            _take_stream(db, tenant, stream)
        db.execute("COMMIT")
    finally:
        roll_back(db)
    return over


def take_parts(db: sqlite3.Connection, tenant: str, stream: str) -> int:
    """Take some items and rounds of a run, innermost first; tell how many, or -1 if one goes on."""
    if not stream.startswith(RUN):
        return 0
    db.execute("BEGIN IMMEDIATE")
    try:
        if not is_over(db, tenant, stream):
            return 0
        parts = db.execute(QUERIES.parts_of, (tenant, stream[len(RUN) :], STREAMS_AT_ONCE)).fetchall()
        if any(ended_at is None for _, ended_at in parts):
            return -1
        for part, _ in parts:
            _take_stream(db, tenant, f"{RUN}{part}")
        db.execute("COMMIT")
    finally:
        roll_back(db)
    return len(parts)


def _take_stream(db: sqlite3.Connection, tenant: str, stream: str) -> None:
    _take_rows(db, tenant, stream)
    db.execute(QUERIES.delete_events, (tenant, stream))
    db.execute(QUERIES.delete_stream, (tenant, stream))


def _take_rows(db: sqlite3.Connection, tenant: str, stream: str) -> None:
    """Take the rows that hang on a stream; those of a run refer to its events."""
    if stream.startswith(RUN):
        for statement in (QUERIES.delete_decisions, QUERIES.delete_steps):
            db.execute(statement, (tenant, stream))
        for statement in (QUERIES.delete_queue, QUERIES.delete_children, QUERIES.delete_run):
            db.execute(statement, (tenant, stream[len(RUN) :]))
        for statement in (QUERIES.delete_links, QUERIES.leave_links):
            db.execute(statement, (tenant, stream[len(RUN) :]))


def take_keys(db: sqlite3.Connection, now: datetime) -> bool:
    """Take some of the idempotency keys that nobody will say again; tell whether there may be more."""
    taken = db.execute(QUERIES.delete_keys, (microseconds(now - KEYS_KEPT), KEYS_AT_ONCE)).rowcount
    return taken == KEYS_AT_ONCE


def take_links(db: sqlite3.Connection, now: datetime) -> bool:
    """Take some of the links of runs that went long ago; tell whether there may be more."""
    db.execute(QUERIES.date_left_links, (microseconds(now),))
    taken = db.execute(QUERIES.delete_left_links, (microseconds(now - KEYS_KEPT), KEYS_AT_ONCE)).rowcount
    return taken == KEYS_AT_ONCE


def _stored(at: datetime | None) -> int:
    return 0 if at is None else microseconds(at)


def _oldest_kept(db: sqlite3.Connection, statement: str, kept: int | None) -> int:
    """Return where the oldest row stands that a count keeps: below it is past the count."""
    if kept is None:
        return 0
    if kept == 0:
        return EVERYTHING
    row = db.execute(statement, (kept - 1,)).fetchone()
    return row[0] if row else 0


def give_back(db: sqlite3.Connection) -> bool:
    """Return some free pages to the disk; tell whether more are left."""
    # The statement frees one page per row that it yields, so its rows must be fetched.
    db.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()
    return bool(db.execute("PRAGMA freelist_count").fetchone()[0])


def fold_log(db: sqlite3.Connection) -> None:
    """Fold the write-ahead log into the file and cut it, as far as readers allow at this moment."""
    db.execute("PRAGMA busy_timeout = 0")  # or every commit would wait for whoever reads
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")


def size(db: sqlite3.Connection) -> int:
    """Return the bytes that the database's pages take."""
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    return int(pages * db.execute("PRAGMA page_size").fetchone()[0])
