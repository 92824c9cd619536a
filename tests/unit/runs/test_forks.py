"""Forks through the house: real rows, real commits, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard.errors import KeyReused, NotFound, RequestInvalid, TurnTooLarge, WrongState
from callboard.facts.events import WorkflowStarted
from callboard.run import commands
from callboard.runs.forks import Wanted
from tests.unit.runs.house import ANN, House, house

STEPS = """
name: w
input: {type: object, required: [n]}
vars: {kept: 0}
steps:
  - {id: a, uses: core.set, with: {kept: "{{ trigger.n }}"}}
  - {id: b, uses: core.echo, with: {message: "{{ vars.kept }}"}}
  - {id: c, uses: wait.signal, with: {signal: go}}
  - {id: d, uses: core.echo, with: {message: "{{ steps.b.output.echo + trigger.n }}"}}
output: {d: "{{ steps.d.output.echo }}"}
"""
LARGE = """
name: large
steps:
""" + "\n".join(
    f"  - {{id: s{number}, uses: core.echo, with: {{message: \"{{{{ 'x' * 900000 }}}}\"}}}}"
    for number in range(10)
)


PARTS = """
name: parts
steps:
  - id: all
    uses: each
    with:
      items: [1]
      steps:
        - {id: a, uses: core.echo}
"""


async def signalled(there: House, run: str) -> None:
    await there.runs.do(run, commands.Give("go"), principal=ANN)


async def forked(there: House, run: str, step: str, **more: Any) -> str:
    request = more.pop("request", None)
    return (await there.runs.fork_run(Wanted(run, step, **more), principal=ANN, request=request)).run


async def test_a_fork_is_a_run_of_its_own_that_knows_where_it_is_from(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        await signalled(there, one)
        other = await forked(there, one, "c")
        assert await there.status(other) == "running"
        row = await there.store.run(other)
        assert row is not None
        assert (row.forked_from, row.parent, row.principal) == (one, None, "ann")
        await signalled(there, other)
        assert await there.status(other) == "completed"
        assert [step for step, _, _ in await there.attempts(other)] == ["c", "d"]
        assert (await there.facts(other))[-1].final_output == {"d": 2}
        assert await there.store.rebuild() == []


async def test_its_cause_is_what_the_other_run_had_come_to(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        last = (await there.events(one))[-1]
        other = await forked(there, one, "c")
        assert (await there.events(other))[0].cause == last.position
        assert [event.position for event in await there.events(one)][-1] == last.position


async def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        other = await forked(there, one, "c")
    async with house(tmp_path / "db", STEPS) as there:
        await there.asleep()
        await signalled(there, other)
        await there.comes_to(other)
        assert (await there.facts(other))[-1].final_output == {"d": 2}


async def test_another_input_is_seen_by_what_is_done_again_and_checked(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        other = await forked(there, one, "c", input={"n": 10})
        await signalled(there, other)
        assert (await there.facts(other))[-1].final_output == {"d": 11}, "b was done with the old one"
        with pytest.raises(RequestInvalid, match="no input of the workflow"):
            await forked(there, one, "c", input={"m": 10})


async def test_what_cannot_be_forked_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        before = (await there.store.head()).position
        with pytest.raises(NotFound):
            await forked(there, "nobody", "c")
        with pytest.raises(RequestInvalid, match="did you mean"):
            await forked(there, one, "cc")
        with pytest.raises(WrongState, match="c, which comes before it"):
            await forked(there, one, "d")
        assert (await there.store.head()).position == before


async def test_the_same_request_makes_one_fork(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        other = await forked(there, one, "c", request="r")
        assert await forked(there, one, "c", request="r") == other
        with pytest.raises(KeyReused):
            await forked(there, one, "b", request="r")
        with pytest.raises(KeyReused):
            await there.start(trigger={"n": 1}, request="r")


async def test_what_is_more_than_a_turn_holds_is_refused_in_these_words(tmp_path: Path) -> None:
    async with house(tmp_path / "db", LARGE) as there:
        one = (await there.start("large")).run
        await there.comes_to(one)
        assert await there.status(await forked(there, one, "s2")) in {"running", "completed"}
        with pytest.raises(TurnTooLarge, match=r"cannot be forked there: what it would hand on"):
            await forked(there, one, "s9")


async def test_a_fork_of_a_fork_hands_on_what_it_was_handed(tmp_path: Path) -> None:
    async with house(tmp_path / "db", STEPS) as there:
        one = (await there.start(trigger={"n": 1})).run
        other = await forked(there, one, "c")
        third = await forked(there, other, "b")
        (first, *_) = await there.facts(third)
        assert isinstance(first, WorkflowStarted)
        assert first.forked is not None
        assert (first.forked.run, [step.step for step in first.forked.taken]) == (other, ["a"])
        assert [put.value for put in first.forked.puts] == [1]


async def test_a_part_of_a_run_is_not_forked_by_itself(tmp_path: Path) -> None:
    async with house(tmp_path / "db", PARTS) as there:
        one = (await there.start("parts")).run
        await there.comes_to(one)
        (part,) = await there.store.descendants(one, 10)
        with pytest.raises(WrongState, match=rf"is a part of run {one}: fork that one, from its step all"):
            await forked(there, part.run.id, "a")
