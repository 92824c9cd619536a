"""Concurrency keys through the house: real rows, real commits, real restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callboard.checking import accept
from callboard.errors import ConcurrencyLimit, RequestInvalid, WrongState
from callboard.run import commands
from callboard.runs import crowding
from callboard.runs.forks import Wanted
from tests.proof import scaled
from tests.unit.runs.house import ANN, House, house


def held(rule: str, *, name: str = "w", more: str = "") -> str:
    return f"""
name: {name}
concurrency: {{{rule}}}
{more}
steps:
  - {{id: a, uses: wait.signal, with: {{signal: go}}}}
"""


QUEUE = held("key: '{{ trigger.k }}', limit: 1, on_limit: queue")
REJECT = held("key: '{{ trigger.k }}', limit: 2, on_limit: reject")
REPLACE = held("key: '{{ trigger.k }}', limit: 1, on_limit: replace")
K = {"k": "one"}


async def go(there: House, run: str) -> None:
    await there.runs.do(run, commands.Give("go"), principal=ANN)


async def cancel(there: House, run: str) -> None:
    await there.runs.do(run, commands.Cancel("ann"), principal=ANN)


async def start(there: House, trigger: Any = K, **more: Any) -> str:
    return (await there.start(trigger=trigger, **more)).run


async def statuses(there: House, runs: list[str]) -> list[str]:
    return [await there.status(run) for run in runs]


async def sound(there: House) -> None:
    """See that the doctor finds nothing."""
    wrong = [one for one in await there.store.check(full=True) if not one.ok]
    assert not wrong


async def test_runs_past_the_limit_wait_and_go_one_after_the_other_in_their_order(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        runs = [await start(there) for _ in range(4)]
        assert await statuses(there, runs) == ["running", "pending", "pending", "pending"]
        await there.asleep()
        standing = there.runs.crowds.standing(runs[2])
        assert standing == crowding.Standing("one", 1, (runs[0],), (runs[1],))
        await sound(there)
        for at, run in enumerate(runs):
            await there.comes_to(run, "running")
            assert await statuses(there, runs[at + 1 :]) == ["pending"] * (3 - at)
            await go(there, run)
            await there.comes_to(run)
        assert await there.kinds(runs[1]) == [
            *("workflow_started", "workflow_admitted", "step_activated", "step_waiting", "signal_received"),
            *("wait_answered", "step_completed", "workflow_completed"),
        ]
        await sound(there)


async def test_the_turn_that_ends_a_run_hands_its_place_on_and_is_the_cause(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        one, two = await start(there), await start(there)
        await cancel(there, one)
        await there.comes_to(two, "running")
        end = (await there.events(one))[-1]
        (admitted,) = [event for event in await there.events(two) if event.type == "workflow_admitted"]
        assert (end.type, admitted.cause) == ("workflow_cancelled", end.position)
        assert await there.store.waits_of(crowding.KIND, None, 10) == []


async def test_each_key_counts_for_itself_and_each_workflow_too(tmp_path: Path) -> None:
    other = held("key: '{{ trigger.k }}'", name="other")
    async with house(tmp_path / "db", QUEUE, other) as there:
        runs = [await start(there, {"k": k}) for k in ("one", "two", 3, {"a": 1}, {"a": 1})]
        assert await statuses(there, runs) == [*["running"] * 4, "pending"]
        assert await there.status((await there.start("other", K)).run) == "running"
        row = await there.store.run(runs[4])
        assert row is not None
        assert (row.crowd, row.queued) == ('{"a":1}', True)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_run_that_waits_for_its_turn_can_end_before_it_comes(tmp_path: Path, how: str) -> None:
    text = held("key: one", more="deadline: 1h")
    async with house(tmp_path / "db", text) as there:
        one, two = await start(there), await start(there)
        await there.asleep()
        if how == "cancel":
            three = await start(there)
            await cancel(there, two)
            assert await there.status(two) == "cancelled"
            await go(there, one)
            await there.comes_to(three, "running")
        else:
            await there.runs.do(one, commands.Pause("ann"), principal=ANN)
            await there.comes_to(two, "failed")
            row = await there.store.run(two)
            assert row is not None
            assert row.error is not None
            assert row.error.code == "RUN_TIMEOUT"
        assert [row.owner for row in await there.store.waits_of(crowding.KIND, None, 10)] == []
        assert await there.attempts(two) == []
        await sound(there)


async def test_a_run_that_waits_for_its_turn_cannot_be_paused(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        await start(there)
        two = await start(there)
        with pytest.raises(WrongState, match=r"waits for its turn.*Cancel it"):
            await there.runs.do(two, commands.Pause("ann"), principal=ANN)
        assert await there.status(two) == "pending"


async def test_a_signal_that_comes_before_the_turn_is_kept(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        one, two = await start(there), await start(there)
        await go(there, two)
        assert await there.status(two) == "pending"
        await go(there, one)
        await there.comes_to(two)


async def test_a_paused_run_keeps_its_place(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        one, two = await start(there), await start(there)
        await there.runs.do(one, commands.Pause("ann"), principal=ANN)
        await there.asleep()
        assert await there.status(two) == "pending"
        await cancel(there, one)
        await there.comes_to(two, "running")


async def test_past_the_limit_a_run_is_refused_with_the_one_that_is_there(tmp_path: Path) -> None:
    async with house(tmp_path / "db", REJECT) as there:
        one, two = await start(there), await start(there)
        with pytest.raises(ConcurrencyLimit, match=f"takes 2 runs.*'one': run {one} has not ended") as caught:
            await start(there)
        assert caught.value.details == {"workflow": "w", "key": "one", "limit": 2, "holder": one}
        entry = await there.store.entry((await there.store.head()).position)
        assert entry is not None
        assert (entry.kind, entry.type, entry.subject) == ("action", "runs.refuse", "workflow:w")
        assert b'"holder":' in bytes(entry.data)
        await go(there, two)
        await there.comes_to(two)
        assert await there.status(await start(there)) == "running"


async def test_a_newer_run_replaces_the_older_and_begins_when_that_has_ended(tmp_path: Path) -> None:
    async with house(tmp_path / "db", REPLACE) as there:
        one = await start(there)
        two = await start(there)
        await there.comes_to(two, "running")
        row = await there.store.run(one)
        assert row is not None
        assert (row.status, "takes its place" in row.reason) == ("cancelled", True)
        order = [(await there.events(one))[-1], *(await there.events(two))]
        begun = next(event for event in order if event.type == "step_activated")
        assert order[0].position < begun.position
        await sound(there)


async def test_of_many_that_replace_each_other_the_newest_is_left(tmp_path: Path) -> None:
    async with house(tmp_path / "db", REPLACE) as there:
        runs = await asyncio.gather(*(start(there) for _ in range(20)))
        rows = {run: await there.store.run(run) for run in runs}
        newest = max(runs, key=lambda run: rows[run].started)  # type: ignore[union-attr]  # each is there
        await there.comes_to(newest, "running")

        async def settled() -> bool:
            return (await statuses(there, runs)).count("cancelled") == 19

        await there.stage.until(settled)
        await sound(there)


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("rule", ["queue", "reject", "replace"])
async def test_the_limit_holds_for_any_number_at_the_same_moment(
    tmp_path: Path, rule: str, limit: int
) -> None:
    text = held(f"key: one, limit: {limit}, on_limit: {rule}")
    async with house(tmp_path / "db", text) as there:
        number = scaled(30)
        found = await asyncio.gather(*(start(there) for _ in range(number)), return_exceptions=True)
        runs = [one for one in found if isinstance(one, str)]
        refused = [one for one in found if not isinstance(one, str)]
        assert all(isinstance(one, ConcurrencyLimit) for one in refused)
        assert len(refused) == (number - limit if rule == "reject" else 0)

        async def full() -> bool:
            now = await statuses(there, runs)
            return now.count("running") == limit and (rule == "queue" or "pending" not in now)

        await there.stage.until(full)
        await sound(there)
        assert await most_at_once(there, runs) == limit


async def most_at_once(there: House, runs: list[str]) -> int:
    """Return how many runs had their place at one moment, from the log alone."""
    steps: list[tuple[int, int]] = []
    for run in runs:
        events = await there.events(run)
        begun = next((one.position for one in events if one.type == "step_activated"), None)
        if begun is not None:
            steps.append((begun, 1))
            if events[-1].type in {"workflow_completed", "workflow_failed", "workflow_cancelled"}:
                steps.append((events[-1].position, -1))
    here = most = 0
    for _, step in sorted(steps):
        here += step
        most = max(most, here)
    return most


async def test_fifty_requests_with_one_id_are_one_run_that_none_of_them_replaces_or_refuses(
    tmp_path: Path,
) -> None:
    for rule in ("queue", "reject", "replace"):
        async with house(tmp_path / rule, held(f"key: one, on_limit: {rule}")) as there:
            found = await asyncio.gather(*(there.start(trigger=K, request="r") for _ in range(50)))
            assert len({one.run for one in found}) == 1
            await there.comes_to(found[0].run, "running")
            assert there.runs.crowds.standing(found[0].run) is None


async def test_a_queue_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "LONGEST_QUEUE", 3)
    async with house(tmp_path / "db", QUEUE) as there:
        for _ in range(4):
            await start(there)
        with pytest.raises(ConcurrencyLimit, match="3 wait for their turn: try again"):
            await start(there)


async def test_a_restart_keeps_places_and_queue(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        runs = [await start(there) for _ in range(3)]
        await there.asleep()
    async with house(tmp_path / "db", QUEUE) as there:
        await there.asleep()
        runs.append(await start(there))
        assert await statuses(there, runs) == ["running", *["pending"] * 3]
        for run in runs:
            await there.comes_to(run, "running")
            await go(there, run)
        await there.comes_to(runs[-1])
        assert await most_at_once(there, runs) == 1


async def test_a_place_that_a_crash_left_free_is_given_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        one, two = await start(there), await start(there)
        await there.asleep()
        monkeypatch.setattr(there.runs.crowds, "heir", lambda _run: None)  # it dies before it can
        there.runs.crowds._spawn = lambda errand: errand.close()
        await go(there, one)
        await there.comes_to(one)
        assert await there.status(two) == "pending"
        assert [one.name for one in await there.store.check(full=False) if not one.ok] == ["queues"]
    async with house(tmp_path / "db", QUEUE) as there:
        await there.comes_to(two, "running")
        await sound(there)


async def test_a_failed_run_is_tried_again_only_where_there_is_a_place(tmp_path: Path) -> None:
    text = """
