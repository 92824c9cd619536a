"""Backups are whole, checked and made while work goes on; a restored one is another log."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callboard.errors import AlreadyExists, BackupInvalid, PositionUnknown
from callboard.ids import Position, StreamId, Version
from callboard.stores.sqlite import SqliteStore, replace
from callboard.stores.sqlite.backup import verify
from callboard.testing.store_conformance import STREAM, commit, noting

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "callboard.db")
    await store.open()
    await commit(store, *(noting(str(n), n) for n in range(10)))
    yield store
    await store.close()


async def test_a_backup_taken_while_work_goes_on_is_one_moment_of_the_log(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Commits go on meanwhile, and the copy holds a prefix of the log with nothing missing."""
    stop = False

    async def work() -> int:
        done = 0
        while not stop:
            await commit(store, noting("x" * 500, done, StreamId("story:busy")))
            done += 1
        return done

    worker = asyncio.create_task(work())
    while (await store.head()).position < 200:
        await asyncio.sleep(0)
    copy = await store.backup(str(tmp_path / "copy.db"))
    stop = True
    assert await worker > 100
    restored = SqliteStore(tmp_path / "copy.db")
    await restored.open()
    entries = await restored.log(Position(0), 100_000)
    assert [entry.position for entry in entries] == list(range(1, copy.head.position + 1))
    await restored.close()


async def test_a_backup_never_overwrites_and_leaves_no_litter(store: SqliteStore, tmp_path: Path) -> None:
    """Existing files and missing folders are refused, nothing half-made stays, others cannot read it."""
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(AlreadyExists):
        await store.backup(str(target))
    with pytest.raises(BackupInvalid):
        await store.backup(str(tmp_path / "nowhere" / "copy.db"))
    assert target.read_text() == "precious"
    await store.backup(str(tmp_path / "another.db"))
    assert (tmp_path / "another.db").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*partial*"))


