"""Which times of a schedule start a run now, and which are only written down. Pure.

    due = fall_due(schedule, "once", first, now)
    due.fires, due.missed, due.following

A schedule waits for one time, `first`. When it is looked at, that time and others after it may have gone by:
the server was down, or busy. One that went by less than `ON_TIME` ago, alone, is on time. Otherwise `missed`
decides: `once` makes up for all of them with one run, for the newest; `all` with a run for each, the newest
hundred at most; `skip` with none. Those for which no run starts are counted.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from callboard.schedule import Schedule

ON_TIME = timedelta(seconds=60)
"""A busy machine rings late; one that was down rings later."""

MOST_MADE_UP = 100
MOST_COUNTED = 1_000
"""Times of a cron expression that are walked through; there may be millions, of each second of a month."""


class Missed(msgspec.Struct, frozen=True):
    """Times that went by and start nothing."""

    first: datetime
    last: datetime
    count: int
    more: bool
    """There were more than were counted."""


class Due(msgspec.Struct, frozen=True):
    """What is to be done now."""

    fires: tuple[datetime, ...]
    """Times that start a run each, the earliest first."""
    missed: Missed | None
    following: datetime | None
    """What is waited for next."""


def fall_due(
    schedule: Schedule, policy: Literal["once", "all", "skip"], first: datetime, now: datetime
) -> Due:
    """Say what a schedule does that waited for `first`, which is not after `now`."""
    newest, count, following, more = _gone_by(schedule, first, now)
    on_time = now - newest[-1] <= ON_TIME
    kept = {"once": 1, "all": MOST_MADE_UP, "skip": 1 if on_time else 0}[policy]
    fires = newest[-kept:] if kept else []
    left = count - len(fires)
    missed = None
    if left:
        last = _before(schedule, first, fires[0]) if fires else newest[-1]
        missed = Missed(first, last, left, more)
    return Due(tuple(fires), missed, following)


def _gone_by(
    schedule: Schedule, first: datetime, now: datetime
) -> tuple[list[datetime], int, datetime | None, bool]:
    """Return the newest times up to now, how many there are, and the one after them."""
    if schedule.every is not None:
        step = timedelta(seconds=schedule.every)
        count = (now - first) // step + 1
        last = first + (count - 1) * step
        newest = [last - back * step for back in reversed(range(min(count, MOST_MADE_UP)))]
        return newest, count, last + step, False
    found: deque[datetime] = deque(maxlen=MOST_MADE_UP)
    moment, count = first, 0
    while count < MOST_COUNTED:
        found.append(moment)
        count += 1
        following = schedule.after(moment)
        if following is None or following > now:
            return list(found), count, following, False
        moment = following
    return _newest(schedule, first, now), count, schedule.after(now), True


def _newest(schedule: Schedule, first: datetime, now: datetime) -> list[datetime]:
    """Return the newest times up to now, looked for in ever longer stretches before it."""
    stretch = ON_TIME
    while True:
        begin = max(now - stretch, first - timedelta(microseconds=1))
        found: deque[datetime] = deque(maxlen=MOST_MADE_UP)
        moment = schedule.after(begin)
        while moment is not None and moment <= now:
            found.append(moment)
            moment = schedule.after(moment)
        if len(found) == MOST_MADE_UP or begin < first:
            return list(found)
        stretch *= 2


def _before(schedule: Schedule, first: datetime, fire: datetime) -> datetime:
    """Return the last time before one that fires; not before `first`."""
    if schedule.every is not None:
        return fire - timedelta(seconds=schedule.every)
    stretch = ON_TIME
    while True:
        begin = max(fire - stretch, first - timedelta(microseconds=1))
        last, moment = None, schedule.after(begin)
        while moment is not None and moment < fire:
            last, moment = moment, schedule.after(moment)
        if last is not None:
            return last
        stretch *= 2
