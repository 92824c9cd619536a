"""The timetable: the timers of schedules, each a row that the turn moves which fires it.

The row says which time is waited for. Whoever fires it puts the row of the following time into the turn of
the run, so a crash leaves either both or neither, and a time that nobody was there for is found at the next
start, by a row that is due. What becomes of the times that went by, `due` decides.

A schedule in hand is held: it does not ring again before its turn is there. Its time is not a new one because
a clock was set back, for the following time is counted from the one that fired, never from now.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

import msgspec

from callboard.actors.timers import CancelTimer, SetTimer
from callboard.company.asking import Services
from callboard.facts import encode
from callboard.facts.triggering import KIND, TriggerMissed, trigger_stream
from callboard.ids import DEFAULT_TENANT, PrincipalId, TimerId
from callboard.store.changes import Change, DropTimer, KeepTimer
from callboard.triggers.due import Due, fall_due
from callboard.triggers.entries import Entry
from callboard.triggers.firing import Firing, Shot


class Scheduled(msgspec.Struct, frozen=True):
    """What the timer of a schedule keeps; a time that it is due at is one of the schedule."""

    trigger: str


def timer_of(trigger: str) -> TimerId:
    """Return the id of a trigger's timer: the same each time, so that nobody need remember it."""
    return TimerId(uuid5(NAMESPACE_OID, f"{DEFAULT_TENANT}/{trigger_stream(trigger)}"))


class Timetable:
    """When schedules fire next."""

    def __init__(
        self,
        services: Services,
        firing: Firing,
        set_timer: Callable[[SetTimer | CancelTimer], object],
        ring: Callable[[str], object],
    ) -> None:
        self._services = services
        self._firing = firing
        self._set_timer = set_timer
        self._ring = ring
        self._next: dict[str, datetime] = {}

    def next(self, trigger: str) -> datetime | None:
        """Return which time a trigger waits for."""
        return self._next.get(trigger)

    def stand(self, trigger: str, due: datetime | None) -> None:
        """Take over what is committed: the trigger waits for this time, or for none."""
        name = timer_of(trigger)
        if due is None:
            if self._next.pop(trigger, None) is not None:
                self._set_timer(CancelTimer(name))
            return
        self._next[trigger] = due
        self._set_timer(SetTimer(name, due, self._ring, trigger))

    def change(self, trigger: str, due: datetime | None) -> Change:
        """Return what has a trigger wait for a time, or for none."""
        name = timer_of(trigger)
        if due is None:
            return DropTimer(name)
        return KeepTimer(name, due, trigger_stream(trigger), KIND, encode(Scheduled(trigger)))

    async def fire(self, entry: Entry) -> None:
        """Do what is due of a schedule, and wait for its next time."""
        schedule, first, now = entry.planned.schedule, self._next.get(entry.id), self._services.clock.now()
        if schedule is None or first is None or first > now:
            return  # it was set anew meanwhile
        due = fall_due(schedule, entry.planned.missed, first, now)
        left = _missed(entry.id, due)
        if not due.fires:
            await self._move(entry, due.following, left)
        for fires, following in zip(due.fires, (*due.fires, due.following)[1:], strict=True):
            await self._once(entry, fires, following, left)
            left = ()
        self.stand(entry.id, self._next.get(entry.id))

    async def _once(
        self, entry: Entry, fires: datetime, following: datetime | None, left: tuple[TriggerMissed, ...]
    ) -> None:
        when = fires.isoformat()
        fired = await self._firing.fire(
            Shot(
                entry=entry,
                event={"scheduled_for": when},
                envelope={"scheduled_for": when},
                principal=PrincipalId(f"trigger:{entry.id}"),
                key=when,
                scheduled_for=fires,
                facts=left,
                changes=(self.change(entry.id, following),),
            )
        )
        if fired.repeated:
            await self._move(entry, following, ())
        else:
            self._moved(entry, following)

    async def _move(self, entry: Entry, due: datetime | None, left: tuple[TriggerMissed, ...]) -> None:
        turn = self._services.journal.turn()
        if left:
            turn.append(trigger_stream(entry.id), KIND, left, expected=None)
        turn.change(self.change(entry.id, due))
        await self._services.journal.commit(turn)
        self._moved(entry, due)

    def _moved(self, entry: Entry, due: datetime | None) -> None:
        """Take over what is committed; it rings again once all is fired."""
        if due is None:
            self._next.pop(entry.id, None)
        else:
            self._next[entry.id] = due


def _missed(trigger: str, due: Due) -> tuple[TriggerMissed, ...]:
    left = due.missed
    if left is None:
        return ()
    return (TriggerMissed(trigger, left.first, left.last, left.count, left.more),)
