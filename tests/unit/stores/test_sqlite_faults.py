"""What the SQLite adapter says when the file or its disk is not as it should be, and that it recovers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import callboard.stores.sqlite as package
from callboard.changes import MoveCursor
from callboard.errors import (
    CallboardError,
    DiskFull,
    SchemaTooNew,
    StartRefused,
    StoreCorrupt,
    StoreLocked,
    StoreUnavailable,
)
from callboard.ids import BotName, Position, StreamId, Version
from callboard.membership import BotDeclared, Subscribed, bot_stream
from callboard.store import CommitInDoubt, Receipt, Retention
from callboard.stores.sqlite import SqliteStore, writing
from callboard.stores.sqlite.migrations import Migration, known, migrate
from callboard.stores.sqlite.opening import new_log_id, open_writer
from callboard.stores.sqlite.queries import QUERIES
from callboard.testing.store_conformance import NOON, STREAM, changing, commit, new_turn, noting, saying
from callboard.turn import To


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


def test_every_named_statement_is_used_and_every_used_one_is_there() -> None:
    """A statement that nobody says is dead."""
    folder = Path(package.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    code += (folder.parents[1] / "bench" / "raw.py").read_text("utf-8")
    used = set(re.findall(r"QUERIES\.(\w+)", code))
    assert used == set(QUERIES.names())


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


# ── migrations ───────────────────────────────────────────────────────────────────────────────────────────


def objects(db: sqlite3.Connection) -> dict[str, str]:
    """Return every table, index and view by name, its text without comments and spaces."""
    found = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'schema_migrations'"
    )
    return {name: " ".join(_without_comments(sql).split()) for name, sql in found}


def _without_comments(sql: str) -> str:
    return "\n".join(line.split("--")[0] for line in sql.splitlines())


async def test_the_schema_as_shown_equals_the_sum_of_the_migrations(database: Path) -> None:
    """`schema.sql` is what people read; the migrations are what runs."""
    shown = (Path(package.__file__).parent / "schema.sql").read_text("utf-8")
    store = SqliteStore(database)
    await store.open()
    await store.close()
    with plain(database) as migrated, contextlib.closing(sqlite3.connect(":memory:")) as written:
        written.executescript(shown)
        assert objects(migrated) == objects(written)


async def test_every_table_says_what_it_is(database: Path) -> None:
    """Fact, derived or state: the first word of the comment above each table."""
    shown = (Path(package.__file__).parent / "schema.sql").read_text("utf-8")
    blocks = shown.split("\n\n")
    tables = [block for block in blocks if "CREATE TABLE" in block]
    assert len(tables) == shown.count("CREATE TABLE")
    for block in tables:
        assert block.lstrip().startswith(("-- fact:", "-- derived:", "-- state:")), block[:80]
        assert ") STRICT" in block, block[:80]


async def test_migrations_are_recorded_and_applied_once(database: Path) -> None:
    """Opening again applies nothing, and each is numbered without a gap."""
    for _ in range(2):
        store = SqliteStore(database)
        await store.open()
        await store.close()
    with plain(database) as db:
        recorded = db.execute("SELECT number, checksum FROM schema_migrations ORDER BY number").fetchall()
    assert recorded == [(step.number, step.checksum) for step in known()]
    assert [number for number, _ in recorded] == list(range(1, len(recorded) + 1))


async def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(database: Path) -> None:
    """All or nothing: the first statement of a broken migration is undone with it."""
    store = SqliteStore(database)
    await store.open()
    await commit(store, noting("a", 0))
    await store.close()
    broken = Migration(2, "0002_broken", "CREATE TABLE fine (x);\nCREATE TABLE broken (;\n")
    with plain(database) as db:
        before = objects(db)
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, NOON, migrations=[*known(), broken])
        assert objects(db) == before
        assert migrate(
            db, NOON, migrations=[*known(), Migration(2, "0002_more", "CREATE TABLE more (x);\n")]
        ) == ["0002_more"]
    assert "0002_more" in await refuses_to_open(database, SchemaTooNew)


async def test_a_database_from_an_unreleased_build_is_refused(database: Path) -> None:
    """Its migration has our number and another text: its tables are not the ones we know."""
    store = SqliteStore(database)
    await store.open()
    await store.close()
    with plain(database) as db:
        db.execute("UPDATE schema_migrations SET checksum = 'other'")
    assert "never released" in await refuses_to_open(database, StartRefused)


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_file_really_shrinks(store: SqliteStore, database: Path) -> None:
    """Retention gives the room back to the disk, the write-ahead log included."""
    for _ in range(20):
        await commit(store, *(saying("x" * 5_000, to=To("bot", "nobody")) for _ in range(50)))
    pruned = await store.prune(Retention(messages_before=NOON + timedelta(days=1)))
    assert pruned.messages == 1_000
    assert pruned.bytes_before > 5_000_000
    assert pruned.bytes_after < 500_000
    on_disk = database.stat().st_size + database.with_name("callboard.db-wal").stat().st_size
    assert on_disk < 500_000


async def test_commits_go_on_while_retention_works(store: SqliteStore) -> None:
    """It takes little at a time, so a turn gets in between."""
    await commit(store, *(saying("x", to=To("bot", "nobody")) for _ in range(3_000)))
    pruning = asyncio.create_task(store.prune(Retention(messages_before=NOON + timedelta(days=1))))
    before = 0
    while not pruning.done():
        (outcome,) = await store.commit([noting("x", before, StreamId("story:meanwhile"))])
        assert isinstance(outcome, Receipt)
        before += 1
    assert (await pruning).messages == 3_000
    assert before > 5


# ── rebuilding ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_derived_table_that_was_tampered_with_is_found_and_mended(
    store: SqliteStore, database: Path
) -> None:
    """A full check says which, and a rebuild makes it what the log says."""
    clerk = BotName("clerk")
    turn = new_turn()
    turn.append(
        bot_stream(clerk),
        "bot",
        [BotDeclared(clerk, "python"), Subscribed(clerk, "news")],
        expected=Version(0),
    )
    await commit(store, turn)
    with plain(database) as other:
        other.execute("UPDATE bots SET description = 'an impostor'")
        other.execute("DELETE FROM bot_subscriptions")
    (finding,) = [finding for finding in await store.check(full=True) if not finding.ok]
    assert finding.name == "projections"
    assert "bots" in finding.detail
    assert "bot_subscriptions" in finding.detail
    assert await store.rebuild() == ["bots", "bot_subscriptions"]
    assert [finding for finding in await store.check(full=True) if not finding.ok] == []


async def test_a_gap_in_a_stream_is_found(store: SqliteStore, database: Path) -> None:
    """As are a shared position and a cursor past the head."""
    await commit(
        store, *(noting(str(n), n) for n in range(5)), changing(MoveCursor(BotName("b"), Position(1)))
    )
    with plain(database) as other:
        other.execute("DELETE FROM workflow_events WHERE version = 3")
        other.execute("UPDATE bot_cursors SET position = 99")
        other.execute(
            "INSERT INTO operator_actions VALUES (2, NULL, 'default', 'local', 'forged', 'x', '{}', 0)"
        )
    wrong = {finding.name for finding in await store.check(full=True) if not finding.ok}
    assert wrong == {"streams", "cursors", "one order"}


async def test_positions_of_rows_that_somebody_deleted_are_not_given_again(database: Path) -> None:
    """Not by this process, nor by the next one that opens the file."""
    store = SqliteStore(database)
    await store.open()
    await commit(store, *(noting(str(n), n) for n in range(5)))
    await store.close()
    with plain(database) as other:
        other.execute("DELETE FROM workflow_events WHERE position > 2")
    for expected in (6, 7):
        store = SqliteStore(database)
        await store.open()
        (receipt,) = await commit(store, saying("after", to=To("bot", "nobody")))
        assert receipt.first == expected
        await store.close()
        with plain(database) as other:
            other.execute("DELETE FROM bot_messages")
