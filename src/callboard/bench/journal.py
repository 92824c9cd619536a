"""Through the house: callers that each hand a turn to the journal and wait for its receipt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from callboard.actors.journal import Journal, JournalActor
from callboard.bench.report import Round
from callboard.bench.workload import fill
from callboard.clock import SystemClock
from callboard.ids import BotName
from callboard.store.port import Outcome
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore


class CountedStore(SqliteStore):
    """Notes how many turns each transaction held, for the raw limit to do the same."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.batches: list[int] = []

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        self.batches.append(len(turns))
        return await super().commit(turns)


async def measure(folder: Path, callers: int, seconds: float) -> Round:
    """Keep so many callers busy for a while on a new file."""
    store = CountedStore(folder / "journal.db")
    await store.open()
    ref = JournalActor(store).launch()
    journal = Journal(ref, clock=SystemClock())
    latencies: list[float] = []
    try:
        began = time.perf_counter()
        until = began + seconds

        async def caller(number: int) -> None:
            bot = BotName(f"bot-{number}")
            now = time.perf_counter()
            while now < until or not latencies:  # at least one, on a machine that has no time
                await journal.commit(fill(journal.turn(), bot))
                after = time.perf_counter()
                latencies.append(after - now)
                now = after

        await asyncio.gather(*(caller(number) for number in range(callers)))
        took = time.perf_counter() - began
    finally:
        await ref.aclose()
        await store.close()
    return Round(len(latencies) / took, latencies, store.batches)
