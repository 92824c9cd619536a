"""A process that begins runs and ends none of them: made to be killed, so that they are there to be taken up.

Run as `python -m callboard.bench.interrupted FILE RUNS`. It says `begun` when the attempts of all of them are
on disk and in flight, and waits.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

import msgspec

from callboard import logs
from callboard.app import new_loop
from callboard.bench.house import running_house
from callboard.bench.steps import BENCH, Number
from callboard.planning.step import action_of
from callboard.stores.sqlite import SqliteStore

NAME = "bench-interrupted"
AT_ONCE = 200
"""Runs that are being started at the same time."""


def flow() -> str:
    """Return the workflow: one step, which calls what each process knows under that name."""
    taken = {"action": "bench.go", "input": {"number": "{{ trigger.number }}", "text": "a short text"}}
    step = {"id": "go", "uses": "python", "with": taken}
    return msgspec.json.encode({"name": NAME, "steps": [step]}).decode()


async def begin(file: Path, number: int) -> None:
    """Start so many runs, say that they are in flight, and wait for ever."""
    flying, all_fly = count(1), asyncio.Event()

    async def hang(_: Number) -> Number:
        if next(flying) == number:
            all_fly.set()
        await asyncio.Event().wait()
        raise AssertionError

    store, numbers = SqliteStore(file), count()
    async with running_house(store, [flow()], {"bench.go": action_of("bench.go", hang)}, most=number) as runs:

        async def lane() -> None:
            while (mine := next(numbers)) < number:
                await runs.start_run(NAME, {"number": mine}, principal=BENCH)

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
        await all_fly.wait()
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    logs.configure("warning")
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(begin(Path(sys.argv[1]), int(sys.argv[2])))
