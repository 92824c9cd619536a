"""A bot that is far behind: memory stays flat, others notice nothing, and all is handled in order at last."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import time
from pathlib import Path
from typing import ClassVar

from callboard.authoring.bot import Bot, Turn, on
from callboard.ids import BotName
from callboard.messages import Body, To
from tests.proof import scaled
from tests.unit.company.stage import Stage, stage

WAITING = 10_000
"""PROOF=10 makes it the 100,000 that is promised."""

MEBIBYTE = 1 << 20


class Number(Body):
    n: int


class Slow(Bot):
    """Holds the first message until it is let go."""

    timeout = "1h"
    free: ClassVar[asyncio.Event]
    handled: ClassVar[list[int]] = []

    @on(Number)
    async def take(self, number: Number, turn: Turn) -> None:
        await Slow.free.wait()
        Slow.handled.append(number.n)


class Quick(Bot):
    @on(Number)
    async def answer(self, number: Number, turn: Turn) -> Number:
        return number


def resident() -> int:
    """Return how many bytes of memory this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def latency(here: Stage, probe: Path) -> float:
    """Return how long the other bot takes to answer, in turns of the disk: the best of three series.

    The disk has moods, above all where others use it too. So each try is measured against a write of nobody's
    that reaches the disk just after it, and a series in a bad mood does not count.
    """
    return min([await _series(here, probe) for _ in range(3)])


async def _series(here: Stage, probe: Path) -> float:
    """Return the middle of many tries."""
    taken = []
    with probe.open("ab", buffering=0) as file:
        for n in range(100):
            began = time.perf_counter()
            json = f'{{"n":{n}}}'
            await here.bus.ask(sender="local", to=To.bot("quick"), type="number", json=json, seconds=30)
            answered = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append((answered - began) / (time.perf_counter() - answered))
    return statistics.median(taken)


async def flood(here: Stage, first: int, last: int) -> None:
    for begin in range(first, last, 250):
        numbers = range(begin, min(begin + 250, last))
        await asyncio.gather(*(here.send("slow", Number(n)) for n in numbers))


async def test_memory_and_other_bots_do_not_feel_how_far_behind_a_bot_is(tmp_path: Path) -> None:
    Slow.free = asyncio.Event()
    Slow.handled.clear()
    count = scaled(WAITING)
    async with stage(tmp_path / "callboard.db", Slow, Quick) as here:
        await flood(here, 0, 1_000)  # its mailbox is full, and every buffer has its size
        alone, before = await latency(here, tmp_path / "probe"), resident()
        await flood(here, 1_000, count)
        behind, grown = await latency(here, tmp_path / "probe"), resident() - before
        assert await here.store.waiting(BotName("slow"), count + 1) == count
        mailbox = here.company.board.bots["slow"].ref
        assert mailbox is not None
        assert len(mailbox.actor_inbox) <= Slow.mailbox
        # 32 MiB of it may be SQLite's page cache, which fills in any long run and grows no further.
        assert grown < 50 * MEBIBYTE, f"{grown / MEBIBYTE:.1f} MiB more"
        assert behind < 3 * alone, f"{behind:.2f} instead of {alone:.2f}"
        Slow.free.set()
        await flood(here, count, count + 1_000)  # while it works through what waits: there is room again
        await here.until(lambda: len(Slow.handled) >= count + 1_000)
        await here.quiet("slow")
        assert Slow.handled == list(range(count + 1_000))
        assert resident() - before < 50 * MEBIBYTE
