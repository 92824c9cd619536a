"""When a schedule fires: cron of 5 or 6 fields, words such as @daily, and `every: 15m`, in a time zone.

    fires = Schedule.read("0 7 * * mon-fri", "Europe/Lisbon")
    fires.after(now)               # the next time, in UTC

Three traps of croniter are kept in here. It takes expressions that never fire (30 February): a schedule is
refused unless it fires within `HORIZON`. Where a clock is set back it fires a job of a fixed hour twice:
one that was given for the same wall time is passed over. And it takes 7-7 for every hour: that is refused.
Where there are six fields, the first is seconds.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from croniter import croniter

from callboard.spelling import did_you_mean, shown
from callboard.units import duration_text, seconds

HORIZON = timedelta(days=366 * 9)
"""29 February can be eight years away; what does not come within nine comes never."""

LEAST = 1.0
"""Seconds between two fires."""

_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_FIVE, _SIX = 5, 6
_LONGEST = 200


class Schedule(msgspec.Struct, frozen=True):
    """One schedule that fires."""

    text: str
    """As it was written: cron, a word, or the distance."""
    zone: str
    every: float | None = None
    """Seconds, where it is a distance."""

    @classmethod
    def read(cls, text: str, zone: str | None = None) -> Schedule:
        """Read cron or a word; `ValueError` says what is wrong."""
        found = cls(_cron(text), check_zone(zone or "UTC"))
        if found.after(_SOME_DAY) is None:
            raise ValueError("it never fires: no such day comes")
        return found

    @classmethod
    def read_every(cls, text: str, zone: str | None = None) -> Schedule:
        """Read a distance; `ValueError` says what is wrong."""
        distance = seconds(text)
        if distance < LEAST:
            raise ValueError(f"the least is {duration_text(LEAST)}")
        return cls(text, check_zone(zone or "UTC"), distance)

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment, in UTC; nothing when none comes."""
        if self.every is not None:
            return moment.astimezone(UTC) + timedelta(seconds=self.every)
        begin = moment.astimezone(zoneinfo.ZoneInfo(self.zone))
        fires = croniter(self.text, begin, max_years_between_matches=9, second_at_beginning=True)
        try:
            for _ in range(_TRIES):
                found: datetime = fires.get_next(datetime)
                # In a repeated hour each wall time comes twice: `fold` is the second, and fired already.
                if not found.fold or not _is_repeated(found):
                    return found.astimezone(UTC)
        except (ValueError, KeyError, OverflowError):  # croniter's own errors are of these
            return None
        return None


def _is_repeated(moment: datetime) -> bool:
    """Whether a wall time is one that comes twice, and not one that a clock leaps over."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) == moment.replace(
        tzinfo=None
    )


_RANDOM = re.compile(r"(?<![a-z])[rh](?![a-z])", re.IGNORECASE)

_ONE_TO_ITSELF = re.compile(r"(?<![\w-])(\w+)-\1(?![\w-])", re.IGNORECASE)
"""croniter takes 7-7 for all that there is, from 7 round to 7."""

_TRIES = 7_200
"""Fires within two hours of one each second, the longest that a clock is set back."""

_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def check_zone(name: str) -> str:
    """Return the name of a time zone, or refuse it."""
    try:
        if len(name) > _LONGEST:
            raise ValueError("too long")  # noqa: TRY301 - one sentence for all that is no zone
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"there is no time zone {shown(name)}") from None
    return name


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones; the system's files are read for it."""
    return frozenset(zoneinfo.available_timezones())


def _cron(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    text = text.strip()
    if text.startswith("@"):
        if text.lower() not in _WORDS:
            raise ValueError(f"there is no {text}{did_you_mean(text, _WORDS)}")
        return text.lower()
    fields = text.split()
    if len(fields) not in {_FIVE, _SIX}:
        said = f"cron has 5 fields, or 6 with seconds first, and this has {len(fields)}"
        raise ValueError(f"{said}: minute hour day month weekday, such as 0 7 * * mon-fri")
    for one in _ONE_TO_ITSELF.finditer(text):
        raise ValueError(f"{one[0]} is one value, so write {one[1]}")
    if _RANDOM.search(text):
        raise ValueError("R and H stand for a time that differs from start to start: write a time")
    try:
        croniter(text, _SOME_DAY, second_at_beginning=True)
    except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise ValueError(f"croniter says: {error}") from None
    return text
