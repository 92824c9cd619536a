"""A house for tests of runs: a real SQLite store, journal, timers and runs, without a door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from callboard.actors.children import StartChild
from callboard.checking import accept
from callboard.clock import Clock
from callboard.deaths import Deaths
from callboard.errors import NotFound
from callboard.facts.events import run_stream
from callboard.facts.publishing import KIND, WorkflowPublished, workflow_stream
from callboard.ids import Position, PrincipalId, Version
from callboard.planning.plan import Plan
from callboard.planning.step import Action
from callboard.publish.library import Library
from callboard.runs.ordeal import Ordeal
from callboard.runs.running import MOST_ATTEMPTS, Crew
from callboard.runs.runs import Began, Runs
from callboard.steps import here
from callboard.steps.client import Session
from callboard.steps.exchange import Client
from callboard.store.boardrows import Event
from callboard.stores.sqlite import SqliteStore
from callboard.testing.clock import JumpClock
from callboard.workflow import canonical, checksum
from tests.unit.company.stage import Stage, stage

ANN = PrincipalId("ann")


class Shelf:
    """Plans by name: each workflow has one version."""

    def __init__(
        self, *texts: str, actions: Mapping[str, Action] | None = None, programs: bool = False
    ) -> None:
        self.catalogue = here(actions or {}, programs=programs)
        self.accepted = [accept(text, catalogue=self.catalogue) for text in texts]
        self.plans = {one.definition.name: one.plan for one in self.accepted}

    async def plan(self, workflow: str, version: int) -> Plan:
        if workflow not in self.plans:
            raise NotFound(f"There is no workflow {workflow}.")
        return self.plans[workflow]

    async def current(self, workflow: str, version: int | None = None) -> tuple[int, Plan]:
        return 1, await self.plan(workflow, version or 1)


class House:
    """What a test speaks to."""

    def __init__(self, stage_: Stage, runs: Runs, shelf: Shelf, library: Library) -> None:
        self.stage = stage_
        self.library = library
        self.shelf = shelf
        self.store = stage_.store
        self.runs = runs
        self.clock = stage_.clock

    async def publish(self, text: str) -> None:
        """Add a workflow, or refuse it with what is wrong."""
        one = accept(text, catalogue=self.shelf.catalogue)
        self.shelf.plans[one.definition.name] = one.plan
        await _publish(self.stage, one.definition)

    async def start(self, workflow: str = "w", trigger: Any = None, **more: Any) -> Began:
        return await self.runs.start_run(workflow, trigger, principal=ANN, **more)

    async def events(self, run: str) -> list[Event]:
        return await self.store.events(run_stream(run), Version(0), 10_000)

    async def facts(self, run: str) -> list[Any]:
        return [event.fact for event in await self.events(run)]

    async def kinds(self, run: str) -> list[str]:
        return [event.type for event in await self.events(run)]

    async def status(self, run: str) -> str:
        row = await self.store.run(run)
        return "none" if row is None else row.status

    async def comes_to(self, run: str, status: str = "completed") -> None:
        """Wait until a run has a status."""

        async def there() -> bool:
            return await self.status(run) == status

        await self.stage.until(there, within=1_000_000)

    async def asleep(self) -> None:
        """Wait until no run is awake."""
        await self.stage.until(lambda: not self.runs.awake)

    async def attempts(self, run: str) -> list[tuple[str, int, str]]:
        rows = await self.store.attempts(run, Position(0), 1_000)
        return [(row.step, row.attempt, row.status) for row in rows]


@asynccontextmanager
async def house(
    file: Path,
    *texts: str,
    actions: Mapping[str, Action] | None = None,
    clock: Clock | None = None,
    most: int = MOST_ATTEMPTS,
    grace: float = 5.0,
    store: SqliteStore | None = None,
    deaths: Deaths | None = None,
    open_client: Callable[[], Client] = Session,
    programs_in: Path | None = None,
) -> AsyncIterator[House]:
    """Open the house on a database file; the same file again is a restart."""
    shelf = Shelf(*texts, actions=actions, programs=programs_in is not None)
    async with stage(file, clock=clock or JumpClock(), grace=grace, store=store) as open_:
        for one in shelf.accepted:
            if await open_.store.version(one.definition.name) is None:
                await _publish(open_, one.definition)
        services = open_.company.services
        ordeal = Ordeal(deaths)
        library = Library(open_.store, services.journal)
        crew = Crew(
            *(services, lambda: shelf.catalogue),
            open_client=open_client,
            most=most,
            ordeal=ordeal,
            programs_in=programs_in,
            templates=library,
        )
        runs = Runs(services, crew, shelf, open_.company.set_timer, grace=grace)
        await open_.root.ask(StartChild(runs.as_child()))
        yield House(open_, runs, shelf, library)


async def _publish(open_: Stage, definition: Any) -> None:
    turn = open_.company.services.journal.turn()
    fact = WorkflowPublished(definition.name, 1, checksum(definition), canonical(definition).decode(), "", "")
    turn.append(workflow_stream(definition.name), KIND, [fact], expected=Version(0))
    await open_.company.services.journal.commit(turn)
