"""Schedules: what is one, and when it fires where clocks are set back or forward."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.schedule import Schedule
from tests.proof import scaled
from tests.unit.cron import Cron

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
    "text",
    ["0 0 30 2 *", "0 0 31 4,6 *", "", "* * * *", "* * * * * * *", "@never", "H * * * *", "0 7-7 * * *"],
)
def test_what_never_fires_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule.read(text)


def test_a_leap_day_is_waited_for() -> None:
    found = Schedule.read("0 0 29 2 *").after(datetime(2096, 3, 1, tzinfo=UTC))
    assert found == datetime(2104, 2, 29, tzinfo=UTC)


# ── against a second implementation ──────────────────────────────────────────────────────────────────────

ZONES = {
    "UTC": [],
    "Europe/Lisbon": [datetime(2030, 3, 31, 1, tzinfo=UTC), datetime(2030, 10, 27, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2030, 3, 10, 7, tzinfo=UTC), datetime(2030, 11, 3, 6, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2030, 4, 6, 15, tzinfo=UTC), datetime(2030, 10, 5, 15, 30, tzinfo=UTC)],
    "Pacific/Auckland": [datetime(2030, 4, 6, 14, tzinfo=UTC), datetime(2030, 9, 28, 14, tzinfo=UTC)],
    "America/Sao_Paulo": [],
    "Asia/Kathmandu": [],
}
"""Zones with both their jumps of a year; Lord Howe leaps half an hour."""


def a_field(dice: random.Random, least: int, most: int, star: float) -> str:
    if dice.random() < star:
        return "*"
    begin, end = sorted(dice.sample(range(least, most + 1), 2))
    step = dice.randint(2, most)
    some = ",".join(str(one) for one in sorted({begin, end, dice.randint(least, most)}))
    return dice.choice([str(begin), str(end), f"*/{step}", f"{begin}-{end}", f"{begin}-{end}/{step}", some])


def an_expression(dice: random.Random) -> str:
    fields = [
        *(a_field(dice, 0, 59, 0.2), a_field(dice, 0, 23, 0.4)),
        "L" if dice.random() < 0.1 else a_field(dice, 1, 31, 0.6),
        # Weekdays that are all, and not written *, croniter takes now for every day and now for none.
        *(a_field(dice, 1, 12, 0.8), a_field(dice, 0, 6, 0.7).replace("0-6", "1-5")),
    ]
    return " ".join([a_field(dice, 0, 59, 0.1), *fields] if dice.random() < 0.15 else fields)


def a_moment(dice: random.Random, jumps: list[datetime]) -> datetime:
    if jumps and dice.random() < 0.5:
        return dice.choice(jumps) + timedelta(seconds=dice.randint(-14_400, 14_400))
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(0, 8 * 366 * 86_400))


def test_cron_fires_when_a_second_implementation_says() -> None:
    dice, compared = random.Random(17), 0
    while compared < scaled(2_000):
        text, (zone, jumps) = an_expression(dice), dice.choice(list(ZONES.items()))
        if zone == "Australia/Lord_Howe" and len(text.split()) > 5:
            continue  # of an hour that is half leapt over, croniter fires what is left, and not at the leap
        moment = a_moment(dice, jumps)
        expected = Cron(text, zone).after(moment)
        if expected is None:  # such as 31 April
            with pytest.raises(ValueError, match="never fires"):
                Schedule.read(text, zone)
            continue
        found = Schedule.read(text, zone).after(moment)
        assert found == expected, f"{text} in {zone} after {moment.isoformat()}"
        compared += 1


@pytest.mark.parametrize("zone", [zone for zone, jumps in ZONES.items() if jumps])
@pytest.mark.parametrize("text", ["*/10 * * * *", "30 1 * * *", "15 2 * * *", "0 0 L * *", "45 */3 * * sun"])
def test_around_both_jumps_of_a_year_the_fires_in_a_row_are_those_of_the_book(zone: str, text: str) -> None:
    schedule, book = Schedule.read(text, zone), Cron(text, zone)
    for jump in ZONES[zone]:
        moment = jump - timedelta(hours=6)
        for _ in range(40):
            following = schedule.after(moment)
            assert following == book.after(moment)
            assert following is not None
            moment = following


@pytest.mark.parametrize("year", [2024, 2028, 2096, 2104])
def test_leap_days_and_the_last_days_of_months_are_those_of_the_calendar(year: int) -> None:
    last, leap = Schedule.read("0 0 L * *"), Schedule.read("0 12 29 2 *")
    moment, days = datetime(year, 1, 1, tzinfo=UTC), []
    for _ in range(12):
        found = last.after(moment)
        assert found is not None
        days.append(found.day)
        moment = found
    assert days == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert leap.after(datetime(year, 1, 1, tzinfo=UTC)) == datetime(year, 2, 29, 12, tzinfo=UTC)


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
