"""A whole house for one life of a simulation: bots, workflows and triggers on a simulated loop, no door.

It is what the author's own `play` speaks to. Time passes by itself whenever nobody has anything to do, so
what is awaited here takes none of anybody's real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

import msgspec

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child, StartChild
from callboard.actors.journal import Journal, JournalActor
from callboard.app import ACTIONS, BOTS, TEMPLATES, WORKFLOWS
from callboard.authoring.bot import Bot, Settings, shape_of
from callboard.authoring.handling import seconds
from callboard.authoring.loading import Fault
from callboard.authoring.registering import load_actions
from callboard.company.company import Company
from callboard.company.roster import Roster
from callboard.config import FILE
from callboard.deaths import Deaths
from callboard.errors import BadInput, NotFound
from callboard.ids import BotName, LogId, Position, PrincipalId, TimerId
from callboard.planning.step import Action, Catalogue, marked
from callboard.publish.library import Library
from callboard.publish.publisher import Publisher
from callboard.run import commands
from callboard.runs.ordeal import Ordeal
from callboard.runs.running import Crew
from callboard.runs.runs import Began, Runs
from callboard.runs.runturn import RUN, Due, Waited
from callboard.runs.workflow_bot import Opening
from callboard.runs.workflow_bot import engagement as workflow_bot
from callboard.steps import here
from callboard.steps.exchange import Answer, Request
from callboard.stores.sqlite import SqliteStore
from callboard.testing.crashing import MortalDisk
from callboard.testing.talking import LOCAL, MESSAGE_BYTES, Talking, terms_with
from callboard.testing.world import SeededIds, SimulatedClock, SimulatedLoop
from callboard.triggers.triggers import Triggers

T = TypeVar("T")

Web = Callable[[Request], Answer]
"""What answers the requests of steps, instead of the network."""

GRACE = 5.0
AT_FIRST, AT_MOST = 0.05, 5.0
"""Virtual seconds between two looks at what is left to do; each pause is twice the one before."""
SETTLED = 1.0
"""Virtual seconds in which nothing may come into the log, so that triggers have heard what they listen to."""
TIMERS_PAGE = 500


@dataclass(frozen=True)
class Cast:
    """What is on: all of a project, or bots, actions and workflows one by one."""

    bots: tuple[type[Bot], ...] = ()
    settings: Mapping[type[Bot], Settings] = field(default_factory=dict)
    actions: tuple[Callable[..., Any], ...] = ()
    workflows: tuple[str | Path, ...] = ()
    project: Path | None = None
    web: Web | None = None


class House(Talking):
    """One life of a house."""

    def __init__(
        self,
        cast: Cast,
        folder: Path,
        disk: MortalDisk,
        loop: SimulatedLoop,
        dice: Random,
        *,
        unclean: bool,
    ) -> None:
        self._cast = cast
        self._disk = disk
        self.clock = SimulatedClock(loop)
        self.store = SqliteStore(
            folder / "callboard.db",
            connect=disk.connect,
            clock=self.clock,
            new_log_id=lambda: LogId("simulated"),
        )
        ids = SeededIds(Random(dice.random()))  # noqa: S311 - a seed decides all
        luck = Random(dice.random())  # noqa: S311 - as above
        self._chance: Callable[[], Random] = lambda: Random(luck.random())  # noqa: S311 - as above
        self._writer = JournalActor(self.store, clock=self.clock)
        self._timers = Timers(clock=self.clock)
        self._company = Company(
            *(self.store, Journal(self._writer.actor_ref, clock=self.clock, ids=ids), self._writer),
            clock=self.clock,
            ids=ids,
            message_bytes=MESSAGE_BYTES,
            grace=GRACE,
            chance=self._chance,
            unclean=unclean,
        )
        self.bus = self._company.bus
        self._deaths = Deaths(folder, left_open=unclean)
        self._catalogue = _catalogue(cast)
        self._publisher = Publisher(self.store, self._company.services.journal, lambda: self._catalogue)
        self._parts = AsyncExitStack()

    def _at_once(self, reading: Coroutine[Any, Any, T]) -> T:
        with self._disk.hurry():
            return super()._at_once(reading)

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Open the database, let the bots begin, and take up the runs that there are."""
        await self.store.open()
        self._parts.push_async_callback(self.store.close)
        children = [
            Child("journal", lambda: self._writer, vital=True),
            Child("timers", lambda: self._timers, vital=True),
        ]
        root = Supervisor(children, name="supervisor", clock=self.clock, grace=GRACE).launch()
        self._parts.push_async_callback(root.aclose)
        await self._company.join(root, self._timers.actor_ref)
        library = Library(self.store, self._company.services.journal)
        opening = await self._engage()
        await self._publish(library)
        services, publisher = self._company.services, self._publisher
        crew = Crew(
            *(services, lambda: self._catalogue),
            open_client=partial(_Wire, self._cast.web),
            ordeal=Ordeal(self._deaths),
            templates=library,
        )
        self._runs = Runs(
            *(services, crew, publisher, self._company.set_timer), grace=GRACE, chance=self._chance
        )
        await root.ask(StartChild(self._runs.as_child()))
        self._triggers = triggers = Triggers(services, self._runs, publisher, self._company.set_timer)
        publisher.shelf.witnesses.append(triggers.changed)
        await root.ask(StartChild(triggers.as_child()))
        await triggers.begun()
        opening.open(self._runs)

    async def close(self) -> None:
        """End in good order."""
        await self._parts.aclose()
        self._deaths.reset()

    async def _engage(self) -> Opening:
        opening = Opening()
        for bot in self._cast.bots:
            await self._company.engage(bot, shape_of(bot), terms_with(bot, self._cast.settings.get(bot)))
        if self._cast.project is not None:
            folder, said = self._cast.project / BOTS, self._cast.project / FILE
            roster = Roster(self._company, folder, said, partial(workflow_bot, opening=opening))
            _must_be_whole((await roster.engage()).faults)
        return opening

    async def _publish(self, library: Library) -> None:
        for one in self._cast.workflows:
            await self._publisher.publish(one.read_text() if isinstance(one, Path) else one)
        if self._cast.project is not None:
            outcomes = [
                *await library.publish_folder(self._cast.project / TEMPLATES),
                *await self._publisher.publish_folder(self._cast.project / WORKFLOWS),
            ]
            for outcome in outcomes:
                for fault in outcome.faults:
                    if fault.severity == "error":
                        raise BadInput(f"{outcome.file}:{fault.line}: {fault.message}")

    # ── workflows ────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, workflow: str, trigger: object = None, *, key: str | None = None) -> str:
        """Start a run, and return its id; the same key again gives the same run."""
        return (await self._runs.start_run(workflow, trigger, principal=PrincipalId(LOCAL), request=key)).run

    async def ended(self, run: str) -> str:
        """Wait until a run has ended, however long that takes in its time; return how."""
        pause = AT_FIRST
        while (row := self.run(run)).ended_at is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 60 * AT_MOST)
        return row.status

    async def decide(
        self, run: str, step: str, word: Literal["approve", "reject"], *, by: str = LOCAL, comment: str = ""
    ) -> None:
        """Approve or reject what a step asks. Raises NotFound if it asks nothing, or no longer."""
        for wait in await self.store.waits_of("approval", None, TIMERS_PAGE):
            waited = msgspec.json.decode(wait.data, type=Waited)
            if (waited.run, waited.step) == (run, step):
                principal = PrincipalId(by)
                await self._runs.decide(waited, word, by=by, comment=comment, principal=principal)
                return
        raise NotFound(f"Step {step} of run {run} asks for no approval.", run=run)

    async def signal(self, run: str, name: str, body: object = None) -> None:
        """Give a run a signal."""
        await self._runs.do(run, commands.Give(name, body, LOCAL), principal=PrincipalId(LOCAL))

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────

    async def quiet(self, *, within: str = "1h") -> None:
        """Wait until no bot and no run has anything left to do, retries included.

        What a schedule, a delay or a sleep brings later is not waited for: see `advance` and `ended`.
        """
        until, pause = self.clock.monotonic() + seconds("within", within), AT_FIRST
        before = None
        while (busy := await self._busy()) or before != (head := await self.store.head()):
            if self.clock.monotonic() >= until:
                raise AssertionError(
                    f"After {within}, there is still work for {', '.join(busy) or 'triggers'}."
                )
            before = None if busy else head
            await asyncio.sleep(pause if busy else SETTLED)
            pause = min(2 * pause, AT_MOST)

    async def advance(self, duration: str) -> None:
        """Let time pass, so that schedules, delays and sleeps fall due, and wait until all is quiet."""
        await asyncio.sleep(seconds("duration", duration))
        await self.quiet()

    async def _busy(self) -> list[str]:
        """Return who has something left to do; complain of a bot that will never do it."""
        found = []
        for one in self.bus.listing():
            if one.state == "quarantined":
                raise AssertionError(f"{one.name} was set aside: {one.last_error}")
            name = BotName(one.name)
            if one.state == "running" and (
                await self.store.waiting(name, 1) or await self.store.next_retry(name) is not None
            ):
                found.append(one.name)
        stirring = await self.store.unended(Position(0), TIMERS_PAGE, stirring=True)
        found += [f"run {one.id}" for one in stirring if one.status != "crashed"]
        after: TimerId | None = None
        while page := await self.store.timers(after, TIMERS_PAGE):
            due = [msgspec.json.decode(one.data, type=Due) for one in page if one.kind == RUN]
            found += [f"run {one.run}" for one in due if one.timer.kind == "retry"]
            after = page[-1].id
        return found


def _catalogue(cast: Cast) -> Catalogue:
    """Return the kinds of steps with the actions that are on."""
    actions: dict[str, Action] = {}
    for function in cast.actions:
        one = marked(function)
        if one is None:
            raise BadInput(f"{function.__qualname__} is no action: mark it with @action.")
        actions[one.name] = one
    if cast.project is not None:
        loaded, faults = load_actions(cast.project / ACTIONS)
        _must_be_whole(faults)
        actions |= loaded
    return here(actions)


def _must_be_whole(faults: Iterable[Fault]) -> None:
    for fault in faults:
        raise BadInput(f"{fault}")


class _Wire:
    """The network of a simulation: a function of the author's."""

    def __init__(self, web: Web | None) -> None:
        self._web = web

    async def exchange(self, asked: Request, most: int, well: Callable[[int], bool]) -> Answer:  # noqa: ARG002 - the port's
        if self._web is None:
            raise BadInput(
                f"{asked.url} is not asked: a simulation has no network. Say by `web=` what is answered."
            )
        return self._web(asked)

    async def aclose(self) -> None:
        """Close nothing."""


__all__ = ["Answer", "Began", "Cast", "House", "Request", "Web"]
