"""What a run came to, for tests of runs that start others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callboard.facts.events import run_stream
from callboard.ids import Position
from callboard.outcome import Failure
from callboard.store.runrows import RunQuery
from tests.unit.runs.house import House, house

ONE = """
name: w
steps:
  - id: all
    uses: each
    with:
      items: "{{{{ trigger }}}}"
      parallel: {parallel}
      on_item_failure: {failure}
      steps: {steps}
output: "{{{{ steps.all.output }}}}"
"""
"""A step that goes through the items that the run is started with."""


async def output(here: House, run: str) -> Any:
    return (await here.facts(run))[-1].final_output


async def error(here: House, run: str) -> Failure:
    row = await here.store.run(run)
    assert row is not None
    assert row.error is not None
    return row.error


async def nothing_is_left(here: House) -> None:
    assert not [found for found in await here.store.check(full=True) if not found.ok]
    assert await here.store.timers(None, 10) == []
    assert await here.store.unended(Position(0), 10) == []
    for one in await here.store.runs(RunQuery(limit=1_000)):
        assert await here.store.waits(run_stream(one.id)) == []


async def given(tmp_path: Path, text: str, trigger: object = None, *others: str) -> Any:
    """Return the output of a run that goes well."""
    async with house(tmp_path / "db", text, *others) as here:
        began = await here.start("w", trigger)
        await here.comes_to(began.run)
        found = await output(here, began.run)
        await nothing_is_left(here)
        return found


async def failed(tmp_path: Path, text: str, trigger: object = None, *others: str) -> Failure:
    """Return the error of a run that fails."""
    async with house(tmp_path / "db", text, *others) as here:
        began = await here.start("w", trigger)
        await here.comes_to(began.run, "failed")
        await here.asleep()
        await nothing_is_left(here)
        return await error(here, began.run)
