"""Copies: made while work goes on, checked before they are called a backup, and safe to put in place.

A copy is written beside its target under another name, marked as a copy, checked page by page, and only then
given the target's name. So a file of that name is always whole, and an interrupted backup leaves none.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from callboard.errors import AlreadyExists, BackupInvalid, StartRefused
from callboard.ids import LogId, Position
from callboard.store.port import Copy, Head
from callboard.stores.sqlite.checking import DERIVED, check_file
from callboard.stores.sqlite.migrations import known, pending
from callboard.stores.sqlite.queries import QUERIES


def copy(db: sqlite3.Connection, target: Path) -> Copy:
    """Copy a whole database into a new file, through a read-only connection of its own."""
    if target.exists():
        raise _taken(target)
    if not target.parent.is_dir():
        msg = f"There is no folder {target.parent} to put the backup in: make it first."
        raise BackupInvalid(msg)
    partial = target.with_name(f"{target.name}.partial-{secrets.token_hex(4)}")
    try:
        with written_for_owner(partial):
            _write(db, partial)
            head = verify(partial)
            sync(partial)
            _name(partial, target)
            sync(target.parent)
            return Copy(target.stat().st_size, head)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}."
        raise BackupInvalid(msg) from error


@contextlib.contextmanager
def written_for_owner(partial: Path) -> Iterator[None]:
    """Make a file that its owner alone can read, and leave none behind: a copy holds all that was said."""
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield
    finally:
        partial.unlink(missing_ok=True)


def _name(partial: Path, target: Path) -> None:
    """Give the copy its name, unless somebody took it by now."""
    try:
        os.link(partial, target)  # fails if the name is taken; a rename would overwrite
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError from None
        partial.rename(target)


def _taken(target: Path) -> AlreadyExists:
    return AlreadyExists(f"{target} exists already: name a new file, no backup is ever overwritten.")


def verify(file: Path) -> Head:
    """Check a copy from its first page to its last row, or say what is wrong with it.

    Derived tables are left to the doctor: they can be made anew, and a backup that is needed must not fail
    for what a rebuild mends.
    """
    if not file.is_file():
        msg = f"{file} is not a file: name a backup that `callboard backup` made."
        raise BackupInvalid(msg)
    try:
        # Immutable: it lies still, and looking at it makes no files beside it.
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            pending(db, known())
            wrong = [
                f"{x.name}: {x.detail}" for x in check_file(db, full=True) if not x.ok and x.name != DERIVED
            ]
            row = db.execute(QUERIES.read_head).fetchone()
    except (sqlite3.Error, StartRefused) as error:
        msg = f"{file} is not a sound backup: {error}"
        raise BackupInvalid(msg) from error
    if wrong or row is None:
        msg = f"{file} is not a sound backup: {'; '.join(wrong) or 'it holds no log'}."
        raise BackupInvalid(msg)
    return Head(LogId(row[0]), Position(row[1] - 1))


def _write(db: sqlite3.Connection, partial: Path) -> None:
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
