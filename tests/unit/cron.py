"""A second implementation of cron, to hold the first against: slow, and by the book.

Each day whose month and day fit is taken, then each hour, minute and second of its wall clock that fits. A
wall time that comes twice is its first; one that a clock leaps over is the instant of the leap, unless every
hour is one: then that hour is not there.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BOUNDS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "week": (0, 7),
}
NAMES = {
    "month": {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name},
    "week": dict(zip(("sun", "mon", "tue", "wed", "thu", "fri", "sat"), range(7), strict=True)),
}
LONGEST = 366 * 9


class Cron:
    """One expression of 5 or 6 fields, in a zone."""

    def __init__(self, text: str, zone: str) -> None:
        fields = text.lower().split()
        if len(fields) == 5:
            fields = ["0", *fields]
        self._zone = ZoneInfo(zone)
        self._texts = dict(zip(BOUNDS, fields, strict=True))
        self._sets = {name: set(_values(name, field)) for name, field in self._texts.items()}
        self._times = [
            time(hour, minute, second)
            for hour in sorted(self._sets["hour"])
            for minute in sorted(self._sets["minute"])
            for second in sorted(self._sets["second"])
        ]

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment."""
        first = moment.astimezone(self._zone).date() - timedelta(days=1)
        for number in range(LONGEST):
            day = first + timedelta(days=number)
            if self._fits(day):
                # Not only the first of them: where a clock is set back, they are not in order.
                found = [one for one in self._of(day) if one > moment]
                if found:
                    return min(found)
        return None

    def _of(self, day: date) -> Iterator[datetime]:
        for one in self._times:
            wall = datetime.combine(day, one, tzinfo=self._zone)
            found = wall.astimezone(UTC)
            shown = found.astimezone(self._zone)
            if shown.replace(tzinfo=None) == wall.replace(tzinfo=None):
                yield found
            elif (
                self._texts["hour"] != "*"
            ):  # where the clock shows as much more as it leapt, it has leapt so long ago
                before = wall.utcoffset() or timedelta()
                after = shown.utcoffset() or timedelta()
                yield self._leap(found - (after - before), found)

    def _leap(self, begin: datetime, end: datetime) -> datetime:
        """Return when the clock leaps, between two moments."""
        old = begin.astimezone(self._zone).utcoffset()
        while end - begin > timedelta(seconds=1):
            middle = begin + (end - begin) / 2
            begin, end = (
                (middle, end) if middle.astimezone(self._zone).utcoffset() == old else (begin, middle)
            )
        return end.replace(microsecond=0)

    def _fits(self, day: date) -> bool:
        if day.month not in self._sets["month"]:
            return False
        last = calendar.monthrange(day.year, day.month)[1]
        by_day = day.day in self._sets["day"] or (self._texts["day"] == "l" and day.day == last)
        by_week = day.isoweekday() % 7 in {one % 7 for one in self._sets["week"]}
        if "*" in {self._texts["day"], self._texts["week"]}:
            return by_day and by_week
        return by_day or by_week


def _values(name: str, field: str) -> Iterator[int]:
    least, most = BOUNDS[name]
    for part in field.split(","):
        if part == "l":
            continue
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = least, most - (name == "week")
        else:
            one, dash, other = span.partition("-")
            begin = _number(name, one)
            end = _number(name, other) if dash else (most if step else begin)
        yield from range(begin, end + 1, int(step or 1))


def _number(name: str, text: str) -> int:
    return NAMES.get(name, {}).get(text) if text in NAMES.get(name, {}) else int(text)  # type: ignore[return-value]
