"""The schema: migrations that apply whole or not at all, and SQL that is what it says it is."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

import callboard.stores.sqlite as package
from callboard.errors import (
    SchemaTooNew,
    StartRefused,
)
from callboard.facts.events import WorkflowStarted, run_stream
from callboard.facts.membership import BotDeclared, bot_stream
from callboard.ids import Position, SystemIds, TimerId, Version, WaitId
from callboard.messages import To
from callboard.store.changes import (
    KeepKey,
    KeepTimer,
    MoveCursor,
    OpenWait,
    RecordDelivery,
    SaveMemory,
    SaveSnapshot,
)
from callboard.store.port import Receipt
from callboard.store.runrows import RunQuery
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore, writing
from callboard.stores.sqlite.migrations import Migration, known, migrate
from callboard.stores.sqlite.queries import QUERIES
from callboard.testing.store_conformance import CLERK, NOON, STREAM, Noted, commit, new_turn, noting
from tests.unit.stores.conftest import plain, refuses_to_open


def objects(db: sqlite3.Connection) -> dict[str, str]:
    """Return every table, index and view by name, its text without comments and spaces."""
    found = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'schema_migrations'"
    )
    return {name: _plain(sql) for name, sql in found}


def _plain(sql: str) -> str:
    """Leave out what differs when a column is added to a table: the space around commas and brackets."""
    return re.sub(r"\s*([(),])\s*", r"\1", " ".join(_without_comments(sql).split()))


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
    broken = Migration(9999, "9999_broken", "CREATE TABLE fine (x);\nCREATE TABLE broken (;\n")
    with plain(database) as db:
        before = objects(db)
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, NOON, migrations=[*known(), broken])
        assert objects(db) == before
        assert migrate(
            db, NOON, migrations=[*known(), Migration(9999, "9999_more", "CREATE TABLE more (x);\n")]
        ) == ["9999_more"]
    assert "9999_more" in await refuses_to_open(database, SchemaTooNew)


@pytest.mark.parametrize("number", [3])
async def test_a_database_of_an_earlier_schema_opens_with_all_that_was_in_it(
    database: Path, number: int
) -> None:
    """What it held reads as before, what came since is empty and works, and nothing is found wrong."""
    with plain(database) as db:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate(db, NOON, migrations=known()[:number])
        db.execute(QUERIES.make_head, ("log",))
        assert all(isinstance(one, Receipt) for one in writing.commit(db, _a_full_life()))
    store = SqliteStore(database)
    await store.open()
    try:
        assert len(await store.log(Position(0), 10)) == 4
        assert [bot.name for bot in await store.bots()] == [CLERK]
        assert await store.cursor(CLERK) == 2
        assert [one.outcome for one in await store.deliveries(Position(2))] == ["handled"]
        assert len(await store.waits(STREAM)) == len(await store.timers(None, 10)) == 1
        assert await store.key("send:local", "k") is not None
        assert (await store.workflows(), await store.runs(RunQuery())) == ([], [])
        turn = new_turn()
        started = WorkflowStarted("1", "tidy", 1, NOON, starts=("a",))
        turn.append(run_stream("1"), "run", [started], expected=Version(0))
        await commit(store, turn)
        assert [run.status for run in await store.runs(RunQuery())] == ["pending"]
        assert [one.name for one in await store.check(full=True) if not one.ok] == []
        assert await store.rebuild() == []
    finally:
        await store.close()


async def test_workflows_from_before_there_were_drafts_are_active(database: Path) -> None:
    """In the version that they had, as the log would make them anew."""
    with plain(database) as db:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate(db, NOON, migrations=known()[:4])
        db.execute(QUERIES.make_head, ("log",))
        db.execute("UPDATE log_head SET next_position = 3")
        db.execute("INSERT INTO streams VALUES ('default', 'workflow:tidy', 'workflow', 2, NULL)")
        for number in (1, 2):
            data = (
                f'{{"name":"tidy","version":{number},"checksum":"{number}","text":"{{}}","description":"d"}}'
            )
            id_ = f"01920000-0000-7000-8000-{number:012}"
            about = ("default", "ann", "workflow:tidy", "workflow", number, id_, "workflow_published")
            db.execute(
                "INSERT INTO workflow_events VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, 1, ?, '{}', 0)",
                (number, *about, data),
            )
        db.execute("INSERT INTO workflows VALUES ('default', 'tidy', 2, 'd', '')")
        db.executemany("INSERT INTO workflow_versions VALUES ('default', 'tidy', ?1, ?1, ?1)", [(1,), (2,)])
    store = SqliteStore(database)
    await store.open()
    try:
        (row,) = await store.workflows()
        assert (row.status, row.version, row.versions, row.draft, row.filed) == ("active", 2, 2, 0, 0)
        assert [one.active for one in await store.versions("tidy", None, 9)] == [True, False]
        assert await store.rebuild() == []
    finally:
        await store.close()


def _a_full_life() -> list[Turn]:
    """Return turns with each kind of fact and row that the earliest of these schemas holds."""
    turn = new_turn()
    turn.append(bot_stream(CLERK), "bot", [BotDeclared(CLERK, "python")], expected=Version(0))
    sent, _ = turn.send(sender="desk", to=To("bot", "clerk"), type="ticket", body=1)
    turn.append(STREAM, "story", [Noted("a")], expected=Version(0))
    turn.act("looked", "at it")
    turn.change(MoveCursor(CLERK, sent))
    turn.change(RecordDelivery(CLERK, sent, "handled"))
    turn.change(SaveMemory(CLERK, "{}"))
    turn.change(KeepKey("send:local", "k", "digest", sent))
    turn.change(SaveSnapshot(STREAM, Version(1), 1, "{}", NOON))
    turn.change(OpenWait(WaitId(SystemIds().new()), STREAM, "signal", "go", since=sent))
    turn.change(KeepTimer(TimerId(SystemIds().new()), NOON, STREAM, "retry"))
    return [turn]


async def test_a_database_from_an_unreleased_build_is_refused(database: Path) -> None:
    """Its migration has our number and another text: its tables are not the ones we know."""
    store = SqliteStore(database)
    await store.open()
    await store.close()
    with plain(database) as db:
        db.execute("UPDATE schema_migrations SET checksum = 'other'")
    assert "never released" in await refuses_to_open(database, StartRefused)


def test_every_named_statement_is_used_and_every_used_one_is_there() -> None:
    """A statement that nobody says is dead."""
    folder = Path(package.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    code += (folder.parents[1] / "bench" / "raw.py").read_text("utf-8")
    used = set(re.findall(r"QUERIES\.(\w+)", code))
    assert used == set(QUERIES.names())
