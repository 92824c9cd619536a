"""Runs that steps start of other workflows: what goes in, what comes back, and what ends with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.errors import WrongState
from callboard.run import commands
from callboard.store.runrows import RunQuery
from tests.unit.runs.house import ANN, House, house
from tests.unit.runs.outcomes import nothing_is_left, output

INNER = """
name: inner
input: {type: object, required: [n], properties: {n: {type: integer}}}
steps:
  - {id: a, uses: core.echo, with: {message: "{{ trigger.n * 2 }}"}}
output: "{{ steps.a.output.echo }}"
"""
OUTER = """
name: w
steps:
  - {id: call, uses: workflow, with: {name: inner, input: {n: "{{ trigger }}"}}}
  - {id: b, uses: core.echo, with: {message: "{{ steps.call.output }}"}}
output: "{{ steps.b.output.echo }}"
"""
SLOW = """
name: inner
deadline: 3d
steps:
  - {id: a, uses: wait.signal, with: {signal: go}}
  - {id: b, uses: core.fail, with: {code: BAD, message: "It is bad."}}
"""


def nobody_hears(id_: str) -> None:
    """Tell no run that something was answered: the process died in that moment."""


async def child_of(here: House, run: str) -> str:
    (child,) = await here.store.runs(RunQuery(parent=run))
    return child.id


async def test_a_child_gives_its_output_to_the_step_that_waits_for_it(tmp_path: Path) -> None:
    async with house(tmp_path / "db", INNER, OUTER) as here:
        began = await here.start("w", 21)
        await here.comes_to(began.run)
        assert await output(here, began.run) == 42
        child = await here.store.run(await child_of(here, began.run))
        assert child is not None
        assert (child.workflow, child.status, child.parent) == ("inner", "completed", began.run)
        await nothing_is_left(here)


async def test_a_child_is_caused_by_the_fact_that_says_that_it_was_started(tmp_path: Path) -> None:
    async with house(tmp_path / "db", INNER, OUTER) as here:
        began = await here.start("w", 1)
        await here.comes_to(began.run)
        first, *_ = await here.events(await child_of(here, began.run))
        (said,) = [event for event in await here.events(began.run) if event.type == "child_started"]
        (heard,) = [event for event in await here.events(began.run) if event.type == "child_ended"]
        *_, end = await here.events(await child_of(here, began.run))
        assert first.cause == said.position
        assert heard.cause == end.position


async def test_an_input_that_the_workflow_does_not_take_fails_the_step_and_starts_nothing(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "db", INNER, OUTER) as here:
        began = await here.start("w", "seven")
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert row.error.code == "INPUT_INVALID"
        assert "input.n" in row.error.message
        assert await here.store.runs(RunQuery(parent=began.run)) == []


async def test_the_failure_of_a_child_fails_the_step_and_names_the_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        await here.runs.do(child, commands.Give("go", None, "ann"), principal=ANN)
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert (row.error.code, row.error.details) == ("CHILD_FAILED", {"run": child, "code": "BAD"})
        await nothing_is_left(here)


async def test_a_child_that_somebody_cancels_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        await here.runs.do(child, commands.Cancel("ann"), principal=ANN)
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert row.error.code == "CHILD_CANCELLED"


async def test_cancelling_a_run_cancels_what_it_waits_for(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        await here.comes_to(child, "cancelled")
        await here.asleep()
        await nothing_is_left(here)


async def test_a_child_whose_parent_gave_it_up_before_a_crash_is_cancelled_after_it(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        here.runs._set_timer = lambda _: None  # the process dies before the timer of the child is set
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        assert await here.status(child) == "running"
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        await here.comes_to(child, "cancelled")
        await here.asleep()
        await nothing_is_left(here)


async def test_the_end_of_a_child_is_found_after_a_crash(tmp_path: Path) -> None:
    """The child's last turn is committed, and the parent is never told of it."""
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        here.runs.answered = nobody_hears  # type: ignore[method-assign]
        await here.runs.do(child, commands.Give("go", None, "ann"), principal=ANN)
        await here.comes_to(child, "failed")
        assert await here.status(began.run) == "running"
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        await here.comes_to(began.run, "failed")
        await nothing_is_left(here)


async def test_a_child_that_began_and_was_never_woken_is_taken_up_after_a_crash(tmp_path: Path) -> None:
    async with house(tmp_path / "db", INNER, OUTER) as here:
        here.runs.answered = nobody_hears  # type: ignore[method-assign]
        began = await here.start("w", 4)
        await here.asleep()
        assert await here.status(await child_of(here, began.run)) == "pending"
    async with house(tmp_path / "db", INNER, OUTER) as here:
        await here.comes_to(began.run)
        assert await output(here, began.run) == 8


