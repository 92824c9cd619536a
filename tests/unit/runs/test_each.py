"""`each`: items as runs of their own, what they see, and what they give."""

from __future__ import annotations

from pathlib import Path

from callboard.facts import encode
from callboard.messages import To
from callboard.run import commands
from callboard.store.runrows import RunQuery
from tests.unit.runs.house import ANN, house
from tests.unit.runs.outcomes import ONE, error, failed, given, nothing_is_left, output

DOUBLE = """
name: w
vars: {by: 2}
steps:
  - {id: before, uses: core.echo, with: {message: 100}}
  - id: all
    uses: each
    with:
      items: "{{ trigger }}"
      parallel: 3
      steps:
        - {id: first, uses: core.echo, with: {message: "{{ item * vars.by }}"}}
        - id: sum
          uses: core.echo
          with: {message: "{{ steps.first.output.echo + index + steps.before.output.echo }}"}
  - {id: after, uses: core.echo, with: {message: "{{ steps.all.output }}"}}
output: "{{ steps.after.output.echo }}"
"""


async def test_items_see_what_is_around_them_and_give_their_last_steps_in_order(tmp_path: Path) -> None:
    found = await given(tmp_path, DOUBLE, [5, 6, 7, 8])
    assert found == [{"echo": 110}, {"echo": 113}, {"echo": 116}, {"echo": 119}]


async def test_no_items_give_an_empty_list(tmp_path: Path) -> None:
    assert await given(tmp_path, DOUBLE, []) == []


async def test_items_that_are_no_list_fail_the_step(tmp_path: Path) -> None:
    assert "items" in (await failed(tmp_path, DOUBLE, {"a": 1})).message


FAILS_AT_TWO = """
        - id: look
          uses: core.echo
          next: [{to: bad, if: "item == 2"}, {to: good}]
          route: first
        - {id: bad, uses: core.fail, with: {code: TWO, message: "It is two."}}
        - {id: good, uses: core.echo, with: {message: "{{ item }}"}}
"""


async def test_the_first_item_that_fails_stops_the_others(tmp_path: Path) -> None:
    waits = FAILS_AT_TWO.replace(
        'uses: core.echo, with: {message: "{{ item }}"}}', "uses: wait.signal, with: {signal: go}}"
    )
    text = ONE.format(parallel=3, failure="stop", steps=waits)
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", [1, 2, 3, 4])
        await here.comes_to(began.run, "failed")
        told = await error(here, began.run)
        assert (told.code, told.message) == ("ITEM_FAILED", "Item 1 failed: It is two.")
        assert (told.details["index"], told.details["code"]) == (1, "TWO")
        items = await here.store.runs(RunQuery(parent=began.run))
        for item in items:
            await here.comes_to(item.id, "failed" if item.id == told.details["run"] else "cancelled")
        assert len(items) == 3, "the fourth never began"
        await here.asleep()
        await nothing_is_left(here)


async def test_failures_are_collected_where_that_is_wanted(tmp_path: Path) -> None:
    text = ONE.format(parallel=1, failure="collect", steps=FAILS_AT_TWO)
    assert await given(tmp_path, text, [1, 2, 3]) == {
        "results": [
            {"index": 0, "status": "completed", "output": {"echo": 1}, "error": None},
            {
                "index": 1,
                "status": "failed",
                "output": None,
                "error": {"code": "TWO", "message": "It is two."},
            },
            {"index": 2, "status": "completed", "output": {"echo": 3}, "error": None},
        ],
        "completed": 2,
        "failed": 1,
    }


async def test_an_item_that_somebody_cancels_has_failed(tmp_path: Path) -> None:
    text = ONE.format(parallel=1, failure="collect", steps="[{id: a, uses: wait.signal, with: {signal: go}}]")
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", [1])
        await here.asleep()
        (item,) = await here.store.runs(RunQuery(parent=began.run))
        await here.runs.do(item.id, commands.Cancel("ann"), principal=ANN)
        await here.comes_to(began.run)
        assert (await output(here, began.run))["results"][0]["error"]["code"] == "CHILD_CANCELLED"


async def test_no_more_items_run_at_once_than_may(tmp_path: Path) -> None:
    text = ONE.format(parallel=2, failure="stop", steps="[{id: a, uses: wait.signal, with: {signal: go}}]")
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w", [1, 2, 3, 4, 5])
        seen = 0
        while await here.status(began.run) != "completed":
            await here.asleep()
            items = await here.store.runs(RunQuery(parent=began.run))
            going = [item.id for item in items if item.status == "running"]
            if going:
                assert len(going) == min(2, 5 - seen)
                seen += 1
                await here.runs.do(going[0], commands.Give("go", going[0], "ann"), principal=ANN)
        assert len(await output(here, began.run)) == 5


async def test_each_may_run_a_workflow_for_each_item(tmp_path: Path) -> None:
    inner = """
name: inner
input: {type: integer}
steps: [{id: a, uses: core.echo, with: {message: "{{ trigger + 1 }}"}}]
output: "{{ steps.a.output.echo }}"
"""
    outer = """
name: w
steps: [{id: all, uses: each, with: {items: "{{ trigger }}", workflow: inner, parallel: 2}}]
output: "{{ steps.all.output }}"
"""
    assert await given(tmp_path, outer, [1, 2, 3], inner) == [2, 3, 4]


