"""The theatre of one life: store, journal, timers and a company, put together as the app does it."""

from __future__ import annotations

import itertools
from random import Random

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child
from callboard.actors.journal import Journal, JournalActor
from callboard.authoring.bot import Bot, shape_of
from callboard.company.bus import Bus
from callboard.company.company import Company
from callboard.ids import LogId
from callboard.store.turn import Limits
from callboard.stores.sqlite import SqliteStore
from tests.simulation.disk import DATABASE, Disk
from tests.simulation.witness import Witness
from tests.simulation.world import SeededIds, SimulatedClock, SimulatedLoop

LIMITS = Limits(facts=400)
GRACE = 2.0


class Theatre:
    """What operators and the life of a seed speak to."""

    def __init__(
        self,
        disk: Disk,
        loop: SimulatedLoop,
        clock: SimulatedClock,
        witness: Witness,
        dice: Random,
        *,
        unclean: bool,
    ) -> None:
        self.disk = disk
        self.loop = loop
        self.clock = clock
        self.witness = witness
        ids = SeededIds(Random(dice.random()))
        self.store = SqliteStore(
            disk.folder / DATABASE,
            connect=disk.connect,
            clock=clock,
            new_log_id=lambda: LogId("simulated"),
        )
        queue, batch = dice.choice([(3, 2), (10_000, 1_000), (10_000, 1_000), (50, 7)])
        self.writer = JournalActor(self.store, queue=queue, batch=batch, clock=clock)
        self._timers = Timers(clock=clock)
        self.journal = Journal(self.writer.actor_ref, clock=clock, ids=ids, limits=LIMITS)
        chances = itertools.count(dice.randrange(1_000))
        self.company = Company(
            *(self.store, self.journal, self.writer),
            clock=clock,
            ids=ids,
            message_bytes=256 << 10,
            grace=GRACE,
            chance=lambda: Random(next(chances)),
            unclean=unclean,
        )

    @property
    def bus(self) -> Bus:
        return self.company.bus

    async def open(self, bots: list[type[Bot]]) -> None:
        """Open the database, and let the bots begin."""
        await self.store.open()
        children = [
            Child("journal", lambda: self.writer, vital=True),
            Child("timers", lambda: self._timers, vital=True),
        ]
        self._root = Supervisor(
            children, name="supervisor", clock=self.clock, grace=5.0, on_vital_death=self._vital_death
        ).launch()
        await self.company.join(self._root, self._timers.actor_ref)
        for bot in bots:
            await self.company.engage(bot, shape_of(bot))

    async def close(self) -> None:
        """End in good order."""
        await self._root.aclose()
        await self.store.close()

    def _vital_death(self, name: str, error: BaseException | None) -> None:
        self.witness.ledger.complain(f"{name} ended by itself: {error!r}")

    def crowded(self) -> list[str]:
        """Say which mailboxes hold more than they may; beside its messages a bot may be told to look."""
        found = []
        for line in self.bus.board.bots.values():
            box = line.ref.actor_inbox if line.ref is not None else None
            if box is not None and len(box) > box.capacity + 2:
                found.append(f"{line.name} holds {len(box)} in a mailbox of {box.capacity}")
        return found
