"""Putting a backup in the place of a database, so that a crash at any moment leaves one whole database there.

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

from callboard.store import Head
from callboard.stores.sqlite.backup import sync, verify


def replace(backup: Path, database: Path, at: datetime) -> tuple[Head, Path | None]:
    """Put a checked copy of a backup in the database's place; return its head and where the old one is."""
    verify(backup)
    incoming = database.with_name(f"{database.name}.restoring")
    try:
        shutil.copyfile(backup, incoming)
        head = verify(incoming)
        sync(incoming)
        kept = _set_aside(database, at) if database.exists() else None
        incoming.replace(database)
        sync(database.parent)
    finally:
        incoming.unlink(missing_ok=True)
    return head, kept


def _set_aside(database: Path, at: datetime) -> Path:
    """Keep the old database under another name, whole, and leave no write-ahead log at its place."""
    kept = database.with_name(f"{database.stem}.before-restore-{at:%Y%m%dT%H%M%S%f}{database.suffix}")
    # A damaged database may not let its log be folded in. It is kept with its log then.
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database, timeout=1)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    try:
        os.link(database, kept)
    except OSError:
        shutil.copyfile(database, kept)
        sync(kept)
    for suffix in ("-wal", "-shm"):
        beside = Path(f"{database}{suffix}")
        if beside.exists():
            beside.replace(f"{kept}{suffix}")
    return kept
