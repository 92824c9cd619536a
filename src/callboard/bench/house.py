"""The house that is measured: the server's without its door, over a store that keeps what it commits.

Whoever waits for something is told by the store when it is on disk, so what waits costs the house nothing.
What it executed is kept, for the raw limit to say the same in the same batches: the statements with their
rows, not the turns, for the collector would walk over the thousand objects of each again and again.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from callboard.actors import Child, Ref, StartChild, Supervisor, Timers
from callboard.actors.children import Request
from callboard.actors.journal import Journal, JournalActor
from callboard.app import COLLECT_AFTER
from callboard.bench.raw import TURNS_AT_MOST, Statement, commit_and_keep
from callboard.clock import SystemClock
from callboard.company.company import Company
from callboard.deaths import Deaths
from callboard.ids import SystemIds
from callboard.planning.step import Action
from callboard.publish.publisher import Publisher
from callboard.runs.ordeal import Ordeal
from callboard.runs.running import MOST_ATTEMPTS, Crew
from callboard.runs.runs import Runs
from callboard.settings import Limits
from callboard.steps import here
from callboard.steps.exchange import Client
from callboard.store.port import Outcome, Receipt
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore

WARM_UP_SECONDS = 0.3
"""What runs before a round and is not counted, as benchmarks/exchange.py has it."""
GRACE = 1.0


class Kept(msgspec.Struct):
    """What was executed for a round."""

    before: list[Statement]
    """For the warm-up and what was there first: the tables that the round began with."""
    counted: list[Statement]
    turns: int = 0
    """How many turns those are that count."""
    done: int = 0
    """How much is done with them of what the round counts."""


class KeepingStore(SqliteStore):
    """Keeps what it executes for so many turns, and looks at each turn once it is on disk."""

    def __init__(self, file: Path, *, keeps: int = TURNS_AT_MOST) -> None:
        super().__init__(file)
        self.batches: list[int] = []
        """How many turns each transaction of the round held."""
        self.kept = Kept([], [])
        self._keeps = keeps
        self.counting = False
        self.done = 0
        """How much is on disk of what the round counts."""

    def count(self) -> None:
        """Begin the round: what comes from here on is counted."""
        self.counting = True
        self.batches.clear()
        self.done = 0

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        kept = self.kept if self._keeps > 0 else None
        if kept is None:
            outcomes = await super().commit(turns)
        else:
            statements = kept.counted if self.counting else kept.before
            outcomes = await self._write(commit_and_keep, turns, statements)
        self.batches.append(len(turns))
        for turn, outcome in zip(turns, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                self.on_disk(turn)
        if kept is not None and self.counting:
            self._keeps -= len(turns)
            kept.turns += len(turns)
            kept.done = self.done
        return outcomes

    def on_disk(self, turn: Turn) -> None:
        """Look at a turn that was committed."""


class House(msgspec.Struct, frozen=True):
    """What runs: the company of bots, and the supervisor under which more is started."""

    store: SqliteStore
    journal: Journal
    company: Company
    root: Ref[Request]


@contextlib.asynccontextmanager
async def house(store: SqliteStore) -> AsyncIterator[House]:
    """Put the house together as the server does, without a door."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as parts:
        await store.open()
        parts.push_async_callback(store.close)
        writer, timers = JournalActor(store, clock=clock), Timers(clock=clock)
        journal = Journal(writer.actor_ref, clock=clock)
        company = Company(
            *(store, journal, writer),
            clock=clock,
            ids=SystemIds(),
            message_bytes=Limits().message_bytes,
            grace=GRACE,
        )
        children = [Child("journal", lambda: writer, vital=True), Child("timers", lambda: timers, vital=True)]
        root = Supervisor(children, name="supervisor", clock=clock, grace=GRACE).launch()
        parts.push_async_callback(root.aclose)
        await company.join(root, timers.actor_ref)
        yield House(store, journal, company, root)


@contextlib.asynccontextmanager
async def running_house(
    store: SqliteStore,
    workflows: Sequence[str] = (),
    actions: Mapping[str, Action] = MappingProxyType({}),
    *,
    most: int = MOST_ATTEMPTS,
    deaths: Deaths | None = None,
) -> AsyncIterator[Runs]:
    """Put the house together with its runs, and publish these workflows."""
    kinds = here(actions)
    async with house(store) as parts:
        services = parts.company.services
        publisher = Publisher(store, parts.journal, lambda: kinds)
        for text in workflows:
            await publisher.publish(text)
        crew = Crew(services, lambda: kinds, open_client=_no_client, most=most, ordeal=Ordeal(deaths))
        runs = Runs(services, crew, publisher, parts.company.set_timer, grace=GRACE)
        await parts.root.ask(StartChild(runs.as_child()))
        yield runs


def _no_client() -> Client:
    raise RuntimeError("Nothing that is measured makes a request.")


def for_a_while(seconds: float) -> Callable[[], bool]:
    """Return what says whether there is time left; whoever asks first is told yes, however late he comes."""
    until: float | None = None

    def more() -> bool:
        nonlocal until
        now = time.perf_counter()
        if until is None:
            until = now + seconds
            return True
        return now < until

    return more


@contextlib.contextmanager
def collecting_as_served() -> Iterator[None]:
    """Have garbage collected as rarely as the server does."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
