"""The season: lives of one database in which a company of bots plays; what is said there decides itself.

Not every bot is loaded in every life, and code may listen to something else the next time. In the last life
the disk is mended and the clock right, and all must come to rest: `review.py` says what is left to do.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from callboard.actors.children import State
from callboard.authoring.bot import Bot
from callboard.errors import CallboardError
from tests.simulation.disk import DATABASE
from tests.simulation.ledger import Ledger
from tests.simulation.life import Life
from tests.simulation.operators import CREW, Operator
from tests.simulation.record import damage, read
from tests.simulation.review import Review
from tests.simulation.theatre import Theatre
from tests.simulation.troupe import TROUPE, Eve, dressed
from tests.simulation.witness import Witness
from tests.simulation.world import Violation

RESTS_WITHIN = 1_200.0
"""Virtual seconds after which nothing may be left to do, once disk and clock are right."""

CODE = {
    "ada": ((), ("news.*",), ("news.sport", "ops")),
    "bob": (("news.sport",), ("news.sport", "ops"), ("**.arts",)),
    "cleo": ((), ("news.*",)),
    "dora": ((), ("ops",)),
    "eve": ((), ("ops",)),
}
"""What the code of each bot may listen to."""


class Season(Life):
    """One life of the house with its bots."""

    name = "bots"
    longest = 6_000.0

    def __init__(self, seed: int, number: int, ledger: Ledger, folders: Path, starts_at: float) -> None:
        super().__init__(seed, number, ledger, folders, starts_at)
        self.witness = Witness(ledger)
        self._was_clean = number == 0

    def inherit(self, before: Life) -> None:
        """Take over what was seen before; a life that ended by a death leaves doubts behind."""
        super().inherit(before)
        assert isinstance(before, Season)
        self.witness = before.witness
        self._was_clean = not before.loop.dead
        self.witness.deaths += before.loop.dead

    def inspect(self, database: Path) -> None:
        record = read(database)
        complaints = list(self.ledger.complaints)
        if record is not None:
            self.ledger.deaf = False
            self.ledger.note("log", record.digest())
            complaints += [*damage(database), *Review(record, self.witness).findings()]
        elif any(one.outcome == "acknowledged" for one in self.witness.said):
            complaints.append("the log is gone")
        if complaints:
            raise Violation("; ".join(complaints[:8]))

    async def days(self) -> None:
        theatre = Theatre(
            *(self.disk, self.loop, self.clock, self.witness, self.dice), unclean=not self._was_clean
        )
        await theatre.open(self._loaded())
        mischief = asyncio.create_task(self.mischief())
        usher = asyncio.create_task(self._watch(theatre))
        work = [
            asyncio.create_task(work(Operator(name, theatre, Random(f"{self.seed_name}/{name}"))))
            for name, work in CREW
        ]
        for one in work:
            await one
        mischief.cancel()
        self.disk.mend()
        await self.recover(lambda: theatre.writer.fault is None)
        if self.last:
            await self._come_to_rest(theatre)
        usher.cancel()
        if self.last or self.dice.random() < 0.7:
            await theatre.close()
        else:
            self.disk.die("idle")

    def _loaded(self) -> list[type[Bot]]:
        found = []
        for cls in TROUPE:
            habits: dict[str, object] = {"subscribes": self.dice.choice(CODE[cls.name])}
            if cls is Eve:
                habits["starts"] = [self.dice.random() < 0.7 for _ in range(4)]
            if self.last or self.dice.random() < 0.9:
                found.append(dressed(cls, self.witness, **habits))
        self.dice.shuffle(found)
        return found

    async def _watch(self, theatre: Theatre) -> None:
        """Look into the mailboxes every now and then."""
        while True:
            for fault in theatre.crowded():
                self.ledger.complain(fault)
            await asyncio.sleep(0.05)

    async def _come_to_rest(self, theatre: Theatre) -> None:
        """Set the clock right, start what was set aside, and wait until nothing is left to do."""
        self.clock.ahead = self.furthest_ahead
        until, pause = self.loop.time() + RESTS_WITHIN, 0.1
        while True:
            for child in theatre.bus.supervisor.status() if theatre.bus.supervisor else ():
                if child.state is State.QUARANTINED:
                    self.ledger.note("starts again", child.name)
                    await theatre.bus.restart(child.name)
            record = read(self.disk.folder / DATABASE)
            left = Review(record, self.witness).unrest() if record is not None else []
            if not left:
                break
            if self.loop.time() > until:
                self.ledger.complain(f"at the end: {', '.join(left[:4])}")
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)
        try:
            findings = await theatre.store.check(full=True)
        except CallboardError as error:
            self.ledger.complain(f"doctor cannot look: {error.message}")
            return
        for finding in findings:
            if not finding.ok:
                self.ledger.complain(f"doctor: {finding.name}: {finding.detail}")
