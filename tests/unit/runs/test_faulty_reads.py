"""A store that cannot be read for a while is no outcome of a step: the step takes longer, and goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from callboard.errors import CallboardError, StoreCorrupt, StoreUnavailable
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.clock import JumpClock
from tests.unit.runs import house as runs_house
from tests.unit.runs.house import ANN
from tests.unit.triggers.house import house as published_house

T = TypeVar("T")

INNER = "name: inner\nsteps: [{id: a, uses: core.echo}]\n"
NOTE = "name: note\ndocuments: {d: {body: 'one {{ answers.x }}', fields: {x: {}}}}\n"


class Faulty(SqliteStore):
    """A store in which reading one thing fails a few times."""

    left = 0
    """How often it still does; nothing fails before a test says so."""
    fault: type[CallboardError] = StoreCorrupt
    unread: str = ""
    """What that is."""

    async def _perhaps(self, what: str, read: Callable[[], Awaitable[T]]) -> T:
        if self.left and what == self.unread:
            self.left -= 1
            raise self.fault("The disk did not read.")
        return await read()

    async def workflow(self, name: str, **more: Any) -> Any:
        read = super().workflow
        return await self._perhaps(f"workflow {name}", lambda: read(name, **more))

    async def template(self, name: str, **more: Any) -> Any:
        read = super().template
        return await self._perhaps(f"template {name}", lambda: read(name, **more))

    async def template_version(self, name: str, number: int | None = None, **more: Any) -> Any:
        read = super().template_version
        return await self._perhaps(f"version {name}", lambda: read(name, number, **more))

    async def created(self, system: str, type_: str, id_: str, **more: Any) -> Any:
        read = super().created
        return await self._perhaps(f"created {id_}", lambda: read(system, type_, id_, **more))


def one(step: str, more: str = "") -> str:
    return f"name: w\nsteps:\n  - {{id: a, uses: {step}{more}, retry: {{attempts: 1}}}}\n"


FAULTS = pytest.mark.parametrize("fault", [StoreCorrupt, StoreUnavailable])


@FAULTS
@pytest.mark.parametrize(
    "step",
    [
        "workflow, with: {name: inner, input: {}}",
        "workflow, with: {name: inner, input: {}, wait: false}",
        "each, with: {items: [1, 2], workflow: inner}",
    ],
)
async def test_a_workflow_that_cannot_be_read_for_a_while_is_started_when_it_can(
    tmp_path: Path, step: str, fault: type[CallboardError]
) -> None:
    clock = JumpClock()
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    async with published_house(tmp_path / "db", INNER, one(step), clock=clock, store=store) as here:
        store.fault, store.unread, store.left = fault, "workflow inner", 7
        began = await here.runs.start_run("w", None, principal=ANN)

        async def ended() -> bool:
            row = await here.store.run(began.run)
            return row is not None and row.ended_at is not None

        await here.until(ended)
        assert store.left == 0
        (attempt,) = await here.store.attempts(began.run, 0, 9)  # type: ignore[arg-type]  # the beginning
        assert (attempt.status, attempt.error) == ("completed", None)


@FAULTS
@pytest.mark.parametrize(
    ("step", "unread"),
    [
        ("template.render, with: {template: note, document: d, answers: {x: 1}}", "template note"),
        ("template.render, with: {template: note, document: d, answers: {x: 1}}", "version note"),
        ("template.render, with: {template: note, version: 1, document: d, answers: {x: 1}}", "version note"),
        ("resource.check, with: {system: jira, type: issue, id: '7'}", "created 7"),
    ],
)
async def test_what_a_step_reads_is_waited_for(
    tmp_path: Path, step: str, unread: str, fault: type[CallboardError]
) -> None:
    clock = JumpClock()
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    async with runs_house.house(tmp_path / "db", one(step), clock=clock, store=store) as here:
        await here.library.publish(NOTE, principal=ANN)
        store.fault, store.unread, store.left = fault, unread, 7
        began = await here.start()
        await here.stage.until(lambda: not here.runs.awake, within=1_000_000)
        assert store.left == 0
        assert await here.attempts(began.run) == [("a", 1, "completed")]


async def test_the_time_out_of_a_step_counts_while_the_store_is_waited_for(tmp_path: Path) -> None:
    clock = JumpClock()
    store = Faulty(tmp_path / "db", clock=clock, connect=inline)
    step = one("resource.check, with: {system: jira, type: issue, id: '7'}", ", timeout: 60s")
    async with runs_house.house(tmp_path / "db", step, clock=clock, store=store) as here:
        store.unread, store.left = "created 7", 1_000_000
        began = await here.start()
        await here.comes_to(began.run, "failed")
        error = (await here.facts(began.run))[-1].error
        assert error.code == "TIMEOUT"
        assert 1_000_000 - store.left < 20, "it was tried far too often"
