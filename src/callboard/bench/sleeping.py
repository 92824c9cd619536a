"""What runs cost that wait: a file with so many asleep, and one with none, each opened by its own process.

Run as `python -m callboard.bench.sleeping fill FILE RUNS`, which starts runs that wait for a signal that
nobody sends, until all of them sleep on disk; and as `… idle FILE SECONDS`, which puts the house together on
such a file, leaves it alone for a while, and prints how long opening took, what the process holds, and how
much processor it used while nothing happened.

What a run costs is the difference between the two files, by their number: an interpreter with the house in it
weighs more than ten thousand runs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path

import msgspec

from callboard import logs
from callboard.app import new_loop
from callboard.bench.growth import memory_bytes
from callboard.bench.house import collecting_as_served, running_house
from callboard.bench.steps import BENCH
from callboard.stores.sqlite import SqliteStore

ASLEEP = 10_000
"""How many runs wait."""
NAME = "bench-asleep"
AT_ONCE = 200
"""Runs that are being started at the same time."""
PATIENCE = 600.0
SETTLES = 0.3
"""Seconds after which nothing of the opening is under way any more."""


class Idle(msgspec.Struct):
    """What one process said of one file."""

    open_s: float
    """From opening the file until the house is ready."""
    memory_bytes: int | None
    """What the process held after; nothing where the system does not tell."""
    processor: float
    """Which part of one core it used while nothing happened."""


def flow() -> str:
    """Return the workflow: one step, which waits."""
    step = {"id": "wait", "uses": "wait.signal", "with": {"signal": "go"}}
    return msgspec.json.encode({"name": NAME, "steps": [step]}).decode()


async def fill(file: Path, number: int) -> None:
    """Start so many runs; return when all of them sleep on disk."""
    numbers = count()
    async with running_house(SqliteStore(file), [flow()]) as runs:

        async def lane() -> None:
            while (mine := next(numbers)) < number:
                await runs.start_run(NAME, {"number": mine}, principal=BENCH)

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


async def idle(file: Path, seconds: float) -> Idle:
    """Open a file, and do nothing."""
    began = time.perf_counter()
    with collecting_as_served():
        async with running_house(SqliteStore(file)):
            opened = time.perf_counter() - began
            await asyncio.sleep(SETTLES)
            used, since = time.process_time(), time.perf_counter()
            await asyncio.sleep(seconds)
            processor = (time.process_time() - used) / (time.perf_counter() - since)
            return Idle(opened, memory_bytes(), processor)


def prepare(file: Path, number: int) -> None:
    """Have a process put so many runs to sleep in a file, and see that they are there."""
    say("fill", file, number)
    must_sleep(file, number)


def must_sleep(file: Path, number: int) -> None:
    """See that so many runs sleep in a file: one in which they have ended would be no figure."""
    with closing(sqlite3.connect(file)) as db:
        (asleep,) = db.execute("SELECT count(*) FROM waits").fetchone()
    if asleep != number:
        raise RuntimeError(f"{asleep:,} of {number:,} runs are asleep.")


def say(*words: object) -> bytes:
    """Run this file as a program, and return what it prints."""
    command = [sys.executable, "-m", "callboard.bench.sleeping", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)  # noqa: S603 - this package's own
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"The process that was to have runs asleep ended with {done.returncode}: {said}")
    return done.stdout


def measure(file: Path, seconds: float) -> Idle:
    """Have a new process open a file, and return what it says."""
    return msgspec.json.decode(say("idle", file, seconds), type=Idle)


def main(word: str, file: Path, number: float) -> None:
    """Carry out one of the two words."""
    logs.configure("warning")
    with asyncio.Runner(loop_factory=new_loop) as runner:
        if word == "fill":
            runner.run(fill(file, int(number)))
            return
        sys.stdout.write(msgspec.json.encode(runner.run(idle(file, number))).decode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
