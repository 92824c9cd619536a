"""The playhouse: a theatre in which workflows run, too; put together as the app does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from callboard.actors.children import Describe, StartChild
from callboard.authoring.bot import Bot
from callboard.deaths import Deaths
from callboard.errors import CallboardError
from callboard.planning.step import Catalogue
from callboard.publish.publisher import Publisher
from callboard.runs.ordeal import Ordeal
from callboard.runs.running import Crew
from callboard.runs.runs import Runs
from callboard.steps import here
from callboard.triggers.triggers import Triggers
from tests.simulation.deeds import Deeds
from tests.simulation.scripts import Script
from tests.simulation.theatre import GRACE, Theatre


class Playhouse(Theatre):
    """What operators of runs speak to."""

    def staff(self, deeds: Deeds, memory: Path, dice: Random, *, deadly: bool) -> None:
        """Say who carries out steps; what outlives the process beside the database lies in `memory`."""
        memory.mkdir(exist_ok=True)
        catalogue: Catalogue = here(deeds.actions(self.disk.die if deadly else None))
        services = self.company.services
        self.publisher = Publisher(self.store, services.journal, lambda: catalogue)
        deaths = Deaths(memory, left_open=services.alert.unclean)
        crew = Crew(
            *(services, lambda: catalogue),
            open_client=_no_client,
            most=dice.choice([1, 3, 100, 100]),
            ordeal=Ordeal(deaths),
        )
        luck = Random(dice.random())
        self.runs = Runs(
            *(services, crew, self.publisher, self.company.set_timer),
            grace=GRACE,
            chance=lambda: Random(luck.random()),
        )
        self.triggers = Triggers(services, self.runs, self.publisher, self.company.set_timer)

    async def perform(self, bots: list[type[Bot]], scripts: Sequence[Script]) -> None:
        """Open the house, and publish what is on."""
        self.scripts = scripts
        await self.open(bots)
        for script in scripts:
            await self._publish(script)
        await self._root.ask(StartChild(self.runs.as_child()))
        self.publisher.shelf.witnesses.append(self.triggers.changed)
        await self._root.ask(StartChild(self.triggers.as_child()))
        await self.runs.actor_ref.ask(Describe())  # a disk that fails before is a start that is refused
        await self.triggers.begun()

    async def _publish(self, script: Script) -> None:
        """Publish a script, or leave it if the disk will not have it now."""
        try:
            await self.publisher.publish(script.text)
        except CallboardError as error:
            self.witness.ledger.note("not published", script.edition, error.code)


def _no_client() -> Any:
    raise AssertionError("nothing here makes requests")
