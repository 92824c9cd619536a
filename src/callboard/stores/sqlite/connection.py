"""The connection protocol: one way to run work on a SQLite connection, and the two kinds there are.

`await connection.run(work, ...)` calls `work(db, ...)` with the real `sqlite3.Connection`, in one piece. A
hop to a thread and back costs more than most statements, so whatever belongs together (a whole batch of
turns, a query with all its rows) goes over as one piece of work and never statement by statement.

- `ThreadConnection` is aiosqlite: a thread of its own for each connection, so the loop never blocks.
- `InlineConnection` calls straight through on the loop. With it a simulation's one seed decides everything,
  because no thread is there to interleave.

Of aiosqlite three private names are used, here and nowhere else: `_execute`, which hands a function to the
connection's thread, `_conn`, the `sqlite3.Connection` that belongs to it, and `_thread`, to see the end of
one that could not connect, and to let the process end before one that was forgotten. Its public calls cost
one hop per statement and three per fetch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

import aiosqlite

P = ParamSpec("P")
Result = TypeVar("Result")
Work = Callable[Concatenate[sqlite3.Connection, P], Result]

STATEMENTS_KEPT = 768
"""How many compiled statements a connection keeps; more than the adapter has, of all sizes (gathering.py)."""


class Connection(Protocol):
    """Runs work on one SQLite connection, one piece at a time, in the order handed in."""

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Call `work` with the connection and return what it returns."""

    async def close(self) -> None:
        """Finish what was handed in, then close."""


class ThreadConnection:
    """A connection on a thread of its own, through aiosqlite."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        db = self._db
        done = await db._execute(work, db._conn, *args, **kwargs)  # type: ignore[no-untyped-call]  # noqa: SLF001 - see above
        return cast("Result", done)

    async def close(self) -> None:
        await self._db.close()
        self._db._thread.join()  # noqa: SLF001 - it has said its last word, and ends now


class InlineConnection:
    """A connection that works on the loop itself, for simulation."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        return work(self._db, *args, **kwargs)

    async def close(self) -> None:
        self._db.close()


class Connector(Protocol):
    """Opens connections of one kind."""

    async def __call__(self, database: str, *, read_only: bool) -> Connection:
        """Open a database by its URI or path."""


def location(database: str | Path, *, read_only: bool) -> str:
    """Return the URI by which a file, or the memory, is opened."""
    if database == ":memory:":
        return "file::memory:"
    mode = "ro" if read_only else "rwc"
    return f"{Path(database).absolute().as_uri()}?mode={mode}"


async def on_thread(database: str, *, read_only: bool) -> Connection:
    """Open a connection on a thread of its own."""
    # isolation_level=None: transactions begin and end where the adapter says so, and nowhere else.
    db = aiosqlite.connect(
        location(database, read_only=read_only),
        uri=True,
        isolation_level=None,
        cached_statements=STATEMENTS_KEPT,
    )
    # One that somebody forgot to close must not keep the process from ending; what was committed is on disk.
    db._thread.daemon = True  # noqa: SLF001 - see above
    try:
        _ = await db
    except BaseException:
        # Its thread still has a word for the loop: wait for it, or the loop may be gone.
        db._thread.join()  # noqa: SLF001 - aiosqlite does not say when a connection that failed is done
        raise
    return ThreadConnection(db)


async def inline(database: str, *, read_only: bool) -> Connection:
    """Open a connection that works on the loop itself."""
    db = sqlite3.connect(
        location(database, read_only=read_only),
        uri=True,
        isolation_level=None,
        cached_statements=STATEMENTS_KEPT,
    )
    return InlineConnection(db)
