"""The whole house in one process: it goes up and down in order, says how it is, and ends when it must."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callboard import config, offline
from callboard.app import Callboard
from callboard.errors import (
    AddressInUse,
    BackupInvalid,
    BadInput,
    DataFolderLocked,
    DiskFull,
    StoreCorrupt,
    StoreUnavailable,
)
from callboard.folder import DataFolder
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, Position, Tenant
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore


def settings(project: Path, **flags: object) -> config.Config:
    return config.load(project, flags={"door.port": 0, **{k.replace("__", "."): v for k, v in flags.items()}})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Callboard]:
    house = Callboard(settings(tmp_path))
    await house.start()
    yield house
    await house.stop()


async def test_it_is_ready_once_it_is_up_and_closing_once_it_goes_down(tmp_path: Path) -> None:
    """Readiness is false before, and again as soon as the end begins."""
    house = Callboard(settings(tmp_path))
    await house.start()
    desk = house._desk
    assert desk is not None
    assert (desk.health().status, desk.health().ready) == ("ok", True)
    await house.stop()
    assert (desk.health().status, desk.health().ready) == ("closing", False)
    await house.stop()


async def test_a_fault_of_the_store_is_seen_in_health_and_by_the_doctor(house: Callboard) -> None:
    """With the store's own sentence as the reason; health returns with the first commit that succeeds."""
    desk = house._desk
    assert desk is not None
    writer = desk._store._writer  # type: ignore[attr-defined]
    await writer.run(lambda db: db.execute("PRAGMA query_only = ON"))
    with pytest.raises(Exception, match="cannot be written to"):
        await desk._journal.commit(_acting(house))
    health = desk.health()
    assert (health.status, health.ready) == ("failing", False)
    assert "cannot be written to" in (health.reason or "")
    assert [check.name for check in (await desk.doctor(full=False)).checks if not check.ok] == ["server"]
    await writer.run(lambda db: db.execute("PRAGMA query_only = OFF"))
    await desk._journal.commit(_acting(house))
    assert desk.health().ready
    assert desk.health().head == 1


async def test_what_an_operator_does_is_in_the_log_with_who_did_it(house: Callboard, tmp_path: Path) -> None:
    """A backup is a fact, and its own position is past what it holds."""
    desk = house._desk
    assert desk is not None
    made = await desk.backup(str(tmp_path / "copy.db"), LOCAL_USER)
    page = await desk.log_page(None, 10, DEFAULT_TENANT)
    assert [(row.kind, row.type, row.principal) for row in page.data] == [("action", "backup", LOCAL_USER)]
    assert page.data[0].position == made.head + 1
    assert await desk.log_page(page.next, 10, DEFAULT_TENANT) == type(page)(data=[], next=page.next)
    with pytest.raises(BadInput, match="absolute"):
        await desk.backup("copy.db", LOCAL_USER)
    assert (await desk.prune(dry_run=True, principal=LOCAL_USER)).dry_run
    assert len((await desk.log_page(None, 10, DEFAULT_TENANT)).data) == 1


async def test_a_backup_is_answered_though_nothing_can_be_written(house: Callboard, tmp_path: Path) -> None:
    """A full disk is when one wants it most; the answer says that the log does not know of it."""
    desk = house._desk
    assert desk is not None
    writer = desk._store._writer  # type: ignore[attr-defined]
    await writer.run(lambda db: db.execute("PRAGMA query_only = ON"))
    made = await desk.backup(str(tmp_path / "copy.db"), LOCAL_USER)
    assert not made.recorded
    assert (tmp_path / "copy.db").stat().st_size == made.bytes
    await writer.run(lambda db: db.execute("PRAGMA query_only = OFF"))
    assert (await desk.backup(str(tmp_path / "another.db"), LOCAL_USER)).recorded


async def test_the_doctor_sees_that_the_lock_file_was_removed(house: Callboard) -> None:
    """Or a second server could start on the same data, and nobody would know."""
    desk = house._desk
    assert desk is not None
    DataFolder(house.config.data_folder).lock_file.unlink()
    wrong = [check for check in (await desk.doctor(full=False)).checks if not check.ok]
    assert [check.name for check in wrong] == ["lock"]
    assert wrong[0].fix is not None


