"""The one place where time is waited for: waits, retries, schedules, deadlines.

    timers = Timers.start(clock=clock)
    await timers.ask(SetTimer("retry:17", due=2.5, ring=ref.tell, message=Retry()))
    await timers.ask(SetTimer("wake:9", due=datetime(2027, 1, 1, tzinfo=UTC), ring=ref.tell, message=Wake()))
    await timers.ask(CancelTimer("retry:17"))       # whether it was still to come

Theory of operation
    A timer is known by its id. Setting an id again replaces what it was, so loading the timers table after a
    crash may repeat what was set already. A timer is forgotten before it rings: it rings once.

    Durations (`float` seconds) count on the monotonic clock, instants (`datetime`) on the wall. Each kind has
    a heap in its own unit, so a wall clock that is set needs no re-reckoning: an instant that has not come by
    the wall has not come. Set back, it makes no timer ring twice, for what rang is gone; set forward, it is
    noticed at the next look, which is at most `WALL_CHECK` seconds away while an instant is waited for.

    One alarm is armed, for the earliest of all; none when nothing is waited for. Cancelling marks an entry as
    dead; dead entries are swept out when they are more than half of a heap.

    A timer that cannot be delivered because a mailbox is full is tried again; one whose actor has ended is
    dropped with a warning, for its row is still in the store and its owner reads it when it wakes.
    Many timers due at once ring in portions, so that others get their turn.

    Who sets a timer has it on disk already, does not wait for an answer, and must not lose it: thousands of
    runs that go to sleep at once, or are read at the start, set theirs before this actor has its turn. So its
    mailbox is wide, and emptied in one go.

Rejected
    One `call_later` for each timer: a hundred thousand entries in the loop's own heap, and no view of them.
    A sleep until the next one: setting an earlier one must wake it, and an idle server must not have it.
    Delivering through this actor's own inbox: it could be full just when everything is late.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import structlog

from callboard.actors.runtime import Envelope, LoopActor
from callboard.clock import Alarm, Clock
from callboard.errors import ActorStopped, MailboxFull

WALL_CHECK = 60.0
"""Seconds after which a wall clock that was set forward is noticed at the latest."""

RING_AGAIN = 0.1
"""Seconds until a timer is tried again that found a full mailbox."""

PORTION = 1_000
"""Timers that ring before others get their turn."""

CAPACITY = 1 << 20
"""Wishes that wait at most: a hundred thousand sleeping runs have one or two each."""

SWEEP_FROM = 64
"""Heaps smaller than this are not worth sweeping."""

_log = structlog.get_logger("callboard.actors")


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `ring(message)` once, after `due` seconds or at the instant `due`; replaces a timer of that id."""

    id: Hashable
    due: float | datetime
    ring: Callable[[Any], object]
    message: Any = None


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer; the answer is whether it was still to come."""

    id: Hashable


@dataclass(frozen=True, slots=True)
class DescribeTimers:
    """The answer is a TimersStatus."""


@dataclass(frozen=True, slots=True)
class TimersStatus:
    """How many timers wait, how many heap entries that takes, and whether an alarm is armed."""

    waiting: int
    entries: int
    armed: bool


T = TypeVar("T", float, datetime)


class _Heap(Generic[T]):
    """Timers by due time, then by the order in which they were set; cancelled ones are skipped."""

    def __init__(self) -> None:
        self._live: dict[Hashable, tuple[T, int, SetTimer]] = {}
        self._entries: list[tuple[T, int, SetTimer]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, timer_id: Hashable) -> bool:
        return timer_id in self._live

    @property
    def size(self) -> int:
        return len(self._entries)

    def push(self, due: T, timer: SetTimer) -> None:
        self._count += 1
        entry = (due, self._count, timer)
        self._live[timer.id] = entry
        heapq.heappush(self._entries, entry)
        self._sweep()

    def discard(self, timer_id: Hashable) -> bool:
        found = self._live.pop(timer_id, None) is not None
        self._sweep()
        return found

    def earliest(self) -> T | None:
        entries = self._entries
        while entries and self._live.get(entries[0][2].id) is not entries[0]:
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def pop_due(self, now: T) -> SetTimer | None:
        due = self.earliest()
        if due is None or due > now:
            return None
        timer = heapq.heappop(self._entries)[2]
        del self._live[timer.id]
        return timer

    def _sweep(self) -> None:
        if len(self._entries) >= SWEEP_FROM and len(self._entries) > 2 * len(self._live):
            self._entries = list(self._live.values())
            heapq.heapify(self._entries)


class Timers(LoopActor[SetTimer | CancelTimer | DescribeTimers]):
    """Rings timers when they are due."""

    def __init__(
        self, *, name: str = "timers", capacity: int | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(name=name, capacity=capacity or CAPACITY, clock=clock)
        self._durations: _Heap[float] = _Heap()
        self._instants: _Heap[datetime] = _Heap()
        self._alarm: Alarm | None = None
        self._armed_for = 0.0

    async def on_receive(self, message: SetTimer | CancelTimer | DescribeTimers) -> bool | TimersStatus:
        match message:
            case SetTimer():
                return self.set(message)
            case CancelTimer():
                return self.cancel(message.id)
            case DescribeTimers():
                waiting = len(self._durations) + len(self._instants)
                return TimersStatus(
                    waiting, self._durations.size + self._instants.size, self._alarm is not None
                )

    async def _serve(self, first: Envelope[SetTimer | CancelTimer | DescribeTimers]) -> None:
        await super()._serve(first)
        for envelope in self.actor_inbox.take_waiting(CAPACITY):
            await super()._serve(envelope)

    async def on_stop(self) -> None:
        self._disarm()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._disarm()

    def set(self, timer: SetTimer) -> bool:
        """Wait for it; return whether it replaced another of the same id."""
        if isinstance(timer.due, datetime) and timer.due.tzinfo is None:
            text = f"Timer {timer.id} is due at {timer.due}, which says no time zone."
            raise ValueError(text)
        replaced = self._discard(timer.id)
        if isinstance(timer.due, datetime):
            self._instants.push(timer.due.astimezone(UTC), timer)
        else:
            self._durations.push(self.clock.monotonic() + max(0.0, timer.due), timer)
        self._arm()
        return replaced

    def cancel(self, timer_id: Hashable) -> bool:
        """Forget it; return whether it was still to come."""
        found = self._discard(timer_id)
        if found:
            self._arm()
        return found

    def _discard(self, timer_id: Hashable) -> bool:
        return self._durations.discard(timer_id) or self._instants.discard(timer_id)

    # ── the alarm ────────────────────────────────────────────────────────────────────────────────────────

    def _arm(self) -> None:
        """Arm for the earliest; leave an alarm that is right already."""
        when = self._next_look()
        if when is None or self.actor_inbox.closed:
            self._disarm()
        elif self._alarm is None or when < self._armed_for:
            self._disarm()
            self._alarm = self.clock.call_at(when, self._look)
            self._armed_for = when

    def _next_look(self) -> float | None:
        duration = self._durations.earliest()
        instant = self._instants.earliest()
        if instant is None:
            return duration
        ahead = (instant - self.clock.now()).total_seconds()
        look = self.clock.monotonic() + min(max(ahead, 0.0), WALL_CHECK)
        return look if duration is None else min(look, duration)

    def _disarm(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    def _look(self) -> None:
        self._alarm = None
        monotonic, now = self.clock.monotonic(), self.clock.now()
        for _ in range(PORTION):
            timer = self._durations.pop_due(monotonic) or self._instants.pop_due(now)
            if timer is None:
                break
            self._ring(timer)
        self._arm()

    def _ring(self, timer: SetTimer) -> None:
        try:
            timer.ring(timer.message)
        except MailboxFull:
            if timer.id not in self._durations and timer.id not in self._instants:  # unless it was set anew
                self._durations.push(self.clock.monotonic() + RING_AGAIN, timer)
        except ActorStopped:
            _log.warning("timer.nobody_there", timer=str(timer.id))
        except Exception:  # noqa: BLE001  one faulty listener must not keep the others from their timers
            _log.exception("timer.failed", timer=str(timer.id))
