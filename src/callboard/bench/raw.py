"""Past the house: the same rows, by the same statements, from one thread straight into SQLite.

The statements are not written down a second time. While a round goes on, a `Keeper` between the adapter and
its connection keeps what is executed (`commit_and_keep`); for turns that were never a round's, a `Recorder`
stands in for the connection. What was kept is then said to a real connection, and only this is timed: SQLite
and the calls into it, and nothing of ours.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from callboard.bench.workload import fresh
from callboard.ids import BotName
from callboard.store.port import Outcome
from callboard.store.turn import Turn
from callboard.stores.sqlite.connection import STATEMENTS_KEPT
from callboard.stores.sqlite.opening import new_log_id, open_writer, pragmas
from callboard.stores.sqlite.queries import QUERIES
from callboard.stores.sqlite.writing import commit

WARM_UP = 50
BARE_COMMITS = 200
TURNS_AT_MOST = 20_000
"""How many turns are recorded for one round: enough to measure by, and little enough to keep in memory."""

Statement = tuple[str, Sequence[Any]]


class Recorder:
    """Stands where a connection stands, and keeps every statement in the order of execution."""

    rowcount = 1
    in_transaction = False

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._head: tuple[str, int, int] = ("", 1, 0)

    def cursor(self) -> Recorder:
        return self

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Recorder:
        self.statements.append((statement, parameters))
        self.rowcount = max(1, statement.count("?)"))  # as if each row had been found
        if statement == QUERIES.advance_head:
            self._head = ("", *parameters)
        return self

    def fetchone(self) -> tuple[str, int, int]:
        return self._head


class Keeper:
    """Stands before a connection, and keeps what is executed on it."""

    def __init__(self, db: sqlite3.Connection, statements: list[Statement]) -> None:
        self._db = db
        self._on_cursor = db.cursor().execute
        self._keep = statements.append

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def cursor(self) -> Keeper:
        return self

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        self._keep((statement, parameters))
        return self._on_cursor(statement, parameters)


def commit_and_keep(
    db: sqlite3.Connection, turns: Sequence[Turn], statements: list[Statement]
) -> list[Outcome]:
    """Commit turns as the store does, and keep what was executed for it."""
    return commit(cast("sqlite3.Connection", Keeper(db, statements)), turns)


def durability(folder: Path) -> dict[str, Any]:
    """Read back from a live writer what the figures were measured with."""
    with _writer(folder / "pragmas.db") as db:
        return {**pragmas(db), "sqlite": sqlite3.sqlite_version}


def bare_commits(folder: Path) -> list[float]:
    """Return the seconds that commits take which change one row."""
    with tempfile.TemporaryDirectory(dir=folder) as place, _writer(Path(place) / "bare.db") as db:
        taken = []
        for number in range(WARM_UP + BARE_COMMITS):
            began = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            db.execute(QUERIES.advance_head, (1, number))
            db.execute("COMMIT")
            taken.append(time.perf_counter() - began)
    return taken[WARM_UP:]


def measure(folder: Path, batches: Sequence[int], callers: int) -> float:
    """Return how many turns a second SQLite takes in batches of these sizes."""
    turns, statements = _record(batches, callers)
    with _writer(folder / "raw.db") as db:
        return turns / _say(db, statements)


def replay(folder: Path, before: Sequence[Statement], counted: Sequence[Statement]) -> float:
    """Return how long SQLite takes for a round, on tables that hold what came before it."""
    with _writer(folder / "raw.db") as db:
        _say(db, before)
        return _say(db, counted)


def replay_on(file: Path, counted: Sequence[Statement]) -> float:
    """Return how long SQLite takes for a round, on a file that is as the round found it."""
    with _writer(file) as db:
        return _say(db, counted)


def _say(db: sqlite3.Connection, statements: Sequence[Statement]) -> float:
    """Execute what was recorded, and return the seconds it took."""
    execute = db.cursor().execute
    began = time.perf_counter()
    for statement, parameters in statements:
        found = execute(statement, parameters)
        if statement is QUERIES.read_head:
            found.fetchone()
    return time.perf_counter() - began


def _record(batches: Sequence[int], callers: int) -> tuple[int, list[Statement]]:
    recorder = Recorder()
    turns = 0
    for size in batches:
        bots = [BotName(f"bot-{(turns + number) % callers}") for number in range(size)]
        commit(cast("sqlite3.Connection", recorder), [fresh(bot) for bot in bots])
        turns += size
        if turns >= TURNS_AT_MOST:
            break
    return turns, recorder.statements


@contextlib.contextmanager
def _writer(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(
        sqlite3.connect(file, isolation_level=None, cached_statements=STATEMENTS_KEPT)
    ) as db:
        open_writer(db, datetime.now(UTC), new_log_id(), in_memory=False)
        yield db
