"""What can be done with a data folder while no server runs: look, copy, prune, restore, rebuild.

Each takes the folder's lock for as long as it works, so that no server starts meanwhile. What an operator
does here goes into the log like what is done through the door.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from callboard import desk
from callboard.clock import SystemClock
from callboard.config import Config
from callboard.errors import BackupInvalid, CallboardError
from callboard.folder import DataFolder
from callboard.ids import LOCAL_USER, SystemIds
from callboard.store.port import CommitInDoubt, Finding
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore, replace
from callboard.web import wire

_clock = SystemClock()


async def doctor(config: Config, *, full: bool) -> wire.DoctorReport:
    """Look at the files. One that cannot be opened is a finding, not an error."""
    found = [Finding("server", ok=True, detail="none is running: the files themselves were looked at")]
    found.append(desk.disk(config.data_folder))
    try:
        async with _store(config) as store:
            found += await store.check(full=full)
    except CallboardError as error:
        found.append(Finding("database", ok=False, detail=error.message))
    return desk.report(found, where="offline")


async def backup(config: Config, target: Path) -> wire.BackupMade:
    """Copy the database and check the copy."""
    async with _store(config) as store:
        copy = await store.backup(str(target))
        await _record(store, "backup", str(target), {"bytes": copy.bytes, "head": copy.head.position})
    return desk.backup_made(str(target), copy.bytes, copy.head)


async def prune(config: Config, *, dry_run: bool) -> wire.Pruned:
    """Take away what retention no longer keeps."""
    async with _store(config) as store:
        pruned = await store.prune(desk.keeping(config, _clock.now()), dry_run=dry_run)
        answer = desk.pruned(pruned, dry_run=dry_run)
        if not dry_run:
            await _record(store, "prune", "log", answer)
    return answer


async def rebuild(config: Config) -> wire.Rebuilt:
    """Make the derived tables anew from the log."""
    async with _store(config) as store:
        different = await store.rebuild()
        await _record(store, "rebuild", "projections", {"different": different})
    return wire.Rebuilt(different=different)


async def restore(config: Config, source: Path) -> wire.Restored:
    """Put a backup in the database's place; what was there is kept."""
    folder = DataFolder(config.data_folder)
    _another_file(source, folder.database)
    folder.prepare()
    now = _clock.now()
    with folder.lock(now):
        _, kept = replace(source, folder.database, now)
        beside = None if kept is None else str(kept)
        store = SqliteStore(folder.database)
        # Opened once, so that the copy gets its own identity now and the restoring is in its log.
        await store.open()
        try:
            await _record(store, "restore", str(source), {"kept": beside})
            head = await store.head()
        finally:
            await store.close()
    return wire.Restored(path=str(folder.database), kept=beside, log_id=head.log_id, head=head.position)


def _another_file(source: Path, database: Path) -> None:
    """See that there is a file to restore, before anything is made or locked for it."""
    if not source.is_file():
        msg = f"{source} is not a file: name a backup that `callboard backup` made."
        raise BackupInvalid(msg)
    if database.exists() and database.samefile(source):
        msg = f"{source} is the database itself: name a backup of it."
        raise BackupInvalid(msg)


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[SqliteStore]:
    """Own the folder and open its database."""
    folder = DataFolder(config.data_folder)
    folder.prepare()
    with folder.lock(_clock.now()):
        store = SqliteStore(folder.database)
        await store.open()
        try:
            yield store
        finally:
            await store.close()


async def _record(store: SqliteStore, action: str, target: str, data: object) -> None:
    """Put what was done into the log."""
    turn = Turn(at=_clock.now(), ids=SystemIds(), principal=LOCAL_USER)
    turn.act(action, target, data)
    try:
        (outcome,) = await store.commit([turn])
    except CommitInDoubt as doubt:
        raise doubt.fault from doubt
    if isinstance(outcome, CallboardError):
        raise outcome