name: w
concurrency: {key: one, limit: 1}
steps:
  - {id: a, uses: wait.signal, with: {signal: go}, timeout: 1h}
  - {id: b, uses: core.fail, with: {message: no}}
"""
    async with house(tmp_path / "db", text) as there:
        one = await start(there)
        await go(there, one)
        await there.comes_to(one, "failed")
        two = await start(there)
        with pytest.raises(ConcurrencyLimit, match=f"run {two} has not ended"):
            await there.runs.do(one, commands.Reopen("ann"), principal=ANN)
        assert await there.status(one) == "failed"
        await cancel(there, two)
        await there.runs.do(one, commands.Reopen("ann"), principal=ANN)
        await there.comes_to(one, "failed")
        three = await start(there)
        assert await there.status(three) == "running"
        with pytest.raises(WrongState):
            await there.runs.do(three, commands.Reopen("ann"), principal=ANN)
        assert await there.status(await start(there)) == "pending"


async def test_a_fork_waits_for_its_turn_like_any_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        one = await start(there)
        fork = await there.runs.fork_run(Wanted(one, "a"), principal=ANN)
        assert fork.status == "pending"
        await go(there, one)
        await there.comes_to(fork.run, "running")


async def test_a_key_that_cannot_be_made_refuses_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE) as there:
        with pytest.raises(RequestInvalid, match="concurrency key of w cannot be made"):
            await start(there, {})
        with pytest.raises(RequestInvalid, match="501 characters"):
            await start(there, {"k": "x" * 501})
        assert await start(there)


PARENT = """
name: parent
steps:
  - {id: call, uses: workflow, with: {name: w, input: {k: one}}}
