"""Catch-ups: what was said before a bot listened is handled once, whatever else the bot is about."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.ids import Position
from callboard.messages import Body
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import stage

BEGINNING = Position(0)


class Word(Body):
    n: int


class Hearer(Bot):
    """Notes what it is given, and raises at the first so many attempts at each number."""

    attempts = 5
    given: ClassVar[list[int]]
    raises: ClassVar[dict[int, int]]

    @on(Word)
    async def word(self, word: Word, turn: Turn) -> None:
        Hearer.given.append(word.n)
        if Hearer.given.count(word.n) <= Hearer.raises.get(word.n, 0):
            raise RuntimeError("not yet")


class Strict(Hearer):
    """Holds its stream for what failed."""

    on_error = "block"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Hearer.given, Hearer.raises = [], {}
    return tmp_path / "callboard.db"


async def test_one_that_begins_while_the_mailbox_is_full_is_done_all_the_same(file: Path) -> None:
    """There is no room to tell the bot of it."""
    gate = asyncio.Event()

    class Small(Hearer):
        mailbox = 1

        @on(Word)
        async def word(self, word: Word, turn: Turn) -> None:
            await super().word(word, turn)
            if word.n == 10:
                await gate.wait()

    async with stage(file, Small, clock=JumpClock()) as here:
        await here.send("#old", Word(1))
        await here.send("small", Word(10))
        await here.until(lambda: 10 in Hearer.given)
        for n in (11, 12, 13):
            await here.send("small", Word(n))
        await here.bus.subscribe("small", "old", since=BEGINNING)
        gate.set()
        await here.quiet("small")
        assert sorted(Hearer.given) == [1, 10, 11, 12, 13]


@pytest.mark.parametrize("fails", [0, 4, 9])
async def test_one_that_is_held_by_a_failed_message_goes_on_from_there(file: Path, fails: int) -> None:
    """Be it the first of the catch-up, one within it, or the last."""
    Hearer.raises = {fails: 2}
    async with stage(file, Strict, clock=JumpClock()) as here:
        for n in range(10):
            await here.send("#old", Word(n))
        await here.send("strict", Word(10))
        await here.quiet("strict")
        await here.bus.subscribe("strict", "old", since=BEGINNING)
        await here.quiet("strict")
        assert Hearer.given == [10, *range(fails), fails, fails, *range(fails, 10)]
        assert await here.store.dead_letters() == []


async def test_what_fails_beside_the_stream_is_tried_again_in_a_catch_up_too(file: Path) -> None:
    Hearer.raises = {1: 1}
    async with stage(file, Hearer, clock=JumpClock()) as here:
        for n in range(3):
            await here.send("#old", Word(n))
        await here.bus.subscribe("hearer", "old", since=BEGINNING)
        await here.quiet("hearer")
        assert Hearer.given == [0, 1, 2, 1]


@pytest.mark.parametrize("cls", [Hearer, Strict])
@pytest.mark.parametrize("first", ["catch-up", "stream"])
async def test_a_message_of_two_subscriptions_is_tried_as_often_as_it_may(
    file: Path, cls: type[Bot], first: str
) -> None:
    """Its attempts go on being counted when a later subscription finds it, however it came first."""
    Hearer.raises = {1: 100}
    bot = cls.__name__.lower()
    async with stage(file, cls, clock=JumpClock()) as here:
        if first == "catch-up":
            await here.send("#old.one", Word(1))
            await here.bus.subscribe(bot, "old.*", since=BEGINNING)
        else:
            await here.bus.subscribe(bot, "old.*")
            await here.send("#old.one", Word(1))
        await here.until(lambda: Hearer.given == [1])
        await here.bus.subscribe(bot, "old.one", since=BEGINNING)
        await here.quiet(bot)
        (letter,) = await here.store.dead_letters()
        assert (Hearer.given, letter.attempts) == ([1] * 5, 5)
