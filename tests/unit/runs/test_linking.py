"""Links to what lives elsewhere, through the house: one run created a thing, the others are told which."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.outcome import Done, Link
from callboard.planning.step import Action, action, marked
from callboard.run.commands import Give
from callboard.runs.forks import Wanted
from callboard.store.port import Retention
from callboard.store.runrows import LinkQuery
from tests.unit.runs.house import ANN, House, house

GO = Give("go")
MAKES = """
name: w
steps:
  - {id: look, uses: resource.check, with: {system: jira, type: issue, id: "{{ trigger.id }}"}}
  - {id: hold, uses: wait.signal, with: {signal: go}}
  - {id: make, uses: resource.link, with: {system: jira, type: issue, id: "{{ trigger.id }}", how: created}}
  - {id: touch, uses: resource.link, with: {system: jira, type: issue, id: "{{ trigger.id }}"}}
output: "{{ steps.look.output }}"
"""


async def made(there: House, *, id_: Any = 7) -> str:
    run = (await there.start(trigger={"id": id_})).run
    await there.runs.do(run, GO, principal=ANN)
    return run


async def ended(there: House, run: str) -> Any:
    async def over() -> bool:
        row = await there.store.run(run)
        return row is not None and row.ended_at is not None

    await there.stage.until(over)
    return await there.store.run(run)


async def test_what_a_run_made_is_found_by_the_run_and_by_the_thing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", MAKES) as there:
        run = await made(there)
        assert (await ended(there, run)).status == "completed"
        links = await there.store.links(LinkQuery(run=run))
        assert [(one.step, one.how, one.id) for one in links] == [
            ("make", "created", "7"),
            ("touch", "touched", "7"),
        ]
        (fact,) = [event for event in await there.events(run) if event.position == links[0].position]
        assert fact.type == "resources_linked"
        assert await there.store.links(LinkQuery(system="jira", type="issue", id="7")) == links
        assert await there.store.links(LinkQuery(system="jira", type="issue", id="8")) == []
        last = links[0]
        assert await there.store.links(LinkQuery(run=run, after=(last.position, last.number))) == links[1:]
        assert await there.store.created("jira", "issue", "7") == last


async def test_a_second_run_that_creates_it_fails_and_is_told_of_the_first(tmp_path: Path) -> None:
    async with house(tmp_path / "db", MAKES) as there:
        one = await made(there)
        await ended(there, one)
        two = await made(there)
        row = await ended(there, two)
        assert (row.status, row.error.code) == ("failed", "RESOURCE_EXISTS")
        assert row.error.details["run"] == one
        assert f"step make of run {one}" in row.error.message
        look = next(fact for fact in await there.facts(two) if type(fact).__name__ == "StepCompleted")
        assert (look.output["exists"], look.output["run"], look.output["mine"]) == (True, one, False)


async def test_of_many_at_the_same_moment_one_has_created_it_and_all_go_on(tmp_path: Path) -> None:
    async with house(tmp_path / "db", MAKES) as there:
        runs = [(await there.start(trigger={"id": 7})).run for _ in range(12)]
        await there.asleep()
        await asyncio.gather(*(there.runs.do(run, GO, principal=ANN) for run in runs))
        rows = [await ended(there, run) for run in runs]
        (first,) = [row.id for row in rows if row.status == "completed"]
        assert {row.error.details["run"] for row in rows if row.error} == {first}
        assert {row.error.code for row in rows if row.error} == {"RESOURCE_EXISTS"}
        assert len(await there.store.links(LinkQuery(system="jira"))) == 2
        for run in runs:  # none fell over
            assert [at for step, at, _ in await there.attempts(run) if step == "make"] == [1]


async def test_the_run_that_made_it_may_say_so_again_and_its_fork_may_not(tmp_path: Path) -> None:
    text = MAKES.replace("how: created}}", "how: created}, next: [{to: touch}]}").replace(
        "id: touch, uses: resource.link, with: {",
        "id: touch, uses: resource.link, again: {to: make, if: 'true', max: 1}, with: {",
    )
    async with house(tmp_path / "db", text) as there:
        run = await made(there)
        assert (await ended(there, run)).status == "completed"
        assert [one.how for one in await there.store.links(LinkQuery(run=run))] == ["created", "touched"]
        fork = (await there.runs.fork_run(Wanted(run, "make"), principal=ANN)).run
        assert (await ended(there, fork)).error.code == "RESOURCE_EXISTS"


class Number(msgspec.Struct):
    value: int


class Text(msgspec.Struct):
    value: str


def creating() -> dict[str, Action]:
    @action("open")
    async def open_(number: Number) -> Any:
        links = [Link("bank", "payment", str(number.value), "created"), Link("bank", "account", "a")]
        return Done({"paid": number.value}, links=tuple(links * number.value))

    found = marked(open_)
    assert found is not None
    return {"open": found}


ACTS = """
name: w
steps:
  - {id: pay, uses: python, with: {action: open, input: {value: "{{ trigger }}"}}}
output: "{{ steps.pay.output }}"
"""


async def test_an_action_reports_links_with_what_it_came_to(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ACTS, actions=creating()) as there:
        run = (await there.start(trigger=1)).run
        assert (await ended(there, run)).status == "completed"
        links = await there.store.links(LinkQuery(run=run))
        assert [(one.type, one.how) for one in links] == [("payment", "created"), ("account", "touched")]
        too_many = (await there.start(trigger=51)).run
        assert (await ended(there, too_many)).error.code == "OUTPUT_INVALID"
        assert await there.store.links(LinkQuery(run=too_many)) == []


async def test_what_a_run_created_outlives_it_for_as_long_as_keys_do(tmp_path: Path) -> None:
    async with house(tmp_path / "db", MAKES) as there:
        run = await made(there)
        await ended(there, run)
        await there.asleep()
        await there.runs.delete(run, principal=ANN)
        assert [one.how for one in await there.store.links(LinkQuery(run=run))] == ["created"]
        assert (await ended(there, await made(there))).error.code == "RESOURCE_EXISTS"
        for days, left in ((0, 1), (29, 1), (2, 0)):
            await there.clock.sleep(days * 86_400)
            await there.store.prune(Retention())
            assert len(await there.store.links(LinkQuery(run=run))) == left


async def test_a_link_that_names_a_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "7777777777")

    @action("open")
    async def open_(given: Text) -> Any:
        return Done(links=(Link("bank", "payment", f"p-{given.value}", "created"),))

    text = ACTS.replace("{{ trigger }}", "{{ secret('TOKEN_OF_TEST') }}")
    found = marked(open_)
    assert found is not None
    async with house(tmp_path / "db", text, actions={"open": found}) as there:
        run = (await there.start()).run
        assert (await ended(there, run)).error.code == "OUTPUT_INVALID"
        assert await there.store.links(LinkQuery()) == []
