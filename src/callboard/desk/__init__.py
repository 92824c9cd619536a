"""The front desk: answers what comes through the door, out of the parts of the house.

It is the door's `Desk`. Health is said from memory, so asking for it every second costs no database access;
all else is asked of the store, and what an operator did is put into the log with the name of who did it.
What concerns messages and bots is answered in `talk.py`, what inboxes outside in `inbox.py`.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog

from callboard.actors import Describe, Ref, State
from callboard.actors.children import Request
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.loading import Fault
from callboard.clock import Clock
from callboard.company.bus import Bus
from callboard.company.roster import Roster
from callboard.config import Config
from callboard.desk.following import FollowingDesk
from callboard.desk.inbox import InboxDesk
from callboard.desk.pages import read_page
from callboard.desk.runs import RunsDesk
from callboard.desk.story import StoryDesk
from callboard.desk.talk import TalkDesk, entry_place, log_row
from callboard.desk.templates import TemplatesDesk
from callboard.desk.triggers import TriggersDesk
from callboard.desk.workflows import WorkflowsDesk
from callboard.errors import BadInput, CallboardError
from callboard.folder import FolderLock
from callboard.ids import Position, PrincipalId, Tenant
from callboard.publish.library import Library
from callboard.publish.publisher import Publisher
from callboard.reloading import Reloading
from callboard.runs.runs import Runs
from callboard.store.boardrows import LogEntry
from callboard.store.port import Finding, Head, Pruned, Retention, Store
from callboard.triggers.triggers import Triggers
from callboard.web import wire

_log = structlog.get_logger("callboard.desk")

Status = Literal["starting", "ok", "failing", "closing"]

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""With less room on the disk the doctor warns, before the database itself must."""

RECORD_WITHIN = 5.0
"""Seconds after which an operator is answered, though what was done is not in the log yet."""

_DOWN = {State.QUARANTINED.value, State.BACKING_OFF.value}

FIXES = {
    "actions": "Mend the file in actions/, then: callboard bots reload.",
    "bots": "Mend the file in bots/, then: callboard bots reload, or callboard bots restart NAME.",
    "durability": "Put the data folder on a local disk: some network and shared folders cannot keep a log.",
    "files": "`callboard check` tells all that is wrong with each; mend it, then: callboard bots reload.",
    "integrity": "Stop the server, keep a copy of the file, restore the last backup: callboard restore FILE.",
    "lock": "Stop the server and start it again; until then a second one could start on the same data.",
    "awake runs": "The server's log has the fault; `callboard runs pause RUN`, or cancel, tries it again.",
    "projections": "Stop the server and run: callboard rebuild.",
    "runs": "Start the server again, which takes up every run; end one for good: callboard runs cancel RUN.",
    "triggers": "Start the server again, which sets all of them; its log says what keeps one from it.",
    "versions": "Restore a backup from before; runs of such a version do not go on, and none starts.",
    "disk": "Make room on the disk, or let retention take old facts: [retention] in config/callboard.toml.",
}


