"""Loops: bots that answer one another for ever are stopped by the hop limit, and others notice nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.errors import BadInput
from callboard.facts.membership import bot_stream
from callboard.ids import BotName
from callboard.messages import Body, Message, To
from callboard.store.boardrows import AuditQuery
from callboard.testing.clock import START, JumpClock
from tests.unit.company.stage import Stage, stage


class Ball(Body):
    text: str


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Clerk(Bot):
    memory: Seen

    @on(Ball)
    async def keep(self, ball: Ball, turn: Turn) -> None:
        self.memory.texts.append(ball.text)


class Passing(Bot):
    """Passes the ball on, and puts a ball that is called `honest` down."""

    to: ClassVar[str]
    after: ClassVar[str | None] = None

    @on(Ball)
    async def catch(self, ball: Ball, turn: Turn) -> None:
        if ball.text != "honest":
            self.throw(ball, turn)

    def throw(self, ball: Ball, turn: Turn) -> None:
        turn.send(self.to, ball, after=self.after)


def passing(name: str, to: str, **more: object) -> type[Bot]:
    return type(name.title(), (Passing,), {"name": name, "to": to, "__doc__": Passing.__doc__, **more})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def stopped(here: Stage, *bots: str, letters: int = 1) -> list[Message]:
    """Wait until the loop is over; return what was said, in order, each caused by the one before."""
    await here.until(lambda: _letters(here, letters))
    await here.quiet(*bots)
    for letter in await here.store.dead_letters():
        assert (letter.reason, letter.message, letter.attempts) == ("HOP_LIMIT", None, 0)
        assert "followed one from another" in letter.error
    said = [row for row in await here.said() if row.message.body["text"] != "honest"]
    assert [one.outcome for row in said for one in row.deliveries] == ["handled"] * len(said)
    messages = [row.message for row in said]
    assert [one.cause for one in messages[1:]] == [one.position for one in messages[:-1]]
    return messages


async def _letters(here: Stage, count: int) -> bool:
    return len(await here.store.dead_letters(redriven=True)) == count


async def traffic_flows(here: Stage, *bots: str) -> None:
    """Those that were in the loop, and others, still handle what is sent to them."""
    sent = [await here.send(bot, Ball("honest")) for bot in (*bots, "clerk")]
    await here.quiet(*bots, "clerk")
    for one in sent:
        assert one.position is not None
        assert [row.outcome for row in await here.store.deliveries(one.position)] == ["handled"]
    row = await here.store.memory(BotName("clerk"))
    assert row is not None
    assert row.data == '{"texts":["honest"]}'


RINGS = {
    "a pair": ("one", "two"),
    "a ring of three": ("one", "two", "three"),
    "one alone": ("one",),
}


@pytest.mark.parametrize("names", RINGS.values(), ids=RINGS)
async def test_a_ring_is_stopped_at_the_limit_and_others_go_on(file: Path, names: Sequence[str]) -> None:
    ring = [passing(name, to) for name, to in zip(names, [*names[1:], names[0]], strict=True)]
    async with stage(file, *ring, Clerk, clock=JumpClock()) as here:
        await here.send(names[0], Ball("x"))
        messages = await stopped(here, *names)
        assert [one.hops for one in messages] == list(range(33))
        (letter,) = await here.store.dead_letters()
        last = messages[-1].to.name
        assert (letter.bot, letter.sender) == (last, last)
        assert letter.recipient == names[(names.index(last) + 1) % len(names)]
        assert letter.error.startswith("32 messages")
        fact = await here.store.entry(letter.letter)
        assert fact is not None
        assert fact.cause == messages[-1].position
        await traffic_flows(here, *names)


async def test_bots_that_reply_to_each_others_replies_are_stopped(file: Path) -> None:
    class Polite(Passing):
        def throw(self, ball: Ball, turn: Turn) -> None:
            turn.reply(ball)

    class One(Polite):
        to = ""

    class Two(Polite):
        to = ""

    async with stage(file, One, Two, Clerk, clock=JumpClock()) as here:
        await here.bus.send(sender="two", to=To.bot("one"), type="ball", json='{"text":"x"}')
        messages = await stopped(here, "one", "two")
        assert [one.hops for one in messages] == list(range(33))
        await traffic_flows(here, "one", "two")


async def test_bots_that_hear_each_other_on_channels_are_stopped(file: Path) -> None:
    class Loud(Passing):
        def throw(self, ball: Ball, turn: Turn) -> None:
            turn.publish(self.to, ball)

    class One(Loud):
        subscribes = ("to.one",)
        to = "to.two"

    class Two(Loud):
        subscribes = ("to.two",)
        to = "to.one"

    class Both(Loud):
        """Hears itself."""

        subscribes = ("to.both",)
        hears_itself = True
        to = "to.both"

    async with stage(file, One, Two, Both, Clerk, clock=JumpClock()) as here:
        await here.send("#to.one", Ball("x"))
        assert [one.hops for one in await stopped(here, "one", "two")] == list(range(33))
        await here.send("#to.both", Ball("x"))
        await here.until(lambda: _letters(here, 2))
        assert len(await here.said(channel="to.both")) == 33
        recipients = [letter.recipient for letter in await here.store.dead_letters()]
        assert recipients == ["#to.two", "#to.both"]
        await traffic_flows(here, "one", "two", "both")


@pytest.mark.parametrize("limit", [1, 5, 1_000])
async def test_the_first_message_of_a_conversation_sets_its_limit(file: Path, limit: int) -> None:
    async with stage(file, passing("one", "two"), passing("two", "one"), Clerk, clock=JumpClock()) as here:
        await here.send("one", Ball("x"), headers={"max-hops": str(limit), "colour": "red"})
        await here.until(lambda: _letters(here, 1))
        rows = await here.store.audit(AuditQuery(limit=limit + 10))
        assert [row.message.hops for row in rows] == list(range(limit + 1))
        assert {row.message.max_hops for row in rows} == {limit}
        (letter,) = await here.store.dead_letters()
        assert letter.error == f"{limit} messages followed one from another; {limit} may."
        await traffic_flows(here, "one", "two")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "", "1e2", " 5", "\u0665"])
async def test_a_limit_that_is_none_is_refused_at_the_door(file: Path, limit: str) -> None:
    async with stage(file, Clerk, clock=JumpClock()) as here:
        with pytest.raises(BadInput, match=r"from 1 to 1,000"):
            await here.send("clerk", Ball("x"), headers={"max-hops": limit})
        assert await here.said() == []


async def test_who_is_in_a_loop_cannot_raise_its_limit(file: Path) -> None:
    class Cheat(Passing):
        def throw(self, ball: Ball, turn: Turn) -> None:
            turn.send(self.to, ball, headers={"max-hops": "1000"})

    class One(Cheat):
        to = "two"

    class Two(Cheat):
        to = "one"

    async with stage(file, One, Two, Clerk, clock=JumpClock()) as here:
        await here.send("one", Ball("x"), headers={"max-hops": "7"})
        assert [one.hops for one in await stopped(here, "one", "two")] == list(range(8))


async def test_a_message_that_is_sent_later_carries_its_hops_also_over_restarts(file: Path) -> None:
    bots = (passing("one", "two", after="10m"), passing("two", "one", after="10m"), Clerk)
    async with stage(file, *bots, clock=JumpClock()) as here:
        await here.send("one", Ball("x"))
        await here.until(lambda: said(here, 10), within=20_000)
        now = here.clock.now()
    assert now > START
    async with stage(file, *bots, clock=JumpClock(start=now)) as here:
        await here.until(lambda: _letters(here, 1), within=40_000)
        assert [one.hops for one in await stopped(here, "one", "two")] == list(range(33))
        assert await here.store.timers(None, 10) == []
        await traffic_flows(here, "one", "two")


async def test_a_loop_that_is_redriven_runs_once_more_as_far_and_no_further(file: Path) -> None:
    async with stage(file, passing("one", "two"), passing("two", "one"), Clerk, clock=JumpClock()) as here:
        await here.send("one", Ball("x"))
        await stopped(here, "one", "two")
        (letter,) = await here.store.dead_letters()
        await here.bus.redrive(letter.letter)
        await here.until(lambda: _letters(here, 2))
        await here.quiet("one", "two")
        rows = await here.said()
        assert [row.message.hops for row in rows] == [*range(33), *range(33)]
        assert rows[33].message.cause == letter.letter
        assert len(await here.store.dead_letters()) == 1


async def test_a_loop_that_asks_on_its_way_ends_and_says_why(file: Path) -> None:
    class Echo(Bot):
        @on(Ball)
        async def echo(self, ball: Ball, turn: Turn) -> Ball:
            return ball

    class One(Passing):
        to = "one"
        attempts = 2

        @on(Ball)
        async def catch(self, ball: Ball, turn: Turn) -> None:
            if ball.text != "honest":
                await turn.ask("echo", ball, Ball)
                turn.send("one", ball)

    async with stage(file, One, Echo, Clerk, clock=JumpClock()) as here:
        await here.send("one", Ball("x"))
        await here.until(here.store.dead_letters)
        await here.quiet("one", "echo")
        assert "HOP_LIMIT" in {letter.reason for letter in await here.store.dead_letters()}
        assert max(row.message.hops for row in await here.said()) == 32
        assert here.company.board.asks == {}
        assert await here.store.waits(bot_stream(BotName("one"))) == []
        await traffic_flows(here, "one")


async def said(here: Stage, count: int) -> bool:
    return len(await here.said()) >= count