async def test_the_death_of_the_journal_ends_the_house(house: Callboard) -> None:
    """Nothing can be written without it, and who waits gets an error and not silence."""
    desk = house._desk
    assert desk is not None
    desk._writer.actor_ref.cancel()
    await asyncio.wait_for(house.ended.wait(), 5)
    assert house.fault is not None
    with pytest.raises(Exception, match=r"closing|stopped"):
        await desk._journal.commit(_acting(house))


async def test_a_start_that_fails_leaves_nothing_behind(house: Callboard, tmp_path: Path) -> None:
    """Whatever stood in its way: the folder is free again, and no thread stays."""
    threads = _threads()
    with pytest.raises(DataFolderLocked):
        await Callboard(house.config).start()
    port = int(house.url.rsplit(":", 1)[1])
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(AddressInUse):
        await Callboard(settings(other, door__port=port)).start()
    broken = tmp_path / "broken"
    (broken / "data").mkdir(parents=True)
    (broken / "data" / "callboard.db").write_bytes(b"no database " * 1_000)
    with pytest.raises(StoreCorrupt):
        await Callboard(settings(broken)).start()
    for project in (other, broken):
        assert DataFolder(project / "data").holder() is None
    async with asyncio.timeout(5):  # a thread that said its last word takes a moment to end
        while _threads() > threads:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("told", [DiskFull("The disk is full: make room."), StoreCorrupt("It did not read.")])
async def test_a_start_that_the_disk_refuses_says_what_the_disk_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: StoreUnavailable
) -> None:
    """Not that a part of the house has stopped, nor that anything goes on by itself: the server is not up."""

    class Faulty(SqliteStore):
        async def heard(self, *, tenant: Tenant = DEFAULT_TENANT) -> Position | None:
            raise told  # as the triggers begin

    monkeypatch.setattr("callboard.app.SqliteStore", Faulty)
    with pytest.raises(type(told)) as raised:
        await Callboard(settings(tmp_path)).start()
    assert raised.value.message == (
        f"The server did not start: mend what follows, and start it again. {told.message}"
    )


def _threads() -> int:
    """Count threads, without those that the loop keeps for whoever has something to do in one."""
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())


async def test_the_housekeeper_is_there_only_where_something_may_go(tmp_path: Path) -> None:
    """A server that keeps everything has no timer for it."""
    for flags, actors in (
        ({}, 7),
        ({"retention__absent_after": "forever"}, 6),
        ({"retention__absent_after": "forever", "retention__messages_for": "30d"}, 7),
        ({"retention__absent_after": "forever", "retention__ended_kept": 5}, 7),
    ):
        project = tmp_path / str(len(flags)) / str(list(flags))
        project.mkdir(parents=True)
        house = Callboard(settings(project, **flags))
        await house.start()
        assert house._desk is not None
        checks = (await house._desk.doctor(full=False)).checks
        assert [check.detail for check in checks if check.name == "actors"] == [f"{actors} running"]
        await house.stop()


# ── without a server ─────────────────────────────────────────────────────────────────────────────────────


async def test_offline_words_do_what_the_server_would(tmp_path: Path) -> None:
    """Each with the folder locked, and in the log afterwards."""
    place = settings(tmp_path)
    house = Callboard(place)
    await house.start()
    with pytest.raises(DataFolderLocked):
        await offline.backup(place, tmp_path / "copy.db")
    assert not (await offline.doctor(place, full=False)).ok
    await house.stop()
    assert (await offline.doctor(place, full=True)).ok
    made = await offline.backup(place, tmp_path / "copy.db")
    assert (await offline.rebuild(place)).different == []
    assert (await offline.prune(place, dry_run=False)).messages == 0
    restored = await offline.restore(place, tmp_path / "copy.db")
    assert restored.head == made.head + 1
    assert restored.kept is not None
    assert Path(restored.kept).exists()
    with pytest.raises(BackupInvalid, match="not a file"):
        await offline.restore(settings(tmp_path, data__folder="elsewhere"), tmp_path / "nothing.db")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(BackupInvalid, match="itself"):
        await offline.restore(place, tmp_path / "data" / "callboard.db")


async def test_the_offline_doctor_reports_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """As a finding with the reason, and not as a crash of the doctor."""
    place = settings(tmp_path)
    place.data_folder.mkdir()
    (place.data_folder / "callboard.db").write_bytes(b"no database " * 1_000)
    report = await offline.doctor(place, full=False)
    assert [check.name for check in report.checks if not check.ok] == ["database"]


def _acting(house: Callboard) -> Turn:
    assert house._desk is not None
    turn = house._desk._journal.turn()
    turn.act("try", "it")
    return turn