class FrontDesk:
    """What the house says to those at the door."""

    def __init__(  # noqa: PLR0913 - it is where all parts of the house meet, each by its name
        self,
        *,
        config: Config,
        version: str,
        store: Store,
        journal: Journal,
        writer: JournalActor,
        supervisor: Ref[Request],
        clock: Clock,
        lock: FolderLock,
        head: Head,
        bus: Bus,
        roster: Roster,
        reloading: Reloading,
        runs: Runs,
        publisher: Publisher,
        library: Library,
        triggers: Triggers,
    ) -> None:
        self.talk = TalkDesk(store, bus, roster, reloading)
        self._roster = roster
        self._reloading = reloading
        self.story = StoryDesk(store, publisher)
        self.runs = RunsDesk(store, runs, self.story)
        self.following = FollowingDesk(store, bus.board.onlookers)
        self.inbox = InboxDesk(store, bus, self.talk)
        self.workflows = WorkflowsDesk(store, publisher)
        self.templates = TemplatesDesk(store, library, self.workflows)
        self.triggers = TriggersDesk(store, triggers, clock)
        self._run_actors = runs
        self._config = config
        self._version = version
        self._store = store
        self._journal = journal
        self._writer = writer
        self._supervisor = supervisor
        self._bus = bus
        self._clock = clock
        self._lock = lock
        self._head = head
        self._started_at = clock.now()
        self.status: Status = "starting"

    def health(self) -> wire.Health:
        fault = self._writer.fault
        status: Status = "failing" if self.status == "ok" and fault is not None else self.status
        reasons = {"starting": "It is starting.", "closing": "It is closing.", "ok": None}
        return wire.Health(
            status=status,
            ready=status == "ok",
            reason=fault.message if status == "failing" and fault else reasons.get(status),
            version=self._version,
            log_id=self._head.log_id,
            head=max(self._head.position, self._writer.head),
            started_at=self._started_at,
        )

    async def doctor(self, *, full: bool) -> wire.DoctorReport:
        checks = [self._readiness(), *await self._actors(), self._ownership(), disk(self._config.data_folder)]
        try:
            found = [await self.triggers.finding(), *await self._store.check(full=full)]
        except CallboardError as error:
            found = [Finding("database", ok=False, detail=error.message)]
        return report([*checks, *found], where="server")

    async def backup(self, path: str, principal: PrincipalId) -> wire.BackupMade:
        if not Path(path).is_absolute():
            msg = f"{path!r} is not an absolute path: the server's folder is not yours."
            raise BadInput(msg)
        copy = await self._store.backup(path)
        data = {"bytes": copy.bytes, "head": copy.head.position}
        recorded = await self._record("backup", path, data, principal)
        return backup_made(path, copy.bytes, copy.head, recorded=recorded)

    async def prune(self, *, dry_run: bool, principal: PrincipalId) -> wire.Pruned:
        taken = await self._store.prune(keeping(self._config, self._clock.now()), dry_run=dry_run)
        answer = pruned(taken, dry_run=dry_run)
        if not dry_run:
            await self._record("prune", "log", answer, principal)
        return answer

    async def log_page(self, after: str | None, limit: int, tenant: Tenant) -> wire.LogPage:
        head = await self._store.head()
        begin = Position(0) if after is None else head.resolve(after)

        async def read(behind: Position | None, count: int) -> list[LogEntry]:
            return await self._store.log(behind or begin, count, tenant=tenant)

        entries, _ = await read_page(read, begin, limit, entry_place)
        rows = [log_row(entry) for entry in entries]
        return wire.LogPage(data=rows, next=head.cursor(entries[-1].position if entries else begin))

    async def _record(self, action: str, target: str, data: object, principal: PrincipalId) -> bool:
        """Put into the log what was done; return whether it is there. A full disk must not hide a backup."""
        turn = self._journal.turn(principal=principal)
        turn.act(action, target, data)
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                await self._journal.commit(turn)
        except (CallboardError, TimeoutError) as error:
            _log.warning("action.not_recorded", action=action, target=target, reason=str(error))
            return False
        return True

    def _readiness(self) -> Finding:
        health = self.health()
        return Finding("server", ok=health.ready, detail=health.reason or f"version {health.version}, ready")

    def _ownership(self) -> Finding:
        """Look whether the lock file is still the one that is locked: somebody may have removed it."""
        sound = self._lock.intact()
        said = "this server owns the data folder" if sound else "the lock file was removed or replaced"
        return Finding("lock", ok=sound, detail=said)

    async def _actors(self) -> list[Finding]:
        """Say which actors are not running."""
        children = await self._supervisor.ask(Describe())
        down = [
            f"{child.name} is {child.state.value} ({child.last_error})"
            for child in children
            if child.state is not State.RUNNING
        ]
        return [
            Finding("actors", ok=not down, detail="; ".join(down) or f"{len(children)} running"),
            self._bots(),
            self._actions(),
            self._files(),
            self._aside(),
        ]

    def _aside(self) -> Finding:
        """Say which runs fell over so often that they were left alone; the next word to one tries again."""
        down = [
            f"{child.name} is {child.state.value} ({child.last_error})"
            for child in self._run_actors.status()
            if child.state.value in _DOWN
        ]
        return Finding("awake runs", ok=not down, detail="; ".join(down) or f"{self._run_actors.awake} awake")

    def _bots(self) -> Finding:
        """Say which bots do not work, or could not be loaded; of those that are absent messages wait."""
        listed = [one for one in self._bus.listing() if one.state != "removed"]
        down = [f"{one.name} is {one.state} ({one.last_error})" for one in listed if one.state in _DOWN]
        down += [f"not loaded: {fault}" for fault in self._roster.faults]
        absent = [one.name for one in listed if one.state == "absent"]
        said = f"{len(listed)} on the board" + (f", absent: {', '.join(absent)}" if absent else "")
        return Finding("bots", ok=not down, detail="; ".join(down) or said)

    def _actions(self) -> Finding:
        """Say which files of actions could not be loaded."""
        tools = self._reloading.tools
        down = [f"not loaded: {fault}" for fault in tools.faults]
        return Finding("actions", ok=not down, detail="; ".join(down) or f"{len(tools().actions)} loaded")

    def _files(self) -> Finding:
        """Say which files of workflows and templates were not published: what they say does not run."""
        faults = self._reloading.unpublished
        by_file: dict[str, list[Fault]] = {}
        for fault in faults or ():
            by_file.setdefault(fault.file, []).append(fault)
        down = [
            f"not published: {first}" + (f" ({len(rest)} more)" if rest else "")
            for first, *rest in by_file.values()
        ]
        well = "not looked at" if faults is None else "all workflows and templates are published"
        return Finding("files", ok=not down, detail="; ".join(down) or well)


