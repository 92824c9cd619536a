"""Triggers fire, by time, message and end of run, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.firers DATABASE [WHEN POINT NUMBER]`: WHEN is `before` or `after` the NUMBER-th
commit that is named POINT. Otherwise it works until enough has been fired. Each commit that was made is a
line on standard output: its name, which says what its turns hold.

Time is virtual and begins anew in each life, so a schedule waits for the time that its row says, in each. The
same messages are said in each life, under the same keys.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from callboard.facts.triggering import KIND
from callboard.messages import To
from callboard.store.changes import KeepTimer
from callboard.store.port import Outcome
from callboard.store.turn import NewEvents, NewMessage, Turn
from callboard.stores.sqlite import SqliteStore
from callboard.stores.sqlite.connection import inline
from callboard.testing.clock import START, JumpClock
from tests.unit.triggers.house import House, house

TICKS = 3
MESSAGES = 3
WORKFLOWS = (
    "name: tick\non: [{schedule: {every: 1h}, missed: all}]\nsteps: [{id: a, uses: core.echo}]\n",
    "name: heard\non: [{message: {channel: in}, if: trigger.n != 1}]\nsteps: [{id: a, uses: core.echo}]\n",
    "name: after\non: [{run: {workflow: heard, status: any}}]\nsteps: [{id: a, uses: core.echo}]\n",
)


def point_of(turns: Sequence[Turn]) -> str:
    """Return what a commit holds, in words that are the same in each life."""
    held: dict[str, None] = {}
    for entry in (entry for turn in turns for entry in turn.entries):
        if isinstance(entry, NewEvents):
            held |= {new.type.name: None for new in entry.events}
        elif isinstance(entry, NewMessage):
            held["message"] = None
        elif isinstance(entry, KeepTimer) and entry.kind == KIND:
            held["timer"] = None
    return "+".join(held) or "rows"


class Dying(SqliteStore):
    """A store whose process ends before or after one commit."""

    def __init__(self, database: Path, clock: JumpClock, when: str, point: str, number: int) -> None:
        super().__init__(database, clock=clock, connect=inline)
        self._when = when
        self._point = point
        self._left = number

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        point = point_of(turns)
        self._left -= point == self._point
        ends = point == self._point and self._left == 0
        if ends and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = await super().commit(turns)
        if ends:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(1, f"{point}\n".encode())
        return outcomes


async def live(database: Path, when: str = "", point: str = "", number: int = 0, late: int = 0) -> None:
    """Have all fire; `late` is how many hours later than the first life this one begins."""
    clock = JumpClock()
    clock.set_wall(START + timedelta(hours=late))
    store = Dying(database, clock, when, point, number)
    async with house(database, clock=clock, store=store) as h:
        for text in WORKFLOWS:
            await h.publish(text)
        for n in range(MESSAGES):
            await h.stage.bus.send(
                sender="local", to=To.channel("in"), type="note", json=f'{{"n":{n}}}', key=f"note {n}"
            )
        await h.until(lambda: _done(h))


async def _done(h: House) -> bool:
    ended = dict.fromkeys(("tick", "heard", "after"), 0)
    for run in await h.all_runs():
        ended[run.workflow] += run.status == "completed"
    return ended["tick"] >= TICKS and ended["heard"] >= MESSAGES - 1 and ended["after"] >= MESSAGES - 1


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, point, number = sys.argv[2:] or ("", "", "0")
    asyncio.run(live(Path(sys.argv[1]), when, point, int(number)))