output: "{{ steps.call.output }}"
"""


async def test_a_run_that_a_step_starts_holds_its_own_key_and_its_parent_waits(tmp_path: Path) -> None:
    async with house(tmp_path / "db", QUEUE, PARENT) as there:
        parents = [(await there.start("parent")).run for _ in range(3)]

        async def children() -> list[str]:
            return [one.run.id for run in parents for one in await there.store.descendants(run, 10)]

        async def all_there() -> bool:
            return len(await children()) == 3

        await there.stage.until(all_there)
        first, second, third = await children()
        assert await statuses(there, [first, second, third]) == ["running", "pending", "pending"]
        await cancel(there, parents[1])
        await there.comes_to(second, "cancelled")
        await go(there, first)
        await there.comes_to(parents[0])
        await go(there, third)
        await there.comes_to(parents[2])
        await sound(there)


async def test_a_step_fails_whose_run_is_refused_a_place(tmp_path: Path) -> None:
    async with house(tmp_path / "db", held("key: one, on_limit: reject"), PARENT) as there:
        await start(there)
        parent = (await there.start("parent")).run
        await there.comes_to(parent, "failed")
        row = await there.store.run(parent)
        assert row is not None
        assert row.error is not None
        assert "CONCURRENCY_LIMIT" in str(row.error.details)
        assert "has not ended" in row.error.message
        (child,) = await there.store.descendants(parent, 10)
        assert (child.run.status, child.run.crowd) == ("failed", None)
        assert await there.attempts(child.run.id) == []
        await sound(there)


async def test_another_limit_counts_the_runs_of_all_versions(tmp_path: Path) -> None:
    async with house(tmp_path / "db", held("key: one, limit: 3")) as there:
        runs = [await start(there) for _ in range(3)]
        there.shelf.plans["w"] = _plan(there, held("key: one, limit: 1"))
        runs.append(await start(there))
        for run in runs[:3]:
            assert await there.status(runs[3]) == "pending"
            await go(there, run)
            await there.comes_to(run)
        await there.comes_to(runs[3], "running")
        there.shelf.plans["w"] = _plan(there, held("key: one, limit: 2"))
        assert await there.status(await start(there)) == "running"


def _plan(there: House, text: str) -> Any:
    return accept(text, catalogue=there.shelf.catalogue).plan
