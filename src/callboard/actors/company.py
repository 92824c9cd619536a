"""The company: everything that makes bots talk, put together over a store and a journal.

company = Company(store, journal, writer, clock=clock, ids=ids, message_bytes=256 << 10, grace=10)
await company.join(root, timers)        # the board is read; the calendar and the bots' supervisor start
await company.engage(Desk, shape)       # declared, subscribed, scheduled, and its actor started
"""

from __future__ import annotations

import random
from collections.abc import Callable

from callboard.actors.asking import Services
from callboard.actors.board import Board
from callboard.actors.bot import BotActor, schedules
from callboard.actors.bus import Bus
from callboard.actors.calendar import Calendar
from callboard.actors.children import Child, Describe, Request, StartChild
from callboard.actors.journal import Journal, JournalActor
from callboard.actors.runtime import Ref
from callboard.actors.supervisor import Supervisor
from callboard.actors.timers import CancelTimer, DescribeTimers, SetTimer
from callboard.bot import Bot, Shape
from callboard.clock import Clock
from callboard.errors import MemoryUnreadable
from callboard.ids import Ids
from callboard.store import Store, Timer

TimersRef = Ref[SetTimer | CancelTimer | DescribeTimers]


class Company:
    """The board, the bus, the calendar, and the supervisor of bots."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        writer: JournalActor,
        *,
        clock: Clock,
        ids: Ids,
        message_bytes: int,
        grace: float,
        chance: Callable[[], random.Random] = random.Random,
    ) -> None:
        self.board = Board()
        self._store = store
        self._writer = writer
        self._chance = chance
        self._timers: TimersRef | None = None
        self.services = Services(store, journal, self.board, clock, ids, message_bytes, self._arm)
        self.bus = Bus(self.services)
        self.calendar = Calendar(self.services, self.set_timer)
        self._grace = grace

    async def join(self, root: Ref[Request], timers: TimersRef) -> None:
        """Take up work under a supervisor that runs the journal and the timers.

        The board is read, and from here on the journal tells it of every turn.
        """
        await root.ask(Describe())
        self._timers = timers
        await self.board.load(self._store)
        self._writer.on_committed = self.board.committed
        await root.ask(StartChild(self._calendar_child()))
        await root.ask(StartChild(self._bots_child()))

    def _arm(self, timer: Timer) -> None:
        self.calendar.arm(timer)

    def set_timer(self, timer: SetTimer | CancelTimer) -> None:
        """Hand a timer to the one heap."""
        if self._timers is not None and self._timers.is_alive():
            self._timers.tell(timer)

    def _calendar_child(self) -> Child:
        """Return the calendar, to be kept alive."""
        return Child("calendar", lambda: self.calendar, vital=True)

    def _bots_child(self) -> Child:
        """Return the supervisor of bots, to be kept alive."""
        supervisor = Supervisor(
            name="bots",
            clock=self.services.clock,
            grace=self._grace,
            together=True,
            unfit=(MemoryUnreadable,),
        )
        self.bus.supervisor = supervisor
        return Child("bots", lambda: supervisor, vital=True)

    async def engage(self, cls: type[Bot], shape: Shape) -> None:
        """Put a python bot on the board and start its actor."""
        patterns = dict.fromkeys(cls.subscribes, cls.hears_itself)
        line = await self.bus.declare(shape.name, "python", shape.description, patterns)
        await self.calendar.reconcile(line.name, schedules(shape))

        def make() -> BotActor:
            return BotActor(cls, shape, line, self.services, set_timer=self.set_timer, chance=self._chance())

        if self.bus.supervisor is not None:
            self.bus.supervisor.start_child(Child(shape.name, make))
