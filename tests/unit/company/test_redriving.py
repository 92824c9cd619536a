"""Redriving a dead letter: whoever does it, and however many at once, it is tried again once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.errors import Conflict
from callboard.messages import Body
from callboard.store.boardrows import DeadLetter
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage


class Note(Body):
    text: str


class Passing(Bot):
    """Hands on what it is told, and raises until it is mended."""

    attempts = 2
    mended: ClassVar[bool]
    given: ClassVar[int]

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        Passing.given += 1
        if note.text == "bad" and not Passing.mended:
            raise RuntimeError("broken")
        turn.send("deaf", note)


class Deaf(Bot):
    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Passing.mended, Passing.given = False, 0
    return tmp_path / "callboard.db"


async def redrive_at_once(here: Stage, letter: DeadLetter) -> list[BaseException | None]:
    """Have three operators redrive a letter; return what each was told."""
    redriving = (here.bus.redrive(letter.letter) for _ in range(3))
    return await asyncio.gather(*redriving, return_exceptions=True)


async def test_a_message_that_was_never_sent_is_sent_once(file: Path) -> None:
    """Too many had followed one from another; what is redriven begins anew."""

    class First(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            turn.send("passing", note)

    async with stage(file, First, Passing, Deaf, clock=JumpClock()) as here:
        await here.send("first", Note("x"), headers={"max-hops": "1"})
        await here.quiet("first", "passing")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.message) == ("HOP_LIMIT", None)
        told = await redrive_at_once(here, letter)
        assert sorted(type(one).__name__ for one in told) == ["Conflict", "Conflict", "NoneType"]
        await here.quiet("deaf")
        assert [row.message.body["text"] for row in await here.said(pair=("passing", "deaf"))] == ["x"]


async def test_a_message_that_failed_is_given_fresh_attempts_once(file: Path) -> None:
    async with stage(file, Passing, Deaf, clock=JumpClock()) as here:
        await here.send("passing", Note("bad"))
        await here.until(here.store.dead_letters)
        (letter,) = await here.store.dead_letters()
        Passing.mended = True
        told = await redrive_at_once(here, letter)
        assert sorted(type(one).__name__ for one in told) == ["Conflict", "Conflict", "NoneType"]
        await here.quiet("passing", "deaf")
        assert Passing.given == 3
        assert len(await here.said(pair=("passing", "deaf"))) == 1
        with pytest.raises(Conflict, match="redriven already"):
            await here.bus.redrive(letter.letter)
