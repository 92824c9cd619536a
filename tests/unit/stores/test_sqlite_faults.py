"""What the SQLite adapter says when the file or its disk is not as it should be, and that it recovers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callboard.errors import (
    DiskFull,
    SchemaTooNew,
    StartRefused,
    StoreCorrupt,
    StoreLocked,
    StoreUnavailable,
)
from callboard.ids import Position, Version
from callboard.messages import To
from callboard.store.port import CommitInDoubt
from callboard.stores.sqlite import SqliteStore, writing
from callboard.stores.sqlite.faults import fault
from callboard.stores.sqlite.opening import new_log_id, open_writer
from callboard.stores.sqlite.rows import instant, microseconds
from callboard.testing.store_conformance import NOON, STREAM, commit, noting, saying
from tests.faulty import disk_error
from tests.unit.stores.conftest import ask_writer, plain, refuses_to_open

# ── durability ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("auto_vacuum", 2)],
)
async def test_the_live_writer_is_durable(store: SqliteStore, pragma: str, value: object) -> None:
    """Write-ahead log, a sync for each commit, references held, and a file that can shrink: read back."""
    assert await ask_writer(store, f"PRAGMA {pragma}") == value


async def test_a_writer_that_lost_its_durability_is_found(store: SqliteStore) -> None:
    """The check reads the live connection, so it would see it."""
    assert store._writer is not None
    await store._writer.run(lambda db: db.execute("PRAGMA synchronous = OFF").fetchall())
    assert [finding.name for finding in await store.check(full=False) if not finding.ok] == ["durability"]


async def test_readers_cannot_write(store: SqliteStore) -> None:
    """Exactly one connection writes: the others could not if they were asked to."""
    for reader in store._readers:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await reader.run(lambda db: db.execute("UPDATE log_head SET next_position = 1"))


async def test_reading_does_not_wait_for_writing(store: SqliteStore) -> None:
    """While a transaction is open on the writer, a read answers, with what was there before it."""
    await commit(store, noting("a", 0))
    assert store._writer is not None
    await store._writer.run(lambda db: db.execute("BEGIN IMMEDIATE"))
    await store._writer.run(lambda db: db.execute("DELETE FROM workflow_events"))
    assert len(await asyncio.wait_for(store.log(Position(0), 10), 5)) == 1
    await store._writer.run(lambda db: db.execute("ROLLBACK"))


async def test_reading_does_not_wait_for_a_check_or_a_backup(store: SqliteStore, tmp_path: Path) -> None:
    """What takes long has a connection of its own: the pool's readers stay free for everybody else."""
    for _ in range(10):
        await commit(store, *(saying("x" * 2_000, to=To("bot", "nobody")) for _ in range(200)))
    long = [store.check(full=True), store.check(full=True), store.backup(str(tmp_path / "copy.db"))]
    working = [asyncio.create_task(work) for work in long]
    done_before = 0
    for _ in range(20):
        await store.head()
        done_before += not any(task.done() for task in working)
    await asyncio.gather(*working)
    assert done_before > 2


async def test_closing_while_something_long_is_under_way_waits_for_it_and_leaves_no_thread(
    database: Path, tmp_path: Path
) -> None:
    """The copy that was begun is finished, or the folder would be given up under its feet."""
    threads = threading.active_count()
    store = SqliteStore(database)
    await store.open()
    await commit(store, *(saying("x" * 2_000, to=To("bot", "nobody")) for _ in range(500)))
    backing_up = asyncio.create_task(store.backup(str(tmp_path / "copy.db")))
    await asyncio.sleep(0)
    while not store._aside:
        await asyncio.sleep(0)
    await store.close()
    assert threading.active_count() == threads
    await asyncio.gather(backing_up, return_exceptions=True)


async def test_a_database_that_lost_its_count_of_positions_is_refused(database: Path) -> None:
    """Beginning anew at 1 would give positions a second time."""
    store = SqliteStore(database)
    await store.open()
    await commit(store, noting("a", 0))
    with plain(database) as other:
        other.execute("DELETE FROM log_head")
    with pytest.raises(StoreCorrupt, match="counts positions"):
        await store.commit([noting("b", 1)])
    with pytest.raises(StoreCorrupt, match="counts positions"):
        await store.settle(None)
    await store.close()
    assert "counts positions" in await refuses_to_open(database, StoreCorrupt)


