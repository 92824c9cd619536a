"""Circles of asks: whoever would close one is told at once, and what only looks like one goes through."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.errors import AskCycle, AskTimeout
from callboard.ids import StreamId
from callboard.messages import Body, To
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage


class Question(Body):
    n: int


class Answer(Body):
    n: int


class Echo(Bot):
    @on(Question)
    async def answer(self, question: Question, turn: Turn) -> Answer:
        return Answer(question.n)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def nothing_is_left(here: Stage, *bots: str) -> None:
    """Nobody waits for an answer, on disk or in memory."""
    for bot in bots:
        assert await here.store.waits(StreamId(f"bot:{bot}")) == []
    assert here.company.board.asks == {}


class Asker(Bot):
    """Asks another bot what it was asked itself."""

    asks: ClassVar[str]
    found: ClassVar[list[tuple[str, str]]] = []

    @on(Question)
    async def ask(self, question: Question, turn: Turn) -> Answer:
        try:
            return await turn.ask(self.asks, question, Answer)
        except AskCycle as error:
            Asker.found.append((self.name or "", error.code))
            return Answer(-1)


def asker(name: str, asks: str) -> type[Bot]:
    return type(name.title(), (Asker,), {"name": name, "asks": asks, "__doc__": Asker.__doc__})


@pytest.mark.parametrize("bots", [1, 2, 3, 5])
async def test_whoever_would_close_a_circle_of_asks_is_told_at_once(file: Path, bots: int) -> None:
    names = [f"bot-{number}" for number in range(bots)]
    circle = [asker(name, asks) for name, asks in zip(names, names[1:] + names[:1], strict=True)]
    Asker.found.clear()
    clock = JumpClock()
    async with stage(file, *circle, clock=clock) as here:
        answer = await here.bus.ask(
            sender="local", to=To.bot("bot-0"), type="question", json='{"n":1}', seconds=5
        )
        assert (answer.body, clock.monotonic()) == ({"n": -1}, 0)
        assert Asker.found == [(names[-1], "ASK_CYCLE")]
        await nothing_is_left(here, *names)


async def test_a_circle_that_work_handed_on_would_close_is_told_at_once(file: Path) -> None:
    """A asks B, B hands it on to C by a plain message, and C asks A, who cannot answer before C has."""

    class HandsOn(Bot):
        name = "second"

        @on(Question)
        async def pass_on(self, question: Question, turn: Turn) -> None:
            turn.send("third", question, headers={"question": str(turn.message.id)})

    class Third(Bot):
        found: ClassVar[list[str]] = []

        @on(Question)
        async def ask(self, question: Question, turn: Turn) -> None:
            try:
                await turn.ask("first", question, Answer, timeout="20s")
            except (AskCycle, AskTimeout) as error:
                Third.found.append(error.code)

    async with stage(file, asker("first", "second"), HandsOn, Third, clock=JumpClock()) as here:
        await here.send("first", Question(1))
        await here.until(lambda: bool(Third.found))
        assert Third.found == ["ASK_CYCLE"]


async def test_bots_that_ask_one_and_the_same_are_no_circle(file: Path) -> None:
    """Nor is a bot that asks another which asked it before and has its answer."""

    class Fan(Bot):
        got: ClassVar[list[int]] = []

        @on(Question)
        async def ask(self, question: Question, turn: Turn) -> None:
            asks = [turn.ask(f"arm-{n}", Question(n), Answer) for n in range(4)]
            Fan.got += [answer.n for answer in await asyncio.gather(*asks)]

    arms = [asker(f"arm-{n}", "echo") for n in range(4)]
    Asker.found.clear()
    async with stage(file, Fan, Echo, *arms, clock=JumpClock()) as here:
        await here.send("fan", Question(1))
        await here.quiet("fan", "echo")
        assert (Fan.got, Asker.found) == ([0, 1, 2, 3], [])
