"""Runs that sleep, and runs that were cut off: made, and taken up again, each in a process of its own.

    python -m tests.e2e.sleepers fill DATABASE SLEEP DUE SECONDS  # runs that sleep, DUE of them for SECONDS
    python -m tests.e2e.sleepers cut DATABASE COUNT    # runs in the middle of an attempt, and dies
    python -m tests.e2e.sleepers take DATABASE COUNT   # takes up, until COUNT attempts were made

All runs are started as a user starts them, many at once, so that the journal commits them in large batches.
`take` prints what it cost: seconds until the house is open and until everything is taken up, the largest
number of actors meanwhile, bytes of memory, which runs were read from the log, and how often each worked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog

from callboard.clock import SystemClock
from callboard.ids import StreamId, Version
from callboard.planning.step import Action, action, marked, this_attempt
from callboard.store.boardrows import Event
from callboard.stores.sqlite import SqliteStore
from tests.unit.runs.house import House, house

AT_ONCE = 1_000
DELAYED = """
name: delayed
steps:
  - {id: a, uses: core.delay, with: {until: "{{ trigger }}"}}
  - {id: b, uses: python, with: {action: work}}
"""
ASKED = """
name: asked
steps:
  - {id: a, uses: approval, with: {approvers: [ann], expires: 30d}}
  - {id: b, uses: python, with: {action: work}}
"""
CUT = """
name: cut
steps:
  - {id: a, uses: python, with: {action: work}}
"""
TEXTS = (DELAYED, ASKED, CUT)


class Nothing(msgspec.Struct):
    """What the action takes."""


class Reading(SqliteStore):
    """A store that knows which streams were read."""

    def __init__(self, database: Path) -> None:
        super().__init__(database)
        self.read: Counter[str] = Counter()

    async def events(self, stream: StreamId, after: Version, limit: int, **more: Any) -> list[Event]:
        self.read[stream] += 1
        return await super().events(stream, after, limit, **more)

    async def snapshot(self, stream: StreamId, **more: Any) -> Any:
        self.read[stream] += 1
        return await super().snapshot(stream, **more)


def actions(worked: Counter[str], *, stays: bool) -> dict[str, Action]:
    @action("work")
    async def work(_: Nothing) -> None:
        worked[this_attempt().run] += 1
        if stays:
            await asyncio.Event().wait()

    found = marked(work)
    assert found is not None
    return {"work": found}


async def many(here: House, workflow: str, count: int, trigger: object = None) -> None:
    for begin in range(0, count, AT_ONCE):
        await asyncio.gather(
            *(here.start(workflow, trigger) for _ in range(begin, min(count, begin + AT_ONCE)))
        )


async def fill(database: Path, sleep: int, due: int, seconds: float) -> None:
    known = actions(Counter(), stays=False)
    async with house(database, *TEXTS, actions=known, clock=SystemClock()) as here:
        later = here.clock.now() + timedelta(days=30)
        await many(here, "delayed", (sleep - due) // 2, later.isoformat())
        await many(here, "asked", sleep - due - (sleep - due) // 2)
        await many(here, "delayed", due, (here.clock.now() + timedelta(seconds=seconds)).isoformat())
        await here.asleep()


async def cut(database: Path, count: int) -> None:
    worked: Counter[str] = Counter()
    known = actions(worked, stays=True)
    async with house(database, *TEXTS, actions=known, clock=SystemClock(), most=count) as here:
        await many(here, "cut", count)
        await here.stage.until(lambda: len(worked) == count)
        os._exit(9)


async def take(database: Path, count: int) -> None:
    worked: Counter[str] = Counter()
    store = Reading(database)
    began, base = time.perf_counter(), memory()
    async with house(
        database, *TEXTS, actions=actions(worked, stays=False), clock=SystemClock(), store=store
    ) as here:
        told: dict[str, Any] = {"open": time.perf_counter() - began}
        awake = 0

        async def taken_up() -> bool:
            nonlocal awake
            awake = max(awake, here.runs.awake)
            return not any(task.get_name() == "runs: errand" for task in asyncio.all_tasks())

        await here.stage.until(taken_up)
        told |= {"taken": time.perf_counter() - began, "awake": awake, "bytes": memory(), "base": base}
        told["early"] = sum(worked.values())
        await here.stage.until(lambda: len(worked) >= count)
        await here.asleep()
        told |= {"all": time.perf_counter() - began, "read": len(store.read), "runs": len(worked)}
        told |= {"most": max(worked.values(), default=0), "peak": memory("VmHWM")}
    sys.stdout.write(json.dumps(told) + "\n")


def memory(what: str = "VmRSS") -> int:
    """Return the bytes of memory that this process has now, or had at most."""
    return memory_of(os.getpid(), what)


def memory_of(process: int, what: str = "VmRSS") -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    word, file, *numbers = sys.argv[1:]
    work: dict[str, Any] = {"fill": fill, "cut": cut, "take": take}
    asyncio.run(work[word](Path(file), *(int(one) for one in numbers)))