def disk(folder: Path) -> Finding:
    """Look at the room on the data folder's disk."""
    free = shutil.disk_usage(folder).free
    return Finding("disk", ok=free >= LEAST_FREE_BYTES, detail=f"{free / 1024**3:,.1f} GiB free")


def report(found: list[Finding], *, where: Literal["server", "offline"]) -> wire.DoctorReport:
    """Put findings together, each that is not well with what to do about it."""
    checks = [
        wire.Check(name=one.name, ok=one.ok, detail=one.detail, fix=None if one.ok else FIXES.get(one.name))
        for one in found
    ]
    return wire.DoctorReport(ok=all(check.ok for check in checks), checks=checks, where=where)


def backup_made(path: str, size: int, head: Head, *, recorded: bool = True) -> wire.BackupMade:
    """Say what a backup holds."""
    return wire.BackupMade(
        path=path,
        bytes=size,
        log_id=head.log_id,
        head=head.position,
        checks="every page, reference and invariant checked",
        recorded=recorded,
    )


def pruned(taken: Pruned, *, dry_run: bool) -> wire.Pruned:
    """Say what a pruning took."""
    return wire.Pruned(**{name: getattr(taken, name) for name in taken.__struct_fields__}, dry_run=dry_run)


def keeping(config: Config, now: datetime) -> Retention:
    """Return what the configuration lets go, as of now."""

    def before(seconds: float | None) -> datetime | None:
        return None if seconds is None else now - timedelta(seconds=seconds)

    def count(kept: int | Literal["all"]) -> int | None:
        return None if kept == "all" else kept

    wanted = config.retention
    return Retention(
        messages_before=before(wanted.messages_for),
        messages_kept=count(wanted.messages_kept),
        streams_ended_before=before(wanted.ended_for),
        streams_kept=count(wanted.ended_kept),
    )
