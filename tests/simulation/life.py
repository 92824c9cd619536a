"""A life: from a start of the process to its end, whichever it is, and what the dice have in store for it.

What happens in it is for the two kinds of lives to say: `ground.py`, where each turn is a caller's own, and
`season.py`, where a company of bots plays.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import ClassVar

from tests.simulation.disk import Disk, Faults
from tests.simulation.ledger import Ledger
from tests.simulation.world import SimulatedClock, Violation, make_loop

LIVES = 4

RECOVERED_WITHIN = 20.0
"""Virtual seconds after the last fault within which readiness must be true again."""


class Life(ABC):
    """One life of one seed."""

    name: ClassVar[str]
    longest: ClassVar[float]
    """Virtual seconds within which it must have ended: nothing hangs."""

    def __init__(self, seed: int, number: int, ledger: Ledger, folders: Path, starts_at: float) -> None:
        self.seed_name = f"{self.name} {seed}/{number}"
        self.dice = Random(self.seed_name)
        self.ledger = ledger
        self.last = number == LIVES - 1
        self.loop = make_loop(Random(f"{self.seed_name}/loop"), starts_at=starts_at)
        self.clock = SimulatedClock(self.loop)
        self.furthest_ahead = timedelta()
        self.disk = Disk(
            folders / str(number),
            folders / str(number + 1),
            self.loop,
            ledger,
            Random(f"{self.seed_name}/disk"),
        )

    @abstractmethod
    async def days(self) -> None:
        """Live until a good end."""

    @abstractmethod
    def inspect(self, database: Path) -> None:
        """Look at what it left behind; raise `Violation` with all that is wrong."""

    def inherit(self, before: Life) -> None:
        """Take over what the life before left in the world outside."""
        self.furthest_ahead = before.furthest_ahead

    def live(self) -> bool:
        """Run to the end; False if the process died on the way."""
        self.ledger.life += 1
        self.ledger.deaf = False
        self.ledger.note("begins to live")
        self._choose_fate()
        try:
            return self.loop.run(self.days(), until=self.loop.time() + self.longest)
        finally:
            self.ledger.deaf = True
            self.disk.abandon()

    def _choose_fate(self) -> None:
        dice, disk = self.dice, self.disk
        disk.faults = Faults(slow=dice.choice([0.0, 0.3, 0.9]))
        if self.last:
            return
        match dice.choice(["never", "commit", "commit", "commit", "statement", "moment"]):
            case "commit":
                disk.faults.dies_at = (dice.choice(["before", "after", "torn"]), dice.randrange(1, 60))
            case "statement":
                disk.faults.dies_at = ("statement", dice.randrange(1, 600))
            case "moment":
                self.loop.call_later(dice.random() * 4, disk.die, "at a moment")
            case _:
                pass

    async def mischief(self) -> None:
        """Bad spells of the disk, and a wall clock that is set back and forth."""
        dice, faults = self.dice, self.disk.faults
        while True:
            await asyncio.sleep(dice.expovariate(1 / 0.3))
            self.clock.ahead += timedelta(seconds=dice.choice([0, -3600, 3600, 86_400, -0.5]))
            self.furthest_ahead = max(self.furthest_ahead, self.clock.ahead)
            match dice.randrange(4):
                case 0:
                    faults.commit_fails = dice.choice([0.2, 1.0])
                case 1:
                    faults.statement_fails = dice.choice([0.05, 1.0])
                case 2:
                    faults.commit_fails, faults.read_fails = 0.5, 0.5
                case _:
                    continue
            await asyncio.sleep(dice.expovariate(1 / 0.5))
            faults.commit_fails = faults.statement_fails = faults.read_fails = 0.0

    async def recover(self, ready: Callable[[], bool]) -> None:
        """Wait until the house says that it is well again."""
        waited = 0.0
        while not ready():
            if waited > RECOVERED_WITHIN:
                raise Violation("the disk is whole again, and readiness is not")
            await asyncio.sleep(0.5)
            waited += 0.5
