"""A bot that blocks holds its stream for a message that failed: until its retry is due, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.clock import Clock
from callboard.ids import BotName, Position
from callboard.messages import Body
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage

STRICT = BotName("strict")


class Word(Body):
    n: int


class Strict(Bot):
    """Fails at the first so many attempts at 1, and notes when it was given what."""

    on_error = "block"
    clock: ClassVar[Clock]
    fails: ClassVar[int]
    given: ClassVar[list[tuple[int, datetime]]]

    @on(Word)
    async def word(self, word: Word, turn: Turn) -> None:
        Strict.given.append((word.n, Strict.clock.now()))
        if word.n == 1 and len(Strict.given) <= Strict.fails:
            raise RuntimeError("not yet")


@pytest.fixture
def clock() -> JumpClock:
    Strict.clock, Strict.fails, Strict.given = JumpClock(), 1, []
    return Strict.clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def fail_once(here: Stage) -> datetime:
    """Have the bot fail at a message, and return when it is to be tried again."""
    await here.send("#old", Word(0))
    await here.send("strict", Word(1))
    await here.until(lambda: here.store.next_retry(STRICT))
    due = await here.store.next_retry(STRICT)
    assert due is not None
    assert here.clock.now() < due
    return due


async def hint(here: Stage) -> None:
    await here.send("strict", Word(2))


async def subscription(here: Stage) -> None:
    await here.bus.subscribe("strict", "old", since=Position(0))


async def hint_and_subscription(here: Stage) -> None:
    await hint(here)
    await subscription(here)


@pytest.mark.parametrize("happens", [hint, subscription, hint_and_subscription])
async def test_what_happens_meanwhile_brings_no_retry_forward(
    file: Path, clock: JumpClock, happens: Callable[[Stage], Awaitable[None]]
) -> None:
    async with stage(file, Strict, clock=clock) as here:
        due = await fail_once(here)
        await happens(here)
        await here.until(lambda: len(Strict.given) > 1)
        tried = [at for n, at in Strict.given if n == 1]
        assert [at >= due for at in tried] == [False, True]
        await here.quiet("strict")
        assert min(at for n, at in Strict.given[1:]) >= due, "nothing passes by what holds the stream"


@pytest.mark.parametrize("unclean", [False, True])
async def test_a_restart_brings_no_retry_forward(file: Path, clock: JumpClock, unclean: bool) -> None:
    async with stage(file, Strict, clock=clock) as here:
        due = await fail_once(here)
        await hint(here)
    assert clock.now() < due
    async with stage(file, Strict, clock=clock, unclean=unclean) as here:
        await here.quiet("strict")
        assert [n for n, _ in Strict.given] == [1, 1, 2]
        assert Strict.given[1][1] >= due


async def test_what_was_under_way_at_the_end_is_tried_as_often_as_it_may(
    file: Path, clock: JumpClock
) -> None:
    """It was cut off; the next start finds it where it stands in the stream, and counts it as one."""

    class Slow(Strict):
        name = "strict"
        attempts = 2

        @on(Word)
        async def word(self, word: Word, turn: Turn) -> None:
            if not Strict.given:
                Strict.given.append((word.n, clock.now()))
                await asyncio.Event().wait()
            await super().word(word, turn)

    Strict.fails = 100
    async with stage(file, Slow, clock=clock, unclean=True) as here:
        await here.send("strict", Word(1))
        await here.until(lambda: Strict.given, within=10)
    async with stage(file, Slow, clock=clock) as here:
        await here.send("strict", Word(2))
        await here.quiet("strict")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts) == ("FAILED", 2)
        assert [n for n, _ in Strict.given] == [1, 1, 1, 2]
