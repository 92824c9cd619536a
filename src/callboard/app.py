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
from pathlib import Path

from callboard import logs
from callboard.actors import Child, Ref, StartChild, Supervisor, Timers
from callboard.actors.children import Request
from callboard.actors.housekeeper import Housekeeper
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.registering import Workshop
from callboard.clock import Clock, SystemClock
from callboard.company.company import Company
from callboard.company.roster import Roster
from callboard.config import FILE, Config
from callboard.deaths import Deaths
from callboard.desk import FrontDesk, keeping
from callboard.errors import ActorStopped, BadInput, CallboardError, StoreUnavailable
from callboard.folder import DataFolder, FolderLock
from callboard.ids import SystemIds
from callboard.planning.step import Catalogue
from callboard.publish.library import Library
from callboard.publish.publisher import Publisher
from callboard.reloading import Folders, Reloaded, Reloading, Tools
from callboard.runs.ordeal import Ordeal
from callboard.runs.running import Crew
from callboard.runs.runs import Runs
from callboard.runs.workflow_bot import Opening
from callboard.runs.workflow_bot import engagement as workflow_bot
from callboard.steps.exchange import Client
from callboard.store.port import Retention
from callboard.store.turn import Limits
from callboard.stores.sqlite import SqliteStore
from callboard.triggers.triggers import Triggers
from callboard.web.api.server import Door

BOTS = "bots"
"""The folder of the project whose files define bots."""
ACTIONS = "actions"
"""The folder of the project whose files define functions that steps call."""
WORKFLOWS = Path("config", "workflows")
"""The folder of the project whose files are workflows."""
TEMPLATES = Path("config", "templates")
"""The folder of the project whose files are templates."""

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
        self.reloading: Reloading | None = None
        self._parts = AsyncExitStack()
        self._desk: FrontDesk | None = None
        self._deaths: Deaths | None = None

    async def start(self) -> None:
        """Put the house together and open the door."""
        config, clock = self.config, self.clock
        try:
            folder = DataFolder(config.data_folder)
            folder.prepare()
            lock = self._parts.enter_context(folder.lock(clock.now()))
            self._deaths = Deaths(folder.path, left_open=lock.left_open)
            self._parts.callback(self._deaths.reset)
            store = SqliteStore(folder.database, clock=clock)
            await store.open()
            self._parts.push_async_callback(store.close)
            self._desk = await self._staff(store, lock)
            await self._open_door(self._desk, folder, lock)
        except BaseException as error:
            await self.stop()
            reason = _reason(error)
            if reason is error:
                raise
            raise reason from None
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
        company = Company(
            store,
            journal,
            writer,
            clock=clock,
            ids=SystemIds(),
            message_bytes=config.limits.message_bytes,
            grace=config.shutdown.grace,
            unclean=lock.left_open,
            pair_rate=config.limits.pair_rate,
        )
        absent_after = config.retention.absent_after
        if absent_after is not None or keeping(config, clock.now()) != Retention():
            keeper = partial(
                Housekeeper,
                *(store, journal, lambda: keeping(config, clock.now())),
                partial(company.expire, absent_after),
                clock=clock,
            )
            children.append(Child("housekeeper", keeper))
        root = Supervisor(
            children,
            name="supervisor",
            clock=clock,
            grace=config.shutdown.grace,
            on_vital_death=self._on_vital_death,
        ).launch()
        self._parts.push_async_callback(root.aclose)
        await company.join(root, timers.actor_ref)
        opening = Opening()
        roster = Roster(
            company, config.project / BOTS, config.project / FILE, partial(workflow_bot, opening=opening)
        )
        await roster.engage()
        tools = Tools(Workshop(config.project / ACTIONS), programs=config.workflows.shell)
        await tools.renew()
        publisher = Publisher(store, journal, tools)
        library = Library(store, journal)
        self.reloading = Reloading(roster, tools, journal, self._folders(publisher, library))
        await self.reloading.publish()
        runs = await self._begin_runs(company, root, publisher, library, tools)
        triggers = Triggers(company.services, runs, publisher, company.set_timer)
        publisher.shelf.witnesses.append(triggers.changed)
        await root.ask(StartChild(triggers.as_child()))
        await triggers.begun()
        opening.open(runs)
        return FrontDesk(
            config=config,
            version=_version(),
            store=store,
            journal=journal,
            writer=writer,
            supervisor=root,
            bus=company.bus,
            roster=roster,
            reloading=self.reloading,
            runs=runs,
            publisher=publisher,
            library=library,
            triggers=triggers,
            clock=clock,
            lock=lock,
            head=await store.head(),
        )

    def _folders(self, publisher: Publisher, library: Library) -> Folders | None:
        """Return what publishes the files of the project, if that is wanted."""
        if not self.config.workflows.auto_publish:
            return None
        project = self.config.project
        return Folders(
            lambda principal: library.publish_folder(project / TEMPLATES, principal=principal),
            lambda principal: publisher.publish_folder(project / WORKFLOWS, principal=principal),
        )

    async def _begin_runs(
        self,
        company: Company,
        root: Ref[Request],
        publisher: Publisher,
        library: Library,
        catalogue: Callable[[], Catalogue],
    ) -> Runs:
        """Take up the runs that there are."""
        services = company.services
        runs = Runs(
            services,
            Crew(
                services,
                catalogue,
                open_client=partial(_open_client, private=self.config.workflows.http_private),
                most=self.config.workflows.attempts_in_flight,
                ordeal=Ordeal(self._deaths),
                programs_in=self.config.project if self.config.workflows.shell else None,
                templates=library,
            ),
            publisher,
            company.set_timer,
            grace=self.config.shutdown.grace,
        )
        await root.ask(StartChild(runs.as_child()))
        return runs

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


