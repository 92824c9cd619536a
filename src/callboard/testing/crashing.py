"""A disk whose writer dies at one of its commits; what was committed is there in the next life.

It is a real SQLite file. A process that is no more does nothing more to it: each later statement raises
`Died`, and a transaction that was open is rolled back when the file is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from typing import Any, Literal, NamedTuple, cast

from callboard.stores.sqlite import inline
from callboard.stores.sqlite.connection import Connection, P, Result, Work
from callboard.testing.world import Died, SimulatedLoop

DAWDLING = 0.02
"""Virtual seconds that work on the disk takes, in the mean, when it takes any."""


class Death(NamedTuple):
    """At which commit of its life a process dies, counted from 1; and whether that commit took place."""

    when: Literal["before", "after"]
    commit: int

    def __str__(self) -> str:
        return f"{self.when} its commit {self.commit}"


class MortalDisk:
    """The connections of one life."""

    def __init__(self, loop: SimulatedLoop, dice: Random, death: Death | None = None) -> None:
        self.commits = 0
        self.hurried = False
        """Nobody else may come in between now."""
        self._loop = loop
        self._dice = dice
        self._death = death
        self._open: list[Connection] = []

    async def connect(self, database: str, *, read_only: bool) -> Connection:
        real = await inline(database, read_only=read_only)
        self._open.append(real)
        return cast("Connection", _Mortal(real, self))

    def abandon(self) -> None:
        """Let go of the file as a dead process does: what was not committed is no more."""
        for one in self._open:
            _close_at_once(one)

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Let what is read be there at once."""
        self.hurried = True
        try:
            yield
        finally:
            self.hurried = False

    def execute(self, run: Any, statement: str, parameters: Sequence[Any]) -> Any:  # noqa: ANN401 - of sqlite3
        """Carry out a statement, or die of it."""
        if self._loop.dead:
            raise Died
        if statement != "COMMIT":
            return run(statement, parameters)
        self.commits += 1
        dies = self._death is not None and self._death.commit == self.commits
        if dies and self._death is not None and self._death.when == "before":
            self._die()
        done = run(statement, parameters)
        if dies:
            self._die()
        return done

    def _die(self) -> None:
        self._loop.die()
        raise Died

    async def dawdle(self) -> None:
        """Let others come in between, now and then for longer."""
        chance = self._dice.random()
        if chance < 0.1:  # noqa: PLR2004 - one time in ten
            await asyncio.sleep(self._dice.expovariate(1 / DAWDLING))
        elif chance < 0.5:  # noqa: PLR2004 - nearly as often as not
            await asyncio.sleep(0)


class _Mortal:
    """A connection on such a disk: one piece of work at a time, as with a thread of its own."""

    def __init__(self, real: Connection, disk: MortalDisk) -> None:
        self._real = real
        self._disk = disk
        self._turn = asyncio.Lock()

    async def run(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        def on_mortal(db: Any) -> Result:  # noqa: ANN401 - a connection of sqlite3, which only the adapter knows
            return work(cast("Any", _Database(db, self._disk)), *args, **kwargs)

        if self._disk.hurried:
            return await self._real.run(on_mortal)
        async with self._turn:
            await self._disk.dawdle()
            result = await self._real.run(on_mortal)
        await self._disk.dawdle()
        return result

    def close(self) -> Awaitable[None]:
        """Close it now: a future that is done keeps nobody waiting, not even for a moment."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _close_at_once(self._real)
        closed.set_result(None)
        return closed


def _close_at_once(one: Connection) -> None:
    closing: Any = one.close()
    with suppress(StopIteration):
        closing.send(None)


class _Database:
    """A connection, or a cursor, whose statements go by the disk."""

    def __init__(self, db: Any, disk: MortalDisk) -> None:  # noqa: ANN401 - as above
        self._db = db
        self._disk = disk

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - as above
        return self._disk.execute(self._db.execute, statement, parameters)

    def executemany(self, statement: str, rows: Sequence[Any]) -> Any:  # noqa: ANN401 - as above
        return self._disk.execute(self._db.executemany, statement, rows)

    def cursor(self) -> Any:  # noqa: ANN401 - as above
        return _Database(self._db.cursor(), self._disk)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._db, name)
