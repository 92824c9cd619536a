"""Taking away what is old and needed by nobody, and giving the room back to the disk.

It runs on the writer's connection in small transactions, between which the journal's batches go on: nobody
waits for more than one of them. What may go is decided in the same transaction that takes it, so a message
that somebody subscribes to a moment earlier is not lost.

Deleting rows leaves free pages in the file. They go back to the disk by incremental vacuum, a few at a time,
and the write-ahead log is then folded into the file and cut.
"""

from __future__ import annotations

import sqlite3

import msgspec

from callboard.store import Retention
from callboard.stores.sqlite.queries import QUERIES
from callboard.stores.sqlite.rows import microseconds
from callboard.stores.sqlite.writing import roll_back

MESSAGES_AT_ONCE = 500
EVENTS_AT_ONCE = 2_000
PAGES_AT_ONCE = 256


class Taken(msgspec.Struct):
    """What one step took, and where the next begins; `more` tells whether there is one."""

    messages: int = 0
    streams: int = 0
    events: int = 0
    after: int = 0
    more: bool = False


def take_messages(db: sqlite3.Connection, retention: Retention, after: int, *, dry_run: bool) -> Taken:
    """Take the next messages that are old and needed by nobody."""
    if retention.messages_before is None:
        return Taken()
    db.execute("BEGIN IMMEDIATE")
    try:
        old = db.execute(
            QUERIES.old_messages, (after, microseconds(retention.messages_before), MESSAGES_AT_ONCE)
        ).fetchall()
        if not dry_run:
            db.executemany(QUERIES.delete_deliveries, old)
            db.executemany(QUERIES.delete_message, old)
        db.execute("COMMIT")
    finally:
        roll_back(db)
    last = old[-1][0] if old else after
    return Taken(messages=len(old), after=last, more=len(old) == MESSAGES_AT_ONCE)


def take_streams(db: sqlite3.Connection, retention: Retention, offset: int, *, dry_run: bool) -> Taken:
    """Take the next streams that ended long ago, each whole; a trial run only counts, from an offset."""
    if retention.streams_ended_before is None:
        return Taken()
    taken = Taken(after=offset)
    db.execute("BEGIN IMMEDIATE")
    try:
        rows = db.execute(
            QUERIES.old_streams, (microseconds(retention.streams_ended_before), EVENTS_AT_ONCE, offset)
        ).fetchall()
        for tenant, stream, version in rows:
            if taken.events >= EVENTS_AT_ONCE:
                taken.more = True
                break
            taken.streams += 1
            taken.events += version
            if not dry_run:
                db.execute(QUERIES.delete_events, (tenant, stream))
                db.execute(QUERIES.delete_stream, (tenant, stream))
        db.execute("COMMIT")
    finally:
        roll_back(db)
    taken.more = taken.more or len(rows) == EVENTS_AT_ONCE
    taken.after = offset + taken.streams if dry_run else 0
    return taken


def give_back(db: sqlite3.Connection) -> bool:
    """Return some free pages to the disk; tell whether more are left."""
    # The statement frees one page per row that it yields, so its rows must be fetched.
    db.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()
    return bool(db.execute("PRAGMA freelist_count").fetchone()[0])


def fold_log(db: sqlite3.Connection) -> None:
    """Fold the write-ahead log into the file and cut it, as far as readers allow."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def size(db: sqlite3.Connection) -> int:
    """Return the bytes that the database's pages take."""
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    return int(pages * db.execute("PRAGMA page_size").fetchone()[0])
