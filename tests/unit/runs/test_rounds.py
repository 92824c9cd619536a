"""Items and rounds over time: pauses, restarts, retries, and a great many of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callboard.planning.step import action, marked
from callboard.run import commands
from callboard.store.port import Retention
from callboard.store.runrows import RunQuery
from tests.proof import scaled
from tests.unit.runs.house import ANN, House, house
from tests.unit.runs.outcomes import ONE, failed, nothing_is_left, output


class Number(msgspec.Struct):
    value: int


async def the_one_of(here: House, run: str, number: int) -> str:
    """Wait until the item or round of that number waits for its signal, and return its run."""

    async def there() -> bool:
        items = await here.store.runs(RunQuery(parent=run))
        return len(items) == number + 1 and items[-1].status == "running" and not here.runs.awake

    await here.stage.until(there)
    return (await here.store.runs(RunQuery(parent=run)))[-1].id


async def test_no_item_begins_while_its_run_is_paused(tmp_path: Path) -> None:
    text = ONE.format(parallel=1, failure="stop", steps="[{id: a, uses: core.delay, with: {for: 1h}}]")
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", [1, 2])
        await here.asleep()
        await here.runs.do(began.run, commands.Pause("ann"), principal=ANN)
        (item,) = await here.store.runs(RunQuery(parent=began.run))
        await here.comes_to(item.id)
        await here.asleep()
        assert len(await here.store.runs(RunQuery(parent=began.run))) == 1
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await here.comes_to(began.run)


@pytest.mark.parametrize("kind", ["items: [0, 1, 2, 3]", 'while: "index < 4"'])
async def test_what_has_ended_is_not_done_again_after_a_restart(tmp_path: Path, kind: str) -> None:
    done: list[int] = []

    @action("note")
    async def note(number: Number) -> int:
        done.append(number.value)
        return number.value

    found = marked(note)
    assert found is not None
    uses = "each" if "items" in kind else "loop"
    text = f"""
name: w
steps:
  - id: all
    uses: {uses}
    with:
      {kind}
      steps:
        - {{id: note, uses: python, with: {{action: note, input: {{value: "{{{{ index }}}}"}}}}}}
        - {{id: wait, uses: wait.signal, with: {{signal: go}}}}
        - {{id: last, uses: core.echo, with: {{message: "{{{{ steps.note.output }}}}"}}}}
output: "{{{{ steps.all.output }}}}"
"""
    run = ""
    for number in range(4):
        async with house(tmp_path / "db", text, actions={"note": found}) as here:
            run = run or (await here.start("w")).run
            going = await the_one_of(here, run, number)
            await here.runs.do(going, commands.Give("go", None, "ann"), principal=ANN)
    async with house(tmp_path / "db", text, actions={"note": found}) as here:
        await here.comes_to(run)
        last = {"echo": 3}
        assert await output(here, run) == (
            [{"echo": 0}, {"echo": 1}, {"echo": 2}, last] if uses == "each" else {"rounds": 4, "output": last}
        )
        await nothing_is_left(here)
    assert done == [0, 1, 2, 3]


async def test_a_run_that_is_tried_again_does_only_the_items_that_had_not_ended_well(tmp_path: Path) -> None:
    done: list[int] = []

    @action("note")
    async def note(number: Number) -> int:
        done.append(number.value)
        if done == [1, 2, 3]:
            raise ValueError("not yet")
        return 10 * number.value

    found = marked(note)
    assert found is not None
    steps = '[{id: note, uses: python, with: {action: note, input: {value: "{{ item }}"}}}]'
    text = ONE.format(parallel=1, failure="stop", steps=steps)
    async with house(tmp_path / "db", text, actions={"note": found}) as here:
        began = await here.start("w", [1, 2, 3, 4])
        await here.comes_to(began.run, "failed")
        await here.asleep()
    async with house(tmp_path / "db", text, actions={"note": found}) as here:
        await here.runs.do(began.run, commands.Reopen("ann"), principal=ANN)
        await here.comes_to(began.run)
        assert await output(here, began.run) == [10, 20, 30, 40]
        assert done == [1, 2, 3, 3, 4]
        await nothing_is_left(here)


async def test_thousands_of_items_hold_no_more_actors_than_go_on_at_once(tmp_path: Path) -> None:
    count, parallel = scaled(300), 10
    text = ONE.format(
        parallel=parallel, failure="stop", steps="[{id: a, uses: core.echo, with: {message: 1}}]"
    )
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", list(range(count)))
        most = 0

        async def ended() -> bool:
            nonlocal most
            most = max(most, here.runs.awake)
            return await here.status(began.run) == "completed"

        await here.stage.until(ended, within=1_000_000)
        assert most <= parallel + 1
        assert len(await output(here, began.run)) == count
        assert await here.store.runs(RunQuery(workflow="w")) == [await here.store.run(began.run)]


async def test_more_items_than_may_be_are_refused(tmp_path: Path) -> None:
    text = ONE.format(parallel=1, failure="stop", steps="[{id: a, uses: core.echo}]")
    assert "10,000" in (await failed(tmp_path, text, list(range(10_001)))).message


async def test_a_run_stays_while_an_item_of_it_goes_on_and_goes_with_them_after(tmp_path: Path) -> None:
    """The items of a run that was cancelled may not have heard of it yet: they still look at it."""
    text = ONE.format(parallel=1, failure="stop", steps="[{id: a, uses: wait.signal, with: {signal: go}}]")
    everything = Retention(streams_kept=0)
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", [1])
        await here.asleep()
        here.runs._set_timer = lambda _: None  # the process dies before the timer of the item is set
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        assert (await here.store.prune(everything)).streams == 0
    async with house(tmp_path / "db", text) as here:
        (item,) = await here.store.runs(RunQuery(parent=began.run))
        await here.comes_to(item.id, "cancelled")
        await here.asleep()
        assert (await here.store.prune(everything)).streams == 2
        assert not [found for found in await here.store.check(full=True) if not found.ok]


async def test_what_an_item_says_is_as_far_as_what_its_run_says(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - {id: a, uses: message.publish, with: {channel: news, type: said, body: 1}}
  - id: b
    uses: each
    with:
      items: [1]
      steps: [{id: c, uses: message.publish, with: {channel: news, type: said, body: 1}}]
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", envelope={"kind": "message", "hops": 3})
        await here.comes_to(began.run)
        assert [one.message.hops for one in await here.stage.said(channel="news")] == [4, 4]


async def test_a_run_is_deleted_with_its_items_and_theirs_and_not_with_what_it_called(tmp_path: Path) -> None:
    inner = "name: inner\nsteps: [{id: a, uses: core.echo}]"
    text = """
name: w
steps:
  - id: rows
    uses: each
    with:
      items: [1, 2]
      steps:
        - {id: cells, uses: each, with: {items: [1, 2], steps: [{id: cell, uses: core.echo}]}}
        - {id: call, uses: workflow, with: {name: inner}}
"""
    async with house(tmp_path / "db", text, inner) as here:
        began = await here.start("w")
        await here.comes_to(began.run)
        await here.asleep()
        rows = await here.store.runs(RunQuery(parent=began.run))
        await here.runs.delete(began.run, principal=ANN)
        assert [row.workflow for row in await here.store.runs(RunQuery())] == ["inner", "inner"]
        for row in rows:
            assert await here.store.run(row.id) is None
            assert all(one.workflow == "inner" for one in await here.store.runs(RunQuery(parent=row.id)))
        await nothing_is_left(here)
