"""Copies: made while work goes on, checked before they are called a backup, and safe to put in place.

A copy is written beside its target under another name, marked as a copy, checked page by page, and only then
given the target's name. So a file of that name is always whole, and an interrupted backup leaves none.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from callboard.errors import AlreadyExists, BackupInvalid, StartRefused
from callboard.ids import LogId, Position
from callboard.store import Copy, Head
from callboard.stores.sqlite.checking import check_file
from callboard.stores.sqlite.migrations import known, pending
from callboard.stores.sqlite.queries import QUERIES


def copy(db: sqlite3.Connection, target: Path) -> Copy:
    """Copy a whole database into a new file, through a read-only connection of its own."""
    if target.exists():
        msg = f"{target} exists already: name a new file, so that no backup is overwritten."
        raise AlreadyExists(msg)
    if not target.parent.is_dir():
        msg = f"There is no folder {target.parent} to put the backup in: make it first."
        raise BackupInvalid(msg)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        _write(db, partial)
        head = verify(partial)
        sync(partial)
        # A hard link fails if the name is taken by now; a rename would overwrite it.
        os.link(partial, target)
        sync(target.parent)
    except FileExistsError:
        msg = f"{target} exists already: name a new file, so that no backup is overwritten."
        raise AlreadyExists(msg) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
    return Copy(target.stat().st_size, head)


def verify(file: Path) -> Head:
    """Check a copy from its first page to its last row, or say what is wrong with it."""
    if not file.is_file():
        msg = f"{file} is not a file: name a backup that `callboard backup` made."
        raise BackupInvalid(msg)
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            pending(db, known())
            wrong = [f"{x.name}: {x.detail}" for x in check_file(db, full=True) if not x.ok]
            row = db.execute(QUERIES.read_head).fetchone()
    except (sqlite3.Error, StartRefused) as error:
        msg = f"{file} is not a sound backup: {error}"
        raise BackupInvalid(msg) from error
    if wrong or row is None:
        msg = f"{file} is not a sound backup: {'; '.join(wrong) or 'it holds no log'}."
        raise BackupInvalid(msg)
    return Head(LogId(row[0]), Position(row[1] - 1))


def _write(db: sqlite3.Connection, partial: Path) -> None:
    # Made for its owner alone before anything is in it: a copy holds all that was ever said.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with contextlib.closing(sqlite3.connect(partial)) as copied:
        # All pages in one step: the copy is one snapshot, and a commit meanwhile does not make it start
        # again.
        db.backup(copied, pages=-1)
        # One file that stands alone, without a write-ahead log beside it.
        copied.execute("PRAGMA journal_mode = DELETE")
        copied.execute(QUERIES.mark_copy)
        copied.commit()


def sync(path: Path) -> None:
    """Return when a file, or a folder's names, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
