"""Random histories of one inbox outside: whatever comes, each message is settled once, and only if served."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from callboard.company.outside import Ack
from callboard.errors import NotFound, NotServed
from callboard.ids import LOCAL_USER, BotName, Position
from callboard.messages import Body
from callboard.testing.clock import JumpClock
from tests.proof import scaled
from tests.unit.company.stage import Stage, stage

BOT = BotName("reader")
CHANNELS = ("n.a", "n.b", "m")
PATTERNS = ("n.a", "n.*", "**", "m")


class Note(Body):
    n: int


class History:
    """What one inbox was given and what became of it, as its reader knows it."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.clock = JumpClock()
        self.sent: list[Position] = []
        self.may_ack: set[Position] = set()
        """What was served since the inbox was opened, or was there when it was."""
        self.settled: set[Position] = set()
        self.last_read: list[Position] = []

    @asynccontextmanager
    async def open(self, file: Path) -> AsyncIterator[Stage]:
        async with stage(file, clock=self.clock) as house:
            await house.bus.guests.declare(BOT, "outside", "", None, principal=LOCAL_USER)
            self.may_ack = set(self.sent)
            self.last_read = []
            yield house

    async def step(self, house: Stage) -> None:
        await self.dice.choice(
            [self.say, self.say, self.listen, self.read, self.read, self.ack, self.ack, self.fail]
        )(house)

    async def say(self, house: Stage) -> None:
        to = self.dice.choice([BOT, *(f"#{channel}" for channel in CHANNELS)])
        for _ in range(self.dice.randrange(1, 4)):
            sent = await house.send(to, Note(len(self.sent)))
            assert sent.position is not None
            self.sent.append(sent.position)

    async def listen(self, house: Stage) -> None:
        pattern = self.dice.choice(PATTERNS)
        if self.dice.random() < 0.3:
            try:
                await house.bus.unsubscribe(BOT, pattern)
            except NotFound:
                return
        since = self.dice.choice([None, Position(0), *self.sent[:3]])
        await house.bus.subscribe(BOT, pattern, since=since)

    async def read(self, house: Stage) -> None:
        after = self.dice.choice([None, None, *self.last_read])
        served = await house.bus.guests.read(BOT, limit=self.dice.choice([1, 2, 5, 100]), after=after)
        given = [one.message.position for one in served.given]
        assert len(given) == len(set(given)), "a read gave a message twice"
        assert not self.settled.intersection(given), "what is settled was served again"
        self.may_ack.update(given)
        self.last_read = given

    async def ack(self, house: Stage, failed: str | None = None) -> None:
        if not self.sent:
            return
        position = self.dice.choice(self.last_read or self.sent)
        try:
            done = await house.bus.guests.acknowledge(BOT, Ack(position, failed=failed))
        except NotServed:
            assert position not in self.settled
            return
        now = await self.look(house)
        fresh = now - self.settled
        assert fresh <= self.may_ack, "something was settled that nobody had been given"
        assert len(fresh) == done.count + done.dead
        assert done.repeated or failed is not None or position in fresh
        self.settled = now

    async def fail(self, house: Stage) -> None:
        await self.ack(house, failed="no")
        await self.clock.sleep(self.dice.choice([0.1, 70.0]))

    async def look(self, house: Stage) -> set[Position]:
        found = [await house.store.delivery(BOT, position) for position in self.sent]
        return {one.message for one in found if one is not None and one.outcome in {"handled", "dead"}}

    async def drain(self, house: Stage) -> None:
        while await house.store.waiting(BOT, 1):
            served = await house.bus.guests.read(BOT, limit=self.dice.choice([1, 3, 100]), wait=120)
            assert served.given, "something waits and is not served"
            self.may_ack.update(one.message.position for one in served.given)
            self.last_read = [served.given[-1].message.position]
            await self.ack(house)


@pytest.mark.parametrize("seed", range(scaled(25)))
async def test_each_message_is_settled_once_and_only_if_it_was_served(tmp_path: Path, seed: int) -> None:
    history = History(random.Random(seed))
    for _ in range(3):
        async with history.open(tmp_path / "callboard.db") as house:
            for _ in range(25):
                await history.step(house)
    async with history.open(tmp_path / "callboard.db") as house:
        await history.drain(house)
        mine = [one.message.position for one in await house.said() if one.message.to.name == BOT]
        assert set(mine) <= await history.look(house)
