"""The guard against handlers that kill the process: seen over several lives of one database.

A life ends here by cancelling everything in the middle of a handler, which leaves on disk what a kill leaves.
The kill of a real process is in tests/crash.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.ids import BotName
from callboard.messages import Body
from tests.unit.company.stage import Stage, stage


class Note(Body):
    text: str


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Life:
    """What handlers of one life are to do, and what they began."""

    deadly: ClassVar[set[str]] = set()
    slow: ClassVar[set[str]] = set()
    go: ClassVar[asyncio.Event]
    """Slow ones go on when it is set."""
    began: ClassVar[list[str]] = []
    at_once: ClassVar[int] = 0
    most_at_once: ClassVar[int] = 0


class Worker(Bot):
    memory: Seen

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        Life.began.append(note.text)
        Life.at_once += 1
        Life.most_at_once = max(Life.most_at_once, Life.at_once)
        try:
            await asyncio.sleep(0)
            if note.text in Life.deadly:
                await asyncio.Event().wait()  # the process ends here
            if note.text in Life.slow:
                await Life.go.wait()
        finally:
            Life.at_once -= 1
        self.memory.texts.append(note.text)


class Other(Worker):
    """Works beside the first."""


class Passerby(Bot):
    """Under no suspicion: while it handles messages, whatever else may begin has begun."""

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def new_world() -> None:
    Life.deadly = {"deadly"}
    Life.slow, Life.go = set(), asyncio.Event()
    Life.began = []
    Life.at_once = Life.most_at_once = 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def began(here: Stage, *texts: str) -> None:
    """Wait until handlers of these notes have begun in this life, then forget them."""
    await here.until(lambda: set(texts) <= set(Life.began), within=10)
    Life.began = []


async def a_while(here: Stage) -> None:
    """Let some messages be handled by somebody who waits for nobody."""
    for _ in range(5):
        await here.send("passerby", Note("hello"))
        await here.quiet("passerby")


async def texts(here: Stage, bot: str) -> str:
    row = await here.store.memory(BotName(bot))
    return row.data if row else ""


async def test_a_message_that_ends_the_process_three_times_is_a_dead_letter(file: Path) -> None:
    async with stage(file, Worker, grace=0.05) as here:
        await here.send("worker", Note("before"))
        await here.send("worker", Note("deadly"))
        await here.send("worker", Note("after"))
        await began(here, "deadly")  # nothing is written down: nobody was wary yet
    for life in range(3):
        async with stage(file, Worker, unclean=True, grace=0.05) as here:
            await began(here, "deadly")
            (row,) = await here.store.started(BotName("worker"))
            assert (row.outcome, row.deaths) == ("started", life)
    async with stage(file, Worker, unclean=True, grace=0.05) as here:
        await here.quiet("worker")
        (letter,) = await here.store.dead_letters()
        assert letter.reason == "KILLED_PROCESS"
        assert Life.began == ["after"]
        assert await texts(here, "worker") == '{"texts":["before","after"]}'
        Life.deadly = set()
        await here.bus.redrive(letter.letter)
        await here.until(lambda: Life.began == ["after", "deadly"], within=10)
        await here.quiet("worker")


async def test_after_a_clean_stop_nothing_counts_as_a_death(file: Path) -> None:
    """A handler that the grace of a shutdown cut short was not the end of the process."""
    async with stage(file, Worker, grace=0.05) as here:
        await here.send("worker", Note("deadly"))
        await began(here, "deadly")
    async with stage(file, Worker, unclean=True, grace=0.05) as here:
        await began(here, "deadly")
    for _ in range(4):
        async with stage(file, Worker, grace=0.05) as here:
            await began(here, "deadly")
            (row,) = await here.store.started(BotName("worker"))
            assert row.deaths == 0


async def test_a_bot_that_is_stopped_in_the_middle_of_an_attempt_killed_nobody(file: Path) -> None:
    """A reload past its grace, say: the process lived on."""
    async with stage(file, Worker, unclean=True, grace=0.05) as here:
        await here.send("worker", Note("deadly"))
        await began(here, "deadly")
        for _ in range(4):
            await here.company.dismiss("worker")
            await here.engage(Worker)
            await began(here, "deadly")
        (row,) = await here.store.started(BotName("worker"))
        assert row.deaths == 0


async def test_an_innocent_neighbour_of_a_deadly_message_is_handled(file: Path) -> None:
    """Both were under way when the process ended; from then on they run one at a time."""
    async with stage(file, Worker, Other, unclean=True, grace=0.05) as here:
        Life.slow = {"slow"}  # it is still at work when the process ends
        await here.send("worker", Note("deadly"))
        await here.send("other", Note("slow"))
        await began(here, "deadly", "slow")
    for _ in range(2):
        Life.most_at_once = 0
        Life.go = asyncio.Event()
        async with stage(file, Worker, Other, Passerby, unclean=True, grace=0.05) as here:
            await here.until(lambda: bool(Life.began), within=10)
            await a_while(here)
            assert Life.at_once == 1, "whichever of the two was first is still at work, and alone"
            Life.go.set()
            await here.until(lambda: "deadly" in Life.began, within=10)
            await a_while(here)
            assert Life.most_at_once == 1
            Life.began = []
    async with stage(file, Worker, Other, unclean=True, grace=0.05) as here:
        await here.quiet("worker", "other")
        assert [one.reason for one in await here.store.dead_letters()] == ["KILLED_PROCESS"]
        assert await texts(here, "other") == '{"texts":["slow"]}'


async def test_once_a_turn_has_committed_a_bot_writes_attempts_down_no_more(file: Path) -> None:
    async with stage(file, Worker, unclean=True, grace=0.05) as here:
        await here.send("worker", Note("one"))
        await here.quiet("worker")
        await here.send("worker", Note("deadly"))
        await began(here, "deadly")
        assert await here.store.started(BotName("worker")) == []


async def test_a_retry_that_ends_the_process_is_found_beside_the_stream(file: Path) -> None:
    class Second(Worker):
        """Fails at first."""

        tried: ClassVar[set[str]] = set()

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            if note.text not in Second.tried:
                Second.tried.add(note.text)
                raise RuntimeError("not yet")
            await super().note(note, turn)

    async with stage(file, Second, unclean=True, grace=0.05) as here:
        await here.send("second", Note("deadly"))
        await here.until(lambda: "deadly" in Second.tried, within=10)
    for deaths in range(3):
        async with stage(file, Second, unclean=True, grace=0.05) as here:
            await began(here, "deadly")
            (row,) = await here.store.started(BotName("second"))
            assert (row.deaths, row.attempts) == (deaths, 1)
    async with stage(file, Second, unclean=True, grace=0.05) as here:
        await here.quiet("second")
        assert [one.reason for one in await here.store.dead_letters()] == ["KILLED_PROCESS"]
