"""How fast one may speak to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.company import pace
from callboard.company.pace import Pace
from callboard.errors import RateLimited
from callboard.messages import Body, To
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import stage


class Note(Body):
    text: str


DESK, CLERK = To.bot("desk"), To.bot("clerk")


async def test_without_a_limit_nobody_is_held_up() -> None:
    free = Pace(JumpClock())
    for _ in range(10_000):
        free.take("ann", DESK)


async def test_a_pair_may_speak_a_minutes_worth_at_once_and_then_as_time_passes() -> None:
    """Each direction and each recipient has a bucket of its own."""
    clock = JumpClock()
    strict = Pace(clock, 6)
    for _ in range(6):
        strict.take("ann", DESK)
    with pytest.raises(RateLimited, match="6 messages a minute") as refused:
        strict.take("ann", DESK)
    assert refused.value.details["retry_after"] == pytest.approx(10, abs=0.1)
    strict.take("ann", CLERK)
    strict.take("desk", To.bot("ann"))
    strict.take("ann", To.channel("desk"))
    await clock.sleep(10.001)
    strict.take("ann", DESK)
    with pytest.raises(RateLimited):
        strict.take("ann", DESK)
    await clock.sleep(3_600)
    for _ in range(6):
        strict.take("ann", DESK)
    with pytest.raises(RateLimited):
        strict.take("ann", DESK)


async def test_it_remembers_so_many_pairs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PAIRS", 100)
    strict = Pace(JumpClock(), 1)
    for number in range(1_000):
        strict.take(f"bot-{number}", DESK)
    assert len(strict._buckets) == 100
    with pytest.raises(RateLimited):
        strict.take("bot-999", DESK)


async def test_a_handler_that_says_too_much_is_tried_again_when_it_may(tmp_path: Path) -> None:
    """The limit costs time and no message; a sender from outside is told when to come back."""

    class Chatty(Bot):
        attempts = 50

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            turn.send("sink", note)

    class Sink(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            pass

    clock = JumpClock()
    async with stage(tmp_path / "callboard.db", Chatty, Sink, clock=clock, pair_rate=5) as here:
        for number in range(5):
            await here.send("chatty", Note(str(number)))
        with pytest.raises(RateLimited):
            await here.send("chatty", Note("one too many"))
        await clock.sleep(60)
        for number in range(5, 10):
            await here.send("chatty", Note(str(number)))
        await here.quiet("chatty", "sink")
        texts = [row.message.body["text"] for row in await here.said(pair=("chatty", "sink"))]
        assert sorted(texts, key=int) == [str(number) for number in range(10)]
