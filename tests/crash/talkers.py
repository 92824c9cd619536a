"""Bots that talk in a process that dies at a commit of its own choice.

Run as `python talkers.py DATABASE [WHEN POINT NUMBER]`: WHEN is `before` or `after`, and POINT a name that
`point_of` gives to a turn by what it holds. The process kills itself before or after the commit that holds
the NUMBER-th turn of that name; otherwise it works until its bots have nothing left to do. Each turn's name
goes to standard output on a line of its own once it is on disk.

In each life it sends the same numbers under the same keys, as somebody does who was not told what became of
the first try. What each bot did stands in its memory, in the messages and in the cursors: the test compares.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import structlog

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.bot import Bot, Memory, Turn, on, shape_of
from callboard.clock import SystemClock
from callboard.company.company import Company
from callboard.facts.membership import BotDeclared
from callboard.ids import BotName, SystemIds
from callboard.messages import Body, To
from callboard.store.changes import CloseWait, KeepKey, OpenWait, RecordDelivery, SaveMemory, SettleAnswer
from callboard.store.port import Outcome
from callboard.store.turn import NewEvents, NewMessage
from callboard.store.turn import Turn as JournalTurn
from callboard.stores.sqlite import SqliteStore

NUMBERS = (3, 4)


class Number(Body):
    value: int


class Double(Body):
    value: int


class Seen(Memory):
    values: list[int] = []  # noqa: RUF012 - msgspec copies it for each struct


class Front(Bot):
    """Reads its memory, sends to a bot and to a channel, asks another bot, and answers."""

    memory: Seen

    @on(Number)
    async def take(self, number: Number, turn: Turn) -> Double:
        total = sum(self.memory.values) + number.value
        self.memory.values.append(number.value)
        turn.send("left", Number(total))
        turn.publish("totals", Number(total))
        return await turn.ask("adder", number, Double)


class Adder(Bot):
    memory: Seen

    @on(Number)
    async def add(self, number: Number, turn: Turn) -> Double:
        self.memory.values.append(number.value)
        return Double(number.value * 2)


class Left(Bot):
    memory: Seen

    @on(Number)
    async def keep(self, number: Number, turn: Turn) -> None:
        self.memory.values.append(number.value)


class Right(Left):
    subscribes: ClassVar[Sequence[str]] = ("totals",)


BOTS: tuple[type[Bot], ...] = (Front, Adder, Left, Right)


def point_of(turn: JournalTurn) -> str:
    """Return who hands a turn in and what it holds, in words that are the same in each life."""
    held: dict[str, None] = {}
    for entry in turn.entries:
        if isinstance(entry, NewMessage):
            held["question" if entry.asks else "message"] = None
        elif isinstance(entry, NewEvents):
            held |= {
                "declare" if isinstance(new.fact, BotDeclared) else new.type.name: None
                for new in entry.events
            }
        elif isinstance(entry, OpenWait | CloseWait):
            held["wait" if isinstance(entry, OpenWait) else "waited"] = None
        elif isinstance(entry, SettleAnswer):
            held["answer"] = None
        elif isinstance(entry, RecordDelivery):
            held[entry.outcome] = None
        elif isinstance(entry, SaveMemory):
            held["memory"] = None
        elif isinstance(entry, KeepKey):
            held["key"] = None
    return f"{turn.principal}:{'+'.join(held)}"


class Dying(SqliteStore):
    """A store whose process ends before or after one commit."""

    def __init__(self, database: Path, when: str = "", point: str = "", number: int = 0) -> None:
        super().__init__(database)
        self._when = when
        self._point = point
        self._number = number
        self._seen: Counter[str] = Counter()

    async def commit(self, turns: Sequence[JournalTurn]) -> list[Outcome]:
        points = [point_of(turn) for turn in turns]
        before = self._seen[self._point]
        self._seen.update(points)
        ends = before < self._number <= self._seen[self._point]
        if ends and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = await super().commit(turns)
        if ends:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(1, "".join(f"{point}\n" for point in points).encode())
        return outcomes


async def talk(store: SqliteStore) -> None:
    """Open the house, say the numbers, and end when nobody has anything left to do."""
    clock = SystemClock()
    await store.open()
    writer, timers = JournalActor(store), Timers(clock=clock)
    journal = Journal(writer.actor_ref, clock=clock)
    company = Company(
        *(store, journal, writer), clock=clock, ids=SystemIds(), message_bytes=256 << 10, grace=1.0
    )
    children = [Child("journal", lambda: writer, vital=True), Child("timers", lambda: timers, vital=True)]
    root = Supervisor(children, name="supervisor", grace=5.0).launch()
    await company.join(root, timers.actor_ref)
    for bot in BOTS:
        await company.engage(bot, shape_of(bot))
    for number in NUMBERS:
        body = f'{{"value":{number}}}'
        await company.bus.send(
            sender="local", to=To.bot("front"), type="number", json=body, key=f"number {number}"
        )
    names = [BotName(shape_of(bot).name) for bot in BOTS]
    while [name for name in names if await store.waiting(name, 1)]:
        await asyncio.sleep(0.002)
    await root.aclose()
    await store.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, point, number = sys.argv[2:] or ("", "", "0")
    asyncio.run(talk(Dying(Path(sys.argv[1]), when, point, int(number))))
