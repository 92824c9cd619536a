"""A house for tests of bots: a real SQLite store, the journal and a company, without a door."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.bot import Bot, shape_of
from callboard.clock import Clock, SystemClock
from callboard.company.bus import Bus, Sent
from callboard.company.company import Company
from callboard.ids import SystemIds
from callboard.messages import Body, To
from callboard.store.boardrows import Audited, AuditQuery
from callboard.stores.sqlite import SqliteStore
from callboard.stores.sqlite.connection import inline, on_thread


class Stage:
    """What a test speaks to."""

    def __init__(self, store: SqliteStore, company: Company, clock: Clock) -> None:
        self.store = store
        self.company = company
        self.clock = clock
        self.root: Any = None
        """The supervisor, for who starts more than bots."""

    @property
    def bus(self) -> Bus:
        return self.company.bus

    async def engage(self, *classes: type[Bot]) -> None:
        for cls in classes:
            await self.company.engage(cls, shape_of(cls))

    async def send(self, to: str, body: Body, **more: Any) -> Sent:
        address = To.channel(to[1:]) if to.startswith("#") else To.bot(to)
        json = msgspec.json.encode(body).decode()
        return await self.bus.send(sender="local", to=address, type=body.type, json=json, **more)

    async def said(self, **query: Any) -> list[Audited]:
        return await self.store.audit(AuditQuery(limit=1_000, **query))

    async def until(self, condition: Any, *, within: float = 600.0) -> None:
        """Wait until a condition, a plain or an async function, holds."""
        began, pause = self.clock.monotonic(), 0.005
        while True:
            found = condition()
            if hasattr(found, "__await__"):
                found = await found
            if found:
                return
            assert self.clock.monotonic() - began < within, "it did not become true in time"
            await self.clock.sleep(pause)
            if not isinstance(self.clock, SystemClock):
                pause = min(2 * pause, 5.0)  # time that costs nothing need not be looked at closely

    async def quiet(self, *bots: str) -> None:
        """Wait until these bots have nothing left to handle."""
        for bot in bots:
            await self.until(lambda bot=bot: self._settled(bot))

    async def _settled(self, bot: Any) -> bool:
        return await self.store.waiting(bot, 1) == 0 and await self.store.next_retry(bot) is None


@asynccontextmanager
async def stage(
    file: Path,
    *classes: type[Bot],
    clock: Clock | None = None,
    unclean: bool = False,
    pair_rate: int = 0,
    grace: float = 1.0,
    store: SqliteStore | None = None,
) -> AsyncIterator[Stage]:
    """Open the house on a database file, with bots in it; the same file again is a restart.

    `unclean` is a restart after a stop that was none.
    """
    clock = clock or SystemClock()
    # A clock that jumps cannot see a thread that works, and would let time pass meanwhile.
    connect = on_thread if isinstance(clock, SystemClock) else inline
    store = store or SqliteStore(file, clock=clock, connect=connect)
    await store.open()
    writer, timers = JournalActor(store, clock=clock), Timers(clock=clock)
    journal = Journal(writer.actor_ref, clock=clock)
    company = Company(
        *(store, journal, writer),
        clock=clock,
        ids=SystemIds(),
        message_bytes=256 << 10,
        grace=grace,
        chance=lambda: random.Random(7),
        unclean=unclean,
        pair_rate=pair_rate,
    )
    children = [Child("journal", lambda: writer, vital=True), Child("timers", lambda: timers, vital=True)]
    root = Supervisor(children, name="supervisor", clock=clock, grace=5.0).launch()
    try:
        await company.join(root, timers.actor_ref)
        here = Stage(store, company, clock)
        here.root = root
        await here.engage(*classes)
        yield here
    finally:
        await root.aclose()
        await store.close()
