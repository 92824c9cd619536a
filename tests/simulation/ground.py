"""The ground: lives in which callers hand in turns of their own, and each is known to the ledger.

Store, journal, actors and supervisor are at work, and nobody else puts anything into the log; so the ledger
says of every row what it must be, and `model.py` compares.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from tests.simulation import model
from tests.simulation.clerks import Office
from tests.simulation.house import House
from tests.simulation.life import Life
from tests.simulation.workload import CAST, Caller


class Ground(Life):
    """One life of the house without its bots."""

    name = "ground"
    longest = 900.0

    def inspect(self, database: Path) -> None:
        model.inspect(database, self.ledger)

    async def days(self) -> None:
        house = House(self.disk, self.loop, self.clock, self.ledger, self.dice)
        await house.open()
        office = Office(self._caller("office", house))
        mischief = asyncio.create_task(self.mischief())
        work = [asyncio.create_task(work(self._caller(name, house))) for name, work in CAST]
        work.append(asyncio.create_task(office.visit()))
        for one in work:
            await one
        mischief.cancel()
        self.disk.mend()
        await self.recover(lambda: house.actor.fault is None and house.ready)
        await office.close()
        if self.dice.random() < 0.8 or self.last:
            await house.close()
            self._all_answered()
        else:
            self.disk.die("idle")

    def _caller(self, name: str, house: House) -> Caller:
        return Caller(name, house, Random(f"{self.seed_name}/{name}"))

    def _all_answered(self) -> None:
        for intent in self.ledger.intents:
            if intent.life == self.ledger.life and intent.outcome == "open":
                self.ledger.complain(f"turn {intent.number} of {intent.caller} was never answered")
