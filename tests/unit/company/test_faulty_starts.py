"""Bots that begin while the disk cannot be read: they wait for it, and are not set aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.errors import CallboardError, StoreCorrupt, StoreUnavailable
from callboard.ids import LOCAL_USER, BotName
from callboard.messages import Body
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage

PRINTER = BotName("printer")
TRIES = 12
"""More often than a supervisor starts what dies."""


class Note(Body):
    text: str


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Clerk(Bot):
    """Remembers what it is told, and counts how often it prepared."""

    memory: Seen
    begun: ClassVar[list[str]] = []

    async def started(self) -> None:
        self.begun.append("once")

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        self.memory.texts.append(note.text)


class Faulty(SqliteStore):
    """A store in which one thing cannot be read of one bot, a few times."""

    fault: type[CallboardError] = StoreCorrupt
    unread: Sequence[str] = ()
    """The thing, and the bot or its stream."""
    tried = 0

    def _perhaps(self, *what: str) -> None:
        if tuple(what) == tuple(self.unread) and self.tried < TRIES:
            self.tried += 1
            raise self.fault("The disk did not read.")

    async def memory(self, bot: BotName, **more: Any) -> Any:
        self._perhaps("memory", bot)
        return await super().memory(bot, **more)

    async def waits(self, owner: Any, **more: Any) -> Any:
        self._perhaps("waits", owner)
        return await super().waits(owner, **more)

    async def cursor(self, bot: BotName, *args: Any, **more: Any) -> Any:
        self._perhaps("cursor", bot)
        return await super().cursor(bot, *args, **more)

    async def started(self, bot: BotName, **more: Any) -> Any:
        self._perhaps("started", bot)
        return await super().started(bot, **more)

    async def retries(self, bot: BotName, *args: Any, **more: Any) -> Any:
        self._perhaps("retries", bot)
        return await super().retries(bot, *args, **more)


def states(here: Stage) -> dict[str, str]:
    return {one.name: one.state for one in here.bus.listing()}


FAULTS = pytest.mark.parametrize("fault", [StoreCorrupt, StoreUnavailable])


@FAULTS
@pytest.mark.parametrize("unread", ["memory clerk", "waits bot:clerk", "cursor clerk", "started clerk"])
async def test_a_bot_begins_when_what_it_keeps_can_be_read(
    tmp_path: Path, unread: str, fault: type[CallboardError]
) -> None:
    clock = JumpClock()
    async with stage(tmp_path / "db", Clerk, clock=clock) as here:
        await here.send("clerk", Note("one"))
        await here.quiet("clerk")
    Clerk.begun.clear()
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    store.fault, store.unread = fault, unread.split()
    async with stage(tmp_path / "db", Clerk, clock=clock, store=store) as here:
        await here.send("clerk", Note("two"))
        await here.quiet("clerk")
        assert store.tried == TRIES
        assert states(here) == {"clerk": "running"}
        row = await store.memory(BotName("clerk"))
        assert row is not None
        assert row.data == '{"texts":["one","two"]}'
        assert Clerk.begun == ["once"]


@FAULTS
@pytest.mark.parametrize("unread", ["waits bot:printer", "retries printer", "cursor printer"])
async def test_an_inbox_is_opened_when_it_can_be_read(
    tmp_path: Path, unread: str, fault: type[CallboardError]
) -> None:
    clock = JumpClock()
    async with stage(tmp_path / "db", clock=clock) as here:
        await here.bus.guests.declare(PRINTER, "outside", "Prints.", [], principal=LOCAL_USER)
        await here.send("printer", Note("one"))
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    store.fault, store.unread = fault, unread.split()
    async with stage(tmp_path / "db", clock=clock, store=store) as here:
        await here.until(lambda: store.tried == TRIES)
        served = await here.bus.guests.read(PRINTER, limit=9)
        assert [one.message.body for one in served.given] == [{"text": "one"}]
        assert here.bus.listing()[0].state != "quarantined"


async def test_a_bot_that_waits_for_the_disk_lets_the_house_close(tmp_path: Path) -> None:
    """Within a pause, long before it would be cut off."""
    clock = JumpClock()
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    store.unread, store.tried = ("memory", "clerk"), -1_000_000
    async with stage(tmp_path / "db", Clerk, clock=clock, store=store, grace=60.0) as here:
        await here.until(lambda: store.tried > TRIES - 1_000_000)
        began = clock.monotonic()
    assert clock.monotonic() - began < 20


class NoTimers(SqliteStore):
    """A store whose timers cannot be read, a few times."""

    tried = TRIES

    async def timers(self, *args: Any, **more: Any) -> Any:
        if self.tried < TRIES:
            self.tried += 1
            raise StoreUnavailable("The disk did not read.")
        return await super().timers(*args, **more)


async def test_what_was_to_be_sent_later_is_sent_when_the_timers_can_be_read(tmp_path: Path) -> None:
    """The calendar waits as a bot does: falling over often enough would end the server."""
    clock = JumpClock()
    store = NoTimers(tmp_path / "db", clock=clock, connect=inline)
    async with stage(tmp_path / "db", clock=clock, store=store) as here:
        await here.bus.guests.declare(PRINTER, "outside", "Prints.", [], principal=LOCAL_USER)
        await here.send("printer", Note("later"), after=3_600.0)
    store.tried = 0
    async with stage(tmp_path / "db", clock=clock, store=store) as here:
        await here.until(lambda: here.said(pair=("local", "printer")), within=7_200)
        assert store.tried == TRIES
