"""A run that starts others in each way, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.parents DATABASE [WHEN NUMBER]`, as `waiters.py`. The child that `quick` starts
does nothing that takes time: it ends as soon as it is looked at. `slow`, `items` and `rounds` end after an
action or a delay. `both` starts two that are parts of the run itself and wait for one signal each, which they
are given in each life as long as they wait.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from callboard.clock import SystemClock
from callboard.errors import WrongState
from callboard.ids import PrincipalId
from callboard.run import commands
from callboard.store.runrows import RunQuery
from callboard.stores.sqlite import SqliteStore
from tests.crash.waiters import Dying, actions
from tests.unit.runs.house import House, house

QUICK = """
name: quick
steps: [{id: a, uses: core.echo, with: {message: "{{ trigger }}"}}]
output: "{{ steps.a.output.echo }}"
"""
SLOW = """
name: slow
steps:
  - {id: work, uses: python, with: {action: note}}
  - {id: pause, uses: core.delay, with: {for: 1ms}}
output: "{{ trigger }}"
"""
WORKFLOW = """
name: w
vars: {sum: 0}
steps:
  - {id: begin, uses: core.echo, next: [quick, slow, items]}
  - {id: quick, uses: workflow, with: {name: quick, input: 7}}
  - {id: slow, uses: workflow, with: {name: slow, input: 8}}
  - id: items
    uses: each
    with:
      items: [1, 2, 3]
      parallel: 2
      steps:
        - {id: item, uses: python, with: {action: note}}
        - {id: give, uses: core.echo, with: {message: "{{ item }}"}}
  - id: rounds
    needs: [quick, slow, items]
    uses: loop
    with:
      until: "index == 1"
      steps:
        - {id: add, uses: core.set, with: {sum: "{{ vars.sum + 1 }}"}}
        - {id: round, uses: python, with: {action: note}}
  - id: both
    uses: each
    with:
      items: [4, 5]
      parallel: 2
      steps: [{id: go, uses: wait.signal, with: {signal: go}}]
output:
  - "{{ steps.quick.output }}"
  - "{{ steps.slow.output }}"
  - "{{ steps.items.output | map(attribute='echo') | list }}"
  - "{{ vars.sum }}"
  - "{{ steps.both.output }}"
"""
OUTPUT = [7, 8, [1, 2, 3], 2, ["yes", "yes"]]


async def live(store: SqliteStore, database: Path) -> None:
    """Want the run, and all that its parts wait for, until it has ended."""
    known = actions(database.with_suffix(".ledger"))
    async with house(
        database, QUICK, SLOW, WORKFLOW, actions=known, clock=SystemClock(), store=store
    ) as here:
        began = await here.start(request="the one run")
        while await here.status(began.run) not in {"completed", "failed", "cancelled"}:
            await _signal(here)
            await asyncio.sleep(0.002)


async def _signal(here: House) -> None:
    """Give each its signal, once."""
    (whole,) = await here.store.runs(RunQuery(workflow="w"))
    for row in await here.store.runs(RunQuery(parent=whole.id)):
        if row.path == "both" and "signal_received" not in await here.kinds(row.id):
            try:
                await here.runs.do(row.id, commands.Give("go", "yes", "eve"), principal=PrincipalId("eve"))
            except WrongState:  # it has ended
                continue


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, number = sys.argv[2:] or ("", "0")
    file = Path(sys.argv[1])
    asyncio.run(live(Dying(file, when, int(number)), file))