async def test_an_item_that_the_workflow_does_not_take_is_told_before_anything_begins(tmp_path: Path) -> None:
    inner = "name: inner\ninput: {type: integer}\nsteps: [{id: a, uses: core.echo}]"
    outer = "name: w\nsteps: [{id: all, uses: each, with: {items: [1, two], workflow: inner}}]"
    told = await failed(tmp_path, outer, None, inner)
    assert (told.code, told.details) == ("INPUT_INVALID", {"index": 1})


async def test_an_item_that_the_workflow_does_not_take_is_collected_as_a_failure(tmp_path: Path) -> None:
    inner = "name: inner\ninput: {type: integer}\nsteps: [{id: a, uses: core.echo}]\noutput: well"
    outer = """
name: w
steps: [{id: all, uses: each, with: {items: [two, 1], workflow: inner, on_item_failure: collect}}]
output: "{{ steps.all.output }}"
"""
    found = await given(tmp_path, outer, None, inner)
    assert [one["status"] for one in found["results"]] == ["failed", "completed"]
    assert found["results"][0]["error"]["code"] == "INPUT_INVALID"


async def test_variables_that_an_item_sets_stay_inside(tmp_path: Path) -> None:
    text = """
name: w
vars: {n: 0}
steps:
  - id: all
    uses: each
    with:
      items: [1, 2]
      steps:
        - {id: set, uses: core.set, with: {n: "{{ vars.n + item }}"}}
        - {id: say, uses: core.echo, with: {message: "{{ vars.n }}"}}
output: ["{{ vars.n }}", "{{ steps.all.output }}"]
"""
    assert await given(tmp_path, text) == [0, [{"echo": 1}, {"echo": 2}]]


async def test_each_in_each_sees_all_that_is_around_it(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - id: rows
    uses: each
    with:
      items: "{{ trigger }}"
      parallel: 2
      steps:
        - {id: head, uses: core.echo, with: {message: "{{ item | length }}"}}
        - id: cells
          uses: each
          with:
            items: "{{ item }}"
            steps:
              - id: cell
                uses: core.echo
                with: {message: "{{ item }} of {{ steps.head.output.echo }} for {{ trigger | length }}"}
output: "{{ steps.rows.output }}"
"""
    assert await given(tmp_path, text, [[1], [2, 3]]) == [
        [{"echo": "1 of 1 for 2"}],
        [{"echo": "2 of 2 for 2"}, {"echo": "3 of 2 for 2"}],
    ]


async def test_what_goes_on_beside_the_items_is_not_seen_by_them(tmp_path: Path) -> None:
    """All items see the levels around as they were when the step began."""
    text = """
name: w
vars: {n: 1}
steps:
  - {id: start, uses: core.echo, next: [all, wait]}
  - id: all
    uses: each
    with:
      items: [1, 2]
      steps:
        - {id: a, uses: core.delay, with: {for: 1h}}
        - {id: b, uses: core.echo, with: {message: "{{ vars.n }}"}}
  - {id: wait, uses: core.delay, with: {for: 30m}, next: [set]}
  - {id: set, uses: core.set, with: {n: 2}}
output: ["{{ vars.n }}", "{{ steps.all.output }}"]
"""
    assert await given(tmp_path, text) == [2, [{"echo": 1}, {"echo": 1}]]


async def test_a_run_is_the_one_that_somebody_started_also_in_its_items(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - id: all
    uses: each
    with:
      items: [1]
      steps: [{id: a, uses: core.echo, with: {message: "{{ run.id }} {{ run.trigger.kind }}"}}]
output: "{{ steps.all.output[0].echo }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w")
        await here.comes_to(began.run)
        assert await output(here, began.run) == f"{began.run} manual"


async def test_results_that_are_too_much_together_fail_the_step(tmp_path: Path) -> None:
    steps = '[{id: a, uses: core.echo, with: {message: "{{ trigger[0] }}"}}]'
    text = ONE.format(parallel=1, failure="stop", steps=steps)
    told = await failed(tmp_path, text, ["x" * 300_000, 1, 2, 3, 4, 5, 6])
    assert told.code == "OUTPUT_TOO_LARGE"


async def test_items_wait_each_for_what_is_theirs_also_over_a_restart(tmp_path: Path) -> None:
    text = """
name: w
vars: {first: 3}
steps:
  - id: all
    uses: each
    with:
      items: [a, b]
      parallel: 2
      steps:
        - {id: m, uses: wait.message, with: {channel: news, if: "item.body.n == index + vars.first"}}
        - {id: e, uses: core.echo, with: {message: "{{ item }} {{ steps.m.output.body.n + vars.first }}"}}
output: "{{ steps.all.output }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start("w")
        await here.asleep()
    async with house(tmp_path / "db", text) as here:
        for number in (4, 3):
            json = encode({"n": number})
            await here.stage.bus.send(sender="ann", to=To.channel("news"), type="n", json=json)
        await here.comes_to(began.run)
        assert await output(here, began.run) == [{"echo": "a 6"}, {"echo": "b 7"}]
        await nothing_is_left(here)
