"""Schedules: what is one, and when it fires where clocks are set back or forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.schedule import Schedule
from tests.proof import scaled

LISBON = ZoneInfo("Europe/Lisbon")


def fires(schedule: Schedule, begin: datetime, count: int) -> list[str]:
    found, moment = [], begin
    for _ in range(count):
        following = schedule.after(moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(f"{moment.astimezone(ZoneInfo(schedule.zone)):%m-%d %H:%M:%S}")
    return found


def test_five_fields_are_minutes_first_and_six_are_seconds_first() -> None:
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    assert fires(Schedule.read("30 7 * * *"), begin, 1) == ["01-01 07:30:00"]
    assert fires(Schedule.read("15 30 7 * * *"), begin, 2) == ["01-01 07:30:15", "01-02 07:30:15"]


def test_words_and_distances_are_schedules() -> None:
    begin = datetime(2030, 1, 1, 0, 1, tzinfo=UTC)
    assert fires(Schedule.read("@daily"), begin, 1) == ["01-02 00:00:00"]
    assert Schedule.read_every("15m").after(begin) == begin + timedelta(minutes=15)


def test_in_a_repeated_hour_a_job_fires_once() -> None:
    before = datetime(2030, 10, 27, 0, 0, tzinfo=LISBON)
    assert fires(Schedule.read("30 1 * * *", "Europe/Lisbon"), before, 2) == [
        "10-27 01:30:00",
        "10-28 01:30:00",
    ]


def test_a_moment_inside_the_repeated_hour_does_not_fire_what_has_fired() -> None:
    inside = datetime(2030, 10, 27, 1, 10, fold=1, tzinfo=LISBON).astimezone(UTC)
    assert fires(Schedule.read("30 1 * * *", "Europe/Lisbon"), inside, 1) == ["10-28 01:30:00"]


def test_the_hour_that_is_leapt_over_loses_no_day() -> None:
    before = datetime(2030, 3, 30, 12, 0, tzinfo=LISBON)
    days = [fire[:5] for fire in fires(Schedule.read("30 1 * * *", "Europe/Lisbon"), before, 2)]
    assert days == ["03-31", "04-01"]


@pytest.mark.parametrize(
    "text", ["0 0 30 2 *", "0 0 31 4,6 *", "", "* * * *", "* * * * * * *", "@never", "H * * * *"]
)
def test_what_never_fires_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule.read(text)


def test_a_leap_day_is_waited_for() -> None:
    found = Schedule.read("0 0 29 2 *").after(datetime(2096, 3, 1, tzinfo=UTC))
    assert found == datetime(2104, 2, 29, tzinfo=UTC)


@settings(max_examples=scaled(200), deadline=None)
@given(
    st.text(alphabet="0123456789*/,- lwLWmonrhRH?#@", max_size=30),
    st.sampled_from(["UTC", "Europe/Lisbon", "x", "../x", ""]),
)
def test_any_text_is_a_schedule_that_fires_or_a_value_error(text: str, zone: str) -> None:
    try:
        schedule = Schedule.read(text, zone)
    except ValueError:
        return
    assert schedule.after(datetime(2024, 1, 1, tzinfo=UTC)) is not None
