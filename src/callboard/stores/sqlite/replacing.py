"""Putting a backup in the place of a database, so that a crash at any moment leaves each whole somewhere.

    check the backup → copy it beside → fold the old database's log into it → keep the old one under another
    name → one rename puts the copy in place

The write-ahead log of the old database must be gone before the rename: SQLite would take it for the new
one's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

from callboard.errors import BackupInvalid
from callboard.store.port import Head
from callboard.stores.sqlite.backup import sync, verify, written_for_owner
from callboard.stores.sqlite.queries import QUERIES


def replace(backup: Path, database: Path, at: datetime) -> tuple[Head, Path | None]:
    """Put a checked copy of a backup in the database's place; return its head and where the old one is."""
    if backup.with_name(f"{backup.name}-wal").exists():
        msg = f"{backup} has a write-ahead log beside it: it is a database in use, and no backup of one."
        raise BackupInvalid(msg)
    verify(backup)
    incoming = database.with_name(f"{database.name}.restoring")
    incoming.unlink(missing_ok=True)
    with written_for_owner(incoming):
        with backup.open("rb") as source, incoming.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        _mark(incoming)
        head = verify(incoming)
        sync(incoming)
        kept = _set_aside(database, at) if database.exists() else None
        incoming.replace(database)
        sync(database.parent)
    return head, kept


def _mark(incoming: Path) -> None:
    """Say that it is a copy, whatever it was made by: it gets an identity of its own when it is opened."""
    with contextlib.closing(sqlite3.connect(incoming, isolation_level=None)) as db:
        db.execute(QUERIES.mark_copy)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        db.execute("PRAGMA journal_mode = DELETE")


def _set_aside(database: Path, at: datetime) -> Path:
    """Keep the old database under another name, whole, and leave no write-ahead log at its place."""
    kept = database.with_name(f"{database.stem}.before-restore-{at:%Y%m%dT%H%M%S%f}{database.suffix}")
    # A damaged database, or one that somebody reads, may not let its log be folded in: both are then kept.
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database, timeout=1)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    beside = [Path(f"{database}{suffix}") for suffix in ("-wal", "-shm")]
    _link_or_copy(database, kept)
    for file in beside:
        if file.exists():
            _link_or_copy(file, kept.with_name(file.name.replace(database.name, kept.name)))
    sync(kept.parent)
    # Only now, when all of it is kept elsewhere. A crash between this and the rename leaves the old database
    # without its log at the old place, and whole under its new name.
    for file in beside:
        file.unlink(missing_ok=True)
    return kept


def _link_or_copy(file: Path, kept: Path) -> None:
    try:
        os.link(file, kept)
    except OSError:
        shutil.copyfile(file, kept)
        sync(kept)
