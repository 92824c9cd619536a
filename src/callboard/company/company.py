"""The company: everything that makes bots talk, put together over a store and a journal.

company = Company(store, journal, writer, clock=clock, ids=ids, message_bytes=256 << 10, grace=10)
await company.join(root, timers)        # the board is read; the calendar and the bots' supervisor start
await company.engage(Desk, shape)       # declared, subscribed, scheduled, and its actor started
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from callboard.actors.children import Child, Describe, Request, StartChild
from callboard.actors.journal import Journal, JournalActor
from callboard.actors.runtime import Ref
from callboard.actors.supervisor import Supervisor
from callboard.actors.timers import CancelTimer, DescribeTimers, SetTimer
from callboard.authoring.bot import Bot, Shape
from callboard.authoring.terms import Terms, terms_of
from callboard.clock import Clock
from callboard.company.asking import Services
from callboard.company.board import Board
from callboard.company.bot import BotActor, schedules
from callboard.company.bus import Bus
from callboard.company.calendar import Calendar
from callboard.company.guard import Alert
from callboard.company.pace import Pace
from callboard.errors import MemoryUnreadable
from callboard.ids import Ids
from callboard.store.boardrows import Timer
from callboard.store.port import Store

TimersRef = Ref[SetTimer | CancelTimer | DescribeTimers]


class Company:
    """The board, the bus, the calendar, and the supervisor of bots."""

    def __init__(  # noqa: PLR0913 - each is a choice of whoever puts the house together
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
        unclean: bool = False,
        pair_rate: int = 0,
    ) -> None:
        self.board = Board()
        self._store = store
        self._writer = writer
        self._chance = chance
        self._timers: TimersRef | None = None
        self.services = Services(
            *(store, journal, self.board, clock, ids, message_bytes, self._arm),
            Alert(unclean=unclean),
            Pace(clock, pair_rate),
        )
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
        await self.bus.finish_removals()
        if self.bus.supervisor is not None:
            self.bus.guests.open(self.bus.supervisor)

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

    async def expire(self, after: float | None) -> None:
        """Give up what has waited for so many seconds for a bot that is absent or behind; None is never."""
        if after is not None:
            await self.bus.expire(self.services.clock.now() - timedelta(seconds=after))

    async def engage(
        self, cls: type[Bot], shape: Shape, terms: Terms | None = None, *, kind: str = "python"
    ) -> None:
        """Put a bot on the board and start its actor; without terms, on those of its class."""
        terms = terms or terms_of(cls, shape)
        patterns = dict.fromkeys(terms.subscribes, terms.hears_itself)
        line = await self.bus.declare(shape.name, kind, terms.description, patterns)
        line.schedules = schedules(shape)
        line.handles = tuple(sorted(shape.handlers.keys() - line.schedules))
        await self.calendar.reconcile(line.name, line.schedules)

        def make() -> BotActor:
            return BotActor(
                *(cls, shape, line, self.services),
                terms=terms,
                set_timer=self.set_timer,
                chance=self._chance(),
            )

        if self.bus.supervisor is not None:
            self.bus.supervisor.start_child(Child(shape.name, make))

    async def dismiss(self, name: str) -> None:
        """End the actor of a bot, if it has one: the bot stays on the board, and its messages wait."""
        supervisor = self.bus.supervisor
        if supervisor is not None and any(child.name == name for child in supervisor.status()):
            await supervisor.stop_child(name)
