"""The tour: lives of one database in which workflows run, and are started, meddled with and cut off.

What is on is drawn from the seed, once for all lives; a later life may publish another version of it. In the
last life disk and clock are right, people answer whatever only they can, and every run must end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from callboard.errors import CallboardError
from callboard.ids import PrincipalId
from callboard.steps import here
from tests.simulation.critic import Critic
from tests.simulation.deeds import Deeds, jury
from tests.simulation.disk import DATABASE
from tests.simulation.ledger import Ledger
from tests.simulation.life import Life
from tests.simulation.playhouse import Playhouse
from tests.simulation.record import damage, read
from tests.simulation.scripts import Writer
from tests.simulation.stagehands import CREW, Left, finish, hand, left
from tests.simulation.witness import Witness
from tests.simulation.world import Violation

MOVES_WITHIN = 3_000.0
"""Virtual seconds within which a run must have ended, as long as there are any, disk and clock are right, and
people do their part. Hundreds may stand in one queue, so for all together there is only `longest`.
"""
LOOKS, BETWEEN_LOOKS = 4, 15.0
"""So often, and after so many virtual seconds each, there must be nothing left: triggers may still listen."""


class Tour(Life):
    """One life of the house with its workflows."""

    name = "runs"
    longest = 60_000.0

    def __init__(self, seed: int, number: int, ledger: Ledger, folders: Path, starts_at: float) -> None:
        super().__init__(seed, number, ledger, folders, starts_at)
        self.witness = Witness(ledger)
        self.deeds = Deeds(seed, ledger)
        self.scripts = Writer(seed, here(self.deeds.actions(None))).repertoire()
        self._hesitations: Counter[tuple[str, str]] = Counter()
        self._memory = folders / "memory"
        self._number = number
        self._was_clean = number == 0
        self._rested = False

    def inherit(self, before: Life) -> None:
        """Take over what was seen before; a life that ended by a death leaves doubts behind."""
        super().inherit(before)
        assert isinstance(before, Tour)
        self.witness, self.deeds = before.witness, before.deeds
        self._hesitations = before._hesitations
        self._was_clean = not before.loop.dead
        self.witness.deaths += before.loop.dead

    def inspect(self, database: Path) -> None:
        record = read(database)
        complaints = list(self.ledger.complaints)
        if record is not None:
            self.ledger.deaf = False
            self.ledger.note("log", record.digest())
            for type_, count in sorted(Counter(one.type for one in record.events.values()).items()):
                self.ledger.note("fact", type_, count)
            critic = Critic(record, database, self.witness, self.deeds, self.scripts, rested=self._rested)
            complaints += [*damage(database), *critic.findings()]
        elif any(one.outcome == "acknowledged" for one in self.witness.said):
            complaints.append("the log is gone")
        if complaints:
            raise Violation("; ".join(complaints[:8]))

    async def days(self) -> None:
        house = Playhouse(
            *(self.disk, self.loop, self.clock, self.witness, self.dice), unclean=not self._was_clean
        )
        house.staff(self.deeds, self._memory, self.dice, deadly=not self.last)
        names = [name for name in self.scripts if name != "trunk.2" or self._number > self.dice.randrange(4)]
        await house.perform(jury(self._hesitations), [self.scripts[name] for name in names])
        mischief = asyncio.create_task(self.mischief())
        work = [asyncio.create_task(work(hand(name, house, self.seed_name))) for name, work in CREW]
        for one in work:
            await one
        mischief.cancel()
        self.disk.mend()
        await self.recover(lambda: house.writer.fault is None)
        if self.last:
            await self._come_to_rest(house)
        if self.last or self.dice.random() < 0.6:
            await house.close()
        else:
            self.disk.die("idle")

    async def _come_to_rest(self, house: Playhouse) -> None:
        """Set the clock right, stop the schedules, have people do their part, and wait for all to end."""
        self.clock.ahead = self.furthest_ahead
        for row in await house.store.triggers():
            if row.live and row.kind == "schedule":
                await house.triggers.switch(row.id, on=False, principal=PrincipalId("closing"))
        closer = hand("closer", house, self.seed_name)
        seen, until, quiet = Left(), self.loop.time() + MOVES_WITHIN, 0
        while quiet < LOOKS:
            await asyncio.sleep(BETWEEN_LOOKS)
            found = left(self.disk.folder / DATABASE)
            quiet = 0 if found.runs else quiet + 1
            if found.runs.keys() != seen.runs.keys():
                seen, until = found, self.loop.time() + MOVES_WITHIN
            if self.loop.time() > until:
                some = [f"{run} {what}" for run, what in found.runs.items()]
                self.ledger.complain(f"at the end: {'; '.join(some[:3])}; {found.waits[:3]}")
                return
            await finish(closer, found)
        self._rested = True
        await self._ask_doctor(house)

    async def _ask_doctor(self, house: Playhouse) -> None:
        try:
            findings = await house.store.check(full=True)
        except CallboardError as error:
            self.ledger.complain(f"doctor cannot look: {error.message}")
            return
        for finding in findings:
            if not finding.ok:
                self.ledger.complain(f"doctor: {finding.name}: {finding.detail}")
