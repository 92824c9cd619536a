"""A run that waits for whatever there is to wait for, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.waiters DATABASE [WHEN NUMBER]`: WHEN is `before` or `after` the NUMBER-th
commit of this life. Otherwise it works until the run has ended. What each commit holds goes to standard
output on a line of its own once it is on disk.

In each life the same is wanted as in the one before, as by people who were not told what became of the first
try: the run is started under one request id, its signal is given where none was received, and what waits for
a decision is approved by two. The signal comes before the step that waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from callboard.clock import SystemClock
from callboard.errors import Conflict
from callboard.facts.events import run_stream
from callboard.ids import PrincipalId, Version
from callboard.planning.step import Action, action, marked, this_attempt
from callboard.run import commands
from callboard.runs.runturn import Waited
from callboard.store.port import Outcome
from callboard.store.turn import NewEvents, Turn
from callboard.stores.sqlite import SqliteStore
from tests.unit.runs.house import House, house

WORKFLOW = """
name: w
steps:
  - {id: due, uses: core.delay, with: {until: "2020-01-01T00:00:00+00:00"}}
  - {id: work, uses: python, with: {action: note}}
  - {id: pass, uses: core.echo, with: {simulate: transient}, retry: {delay: 1ms, jitter: none}}
  - {id: early, uses: wait.signal, with: {signal: go}}
  - {id: ask, uses: approval, with: {approvers: [ann, ben], needed: 2}}
  - {id: last, uses: python, with: {action: note}}
output: "{{ [steps.early.output, steps.ask.output.by] }}"
"""


class Nothing(msgspec.Struct):
    """What the action takes."""


def actions(ledger: Path) -> dict[str, Action]:
    """Return an action that writes down each attempt, outside."""

    @action("note")
    async def note(_: Nothing) -> None:
        attempt = this_attempt()
        with ledger.open("a") as file:
            file.write(f"{attempt.step} {attempt.attempt} {attempt.key}\n")

    found = marked(note)
    assert found is not None
    return {"note": found}


class Dying(SqliteStore):
    """A store whose process ends before or after one commit."""

    def __init__(self, database: Path, when: str, number: int) -> None:
        super().__init__(database)
        self._when = when
        self._number = number
        self._commits = 0

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        self._commits += 1
        ends = self._commits == self._number
        if ends and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = await super().commit(turns)
        if ends:
            os.kill(os.getpid(), signal.SIGKILL)
        held = [new.type.name for turn in turns for one in turn.entries for new in _events(one)]
        os.write(1, f"{'+'.join(held)}\n".encode())
        return outcomes


def _events(entry: object) -> Sequence[Any]:
    return entry.events if isinstance(entry, NewEvents) else ()


async def live(store: SqliteStore, database: Path) -> None:
    """Want the run and all that it waits for, until it has ended."""
    known = actions(database.with_suffix(".ledger"))
    async with house(database, WORKFLOW, actions=known, clock=SystemClock(), store=store) as here:
        began = await here.start(request="the one run")
        facts = await here.store.events(run_stream(began.run), Version(0), 1_000)
        if not [one for one in facts if one.type == "signal_received"]:
            await _quietly(
                here.runs.do(began.run, commands.Give("go", 7, "eve"), principal=PrincipalId("eve"))
            )
        while await here.status(began.run) not in {"completed", "failed", "cancelled"}:
            await _approve(here)
            await asyncio.sleep(0.002)


async def _approve(here: House) -> None:
    for wait in await here.store.waits_of("approval", None, 10):
        waited = msgspec.json.decode(wait.data, type=Waited)
        for name in ("ann", "ben"):
            principal = PrincipalId(name)
            await _quietly(here.runs.decide(waited, "approve", by=name, comment="", principal=principal))


async def _quietly(wish: Any) -> None:
    with contextlib.suppress(Conflict):  # it is so already
        await wish


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, number = sys.argv[2:] or ("", "0")
    file = Path(sys.argv[1])
    asyncio.run(live(Dying(file, when, int(number)), file))
