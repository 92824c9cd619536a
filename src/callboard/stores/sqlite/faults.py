"""What SQLite's result codes mean in Callboard's own errors.

A fault of the disk or the file is `StoreUnavailable` or one of its kinds: it concerns everyone, and readiness
follows it. A constraint is the fault of one turn. Anything else is a defect of ours and is let through.
"""

from __future__ import annotations

import sqlite3

from callboard.errors import (
    CallboardError,
    ConstraintViolated,
    DiskFull,
    StoreCorrupt,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)

PRIMARY = 0xFF
"""The low byte of an extended result code is the primary one."""

# By an extended result code, where that says more, or by a primary one.
_FAULTS: dict[int, tuple[type[StoreUnavailable], str]] = {
    sqlite3.SQLITE_FULL: (DiskFull, "The disk is full: make room; a server that runs goes on by itself"),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnly,
        (
            "The database cannot be written to: check the permissions of the data folder, and whether its "
            "disk is mounted read-only"
        ),
    ),
    sqlite3.SQLITE_BUSY: (
        StoreLocked,
        "Another process holds the database's write lock: end it; a server that runs goes on by itself",
    ),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "Another connection holds a table of the database"),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorrupt,
        (
            # As a rule SQLite says so, too, where a disk did not read a page that is whole.
            "The database file was not read as it should be: look at the system's log for errors of the "
            "disk, start the server again and run `callboard doctor --full`, and only if it finds damage "
            "keep a copy of the file and restore the last backup with `callboard restore`"
        ),
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreCorrupt,
        (
            "The file is not a SQLite database, or its beginning was not read as it should be: look at the "
            "system's log for errors of the disk and start the server again, and only if that does not help "
            "keep a copy of the file and restore the last backup with `callboard restore`"
        ),
    ),
    sqlite3.SQLITE_IOERR: (
        StoreUnavailable,
        "The disk did not read or write as it should: look at the system's log",
    ),
    sqlite3.SQLITE_IOERR_SHMSIZE: (
        StoreUnavailable,
        (
            "A file beside the database could not be made or grow: see whether the disk is full and, if it "
            "is not, look at the system's log"
        ),
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUnavailable,
        "The database file cannot be opened: check that the data folder exists and may be read and written",
    ),
    sqlite3.SQLITE_PROTOCOL: (StoreLocked, "The database's lock could not be had: try again"),
    sqlite3.SQLITE_PERM: (StoreReadOnly, "The system denies access to the database file"),
    sqlite3.SQLITE_AUTH: (StoreReadOnly, "The system denies access to the database file"),
}


def meaning(error: sqlite3.Error) -> CallboardError | None:
    """Return what an error of SQLite means, or None if it is not a fault of the disk, the file or a row."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Raised by the Python module itself, as when a file's bytes are no text.
        return StoreCorrupt(f"The database holds what cannot be read: {error}.") if _garbled(error) else None
    if code & PRIMARY == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintViolated(f"The store refused a row: {error}.", constraint=error.sqlite_errorname)
    known = _FAULTS.get(code) or _FAULTS.get(code & PRIMARY)
    if known is None:
        return None
    kind, advice = known
    return kind(f"{advice} ({error}, {error.sqlite_errorname}).")


def fault(error: sqlite3.Error | MemoryError) -> CallboardError:
    """Return the error in which a fault of the store leaves the adapter."""
    if isinstance(error, MemoryError):
        return StoreUnavailable("SQLite ran out of memory: give the server more, or ask for less at once.")
    return meaning(error) or StoreUnavailable(f"The store failed in a way that is not known: {error}.")


def _garbled(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
