"""Through the whole house: runs of ten steps, each step from its activation until its end is on disk.

    runs_1           one run at a time
    runs_100         100 runs at once; when one has ended, the next is started in its place
    runs_1000        1,000
    runs_100_folded  100, of steps that touch nothing outside, so a whole chain is one commit

The steps of the first three call a coroutine that adds 1, by `python`: the end of each step is committed
before the next one begins. The fourth adds 1 by a template of `core.echo`. In both a step takes what the step
before it gave, and a round is refused in which a run did not count to ten.

benchmarks/exchange.py says the same of other systems, where no run is folded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from callboard.bench.house import (
    WARM_UP_SECONDS,
    KeepingStore,
    Kept,
    collecting_as_served,
    for_a_while,
    running_house,
)
from callboard.bench.raw import TURNS_AT_MOST
from callboard.bench.report import Round
from callboard.clock import SystemClock
from callboard.facts.events import StepActivated, StepCompleted, WorkflowCompleted, WorkflowFailed, run_stream
from callboard.ids import PrincipalId
from callboard.planning.step import action_of
from callboard.runs.runs import Runs
from callboard.store.turn import NewEvents, Turn

STEPS = 10
TEXT = "a short text"
BENCH = PrincipalId("bench")


class Crowd(msgspec.Struct, frozen=True):
    """How many runs there are at once, and of what."""

    runs: int
    folded: bool = False

    @property
    def workflow(self) -> str:
        """The name of the workflow that they are runs of."""
        return "bench-folded" if self.folded else "bench"


CROWDS = {
    "runs_1": Crowd(1),
    "runs_100": Crowd(100),
    "runs_1000": Crowd(1_000),
    "runs_100_folded": Crowd(100, folded=True),
}


class Number(msgspec.Struct):
    """What a step takes and gives."""

    number: int
    text: str


async def add(given: Number) -> Number:
    """Add 1."""
    return Number(given.number + 1, given.text)


ACTIONS = {"bench.add": action_of("bench.add", add)}


def flow(crowd: Crowd) -> str:
    """Return the workflow, as an author writes it."""
    steps: list[dict[str, Any]] = []
    for number in range(1, STEPS + 1):
        given = "trigger.number"
        if steps:
            given = f"steps.s{number - 1}.output." + ("echo.number" if crowd.folded else "number")
        step: dict[str, Any] = {"id": f"s{number}", "needs": [f"s{number - 1}"] if steps else []}
        if crowd.folded:
            message = {"number": f"{{{{ {given} + 1 }}}}", "text": TEXT}
            step |= {"uses": "core.echo", "with": {"message": message}}
        else:
            taken = {"number": f"{{{{ {given} }}}}", "text": TEXT}
            step |= {"uses": "python", "with": {"action": "bench.add", "input": taken}}
        steps.append(step)
    last = f"steps.s{STEPS}.output." + ("echo.number" if crowd.folded else "number")
    whole = {"name": crowd.workflow, "steps": steps, "output": {"number": f"{{{{ {last} }}}}"}}
    return msgspec.json.encode(whole).decode()


class StepsStore(KeepingStore):
    """Tells whoever waits for a run that its end is on disk, and notes how long each step took."""

    def __init__(self, file: Path, *, keeps: int = TURNS_AT_MOST) -> None:
        super().__init__(file, keeps=keeps)
        self.latencies: list[float] = []
        """Of each step of the round: from the turn in which it was activated until its end was on disk."""
        self._clock = SystemClock()
        self._activated: dict[tuple[str, str], datetime] = {}
        self._early: dict[str, Any] = {}
        self._open: dict[str, asyncio.Future[Any]] = {}

    def on_disk(self, turn: Turn) -> None:
        now = self._clock.now()
        for stream, fact in facts(turn):
            kind = type(fact)
            if kind is StepActivated:
                self._activated[stream, fact.step] = turn.at
            elif kind is StepCompleted:
                began = self._activated.pop((stream, fact.step))
                self.done += 1
                if self.counting:
                    self.latencies.append((now - began).total_seconds())
            elif kind is WorkflowCompleted:
                self._ended(stream, fact.final_output)
            elif kind is WorkflowFailed:
                self._ended(stream, fact.error)

    async def until_ended(self, run: str) -> Any:  # noqa: ANN401 - whatever the workflow gives
        """Return the output of a run once its end is on disk; it may be so already."""
        stream = run_stream(run)
        if stream in self._early:
            return self._early.pop(stream)
        self._open[stream] = asyncio.get_running_loop().create_future()
        return await self._open[stream]

    def _ended(self, stream: str, output: object) -> None:
        waiting = self._open.pop(stream, None)
        if waiting is None:  # committed before whoever started it knew its id
            self._early[stream] = output
        else:
            waiting.set_result(output)


def facts(turn: Turn) -> Iterator[tuple[str, Any]]:
    """Return the facts of runs that a turn holds, each with its stream."""
    for entry in turn.entries:
        if type(entry) is NewEvents:
            for event in entry.events:
                yield entry.stream, event.fact


class StepsRound(Round):
    """What one round gave: steps a second and their latencies; runs; and the turns that it was made of."""

    runs_per_s: float
    runs: list[float]
    """How long each run took, from asking for it until its end was on disk."""
    kept: Kept


async def measure(folder: Path, crowd: Crowd, seconds: float) -> StepsRound:
    """Keep so many runs going for a while on a new file."""
    store = StepsStore(folder / "steps.db")
    async with running_house(store, [flow(crowd)], ACTIONS) as runs:
        with collecting_as_served():
            await _load(runs, store, crowd, min(WARM_UP_SECONDS, seconds))
            store.count()
            lasted, took = await _load(runs, store, crowd, seconds)
    if len(store.latencies) != len(lasted) * STEPS:
        msg = f"{len(lasted)} runs have ended, and {len(store.latencies)} steps of them are on disk."
        raise RuntimeError(msg)
    return StepsRound(
        len(store.latencies) / took, store.latencies, store.batches, len(lasted) / took, lasted, store.kept
    )


async def _load(runs: Runs, store: StepsStore, crowd: Crowd, seconds: float) -> tuple[list[float], float]:
    """Keep the lanes busy for so long, then let end what is under way; it counts, as does that time."""
    return await _fill(runs, store, crowd, for_a_while(seconds))


async def run_many(runs: Runs, store: StepsStore, crowd: Crowd, number: int) -> float:
    """Have so many runs, no more than the crowd at once; return the seconds until all have ended."""
    numbers = count()
    _, took = await _fill(runs, store, crowd, lambda: next(numbers) < number)
    return took


async def _fill(
    runs: Runs, store: StepsStore, crowd: Crowd, more: Callable[[], bool]
) -> tuple[list[float], float]:
    """Start runs as long as there are to be more, and let all of them end; return how long each took."""
    lasted: list[float] = []
    began = time.perf_counter()

    async def lane() -> None:
        now = time.perf_counter()
        while more():
            run = await runs.start_run(crowd.workflow, {"number": 0}, principal=BENCH)
            output = await store.until_ended(run.run)
            if output != {"number": STEPS}:
                raise RuntimeError(f"A run of {STEPS} steps that each add 1 came to {output}.")
            after = time.perf_counter()
            lasted.append(after - now)
            now = after

    await asyncio.gather(*(lane() for _ in range(crowd.runs)))
    return lasted, time.perf_counter() - began
