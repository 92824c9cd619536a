"""A database in a file, and what tests of the SQLite adapter do to it from outside."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callboard.errors import (
    CallboardError,
)
from callboard.stores.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database)
    await store.open()
    yield store
    await store.close()


@contextlib.contextmanager
def plain(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as another program would."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as db:
        yield db


async def refuses_to_open(database: Path, error: type[CallboardError]) -> str:
    """Try to open a store that must not open, and leave nothing running; return what it says."""
    with pytest.raises(error) as raised:
        await SqliteStore(database).open()
    return raised.value.message


async def ask_writer(store: SqliteStore, statement: str) -> object:
    """Say something to the live writer itself."""
    assert store._writer is not None
    return await store._writer.run(lambda db: db.execute(statement).fetchone()[0])
