"""What becomes of the times of a schedule that have gone by: none fires twice, and none is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.schedule import Schedule
from callboard.triggers.due import MOST_COUNTED, MOST_MADE_UP, ON_TIME, fall_due
from tests.proof import scaled

START = datetime(2030, 3, 30, 12, tzinfo=UTC)
SCHEDULES = [
    Schedule.read("*/7 * * * *", "Europe/Lisbon"),
    Schedule.read("30 1 * * *", "Europe/Lisbon"),
    Schedule.read("*/20 * * * * *"),
    Schedule.read("@hourly"),
    Schedule.read_every("11m"),
    Schedule.read_every("90s"),
]
Policy = Literal["once", "all", "skip"]


def first_of(schedule: Schedule) -> datetime:
    found = schedule.after(START)
    assert found is not None
    return found


def all_between(schedule: Schedule, first: datetime, now: datetime) -> list[datetime]:
    found: list[datetime] = []
    moment: datetime | None = first
    while moment is not None and moment <= now:
        found.append(moment)
        moment = schedule.after(moment)
    return found


@settings(max_examples=scaled(150), deadline=None)
@given(st.sampled_from(SCHEDULES), st.sampled_from(["once", "all", "skip"]), st.integers(0, 4 * 86_400_000))
def test_every_time_that_has_gone_by_fires_or_is_counted(
    schedule: Schedule, policy: Policy, late: int
) -> None:
    first = first_of(schedule)
    now = first + timedelta(milliseconds=late)
    gone = all_between(schedule, first, now)
    due = fall_due(schedule, policy, first, now)
    assert list(due.fires) == gone[len(gone) - len(due.fires) :]
    on_time = now - gone[-1] <= ON_TIME
    assert (
        len(due.fires)
        == {
            "once": 1,
            "all": min(len(gone), MOST_MADE_UP),
            "skip": 1 if on_time else 0,
        }[policy]
    )
    left = gone[: len(gone) - len(due.fires)]
    if not left:
        assert due.missed is None
    else:
        assert due.missed is not None
        assert (due.missed.first, due.missed.last) == (left[0], left[-1])
        if due.missed.more:
            assert len(gone) > MOST_COUNTED
        else:
            assert due.missed.count == len(left)
    assert due.following is not None
    assert due.following > now
    assert due.following == schedule.after(gone[-1])


@pytest.mark.parametrize("policy", ["once", "all", "skip"])
def test_a_second_that_was_missed_for_a_year_is_counted_up_to_a_bound_and_quickly(policy: Policy) -> None:
    schedule = Schedule.read("* * * * * *")
    first = first_of(schedule)
    due = fall_due(schedule, policy, first, first + timedelta(days=365))
    assert due.missed is not None
    assert (due.missed.more, due.missed.count + len(due.fires)) == (True, MOST_COUNTED)
    assert [b - a for a, b in zip(due.fires, due.fires[1:], strict=False)] == [timedelta(seconds=1)] * max(
        0, len(due.fires) - 1
    )


def test_a_distance_of_a_second_that_was_missed_for_a_century_is_counted_without_a_walk() -> None:
    schedule = Schedule.read_every("1s")
    now = START + timedelta(days=36_500)
    due = fall_due(schedule, "all", START, now)
    assert due.missed is not None
    assert due.missed.count == 36_500 * 86_400 + 1 - MOST_MADE_UP
    assert (due.fires[-1], due.following) == (now, now + timedelta(seconds=1))


def test_a_schedule_that_comes_never_again_waits_for_nothing() -> None:
    schedule = Schedule("0 0 29 2 *", "UTC")
    first = datetime(2096, 2, 29, tzinfo=UTC)
    assert fall_due(schedule, "once", first, first).following == datetime(2104, 2, 29, tzinfo=UTC)
