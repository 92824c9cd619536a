"""A run that has ended leaves nothing for the garbage collector: its memory goes at once."""

from __future__ import annotations

import gc
from pathlib import Path

from callboard.bench.house import running_house
from callboard.bench.steps import ACTIONS, CROWDS, StepsStore, flow, run_many
from callboard.runs.run import RunActor


async def test_a_run_that_has_ended_is_gone_without_the_garbage_collector(tmp_path: Path) -> None:
    crowd = CROWDS["runs_1"]
    store = StepsStore(tmp_path / "runs.db", keeps=0)
    async with running_house(store, [flow(crowd)], ACTIONS) as runs:
        gc.collect()
        gc.disable()
        try:
            await run_many(runs, store, crowd, 3)
            # The last one may still be on its way out.
            assert sum(type(one) is RunActor for one in gc.get_objects()) <= 1
        finally:
            gc.enable()
