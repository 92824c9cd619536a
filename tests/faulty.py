"""A store whose disk fails when a test says so, at the statement that it names.

The product runs as it is: only the connection underneath lies. `break_at("COMMIT")` makes the statement fail
before it does anything; `after=True` lets it happen and then reports a failure, as a disk does that loses the
answer and not the data.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from callboard.stores.sqlite import SqliteStore, inline
from callboard.stores.sqlite.connection import Connection, P, Result, Work


def disk_error(code: int = sqlite3.SQLITE_IOERR_FSYNC, name: str = "SQLITE_IOERR_FSYNC") -> sqlite3.Error:
    """Return what SQLite raises when the disk fails."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error


class Disk:
    """What is broken now."""

    def __init__(self) -> None:
        self._statement: str | None = None
        self._after = False
        self._forgets = False
        self._error = disk_error()
        self.tried = 0
        """How often the broken statement was said."""
        self.commits = 0

    def break_at(self, statement: str, *, after: bool = False, error: sqlite3.Error | None = None) -> None:
        """Fail every statement that begins so, until `mend`."""
        self._statement, self._after, self._error = statement, after, error or disk_error()

    def forget_commits(self) -> None:
        """Say that every commit took place, and let none of it be there."""
        self._statement, self._forgets = None, True

    def mend(self) -> None:
        """Let everything work again."""
        self._statement, self._forgets = None, False

    def execute(self, run: Any, statement: str, parameters: Sequence[Any]) -> Any:
        broken = self._statement is not None and statement.lstrip().startswith(self._statement)
        self.tried += broken
        if broken and not self._after:
            raise self._error
        if self._forgets and statement == "COMMIT":
            statement = "ROLLBACK"
        result = run(statement, parameters)
        self.commits += statement == "COMMIT"
        if broken:
            raise self._error
        return result


class _Cursor:
    def __init__(self, cursor: sqlite3.Cursor, disk: Disk) -> None:
        self._cursor = cursor
        self._disk = disk

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self._disk.execute(self._cursor.execute, statement, parameters)


class _Lying:
    """A `sqlite3.Connection` on a disk that can fail."""

    def __init__(self, db: sqlite3.Connection, disk: Disk) -> None:
        self._db = db
        self._disk = disk

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self._disk.execute(self._db.execute, statement, parameters)

    def cursor(self) -> Any:
        return _Cursor(self._db.cursor(), self._disk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class _LyingConnection:
    def __init__(self, real: Connection, disk: Disk) -> None:
        self._real = real
        self._disk = disk

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        def on_lying(db: sqlite3.Connection) -> Result:
            return work(cast("sqlite3.Connection", _Lying(db, self._disk)), *args, **kwargs)

        return await self._real.run(on_lying)

    async def close(self) -> None:
        await self._real.close()


def faulty_store(database: Path, disk: Disk) -> SqliteStore:
    """Return a store in a file, whose writer is on that disk."""

    async def connect(database: str, *, read_only: bool) -> Connection:
        real = await inline(database, read_only=read_only)
        return real if read_only else _LyingConnection(real, disk)

    return SqliteStore(database, connect=connect)
