"""Schedules: each time fires once, what was missed is made up for as told, and edits hold at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callboard.facts.events import run_stream
from callboard.facts.triggering import TriggerFired, TriggerMissed, TriggerNotFired
from callboard.ids import Version
from callboard.testing.clock import JumpClock
from tests.unit.triggers.house import ANN, house

START = datetime(2026, 1, 1, tzinfo=UTC)


def workflow(entry: str = 'schedule: "0 7 * * *"', more: str = "") -> str:
    return f"""
name: w
on:
  - {entry}
{more}
steps:
  - {{id: a, uses: core.echo, with: {{message: "{{{{ trigger }}}}"}}}}
output: "{{{{ steps.a.output }}}}"
"""


def times(records: list[Any]) -> list[str]:
    return [f"{one.scheduled_for:%m-%d %H:%M}" for one in records if isinstance(one, TriggerFired)]


async def test_a_schedule_fires_each_of_its_times_once(tmp_path: Path) -> None:
    async with house(tmp_path / "db", workflow()) as h:
        row = await h.trigger()
        assert row.due_at == datetime(2026, 1, 1, 7, tzinfo=UTC)

        async def three() -> bool:
            return len(await h.all_runs()) >= 3

        await h.until(three)
        assert times(await h.records(row.id)) == ["01-01 07:00", "01-02 07:00", "01-03 07:00"]
        runs = await h.all_runs()
        assert [one.run for one in await h.records(row.id) if isinstance(one, TriggerFired)] == [
            run.id for run in runs
        ]
        assert (await h.inputs())[0] == {"scheduled_for": "2026-01-01T07:00:00+00:00"}
        (began,) = await h.store.events(run_stream(runs[0].id), Version(0), 1)
        assert began.fact.envelope == {  # type: ignore[attr-defined]
            "kind": "schedule",
            "trigger": row.id,
            "scheduled_for": "2026-01-01T07:00:00+00:00",
        }
        row = await h.trigger()
        assert (row.run, row.due_at) == (runs[-1].id, datetime(2026, 1, 4, 7, tzinfo=UTC))


async def test_a_condition_that_is_false_is_written_down_with_its_reason(tmp_path: Path) -> None:
    entry = 'schedule: {every: 1h}\n    input: {n: 7}\n    if: "trigger.n > vars.least"'
    async with house(tmp_path / "db", workflow(entry, "vars: {least: 9}")) as h:
        row = await h.trigger()

        async def twice() -> bool:
            return len(await h.records(row.id)) >= 3

        await h.until(twice)
        assert await h.all_runs() == []
        first = (await h.records(row.id))[1]
        assert isinstance(first, TriggerNotFired)
        assert first.code == "CONDITION_FALSE"
        assert "7 > 9 is false" in first.reason
        assert first.scheduled_for == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("entry", "code", "told"),
    [
        ('schedule: "@hourly"\n    input: {claim: "{{ event.nothing }}"}', "INPUT_FAILED", "nothing"),
        ('schedule: "@hourly"\n    input: {claim: 7}', "INPUT_REFUSED", "input.claim"),
    ],
)
async def test_an_input_that_cannot_be_is_written_down_and_the_schedule_goes_on(
    tmp_path: Path, entry: str, code: str, told: str
) -> None:
    more = "input: {type: object, required: [claim], properties: {claim: {type: string}}}"
    async with house(tmp_path / "db", workflow(entry, more)) as h:
        row = await h.trigger()

        async def twice() -> bool:
            return len(await h.records(row.id)) >= 3

        await h.until(twice)
        assert await h.all_runs() == []
        first = (await h.records(row.id))[1]
        assert (first.code, told in first.reason) == (code, True)


DOWN = [
    ("once", ["01-04 07:00"], 3),
    ("all", ["01-01 07:00", "01-02 07:00", "01-03 07:00", "01-04 07:00"], 0),
    ("skip", [], 4),
]


@pytest.mark.parametrize(("policy", "fired", "missed"), DOWN)
async def test_what_fell_due_while_the_server_was_down_is_made_up_for_as_the_file_says(
    tmp_path: Path, policy: str, fired: list[str], missed: int
) -> None:
    """This one never fired before it was down."""
    text = workflow(f'schedule: "0 7 * * *"\n    missed: {policy}')
    clock = JumpClock()
    async with house(tmp_path / "db", text, clock=clock):
        pass
    clock.set_wall(datetime(2026, 1, 4, 12, tzinfo=UTC))
    async with house(tmp_path / "db", clock=clock) as h:
        row = await h.trigger()

        async def caught_up() -> bool:
            due = (await h.trigger()).due_at
            return due == datetime(2026, 1, 5, 7, tzinfo=UTC)

        await h.until(caught_up)
        records = await h.records(row.id)
        assert times(records) == fired
        assert sum(one.count for one in records if isinstance(one, TriggerMissed)) == missed
        assert len(await h.all_runs()) == len(fired)

        async def goes_on() -> bool:
            return len(await h.all_runs()) > len(fired)

        await h.until(goes_on)
        assert times(await h.records(row.id)) == [*fired, "01-05 07:00"]


async def test_all_makes_up_for_a_hundred_times_at_most_and_counts_the_rest(tmp_path: Path) -> None:
    text = workflow("schedule: {every: 1m}\n    missed: all")
    clock = JumpClock()
    async with house(tmp_path / "db", text, clock=clock):
        pass
    clock.set_wall(START + timedelta(minutes=150, seconds=30))
    async with house(tmp_path / "db", clock=clock) as h:
        row = await h.trigger()

        async def hundred() -> bool:
            return len(await h.all_runs()) >= 100

        await h.until(hundred)
        records = await h.records(row.id)
        (left,) = [one for one in records if isinstance(one, TriggerMissed)]
        assert (left.count, left.first, left.last) == (
            50,
            START + timedelta(minutes=1),
            START + timedelta(minutes=50),
        )
        fired = [one.scheduled_for for one in records if isinstance(one, TriggerFired)][:100]
        assert fired == [START + timedelta(minutes=minute) for minute in range(51, 151)]


async def test_a_wall_clock_set_back_fires_nothing_twice(tmp_path: Path) -> None:
    async with house(tmp_path / "db", workflow('schedule: "@hourly"')) as h:
        row = await h.trigger()

        async def fired(count: int) -> bool:
            return len(await h.all_runs()) >= count

        await h.until(lambda: fired(2))
        h.clock.set_wall(START + timedelta(minutes=30))
        await h.until(lambda: fired(4))
        assert times(await h.records(row.id)) == [f"01-01 0{hour}:00" for hour in (1, 2, 3, 4)]


# ── edited, turned off, taken away ───────────────────────────────────────────────────────────────────────


async def test_an_edited_schedule_is_another_trigger_and_the_old_one_sleeps(tmp_path: Path) -> None:
    async with house(tmp_path / "db", workflow()) as h:
        old = await h.trigger()
        await h.publish(workflow('schedule: "0 9 * * *"'))
        new = await h.trigger()
        assert new.id != old.id
        assert new.due_at == datetime(2026, 1, 1, 9, tzinfo=UTC)
        (slept,) = await h.store.triggers(trigger=old.id)
        assert (slept.live, slept.due_at) == (False, None)

        async def fired() -> bool:
            return len(await h.all_runs()) >= 2

        await h.until(fired)
        assert times(await h.records(new.id)) == ["01-01 09:00", "01-02 09:00"]
        assert times(await h.records(old.id)) == []


async def test_another_version_with_the_same_schedule_keeps_its_time_and_fires_the_new_version(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "db", workflow("schedule: {every: 1h}")) as h:
        before = await h.trigger()
        h.clock.set_wall(START + timedelta(minutes=20))
        await h.publish(workflow("schedule: {every: 1h}\n    input: {n: 1}"))
        after = await h.trigger()
        assert (after.id, after.due_at) == (before.id, before.due_at)

        async def fired() -> bool:
            return bool(await h.all_runs())

        await h.until(fired)
        assert (await h.all_runs())[0].version == 2
        assert (await h.inputs())[0] == {"n": 1}
        (began,) = await h.store.events(run_stream((await h.all_runs())[0].id), Version(0), 1)
        assert began.fact.envelope["event"]["scheduled_for"].startswith("2026-01-01")  # type: ignore[attr-defined]


async def test_a_trigger_that_is_off_fires_nothing_until_it_is_on_and_then_makes_up_for_nothing(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "db", workflow("schedule: {every: 1h}\n    missed: all")) as h:
        row = await h.trigger()
        assert await h.triggers.switch(row.id, on=False, principal=ANN)
        assert not await h.triggers.switch(row.id, on=False, principal=ANN)
        assert (await h.trigger()).due_at is None
        await h.publish(workflow('schedule: {every: 1h}\n    if: "true"'))
        assert not (await h.trigger()).enabled
        await h.clock.sleep(36_000)
        assert await h.all_runs() == []
        assert await h.triggers.switch(row.id, on=True, principal=ANN)
        due = (await h.trigger()).due_at
        assert due is not None
        assert due > START + timedelta(hours=10)

        async def fired() -> bool:
            return bool(await h.all_runs())

        await h.until(fired)
        (first, *_) = [one for one in await h.records(row.id) if isinstance(one, TriggerFired)]
        assert first.scheduled_for == due


async def test_a_trigger_stays_off_over_a_restart(tmp_path: Path) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", workflow(), clock=clock) as h:
        row = await h.trigger()
        await h.triggers.switch(row.id, on=False, principal=ANN)
    async with house(tmp_path / "db", clock=clock) as h:
        await h.clock.sleep(3 * 86_400)
        assert await h.all_runs() == []
        assert not h.triggers.find(row.id).enabled


async def test_a_workflow_that_is_archived_fires_nothing_until_it_is_active_again(tmp_path: Path) -> None:
    async with house(tmp_path / "db", workflow()) as h:
        row = await h.trigger()
        with h.clock.busy():
            await h.publisher.archive("w", principal=ANN)
        (slept,) = await h.store.triggers(trigger=row.id)
        assert (slept.live, slept.due_at) == (False, None)
        await h.clock.sleep(3 * 86_400)
        assert await h.all_runs() == []
        with h.clock.busy():
            await h.publisher.reactivate("w", principal=ANN)
        assert (await h.trigger()).id == row.id

        async def fired() -> bool:
            return bool(await h.all_runs())

        await h.until(fired)
        assert times(await h.records(row.id)) == ["01-04 07:00"]


async def test_what_is_published_while_the_triggers_are_not_there_is_set_at_the_next_start(
    tmp_path: Path,
) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", workflow(), clock=clock) as h:
        h.publisher.shelf.witnesses.clear()
        with h.clock.busy():
            await h.publisher.publish(workflow('schedule: "0 9 * * *"'))
    async with house(tmp_path / "db", clock=clock) as h:
        assert (await h.trigger()).due_at == datetime(2026, 1, 1, 9, tzinfo=UTC)
