"""Subscribing in a handler and from outside: the last word holds, and it begins at a place in the log."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.errors import PositionUnknown
from callboard.ids import Position
from callboard.messages import Body
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage

OUT_OF_THE_LOG = (-5, 10**9, 2**70)


class Listen(Body):
    """Says `on` and `off`, one after the other."""

    words: list[str]
    since: int | None = None


class News(Body):
    pass


class Listener(Bot):
    attempts = 2
    heard: ClassVar[int]

    @on(Listen)
    async def listen(self, listen: Listen, turn: Turn) -> None:
        turn.publish("other", News())
        for word in listen.words:
            if word == "on":
                turn.subscribe("news", since=listen.since)
            else:
                turn.unsubscribe("news")

    @on(News)
    async def hear(self, news: News, turn: Turn) -> None:
        Listener.heard += 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Listener.heard = 0
    return tmp_path / "callboard.db"


async def hears(here: Stage) -> bool:
    """Tell whether news reach the bot; the board and the store must say the same."""
    before = Listener.heard
    await here.send("#news", News())
    await here.quiet("listener")
    heard = Listener.heard > before
    assert (("listener", "news") in here.bus.board.subscriptions) is heard
    assert bool(await here.store.subscriptions()) is heard
    return heard


WORDS = (["on", "off"], ["off", "on"], ["on", "off", "on"], ["on", "on", "off"], ["off", "off"])


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("listened", [False, True])
async def test_the_last_word_of_a_turn_holds(file: Path, words: list[str], listened: bool) -> None:
    async with stage(file, Listener, clock=JumpClock()) as here:
        if listened:
            await here.bus.subscribe("listener", "news")
        await here.send("listener", Listen(words))
        await here.quiet("listener")
        assert await hears(here) is (words[-1] == "on")


@pytest.mark.parametrize("words", WORDS)
async def test_the_last_word_of_several_messages_holds(file: Path, words: list[str]) -> None:
    """They wait together, and are handled in one go."""
    async with stage(file, clock=JumpClock()) as here:
        await here.bus.declare("listener", "python", "", {})
        for word in words:
            await here.send("listener", Listen([word]))
        await here.engage(Listener)
        await here.quiet("listener")
        assert await hears(here) is (words[-1] == "on")


@pytest.mark.parametrize("since", OUT_OF_THE_LOG)
async def test_a_beginning_that_is_not_in_the_log_is_refused(file: Path, since: int) -> None:
    async with stage(file, Listener, clock=JumpClock()) as here:
        with pytest.raises(PositionUnknown, match="the log goes from 0 to") as refused:
            await here.bus.subscribe("listener", "news", since=Position(since))
        assert refused.value.details == {"head": here.bus.board.head}
        assert not await hears(here)


@pytest.mark.parametrize("since", OUT_OF_THE_LOG)
async def test_a_handler_that_names_such_a_beginning_has_failed(file: Path, since: int) -> None:
    async with stage(file, Listener, clock=JumpClock()) as here:
        await here.send("listener", Listen(["on"], since))
        await here.quiet("listener")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts) == ("FAILED", 2)
        assert f"cannot begin at {since}" in letter.error
        assert await here.said(channel="other") == []
        assert not await hears(here)


async def test_the_head_of_the_log_is_in_it(file: Path) -> None:
    """To begin there is to hear what comes from now on."""
    async with stage(file, Listener, clock=JumpClock()) as here:
        await here.send("#news", News())
        await here.bus.subscribe("listener", "news", since=(await here.store.head()).position)
        assert await hears(here)
        assert Listener.heard == 1
