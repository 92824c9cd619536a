"""Clearing an inbox: bots that are removed, and messages that waited too long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.company import clearing
from callboard.errors import Conflict, NotFound, RecipientUnknown
from callboard.ids import BotName, PrincipalId
from callboard.messages import Body
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage


class Note(Body):
    text: str


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Clerk(Bot):
    subscribes: ClassVar[Sequence[str]] = ("notes.*",)
    memory: Seen

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        if note.text == "bad":
            raise RuntimeError("bad")
        if note.text == "ask":
            await turn.ask("silent", note, Note, timeout="1h")
        self.memory.texts.append(note.text)


class Silent(Bot):
    """Never answers."""

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def letters(here: Stage) -> list[tuple[str, str]]:
    """Return the reasons and texts of the dead letters, in their order."""
    found = []
    for one in await here.store.dead_letters(limit=1_000):
        assert one.message is not None
        message = await here.store.message_at(one.message)
        assert message is not None
        found.append((one.reason, message.body["text"]))
    return found


async def test_what_waits_for_a_bot_that_is_removed_becomes_dead_letters(file: Path) -> None:
    """Direct messages, channels, a catch-up and retries: each once; and nobody hears of the bot again."""
    async with stage(file, Clerk, Silent, clock=JumpClock()) as here:
        await here.send("#old", Note("before"))
        await here.send("clerk", Note("bad"))
        await here.until(lambda: here.store.next_retry(BotName("clerk")))
    async with stage(file, Silent, clock=JumpClock()) as here:
        await here.bus.subscribe("clerk", "old", since=0)  # type: ignore[arg-type]
        await here.send("clerk", Note("direct"))
        for number in range(250):
            await here.send("#notes.new", Note(str(number)))
        assert await here.bus.remove("clerk") == 253
        assert sorted(await letters(here)) == sorted(
            ("REMOVED", text) for text in ("bad", "before", "direct", *map(str, range(250)))
        )
        assert await here.store.waiting(BotName("clerk"), 10) == 0
        assert here.company.board.listens("clerk") == []
        with pytest.raises(RecipientUnknown):
            await here.send("clerk", Note("late"))
        with pytest.raises(NotFound):
            await here.bus.remove("clerk")
        (row,) = [
            row for row in await here.said(pair=("local", "clerk")) if row.message.body["text"] == "direct"
        ]
        assert [one.outcome for one in row.deliveries] == ["dead"]


async def test_a_removal_that_was_cut_short_is_finished_at_the_next_start(file: Path) -> None:
    async with stage(file, Clerk):
        pass
    async with stage(file) as here:
        for number in range(3):
            await here.send("clerk", Note(str(number)))
        line = here.company.board.bots["clerk"]
        await clearing.remove(here.company.services, line, PrincipalId("somebody"))
        assert await letters(here) == []
    async with stage(file) as here:
        assert await letters(here) == [("REMOVED", "0"), ("REMOVED", "1"), ("REMOVED", "2")]


async def test_a_bot_that_comes_back_begins_anew_and_keeps_its_memory(file: Path) -> None:
    """What was said on its channels while it was gone is not for it."""
    async with stage(file, Clerk) as here:
        await here.send("clerk", Note("one"))
        await here.quiet("clerk")
    async with stage(file) as here:
        await here.bus.remove("clerk")
        await here.send("#notes.new", Note("in the gap"))
    async with stage(file, Clerk) as here:
        await here.send("#notes.new", Note("two"))
        await here.quiet("clerk")
        row = await here.store.memory(BotName("clerk"))
        assert row is not None
        assert row.data == '{"texts":["one","two"]}'


async def test_a_bot_whose_code_is_loaded_is_not_removed(file: Path) -> None:
    async with stage(file, Clerk) as here:
        with pytest.raises(Conflict, match="take it out of bots/"):
            await here.bus.remove("clerk")
        await here.send("clerk", Note("one"))
        await here.quiet("clerk")


async def test_a_removed_bot_waits_for_no_answer(file: Path) -> None:
    async with stage(file, Clerk, Silent, grace=0.05) as here:
        await here.send("clerk", Note("ask"))
        await here.until(lambda: here.store.waits("bot:clerk"))  # type: ignore[arg-type]
    async with stage(file, Silent) as here:
        await here.bus.remove("clerk")
        assert await here.store.waits("bot:clerk") == []  # type: ignore[arg-type]


async def test_what_waits_too_long_for_an_absent_bot_expires(file: Path) -> None:
    """What is younger stays, and is handled when the bot is back."""
    clock = JumpClock()
    async with stage(file, Clerk, clock=clock):
        pass
    async with stage(file, clock=clock) as here:
        await here.send("clerk", Note("old"))
        await here.send("#notes.new", Note("old too"))
        await clock.sleep(3_600)
        await here.send("clerk", Note("young"))
        assert await here.bus.expire(clock.now() - timedelta(minutes=30)) == 2
        assert await here.bus.expire(clock.now() - timedelta(minutes=30)) == 0
        assert await letters(here) == [("EXPIRED", "old"), ("EXPIRED", "old too")]
    async with stage(file, Clerk, clock=clock) as here:
        await here.quiet("clerk")
        row = await here.store.memory(BotName("clerk"))
        assert row is not None
        assert row.data == '{"texts":["young"]}'


async def test_a_bot_that_runs_and_is_behind_gives_up_what_is_too_old(file: Path) -> None:
    """It does so itself, between two messages; so none is both handled and dead."""

    class Slow(Bot):
        on_error = "block"
        attempts = 100
        memory: Seen
        works: ClassVar[asyncio.Event]

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            if note.text.startswith("old"):
                raise RuntimeError("cannot")
            self.memory.texts.append(note.text)

    clock = JumpClock()
    async with stage(file, Slow, clock=clock) as here:
        await here.send("slow", Note("old one"))
        await here.send("slow", Note("old two"))
        await clock.sleep(60)
        await here.send("slow", Note("young"))
        before = clock.now() - timedelta(seconds=30)
        assert await here.bus.expire(before) == 0, "its actor does it"
        await here.quiet("slow")
        assert await letters(here) == [("EXPIRED", "old one"), ("EXPIRED", "old two")]
        row = await here.store.memory(BotName("slow"))
        assert row is not None
        assert row.data == '{"texts":["young"]}'
        (old, _, young) = await here.said(pair=("local", "slow"))
        assert [one.outcome for one in old.deliveries] == ["dead"]
        assert [one.outcome for one in young.deliveries] == ["handled"]
