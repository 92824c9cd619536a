"""The runner: one seed, some lives of one database, an inspection after each.

make simulate SEEDS=1000 FROM=0       many seeds, with a line that says how far it is
make simulate SEEDS=1 FROM=17         seed 17 again, as it was, with its whole trace if it fails
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NoReturn

import structlog

from tests.simulation.clerks import Office
from tests.simulation.disk import DATABASE, Disk, Faults, copy
from tests.simulation.house import House
from tests.simulation.ledger import Ledger
from tests.simulation.model import inspect
from tests.simulation.workload import CAST, Caller
from tests.simulation.world import SimulatedClock, Violation, make_loop

LIVES = 4
LONGEST = 900.0
"""Virtual seconds within which a life must have ended: nothing hangs."""

RECOVERED_WITHIN = 20.0
"""Virtual seconds after the last fault within which readiness must be true again."""


@dataclass(frozen=True)
class Run:
    """What became of a seed."""

    seed: int
    trace: str
    violation: str | None
    lines: list[str] | None
    turns: int
    faults: int
    deaths: int

    @property
    def report(self) -> str:
        return f"Seed {self.seed}: {self.violation}\nAgain: make simulate SEEDS=1 FROM={self.seed}"


class Life:
    """From a start of the process to its end, whichever it is."""

    def __init__(self, seed: int, number: int, ledger: Ledger, folders: Path, starts_at: float) -> None:
        self._dice = Random(f"{seed}/{number}")
        self._ledger = ledger
        self._last = number == LIVES - 1
        self._name = f"{seed}/{number}"
        self.loop = make_loop(Random(f"{seed}/{number}/loop"), starts_at=starts_at)
        self._clock = SimulatedClock(self.loop)
        self.disk = Disk(
            folders / str(number),
            folders / str(number + 1),
            self.loop,
            ledger,
            Random(f"{seed}/{number}/disk"),
        )

    def live(self) -> bool:
        """Run to the end; False if the process died on the way."""
        self._ledger.life += 1
        self._ledger.deaf = False
        self._ledger.note("begins to live")
        self._choose_fate()
        try:
            return self.loop.run(self._days(), until=self.loop.time() + LONGEST)
        finally:
            self._ledger.deaf = True
            self.disk.abandon()

    def _choose_fate(self) -> None:
        dice, disk = self._dice, self.disk
        disk.faults = Faults(slow=dice.choice([0.0, 0.3, 0.9]))
        if self._last:
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

    async def _days(self) -> None:
        house = House(self.disk, self.loop, self._clock, self._ledger, self._dice)
        await house.open()
        office = Office(self._caller("office", house))
        mischief = asyncio.create_task(self._mischief())
        work = [asyncio.create_task(work(self._caller(name, house))) for name, work in CAST]
        work.append(asyncio.create_task(office.visit()))
        for one in work:
            await one
        mischief.cancel()
        self.disk.mend()
        await self._recover(house)
        await office.close()
        if self._dice.random() < 0.8 or self._last:
            await house.close()
            self._all_answered()
        else:
            self.disk.die("idle")

    def _caller(self, name: str, house: House) -> Caller:
        return Caller(name, house, Random(f"{self._name}/{name}"))

    async def _mischief(self) -> None:
        """Bad spells of the disk, and a wall clock that is set back and forth."""
        dice, faults = self._dice, self.disk.faults
        while True:
            await asyncio.sleep(dice.expovariate(1 / 0.3))
            self._clock.ahead += timedelta(seconds=dice.choice([0, -3600, 3600, 86_400, -0.5]))
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

    async def _recover(self, house: House) -> None:
        waited = 0.0
        while house.actor.fault is not None or not house.ready:
            if waited > RECOVERED_WITHIN:
                raise Violation("the disk is whole again, and readiness is not")
            await asyncio.sleep(0.5)
            waited += 0.5

    def _all_answered(self) -> None:
        for intent in self._ledger.intents:
            if intent.life == self._ledger.life and intent.outcome == "open":
                self._ledger.complain(f"turn {intent.number} of {intent.caller} was never answered")


def simulate(seed: int, *, lines: bool = False) -> Run:
    """Play one seed from its first life to its last."""
    ledger = Ledger(lines=[] if lines else None)
    violation, deaths = None, 0
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_fast_folder()) as folder, _quiet():
        folders = Path(folder)
        (folders / "0").mkdir()
        now = 0.0
        try:
            for number in range(LIVES):
                life = Life(seed, number, ledger, folders, now)
                if life.live():
                    copy(folders / str(number), folders / str(number + 1))
                else:
                    deaths += 1
                now = life.loop.time() + 1
                copy(folders / str(number + 1), folders / f"seen-{number}")
                inspect(folders / f"seen-{number}" / DATABASE, ledger)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the seed that did it must be named
            violation = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
    return Run(
        seed, ledger.trace(), violation, ledger.lines, len(ledger.intents), len(ledger.injected), deaths
    )


class _quiet:  # noqa: N801 - it reads as a word in a with statement
    """Say nothing of what the house logs: faults are its daily bread here."""

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(processors=[_drop])

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._before)


def _drop(_logger: object, _name: str, _event: object) -> NoReturn:
    raise structlog.DropEvent


def _fast_folder() -> str | None:
    """Return memory that looks like a disk, where there is one: here a real fsync only costs time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> None:
    """Run many seeds, and say how far it is."""
    words = argparse.ArgumentParser(description="Run seeds of the simulation.")
    words.add_argument("--seeds", type=int, default=200)
    words.add_argument("--from", type=int, default=0, dest="first")
    asked = words.parse_args()
    failed, turns, began = [], 0, time.monotonic()
    for seed in range(asked.first, asked.first + asked.seeds):
        run = simulate(seed)
        turns += run.turns
        if run.violation is not None:
            failed.append(run)
            print(f"\n{run.report}", flush=True)
        done = seed - asked.first + 1
        rate = done / (time.monotonic() - began)
        print(
            f"\r{done:,} of {asked.seeds:,} seeds, {turns:,} turns, {len(failed)} failed, {rate:.1f}/s ",
            end="",
        )
    print()
    if asked.seeds == 1 and failed:
        print("\n".join(simulate(asked.first, lines=True).lines or []))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
