"""Opening a database: pragmas, schema, identity, and reading back that durability is what we promise.

The order matters. `auto_vacuum` can only be chosen while the file is empty, and switching to the write-ahead
log writes its first page; so it comes first. Everything that promise 1 rests on is read back from the live
writer: a pragma that SQLite does not take is not an error to SQLite, but it is one to us.
"""

from __future__ import annotations

import secrets
import sqlite3
from datetime import datetime

from callboard.errors import StartRefused, StoreCorrupt
from callboard.facts.membership import matches
from callboard.ids import LogId
from callboard.stores.sqlite.migrations import known, migrate, pending
from callboard.stores.sqlite.queries import QUERIES

BUSY_MILLISECONDS = 1_000
"""How long the writer waits for a lock that another process holds, before it says so."""

WAL_LIMIT_BYTES = 64 * 1024 * 1024

_FILE = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}
_MEMORY = {"journal_mode": "memory", "synchronous": 2, "foreign_keys": 1}


def open_writer(db: sqlite3.Connection, at: datetime, log_id: LogId, *, in_memory: bool) -> None:
    """Make a connection the writer: durable, with today's schema, and with an identity."""
    db.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    # Looked at first: a database that is not ours, or newer, is refused before a single byte of it changes.
    pending(db, known())
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if not in_memory:
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA fullfsync = ON")
    db.execute("PRAGMA checkpoint_fullfsync = ON")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    db.execute("PRAGMA cache_size = -32000")
    db.create_function("matches", 2, matches, deterministic=True)
    migrate(db, at)
    _identify(db, log_id)
    wrong = durability_faults(db, in_memory=in_memory)
    if wrong:
        msg = f"SQLite does not give the durability that is promised: {'; '.join(wrong)}."
        raise StartRefused(msg)


def open_reader(db: sqlite3.Connection) -> None:
    """Make a connection one that cannot write, whatever it is asked."""
    db.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    db.execute("PRAGMA query_only = ON")


def pragmas(db: sqlite3.Connection) -> dict[str, object]:
    """Read back what durability rests on."""
    return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in _FILE}


def durability_faults(db: sqlite3.Connection, *, in_memory: bool) -> list[str]:
    """Say which pragma of the live writer is not what it must be."""
    seen = pragmas(db)
    expected = _MEMORY if in_memory else _FILE
    return [
        f"{name} is {seen[name]!r}, not {wanted!r}"
        for name, wanted in expected.items()
        if seen[name] != wanted
    ]


def new_log_id() -> LogId:
    """Return an identity for a new log."""
    return LogId(secrets.token_hex(6))


def _identify(db: sqlite3.Connection, log_id: LogId) -> None:
    """Give a new database its head, and a copy an identity of its own.

    Positions that the original gave out after the copy was made will be given out again by the copy. Under
    another identity they are other positions, and cursors from before are refused instead of misread.
    """
    row = db.execute(QUERIES.is_copy).fetchone()
    if row is None:
        if db.execute(QUERIES.facts_exist).fetchone()[0]:
            msg = "The database has lost the row that counts positions: restore the last backup."
            raise StoreCorrupt(msg)
        db.execute(QUERIES.make_head, (log_id,))
    elif row[0]:
        db.execute(QUERIES.new_identity, (log_id,))