async def test_of_two_backups_to_one_name_one_is_made(store: SqliteStore, tmp_path: Path) -> None:
    """The other is told that the name is taken, and neither spoils the other's file."""
    target = str(tmp_path / "copy.db")
    outcomes = await asyncio.gather(*(store.backup(target) for _ in range(4)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(refused) == 3
    assert all(isinstance(outcome, AlreadyExists) for outcome in refused)
    assert verify(Path(target)).position == 10
    assert not list(tmp_path.glob("*partial*"))


async def test_a_target_that_cannot_be_written_is_said(store: SqliteStore, tmp_path: Path) -> None:
    """In one sentence, whatever the system says: here a name that is too long."""
    with pytest.raises(BackupInvalid, match="cannot be written"):
        await store.backup(str(tmp_path / ("x" * 250)))


async def test_a_stale_projection_does_not_keep_anybody_from_a_backup(
    store: SqliteStore, tmp_path: Path
) -> None:
    """It can be made anew from the copy."""
    with contextlib.closing(sqlite3.connect(tmp_path / "callboard.db", isolation_level=None)) as other:
        other.execute("INSERT INTO bots VALUES ('default', 'impostor', 'python', '', 1, NULL)")
    assert (await store.backup(str(tmp_path / "copy.db"))).head.position == 10


async def test_a_plain_copy_of_the_file_becomes_another_log_when_it_is_restored(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Whatever the copy was made by; but one with a log beside it is a database in use, and refused."""
    before = await store.head()
    await store.close()
    shutil.copy(tmp_path / "callboard.db", tmp_path / "plain.db")
    (tmp_path / "plain.db-wal").touch()
    with pytest.raises(BackupInvalid, match="in use"):
        replace(tmp_path / "plain.db", tmp_path / "callboard.db", NOW)
    (tmp_path / "plain.db-wal").unlink()
    replace(tmp_path / "plain.db", tmp_path / "callboard.db", NOW)
    again = SqliteStore(tmp_path / "callboard.db")
    await again.open()
    assert (await again.head()).log_id != before.log_id
    await again.close()
    assert (tmp_path / "callboard.db").stat().st_mode & 0o077 == 0


async def test_a_restored_backup_is_another_log_and_refuses_cursors_of_before(
    store: SqliteStore, tmp_path: Path
) -> None:
    """What stood after the backup is gone, and its positions come again as other ones."""
    await store.backup(str(tmp_path / "copy.db"))
    await commit(store, noting("after the backup", 10))
    before = await store.head()
    held_outside = before.cursor(before.position)
    await store.close()
    head, kept = replace(tmp_path / "copy.db", tmp_path / "callboard.db", NOW)
    assert head.position == 10
    again = SqliteStore(tmp_path / "callboard.db")
    await again.open()
    now = await again.head()
    assert now.position == 10
    assert now.log_id != before.log_id
    with pytest.raises(PositionUnknown, match="restored"):
        now.resolve(held_outside)
    await again.close()
    assert kept is not None
    old = SqliteStore(kept)
    await old.open()
    assert (await old.stream(STREAM)).version == 11
    await old.close()


async def test_a_backup_that_somebody_copied_into_place_by_hand_is_another_log_too(
    store: SqliteStore, tmp_path: Path
) -> None:
    """The copy itself says that it is one."""
    await store.backup(str(tmp_path / "copy.db"))
    before = await store.head()
    (tmp_path / "new").mkdir()
    shutil.copy(tmp_path / "copy.db", tmp_path / "new" / "callboard.db")
    identities = set()
    for _ in range(2):
        again = SqliteStore(tmp_path / "new" / "callboard.db")
        await again.open()
        identities.add((await again.head()).log_id)
        await again.close()
    assert len(identities) == 1
    assert before.log_id not in identities


async def test_a_damaged_backup_is_refused_and_the_database_stays(store: SqliteStore, tmp_path: Path) -> None:
    """Whatever is wrong with it: bytes in the middle, cut short, not a database, not there."""
    good = tmp_path / "copy.db"
    await store.backup(str(good))
    await store.close()
    content = good.read_bytes()
    damaged = {
        "middle": content[:20_000] + b"\xff" * 20_000 + content[40_000:],
        "short": content[: len(content) // 2],
        "notes": b"my notes " * 1_000,
        "empty": b"",
    }
    for name, wrong in damaged.items():
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(BackupInvalid):
            replace(tmp_path / name, tmp_path / "callboard.db", NOW)
    with pytest.raises(BackupInvalid):
        replace(tmp_path / "nowhere", tmp_path / "callboard.db", NOW)
    again = SqliteStore(tmp_path / "callboard.db")
    await again.open()
    assert (await again.stream(STREAM)).version == 10
    await again.close()
    assert not list(tmp_path.glob("*restor*"))


async def test_the_write_ahead_log_of_the_old_database_is_not_taken_for_the_restored_ones(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Somebody still reads the old one, so its log cannot be folded in; it is kept beside the old one."""
    await store.backup(str(tmp_path / "copy.db"))
    database = tmp_path / "callboard.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM workflow_events").fetchone() == (10,)
        await commit(store, *(noting(str(n), n) for n in range(10, 400)))
        await store.close()
        _, kept = replace(tmp_path / "copy.db", database, NOW)
        again = SqliteStore(database)
        await again.open()
        assert (await again.stream(STREAM)).version == 10
        assert [finding for finding in await again.check(full=True) if not finding.ok] == []
        await again.close()
    assert kept is not None
    old = SqliteStore(kept)
    await old.open()
    assert (await old.stream(STREAM)).version == 400
    await old.close()


async def test_a_restore_over_a_damaged_database_keeps_the_damaged_one(
    store: SqliteStore, tmp_path: Path
) -> None:
    """It may be all that is left of something; and its log is not taken for the new one's."""
    await store.backup(str(tmp_path / "copy.db"))
    await store.close()
    database = tmp_path / "callboard.db"
    database.write_bytes(b"\xff" * 8_192)
    database.with_name("callboard.db-wal").write_bytes(b"\xee" * 8_192)
    _, kept = replace(tmp_path / "copy.db", database, NOW)
    assert kept is not None
    assert kept.read_bytes() == b"\xff" * 8_192
    again = SqliteStore(database)
    await again.open()
    assert [e.version for e in await again.events(STREAM, Version(0), 100)] == list(range(1, 11))
    await again.close()
