"""The disk of a simulation: a real SQLite file, on which commits fail, statements fail, and the process dies.

A process that dies keeps what it wrote: the database, its write-ahead log and its index are copied as they
are at that instant to a new folder, where the next life begins. When the machine dies too, the end of the log
that no fsync had confirmed may be torn: then a part of what the last COMMIT wrote is cut off.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from callboard.stores.sqlite import inline
from callboard.stores.sqlite.connection import Connection, P, Result, Work
from tests.simulation.ledger import Ledger
from tests.simulation.world import Died, SimulatedLoop

DATABASE = "callboard.db"
FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")

ERRORS = {
    "full": (sqlite3.SQLITE_FULL, "SQLITE_FULL", "database or disk is full"),
    "fsync": (sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC", "disk I/O error"),
    "read": (sqlite3.SQLITE_IOERR_READ, "SQLITE_IOERR_READ", "disk I/O error"),
}


@dataclass
class Faults:
    """What the dice chose for one life."""

    commit_fails: float = 0.0
    """How often a COMMIT reports an error; whether it took place is decided each time."""
    statement_fails: float = 0.0
    """How often a statement within a transaction fails, while a bad spell lasts."""
    read_fails: float = 0.0
    slow: float = 0.0
    """How often work on a connection takes long."""
    dies_at: tuple[str, int] | None = None
    """`before`, `after` or `torn`, and which COMMIT; or `statement`, and which statement of a writer."""


class Disk:
    """The files of one life, and all that goes wrong with them."""

    def __init__(self, folder: Path, after: Path, loop: SimulatedLoop, ledger: Ledger, dice: Random) -> None:
        self.folder = folder
        self.after = after
        """Where what is left of this life goes when it ends in the middle."""
        self.faults = Faults()
        self._loop = loop
        self._ledger = ledger
        self._dice = dice
        self._commits = 0
        self._statements = 0
        self._real: list[sqlite3.Connection] = []

    def mend(self) -> None:
        """Let everything work again; a death that was chosen stays chosen."""
        self.faults = Faults(slow=self.faults.slow, dies_at=self.faults.dies_at)

    async def connect(self, database: str, *, read_only: bool) -> Connection:
        real = await inline(database, read_only=read_only)
        self._real.append(real._db)  # type: ignore[attr-defined]  # an inline one has it
        return _Lying(real, self, read_only=read_only)

    def abandon(self) -> None:
        """Let go of the files as a dead process does: nothing is committed on the way."""
        for db in self._real:
            db.close()

    # ── death ────────────────────────────────────────────────────────────────────────────────────────────

    def die(self, how: str) -> None:
        """End the process now; what it wrote stays as it is."""
        if not self._loop.dead:
            self._ledger.note("dies", how)
            self._ledger.deaf = True
            self._loop.die()
            copy(self.folder, self.after)

    def _tear(self, run: Callable[[], Any]) -> None:
        """Commit, and lose the power before the disk had all of it."""
        log, data = self.folder / FILES[1], self.folder / DATABASE
        before, pages = log.stat().st_size if log.exists() else 0, data.read_bytes()
        run()
        grown = log.stat().st_size - before
        self.die("torn")
        (self.after / FILES[2]).unlink(missing_ok=True)
        if grown > 0 and data.read_bytes() == pages:
            with (self.after / FILES[1]).open("r+b") as torn:
                torn.truncate(before + self._dice.randrange(grown + 1))

    # ── statements ───────────────────────────────────────────────────────────────────────────────────────

    def execute(self, run: Callable[..., Any], statement: str, parameters: Sequence[Any]) -> Any:
        """Carry out a statement of the writer, or fail as the dice say."""
        if self._loop.dead:
            raise Died
        self._statements += 1
        if self.faults.dies_at == ("statement", self._statements):
            self.die("at a statement")
            raise Died
        if statement == "COMMIT":
            return self._commit(lambda: run(statement, parameters))
        if statement != "ROLLBACK" and self._hits(self.faults.statement_fails):
            self._fail("full", statement.split(maxsplit=1)[0])
        return run(statement, parameters)

    def _commit(self, run: Callable[[], Any]) -> Any:
        self._commits += 1
        how, number = self.faults.dies_at or ("", 0)
        if number == self._commits and how == "torn":
            self._tear(run)
            raise Died
        if number == self._commits and how == "before":
            self.die("before a commit")
            raise Died
        lost_answer = False
        if self._hits(self.faults.commit_fails):
            if self._dice.random() < 0.5:
                self._fail("fsync", "COMMIT")
            lost_answer = True
        result = run()
        if number == self._commits and how == "after":
            self.die("after a commit")
            raise Died
        if lost_answer:
            self._fail("fsync", "COMMIT that took place")
        return result

    def read(self) -> None:
        """Let a reader read, or not."""
        if self._loop.dead:
            raise Died
        if self._hits(self.faults.read_fails):
            self._fail("read", "a read")

    def _hits(self, chance: float) -> bool:
        return chance > 0 and self._dice.random() < chance

    def _fail(self, error: str, where: str) -> None:
        code, name, text = ERRORS[error]
        self._ledger.injected.append(self._ledger.note("fault", error, where))
        failure = sqlite3.OperationalError(text)
        failure.sqlite_errorcode, failure.sqlite_errorname = code, name
        raise failure

    async def dawdle(self) -> None:
        """Take a while, sometimes a long one, so that others come in between."""
        if self._hits(self.faults.slow):
            await asyncio.sleep(self._dice.expovariate(1 / 0.05))
        elif self._dice.random() < 0.5:
            await asyncio.sleep(0)


class _Lying:
    """A connection on that disk: one piece of work at a time, as with a thread of its own."""

    def __init__(self, real: Connection, disk: Disk, *, read_only: bool) -> None:
        self._real = real
        self._disk = disk
        self._read_only = read_only
        self._turn = asyncio.Lock()

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        def on_lying(db: sqlite3.Connection) -> Result:
            if self._read_only:
                self._disk.read()
                return work(db, *args, **kwargs)
            return work(cast("sqlite3.Connection", _Database(db, self._disk)), *args, **kwargs)

        async with self._turn:
            await self._disk.dawdle()
            result = await self._real.run(on_lying)
        await self._disk.dawdle()
        return result

    async def close(self) -> None:
        await self._real.close()


class _Database:
    """A `sqlite3.Connection` whose statements go by the disk; its cursors do the same."""

    def __init__(self, db: Any, disk: Disk) -> None:
        self._db = db
        self._disk = disk

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self._disk.execute(self._db.execute, statement, parameters)

    def executemany(self, statement: str, rows: Sequence[Any]) -> Any:
        return self._disk.execute(self._db.executemany, statement, rows)

    def cursor(self) -> Any:
        return _Database(self._db.cursor(), self._disk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def copy(folder: Path, target: Path) -> None:
    """Copy the database's files as they are."""
    target.mkdir()
    for name in FILES:
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
