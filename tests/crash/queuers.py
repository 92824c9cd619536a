"""Runs that share a concurrency key, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.queuers DATABASE [WHEN NUMBER]`, as `waiters.py` is. Some wait for each other in
a queue, some replace each other. In each life the same runs are wanted, under their request ids; it works
until all have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import structlog

from callboard.clock import SystemClock
from callboard.errors import Conflict
from callboard.run import commands
from callboard.store.runrows import RunQuery
from callboard.stores.sqlite import SqliteStore
from tests.crash.waiters import Dying
from tests.unit.runs.house import ANN, House, house

QUEUE = """
name: queue
concurrency: {key: "{{ trigger }}", limit: 1}
steps:
  - {id: pause, uses: core.delay, with: {for: 1ms}}
"""
REPLACE = """
name: replace
concurrency: {key: "{{ trigger }}", limit: 1, on_limit: replace}
steps:
  - {id: wait, uses: wait.signal, with: {signal: go}}
"""
MANY = 3


async def live(store: SqliteStore, database: Path) -> None:
    """Want the runs, until all of them have ended."""
    async with house(database, QUEUE, REPLACE, clock=SystemClock(), store=store) as here:
        last = ""
        for number in range(MANY):
            await here.start("queue", "one", request=f"queue-{number}")
            last = (await here.start("replace", "one", request=f"replace-{number}")).run
        while any(row.ended_at is None for row in await here.store.runs(RunQuery())):
            await _let_go(here, last)
            await asyncio.sleep(0.002)


async def _let_go(here: House, run: str) -> None:
    if await here.status(run) == "running":
        with contextlib.suppress(Conflict):  # it has ended by now
            await here.runs.do(run, commands.Give("go"), principal=ANN)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, number = sys.argv[2:] or ("", "0")
    file = Path(sys.argv[1])
    asyncio.run(live(Dying(file, when, int(number)), file))