async def test_memory_that_runs_out_at_the_commit_leaves_it_in_doubt(store: SqliteStore) -> None:
    """It is not the fault of a row, and the transaction does not stay open."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    open_writer(database, NOON, new_log_id(), in_memory=True)

    class Starved:
        in_transaction = True

        def execute(self, statement: str, parameters: tuple[int, ...] = ()) -> object:
            if statement == "COMMIT":
                raise MemoryError
            return database.execute(statement, parameters)

        def cursor(self) -> sqlite3.Cursor:
            return database.cursor()

    with pytest.raises(CommitInDoubt):
        writing.commit(Starved(), [noting("a", 0)])  # type: ignore[arg-type]
    assert not database.in_transaction
    database.close()


# ── faults that pass ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_is_said_and_work_goes_on_when_there_is_room(store: SqliteStore) -> None:
    """SQLite itself is given no more pages; nothing of the refused turn is there."""
    await commit(store, noting("a", 0))
    pages = await ask_writer(store, "PRAGMA page_count")
    await ask_writer(store, f"PRAGMA max_page_count = {pages}")

    async def until_full() -> None:
        for version in range(1, 1_000):
            await store.commit([noting("x" * 1_000, version)])

    with pytest.raises(DiskFull):
        await until_full()
    reached = (await store.stream(STREAM)).version
    await ask_writer(store, "PRAGMA max_page_count = 1000000")
    await commit(store, noting("room again", reached))
    assert (await store.stream(STREAM)).version == reached + 1


async def test_a_lock_of_another_process_is_said_and_work_goes_on_after_it(
    store: SqliteStore, database: Path
) -> None:
    """It waits a moment, then says who is in the way, and nothing is written."""
    with plain(database) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked):
            await store.commit([noting("a", 0)])
        other.execute("ROLLBACK")
    await commit(store, noting("a", 0))


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """As a user without the right to: opening is refused with the reason, and the file is as it was."""
    script = f"""
import asyncio, os, sys
from pathlib import Path
from callboard.errors import StoreReadOnly
from callboard.stores.sqlite import SqliteStore
from callboard.testing.store_conformance import commit, noting
database = Path({str(tmp_path)!r}) / "callboard.db"
async def main():
    store = SqliteStore(database)
    await store.open()
    await commit(store, noting("a", 0))
    await store.close()
    before = database.read_bytes()
    database.chmod(0o444)
    database.parent.chmod(0o555)
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)
    try:
        await SqliteStore(database).open()
    except StoreReadOnly as error:
        assert database.read_bytes() == before
        print(error.code)
asyncio.run(main())
"""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
        )
    finally:
        tmp_path.chmod(0o755)
    assert (done.stdout.strip(), done.stderr) == ("STORE_READ_ONLY", "")


def test_a_file_that_cannot_grow_beside_the_database_is_said_to_be_a_full_disk_perhaps() -> None:
    """SQLite has no other word for it than an error of the disk."""
    told = fault(disk_error(sqlite3.SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE"))
    assert type(told) is StoreUnavailable
    assert "whether the disk is full" in told.message
    other = fault(disk_error(sqlite3.SQLITE_IOERR_READ, "SQLITE_IOERR_READ"))
    assert "look at the system's log" in other.message
    assert "full" not in other.message


# ── files that are not what they should be ───────────────────────────────────────────────────────────────


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(database: Path) -> None:
    """Somebody's notes are not overwritten."""
    database.write_text("my notes " * 1_000)
    assert "not a SQLite database" in await refuses_to_open(database, StoreCorrupt)
    assert database.read_text() == "my notes " * 1_000


async def test_a_database_of_another_program_is_refused_and_left_as_it_was(database: Path) -> None:
    """It has tables, but it is not ours."""
    with plain(database) as other:
        other.execute("CREATE TABLE accounts (id)")
    before = database.read_bytes()
    assert "another program" in await refuses_to_open(database, StartRefused)
    assert database.read_bytes() == before


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_was(database: Path) -> None:
    """It names what is newer, and says what to do."""
    store = SqliteStore(database)
    await store.open()
    await store.close()
    with plain(database) as db:
        db.execute("INSERT INTO schema_migrations VALUES (9999, '9999_from_the_future', 'x', 0)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = database.read_bytes()
    assert "9999_from_the_future" in await refuses_to_open(database, SchemaTooNew)
    assert database.read_bytes() == before


async def test_a_damaged_page_is_said_when_it_is_read(database: Path) -> None:
    """And a full check finds it, as an answer and not as a crash."""
    store = SqliteStore(database)
    await store.open()
    for version in range(40):
        await commit(store, noting("x" * 2_000, version))
    await store.close()
    with database.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(size // 4096 - 10, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    store = SqliteStore(database)
    await store.open()
    try:
        with pytest.raises(StoreCorrupt) as raised:
            await store.events(STREAM, Version(0), 100)
        assert not raised.value.retryable
        # It may be the disk alone: whoever restored a backup at once would lose what came after it.
        said = raised.value.message
        assert 0 < said.index("errors of the disk") < said.index("callboard doctor") < said.index("restore")
        try:
            sound = all(finding.ok for finding in await store.check(full=True))
        except StoreCorrupt:
            sound = False
        assert not sound
    finally:
        await store.close()


async def test_a_data_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    """The file cannot be made where there is no folder."""
    assert "cannot be opened" in await refuses_to_open(
        tmp_path / "nowhere" / "callboard.db", StoreUnavailable
    )


async def test_a_closed_store_says_so(database: Path) -> None:
    """Instead of failing somewhere inside."""
    store = SqliteStore(database)
    with pytest.raises(StoreUnavailable):
        await store.head()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_an_instant_that_no_clock_shows_is_read_as_the_nearest_that_one_does(moment: str) -> None:
    """A file that holds one must open: such a row once kept a server from starting."""
    at = datetime.fromisoformat(moment)
    assert instant(microseconds(at)).replace(microsecond=0) == at.replace(tzinfo=UTC)
