"""The runner: one seed, some lives of one database, an inspection after each; of three kinds.

make simulate SEEDS=1000 FROM=0       many seeds, with a line that says how far it is
make simulate SEEDS=1 FROM=17         seed 17 again, as it was, with its whole trace if it fails
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from tests.simulation.disk import DATABASE, copy
from tests.simulation.ground import Ground
from tests.simulation.ledger import Ledger
from tests.simulation.life import LIVES, Life
from tests.simulation.season import Season
from tests.simulation.tour import Tour
from tests.simulation.world import Violation

PLAYS: dict[str, type[Life]] = {one.name: one for one in (Ground, Season, Tour)}
"""What a seed is played as: each kind of life under its name."""


@dataclass(frozen=True)
class Run:
    """What became of a seed."""

    seed: int
    play: str
    trace: str
    violation: str | None
    lines: list[str] | None
    events: int
    """Things that were noted: turns asked for and answered, attempts, faults."""
    faults: int
    deaths: int

    @property
    def report(self) -> str:
        return (
            f"Seed {self.seed} ({self.play}): {self.violation}\n"
            f"Again: make simulate SEEDS=1 FROM={self.seed} ARGS='--play {self.play}'"
        )


def simulate(seed: int, play: str = Ground.name, *, lines: bool = False) -> Run:
    """Play one seed from its first life to its last."""
    ledger = Ledger(lines=[] if lines else None)
    violation, deaths = None, 0
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_fast_folder()) as folder, _quiet():
        folders = Path(folder)
        (folders / "0").mkdir()
        now, before = 0.0, None
        try:
            for number in range(LIVES):
                life = PLAYS[play](seed, number, ledger, folders, now)
                if before is not None:
                    life.inherit(before)
                if life.live():
                    copy(folders / str(number), folders / str(number + 1))
                else:
                    deaths += 1
                now, before = life.loop.time() + 1, life
                copy(folders / str(number + 1), folders / f"seen-{number}")
                life.inspect(folders / f"seen-{number}" / DATABASE)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the seed that did it must be named
            violation = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
    return Run(
        *(seed, play, ledger.trace(), violation, ledger.lines),
        *(ledger.count, len(ledger.injected), deaths),
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
    words.add_argument("--play", choices=PLAYS, action="append", help="only this; all without it")
    asked = words.parse_args()
    failed, events, began = [], 0, time.monotonic()
    for seed in range(asked.first, asked.first + asked.seeds):
        for play in asked.play or PLAYS:
            run = simulate(seed, play)
            events += run.events
            if run.violation is not None:
                failed.append(run)
                print(f"\n{run.report}", flush=True)
        done = seed - asked.first + 1
        rate = done / (time.monotonic() - began)
        print(
            f"\r{done:,} of {asked.seeds:,} seeds, {events:,} events, {len(failed)} failed, {rate:.1f}/s ",
            end="",
        )
    print()
    if asked.seeds == 1:
        for run in failed:
            print("\n".join(simulate(run.seed, run.play, lines=True).lines or []))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
