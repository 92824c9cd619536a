"""The wiring: the only file that names every adapter and puts the house together.

    lock the data folder → open the store → supervisor (journal, timers, calendar, bots) → front desk → door

and in the reverse order at the end. Whatever fails on the way up is taken down again as far as it had come,
so a start that is refused leaves nothing behind.

The first SIGTERM or SIGINT begins an orderly end: no new work, what is in flight finishes within
`shutdown.grace`, what was accepted is committed. A second signal ends the process at once. Either way nothing
that was acknowledged is lost, for it was on disk before it was acknowledged.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

from callboard import loading, logs
from callboard.actors import Child, Supervisor, Timers
from callboard.actors.company import Company
from callboard.actors.housekeeper import Housekeeper
from callboard.actors.journal import Journal, JournalActor
from callboard.clock import Clock, SystemClock
from callboard.config import Config
from callboard.desk import FrontDesk, keeping
from callboard.folder import DataFolder, FolderLock
from callboard.ids import SystemIds
from callboard.store import Retention
from callboard.stores.sqlite import SqliteStore
from callboard.turn import Limits
from callboard.web.api.server import Door

BOTS = "bots"
"""The folder of the project whose files define bots."""

_log = logs.get_logger("callboard")


class Callboard:
    """A whole Callboard: the store, the actors and the door."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.ended = asyncio.Event()
        """Set when the house must come down: by a signal, or because a vital part of it died."""
        self.fault: BaseException | None = None
        self.url = ""
        self._parts = AsyncExitStack()
        self._desk: FrontDesk | None = None

    async def start(self) -> None:
        """Put the house together and open the door."""
        config, clock = self.config, self.clock
        try:
            folder = DataFolder(config.data_folder)
            folder.prepare()
            lock = self._parts.enter_context(folder.lock(clock.now()))
            store = SqliteStore(folder.database, clock=clock)
            await store.open()
            self._parts.push_async_callback(store.close)
            self._desk = await self._staff(store, lock)
            await self._open_door(self._desk, folder, lock)
        except BaseException:
            await self.stop()
            raise
        self._desk.status = "ok"
        _log.info("callboard.up", url=self.url, data=str(folder.path), version=_version())

    async def stop(self) -> None:
        """Take the house down in order; again has no effect."""
        if self._desk is not None:
            self._desk.status = "closing"
        await self._parts.aclose()
        self._desk = None

    async def _staff(self, store: SqliteStore, lock: FolderLock) -> FrontDesk:
        """Start the actors, each of which may count on those before it."""
        config, clock = self.config, self.clock
        writer = JournalActor(store, queue=config.journal.queue, batch=config.journal.batch, clock=clock)
        limits = Limits(config.limits.turn_facts, config.limits.turn_bytes)
        journal = Journal(writer.actor_ref, clock=clock, limits=limits)
        timers = Timers(clock=clock)
        children = [
            # Both hold what nobody else could give back to them: turns in doubt, and what others wait for.
            Child("journal", lambda: writer, vital=True),
            Child("timers", lambda: timers, vital=True),
        ]
        if keeping(config, clock.now()) != Retention():
            make = partial(Housekeeper, store, journal, lambda: keeping(config, clock.now()), clock=clock)
            children.append(Child("housekeeper", make))
        company = Company(
            store,
            journal,
            writer,
            clock=clock,
            ids=SystemIds(),
            message_bytes=config.limits.message_bytes,
            grace=config.shutdown.grace,
        )
        root = Supervisor(
            children,
            name="supervisor",
            clock=clock,
            grace=config.shutdown.grace,
            on_vital_death=self._on_vital_death,
        ).launch()
        self._parts.push_async_callback(root.aclose)
        await company.join(root, timers.actor_ref)
        await self._engage(company)
        return FrontDesk(
            config=config,
            version=_version(),
            store=store,
            journal=journal,
            writer=writer,
            supervisor=root,
            bus=company.bus,
            clock=clock,
            lock=lock,
            head=await store.head(),
        )

    async def _engage(self, company: Company) -> None:
        """Start the bots of the project; what is wrong with some does not keep the others from working."""
        found, faults = loading.load(self.config.project / BOTS)
        for fault in faults:
            _log.error("bots.not_loaded", file=str(fault.file), line=fault.line, reason=fault.message)
        for one in found:
            await company.engage(one.cls, one.shape)
        _log.info("bots.loaded", bots=[one.shape.name for one in found], faults=len(faults))

    async def _open_door(self, desk: FrontDesk, folder: DataFolder, lock: FolderLock) -> None:
        door = Door(
            desk, key=folder.ensure_key(), config=self.config.door, body_bytes=self.config.limits.body_bytes
        )
        self._parts.push_async_callback(door.stop, self.config.shutdown.grace)
        await door.start()
        self.url = door.url
        lock.announce(door.url)

    def _on_vital_death(self, name: str, error: BaseException | None) -> None:
        _log.critical("callboard.part_died", part=name, error=repr(error))
        self.fault = error or RuntimeError(f"{name} ended by itself")
        self.ended.set()


async def run(config: Config, on_up: Callable[[str], object]) -> int:
    """Run until a signal, or until something vital died; return the exit code."""
    house = Callboard(config)
    _end_on_signals(house)
    await house.start()
    try:
        on_up(house.url)
        await house.ended.wait()
    finally:
        _log.info("callboard.closing", grace=config.shutdown.grace)
        await house.stop()
        _log.info("callboard.closed")
    return 0 if house.fault is None else 1


COLLECT_AFTER = (100_000, 50, 20)
"""How many new objects that can form cycles bring about a collection; why so many: docs/decisions/0003."""


def serve(config: Config, on_up: Callable[[str], object] = lambda _: None) -> int:
    """Run Callboard in this process, on the fastest loop there is; `on_up` is told where the door is open."""
    logs.configure(config.log.level, config.log.format)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run(config, on_up))


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a uvloop, or asyncio's own where there is none."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - it does not exist on every platform

    return uvloop.new_event_loop()


def _end_on_signals(house: Callboard) -> None:
    def on_signal(number: int) -> None:
        if house.ended.is_set():
            os._exit(128 + number)  # asked twice: at once, and promise 1 holds all the same
        _log.info("callboard.asked_to_end", signal=signal.Signals(number).name)
        house.ended.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(on_signal, number))
        else:
            loop.add_signal_handler(number, on_signal, number)


def _version() -> str:
    return version("callboard")
