"""A house for tests of triggers: a real store, journal, publisher, runs and triggers, without a door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from callboard.actors.children import StartChild
from callboard.clock import Clock
from callboard.facts.triggering import trigger_stream
from callboard.ids import PrincipalId, Version
from callboard.messages import To
from callboard.publish.publisher import Publisher
from callboard.runs.running import Crew
from callboard.runs.runs import Runs
from callboard.steps import here
from callboard.steps.client import Session
from callboard.store.runrows import RunQuery, RunRow, TriggerRow
from callboard.stores.sqlite import SqliteStore
from callboard.testing.clock import JumpClock
from callboard.triggers.triggers import Triggers
from tests.unit.company.stage import Stage, stage

ANN = PrincipalId("ann")


class House:
    """What a test speaks to."""

    def __init__(self, stage_: Stage, publisher: Publisher, runs: Runs, triggers: Triggers) -> None:
        self.stage = stage_
        self.store = stage_.store
        self.clock: Any = stage_.clock
        self.publisher = publisher
        self.runs = runs
        self.triggers = triggers

    async def publish(self, text: str) -> None:
        """Publish a definition, and wait until its triggers are set; no time goes by."""
        with self.clock.busy():
            await self.publisher.publish(text)

    async def trigger(self, workflow: str = "w") -> TriggerRow:
        """Return the one trigger of a workflow that is awake."""
        (row,) = [row for row in await self.store.triggers(workflow=workflow) if row.live]
        return row

    async def records(self, trigger: str) -> list[Any]:
        """Return the story of a trigger."""
        return [event.fact for event in await self.store.events(trigger_stream(trigger), Version(0), 10_000)]

    async def all_runs(self, workflow: str | None = None) -> list[RunRow]:
        return await self.store.runs(RunQuery(workflow=workflow, limit=10_000))

    async def inputs(self, workflow: str = "w") -> list[Any]:
        """Return what each run of a workflow was started with, in the order of the log."""
        found = []
        for run in await self.all_runs(workflow):
            (began,) = await self.store.events(f"run:{run.id}", Version(0), 1)  # type: ignore[arg-type]
            found.append(began.fact.trigger)  # type: ignore[attr-defined]
        return found

    async def say(self, channel: str, body: Any, type_: str = "note", hops: int = 0) -> None:
        """Say something on a channel, as at a hop."""
        turn = self.stage.company.services.journal.turn(principal=ANN)
        self.stage.company.board.make_channel(turn, channel)
        turn.send(sender="ann", to=To.channel(channel), type=type_, body=body, hops=hops)
        await self.stage.company.services.journal.commit(turn)

    async def until(self, condition: Any) -> None:
        await self.stage.until(condition, within=10_000_000)


@asynccontextmanager
async def house(
    file: Path,
    *texts: str,
    clock: Clock | None = None,
    store: SqliteStore | None = None,
    still: bool = True,
) -> AsyncIterator[House]:
    """Open the house on a database file; the same file again is a restart.

    `still`: no time passes meanwhile, though threads are at work that no clock sees.
    """
    clock = clock or JumpClock()
    async with stage(file, clock=clock, store=store) as open_:
        catalogue = here({})
        services = open_.company.services
        publisher = Publisher(open_.store, services.journal, lambda: catalogue)
        runs = Runs(
            services,
            Crew(services, lambda: catalogue, open_client=Session),
            publisher,
            open_.company.set_timer,
            grace=1.0,
        )
        triggers = Triggers(services, runs, publisher, open_.company.set_timer)
        await open_.root.ask(StartChild(runs.as_child()))
        with clock.busy() if still and isinstance(clock, JumpClock) else nullcontext():
            for text in texts:
                await publisher.publish(text)
            for row in await open_.store.workflows():
                if row.version:
                    await publisher.plan(row.name, row.version)  # compiled in a thread, which no clock sees
            publisher.shelf.witnesses.append(triggers.changed)
            await open_.root.ask(StartChild(triggers.as_child()))
            await triggers.begun()
        yield House(open_, publisher, runs, triggers)