async def test_a_child_whose_end_was_used_is_not_tried_again(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.asleep()
        child = await child_of(here, began.run)
        await here.runs.do(child, commands.Give("go", None, "ann"), principal=ANN)
        await here.comes_to(began.run, "failed")
        with pytest.raises(WrongState, match="retry that run"):
            await here.runs.do(child, commands.Reopen("ann"), principal=ANN)
        await here.runs.do(began.run, commands.Reopen("ann"), principal=ANN)
        assert await here.status(began.run) == "running"
        await here.asleep()
        assert len(await here.store.runs(RunQuery(parent=began.run))) == 2


async def test_a_child_that_is_not_waited_for_goes_on_alone(tmp_path: Path) -> None:
    outer = OUTER.replace("name: inner,", "name: inner, wait: false,")
    async with house(tmp_path / "db", SLOW, outer) as here:
        began = await here.start("w", 1)
        await here.comes_to(began.run)
        child = await child_of(here, began.run)
        assert await output(here, began.run) == {"run": child}
        await here.asleep()
        assert await here.status(child) == "running"
        await here.runs.do(child, commands.Give("go", None, "ann"), principal=ANN)
        await here.comes_to(child, "failed")
        await here.runs.do(child, commands.Reopen("ann"), principal=ANN)


async def test_the_deadline_of_a_run_ends_what_it_waits_for(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER.replace("name: w", "name: w\ndeadline: 1d")) as here:
        began = await here.start("w", 1)
        await here.comes_to(began.run, "failed")
        await here.comes_to(await child_of(here, began.run), "cancelled")


async def test_the_deadline_of_a_child_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SLOW, OUTER) as here:
        began = await here.start("w", 1)
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert (row.error.code, row.error.details["code"]) == ("CHILD_FAILED", "RUN_TIMEOUT")


async def test_going_back_ends_the_child_of_the_round_before(tmp_path: Path) -> None:
    outer = """
name: w
steps:
  - {id: a, uses: core.echo, next: [call, b]}
  - {id: call, uses: workflow, with: {name: inner}}
  - {id: b, uses: core.delay, with: {for: 1h}, again: {to: a, max: 1}}
"""
    async with house(tmp_path / "db", SLOW, outer) as here:
        began = await here.start("w")
        await here.asleep()
        first = await child_of(here, began.run)
        await here.comes_to(first, "cancelled")
        await here.asleep()
        (second,) = {row.id for row in await here.store.runs(RunQuery(parent=began.run))} - {first}
        assert await here.status(second) == "running"


def _chain(depth: int) -> list[str]:
    """Return workflows of which each starts the next, and the last one nothing."""
    steps = "steps:\n  - {{id: s, uses: workflow, with: {{name: w{}}}}}"
    call = f"name: w{{}}\n{steps}\noutput: '{{{{{{{{ steps.s.output }}}}}}}}'"
    last = f"name: w{depth}\nsteps:\n  - {{id: s, uses: core.echo}}\noutput: bottom"
    return [*(call.format(number, number + 1) for number in range(depth)), last]


async def test_five_workflows_may_stand_below_one_and_no_more(tmp_path: Path) -> None:
    async with house(tmp_path / "db", *_chain(6)) as here:
        one = await here.start("w1")
        await here.comes_to(one.run)
        assert await output(here, one.run) == "bottom"
        deeper = await here.start("w0")
        await here.comes_to(deeper.run, "failed")
        row = await here.store.run(deeper.run)
        assert row is not None
        assert "at most 5 deep" in str(row.error)


async def test_a_workflow_does_not_run_inside_itself(tmp_path: Path) -> None:
    """Each file passes its check: only together do they make a circle."""
    there = "name: there\nsteps:\n  - {id: s, uses: workflow, with: {name: back}}"
    back = "name: back\nsteps:\n  - {id: s, uses: workflow, with: {name: there}}"
    async with house(tmp_path / "db", there, back) as here:
        began = await here.start("there")
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert "there → back → there" in str(row.error)


async def test_what_a_child_says_is_a_hop_further_than_what_its_parent_says(tmp_path: Path) -> None:
    says = "uses: message.publish, with: {channel: news, type: said, body: 1}"
    inner = f"name: inner\nsteps:\n  - {{id: a, {says}}}"
    outer = f"name: w\nsteps:\n  - {{id: a, {says}}}\n  - {{id: b, uses: workflow, with: {{name: inner}}}}"
    async with house(tmp_path / "db", inner, outer) as here:
        began = await here.start("w", envelope={"kind": "message", "hops": 3})
        await here.comes_to(began.run)
        assert sorted(one.message.hops for one in await here.stage.said(channel="news")) == [4, 5]


async def test_a_child_of_a_workflow_that_is_not_there_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", OUTER) as here:
        began = await here.start("w", 1)
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert row.error.code == "NOT_FOUND"
