"""A message starts a run that waits for two others, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.listeners DATABASE [WHEN NUMBER]`: WHEN is `before` or `after` the NUMBER-th
commit of this life. Otherwise it works until the run has ended and is replied to. Each commit that was made
is a line on standard output.

In each life the same is said as in the one before, under the same keys: the message to the workflow bot, and
one on the channel as soon as there is a run, and another once somebody waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from callboard.botconfig import BotConfig
from callboard.clock import SystemClock
from callboard.messages import To
from callboard.runs.workflow_bot import Opening, engagement
from callboard.store.boardrows import AuditQuery
from callboard.store.port import Outcome
from callboard.store.runrows import RunQuery
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore
from tests.unit.runs.house import House, house

WORKFLOW = """
name: w
steps:
  - {id: begin, uses: core.echo, next: [one, two]}
  - {id: one, uses: wait.message, with: {channel: news}}
  - {id: two, uses: wait.message, with: {channel: "*", if: item.body.of == trigger.n}}
output: "{{ [steps.one.output.body, steps.two.output.body] }}"
"""


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
        os.write(1, b"committed\n")
        return outcomes


async def live(store: SqliteStore, database: Path) -> None:
    """Say what starts the run and what it waits for, until it is replied to."""
    async with house(database, WORKFLOW, clock=SystemClock(), store=store) as here:
        opening = Opening()
        opening.open(here.runs)
        cls, shape, terms = engagement("triage", BotConfig(kind="workflow", workflow="w"), opening)
        await here.stage.company.engage(cls, shape, terms, kind="workflow")
        await _say(here, To.bot("triage"), '{"n": 7}', "start")
        while not await here.store.runs(RunQuery()):
            await asyncio.sleep(0.002)
        await _say(here, To.channel("news"), '{"of": 7, "said": 1}', "first")
        while not await _replied(here):
            if await here.store.waits_of("message", None, 10):
                await _say(here, To.channel("news"), '{"of": 7, "said": 2}', "second")
            await asyncio.sleep(0.002)


async def _say(here: House, to: To, json: str, key: str) -> None:
    await here.stage.company.bus.send(sender="ann", to=to, type="item", json=json, key=key)


async def _replied(here: House) -> bool:
    return bool(await here.store.audit(AuditQuery(pair=("ann", "triage"), type="completed")))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, number = sys.argv[2:] or ("", "0")
    file = Path(sys.argv[1])
    asyncio.run(live(Dying(file, when, int(number)), file))
