"""How cost grows with what is in the file: a hundred, a thousand, ten thousand, a hundred thousand.

    growth.runs        runs of ten steps, as of steps.runs_100
    growth.messages    messages, as of messages.pairs_100

At each mark the house is taken down in order, the file is looked at, and the house is opened again on it. So
a row tells how fast those since the mark before were, how large the file is, how much memory the process
held, and how long opening took. It takes minutes and a gigabyte, so it is measured only where it is named.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from callboard.bench import messages, steps
from callboard.bench.house import collecting_as_served, house, running_house
from callboard.bench.report import Grown

MARKS = (100, 1_000, 10_000, 100_000)
STATM = Path("/proc/self/statm")

Add = Callable[[int], Awaitable[float]]
"""Adds so many; returns the seconds it took."""


@asynccontextmanager
async def _runs(file: Path) -> AsyncIterator[Add]:
    crowd = steps.CROWDS["runs_100"]
    store = steps.StepsStore(file, keeps=0)
    async with running_house(store, [steps.flow(crowd)], steps.ACTIONS) as runs:

        async def add(number: int) -> float:
            return await steps.run_many(runs, store, crowd, number)

        yield add


@asynccontextmanager
async def _messages(file: Path) -> AsyncIterator[Add]:
    exchange = messages.EXCHANGES["pairs_100"]
    store = messages.WatchedStore(file, keeps=0)
    async with house(store) as parts:
        await messages.cast(parts.company, exchange)

        async def add(number: int) -> float:
            return await messages.send_many(parts.company, store, exchange, number)

        yield add


GROWING: dict[str, Callable[[Path], AbstractAsyncContextManager[Add]]] = {
    "runs": _runs,
    "messages": _messages,
}


async def measure(folder: Path, what: str, progress: Callable[[str], None]) -> list[Grown]:
    """Let one file grow from mark to mark."""
    file, open_, there = folder / "growth.db", GROWING[what], 0
    found = []
    for mark in MARKS:
        progress(f"growth.{what}: up to {mark:,}")
        async with open_(file) as add:
            with collecting_as_served():
                took = await add(mark - there)
            memory = memory_bytes()
        size = file.stat().st_size
        began = time.perf_counter()
        async with open_(file):
            opened = time.perf_counter() - began
        per_s = round((mark - there) / took, 1)
        megabytes = None if memory is None else round(memory / 1e6, 1)
        found.append(Grown(mark, per_s, size, round(size / mark, 1), megabytes, round(opened * 1e3, 2)))
        there = mark
    return found


def memory_bytes() -> int | None:
    """Return how much of this process is in memory, where the system tells."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
