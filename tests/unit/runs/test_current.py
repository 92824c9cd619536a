"""What is current of a workflow, as runs know it: read once, and never older than what anybody was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callboard.errors import NotFound, WorkflowInactive
from callboard.ids import SYSTEM
from callboard.publish.publisher import Publisher
from callboard.runs.plans import Current
from callboard.steps import here
from callboard.store.runrows import WorkflowRow
from callboard.stores.sqlite import SqliteStore
from tests.unit.company.stage import stage

FIRST = "name: w\nsteps:\n  - id: a\n    uses: core.echo\n"
SECOND = "name: w\nsteps:\n  - id: b\n    uses: core.echo\n"


class CountingStore(SqliteStore):
    """Counts how often it is asked how a workflow stands, and may keep one answer back."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.asked = 0
        self.keeps_back = False
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def workflow(self, name: str, **more: Any) -> WorkflowRow | None:
        self.asked += 1
        row = await super().workflow(name, **more)
        if self.keeps_back:
            self.keeps_back = False
            self.read.set()
            await self.go_on.wait()
        return row


@asynccontextmanager
async def shelf(tmp_path: Path) -> AsyncIterator[tuple[CountingStore, Publisher, Current]]:
    store = CountingStore(tmp_path / "callboard.db")
    async with stage(tmp_path / "callboard.db", store=store) as open_:
        services = open_.company.services
        publisher = Publisher(store, services.journal, lambda: here({}))
        yield store, publisher, Current(publisher, services.board)


async def test_it_is_read_once(tmp_path: Path) -> None:
    async with shelf(tmp_path) as (store, publisher, plans):
        await publisher.publish(FIRST)
        store.asked = 0
        found = [await plans.current("w") for _ in range(5)]
        assert store.asked == 1
        assert [(number, list(plan.flow.steps)) for number, plan in found] == [(1, ["a"])] * 5


async def test_whoever_was_told_of_a_change_gets_what_it_changed(tmp_path: Path) -> None:
    async with shelf(tmp_path) as (_, publisher, plans):
        with pytest.raises(NotFound):
            await plans.current("w")
        for text, steps in ((FIRST, ["a"]), (SECOND, ["b"])):
            await publisher.publish(text)
            assert list((await plans.current("w"))[1].flow.steps) == steps
        await publisher.activate("w", 1, principal=SYSTEM)
        assert (await plans.current("w"))[0] == 1
        await publisher.archive("w", principal=SYSTEM)
        with pytest.raises(WorkflowInactive):
            await plans.current("w")
        await publisher.reactivate("w", principal=SYSTEM)
        assert (await plans.current("w"))[0] == 1


async def test_a_version_that_is_named_is_no_answer_for_others(tmp_path: Path) -> None:
    async with shelf(tmp_path) as (_, publisher, plans):
        await publisher.publish(FIRST)
        await publisher.publish(SECOND)
        assert (await plans.current("w", 1))[0] == 1
        assert (await plans.current("w"))[0] == 2
        assert (await plans.current("w", 1))[0] == 1


async def test_what_was_read_before_a_change_and_comes_after_it_is_not_kept(tmp_path: Path) -> None:
    async with shelf(tmp_path) as (store, publisher, plans):
        await publisher.publish(FIRST)
        store.keeps_back = True
        slow = asyncio.create_task(plans.current("w"))
        await store.read.wait()
        await publisher.publish(SECOND)
        store.go_on.set()
        assert (await slow)[0] == 1
        assert (await plans.current("w"))[0] == 2
