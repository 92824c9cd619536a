"""A stage on which a bot is tried: the real house, without a server, and with a time that waits for nobody.

    async with Stage(Desk, Specialist) as stage:
        await stage.send("desk", Ticket("lamp"))
        await stage.quiet()
        assert stage.memory(Desk).taken == 1
        assert [message.type for message in stage.said("desk", "specialist")] == ["ticket", "answer"]

The log is a real SQLite database in memory, and journal, board, calendar and bots are those of a server. Time
moves only while you wait: `quiet`, `ask` and `advance` let it jump from one thing that falls due to the next,
so a retry or a time-out costs nothing.

What a handler waits for outside the house is not seen by such a clock. While a handler is under way and
nothing else is to be done, a second passes for it every hundredth of a real one; a handler that is a plain
function may take as long as it likes.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.bot import Bot, Settings, shape_of
from callboard.authoring.handling import seconds
from callboard.company.company import Company
from callboard.ids import BotName, SystemIds
from callboard.store.port import Store
from callboard.stores.sqlite import SqliteStore
from callboard.stores.sqlite.adapter import MEMORY
from callboard.stores.sqlite.connection import inline
from callboard.testing.clock import JumpClock
from callboard.testing.talking import MESSAGE_BYTES, Talking, terms_with

T = TypeVar("T")

PIECE = 10.0
"""So many seconds pass at once in `advance`; in between, threads are waited for."""

PATIENCE = 0.01
"""Real seconds in which a handler that is under way may come back before a second passes for it."""

SOON = 0.001
"""Real seconds until a thread is looked at again."""


class Stage(Talking):
    """Bots on a stage; see the top of this file."""

    def __init__(
        self, *bots: type[Bot], settings: Mapping[type[Bot], Settings] = MappingProxyType({})
    ) -> None:
        self.clock = JumpClock(autojump=False)
        self.store: Store = SqliteStore(MEMORY, clock=self.clock, connect=inline)
        self._bots = bots
        self._settings = settings
        """What an operator says in `[bots.NAME.settings]`; a bot that is not named here has its defaults."""
        self._parts = AsyncExitStack()
        self._others = {thread.ident for thread in threading.enumerate()}
        writer, timers = JournalActor(self.store, clock=self.clock), Timers(clock=self.clock)
        self._timers = timers
        self._writer = writer
        self._company = Company(
            *(self.store, Journal(writer.actor_ref, clock=self.clock), writer),
            clock=self.clock,
            ids=SystemIds(),
            message_bytes=MESSAGE_BYTES,
            grace=1.0,
            chance=lambda: random.Random(7),  # noqa: S311 - it spreads retries, the same way each time
        )
        self.bus = self._company.bus
        self._names: list[str] = []

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._parts.aclose()
            raise
        return self

    async def _open(self) -> None:
        await self.store.open()
        self._parts.push_async_callback(self.store.close)
        root = Supervisor(
            [
                Child("journal", lambda: self._writer, vital=True),
                Child("timers", lambda: self._timers, vital=True),
            ],
            name="supervisor",
            clock=self.clock,
            grace=5.0,
        ).launch()
        self._parts.push_async_callback(lambda: self._through(root.aclose()))
        await self._company.join(root, self._timers.actor_ref)
        await self.engage(*self._bots)
        await self.quiet()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._parts.aclose()

    async def engage(self, *bots: type[Bot]) -> None:
        """Put more bots on the stage."""
        for bot in bots:
            shape = shape_of(bot)
            self._names.append(shape.name)
            await self._company.engage(bot, shape, terms_with(bot, self._settings.get(bot)))

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────

    async def quiet(self, *, within: str = "1h") -> None:
        """Wait until no bot has anything left to do, retries included.

        What a schedule or a delay brings later is not waited for: see `advance`.
        """
        end = self.clock.monotonic() + seconds("within", within)
        while busy := await self._busy():
            if self.clock.monotonic() >= end:
                raise AssertionError(f"After {within}, there is still work for {', '.join(busy)}.")
            await self._step()

    async def advance(self, duration: str) -> None:
        """Let time pass, so that schedules and delayed messages fall due, and wait until all is quiet."""
        left = seconds("duration", duration)
        while left > 0:
            await self.clock.advance(min(left, PIECE))
            left -= PIECE
            while self._threads():  # noqa: ASYNC110 - a thread that ends sets no Event of this loop
                await asyncio.sleep(SOON)
        await self.quiet()

    async def _busy(self) -> list[str]:
        """Return the bots that have something left to do; complain of one that will never do it."""
        await self.clock.settle()
        for one in self.bus.listing():
            if one.state == "quarantined":
                raise AssertionError(f"{one.name} was set aside: {one.last_error}")
        return [
            name
            for name in self._names
            if await self.store.waiting(BotName(name), 1)
            or await self.store.next_retry(BotName(name)) is not None
        ]

    async def _step(self) -> None:
        """Let something happen: a thread's work, a retry, or the passing of time."""
        await self.clock.settle()
        if self._threads():
            await asyncio.sleep(SOON)
            return
        retries = [await self.store.next_retry(BotName(name)) for name in self._names]
        due = min((at for at in retries if at is not None), default=None)
        if due is None:
            before = (await self.store.head()).position
            await asyncio.sleep(PATIENCE)
            if (await self.store.head()).position == before:
                await self.clock.advance(1.0)
        else:
            late = timedelta(milliseconds=1)
            await self.clock.advance(max((due - self.clock.now()), late).total_seconds())

    async def _through(self, work: Coroutine[Any, Any, T]) -> T:
        """Let time pass until something is done."""
        task = asyncio.ensure_future(work)
        try:
            await self.clock.settle()
            while not task.done():
                await self._step()
                await self.clock.settle()
            return await task
        finally:
            task.cancel()

    def _threads(self) -> bool:
        """Whether a handler is under way in a thread."""
        names = {f"bot:{name}" for name in self._names}
        return any(
            thread.name in names and thread.ident not in self._others for thread in threading.enumerate()
        )