def _reason(error: BaseException) -> BaseException:
    """Return why the house does not start: not that a part of it stopped, but what stopped that part."""
    while isinstance(error, ActorStopped) and isinstance(error.__cause__, CallboardError):
        error = error.__cause__
    if isinstance(error, StoreUnavailable):
        told = f"The server did not start: mend what follows, and start it again. {error.message}"
        return type(error)(told, **error.details)
    return error


def _open_client(*, private: bool) -> Client:
    from callboard.steps.client import Session, anywhere, is_public  # noqa: PLC0415 - most houses make no request, and aiohttp is slow

    return Session(anywhere if private else is_public)


OnReload = Callable[[Reloaded], object]


async def run(config: Config, on_up: Callable[[str], object], on_reload: OnReload | None = None) -> int:
    """Run until a signal, or until something vital died; return the exit code."""
    folders = [config.project / BOTS, config.project / ACTIONS, (config.project / FILE).parent]
    if on_reload is not None and not any(folder.is_dir() for folder in folders):
        raise BadInput(
            f"There is no folder {folders[0]} to watch, and none of actions or config: make one, or leave "
            "out --reload."
        )
    house = Callboard(config)
    _end_on_signals(house)
    await house.start()
    watching: asyncio.Task[None] | None = None
    try:
        if on_reload is not None and house.reloading is not None:
            watching = asyncio.create_task(_watch(folders, house.reloading, on_reload))
            await asyncio.sleep(0)  # from here on it sees each change, so nobody is told to begin before
        on_up(house.url)
        await house.ended.wait()
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        _log.info("callboard.closing", grace=config.shutdown.grace)
        await house.stop()
        _log.info("callboard.closed")
    return 0 if house.fault is None else 1


async def _watch(folders: list[Path], reloading: Reloading, on_reload: OnReload) -> None:
    from callboard.watching import follow  # noqa: PLC0415 - only who develops needs it

    try:
        await follow([folder for folder in folders if folder.is_dir()], reloading, on_reload)
    except Exception:  # noqa: BLE001  such as a system that lets nobody watch so many files: the bots go on
        _log.exception("bots.not_watched")


COLLECT_AFTER = (100_000, 50, 20)
"""How many new objects that can form cycles bring about a collection; why so many: docs/decisions/0003."""


def serve(
    config: Config, on_up: Callable[[str], object] = lambda _: None, *, on_reload: OnReload | None = None
) -> int:
    """Run Callboard in this process, on the fastest loop there is; `on_up` is told where the door is open.

    With `on_reload`, which is told what came of it, all is loaded again whenever files of the project change.
    """
    logs.configure(config.log.level, config.log.format)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run(config, on_up, on_reload))


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
