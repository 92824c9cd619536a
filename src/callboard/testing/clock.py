"""A clock for tests: time stands still while anybody works, and jumps to the next alarm when all wait.

    clock = JumpClock()
    before = clock.monotonic()
    await clock.sleep(3600)                # returns at once
    assert clock.monotonic() == before + 3600

Theory of operation (the idea is trio's `MockClock` with autojump)
    While alarms are set, a probe passes through the loop. Whatever is ready was handed to the loop's
    `call_soon`, which is counted. When nothing was handed over for `QUIET_PASSES` passes, nobody has anything
    to do but wait, and time jumps to the earliest alarm. Alarms of one instant ring in the order in which
    they were set; between two instants everybody works until all is quiet again.

    The loop cannot see work in other threads. Announce it, and time stands still until it is done:

        with clock.busy():
            rows = await asyncio.to_thread(query)

    The wall is the monotonic count plus a distance, which `set_wall` changes; durations do not notice.

Rejected
    Counting passes only: a chain of a few more tasks than passes would see its time-outs come early.
    The loop's private queue of what is ready: uvloop hides it.
    A short real wait before each jump: slow, and a loaded machine makes it wrong.

What comes over a socket from outside is not seen either: announce it by `busy`, or use `autojump=False` and
move the time by `advance`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

QUIET_PASSES = 4
"""Passes without anything new after which all are held to be waiting. Two would do; I/O may need a few."""

START = datetime(2026, 1, 1, tzinfo=UTC)


class _Alarm:
    __slots__ = ("args", "cancelled", "ring")

    def __init__(self, ring: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.ring = ring
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def go_off(self) -> None:
        if not self.cancelled:
            self.ring(*self.args)


class _Traffic:
    """Counts what is handed to one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count = 0
        self.uncounted = loop.call_soon

        def call_soon(*args: Any, **kwargs: Any) -> asyncio.Handle:
            self.count += 1
            return self.uncounted(*args, **kwargs)

        loop.call_soon = call_soon  # type: ignore[assignment,method-assign]


_traffic: WeakKeyDictionary[asyncio.AbstractEventLoop, _Traffic] = WeakKeyDictionary()


def _traffic_of(loop: asyncio.AbstractEventLoop) -> _Traffic:
    if loop not in _traffic:
        _traffic[loop] = _Traffic(loop)
    return _traffic[loop]


class JumpClock:
    """A `callboard.clock.Clock` that belongs to one event loop at a time."""

    def __init__(self, start: datetime = START, *, autojump: bool = True) -> None:
        self._monotonic = 0.0
        self._wall_start = start
        self._autojump = autojump
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._numbers = itertools.count()
        self._settlers: list[asyncio.Future[None]] = []
        self._busy = 0
        self._held = 0
        self._probing = False
        self._seen = 0
        self._quiet = 0

    # ── the port ─────────────────────────────────────────────────────────────────────────────────────────

    def now(self) -> datetime:
        return self._wall_start + timedelta(seconds=self._monotonic)

    def monotonic(self) -> float:
        return self._monotonic

    def call_at(self, when: float, ring: Callable[..., Any], *args: Any) -> _Alarm:
        alarm = _Alarm(ring, args)
        if when <= self._monotonic:  # due now: as on a real clock, it does not wait for others to finish
            asyncio.get_running_loop().call_soon(alarm.go_off)
            return alarm
        heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
        self._probe_soon()
        return alarm

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        alarm = self.call_at(self._monotonic + seconds, _wake, woken)
        try:
            await woken
        finally:
            alarm.cancel()

    # ── for tests ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def armed(self) -> int:
        """How many alarms are set."""
        return sum(not alarm.cancelled for _, _, alarm in self._alarms)

    def set_wall(self, wall: datetime) -> None:
        """Set the wall clock, back or forward; monotonic time does not notice."""
        self._wall_start = wall - timedelta(seconds=self._monotonic)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Announce work that the loop cannot see, such as a thread's: time stands still meanwhile."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._probe_soon()

    async def settle(self) -> None:
        """Return when nobody has anything to do but wait for time; time does not jump before."""
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settlers.append(settled)
        self._probe_soon()
        await settled

    async def advance(self, seconds: float) -> None:
        """Let time pass by hand: alarms on the way ring, and everybody does what follows from them."""
        target = self._monotonic + seconds
        self._held += 1
        try:
            await self.settle()
            while (earliest := self._earliest()) is not None and earliest <= target:
                self._jump_to(earliest)
                await self.settle()
            self._monotonic = target
        finally:
            self._held -= 1
            self._probe_soon()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self) -> bool:
        """Whether there is any reason to look for quiet."""
        jump = self._autojump and not self._held and self._earliest() is not None
        return not self._busy and bool(jump or self._settlers)

    def _probe_soon(self) -> None:
        if not self._probing and self._wanted():
            traffic = _traffic_of(asyncio.get_running_loop())
            self._probing = True
            self._quiet = 0
            self._seen = traffic.count
            traffic.uncounted(self._probe)

    def _probe(self) -> None:
        if not self._wanted():
            self._probing = False
            return
        traffic = _traffic_of(asyncio.get_running_loop())
        self._quiet = self._quiet + 1 if traffic.count == self._seen else 0
        self._seen = traffic.count
        if self._quiet >= QUIET_PASSES:
            self._quiet = 0
            self._all_is_quiet()
        traffic.uncounted(self._probe)

    def _all_is_quiet(self) -> None:
        settlers, self._settlers = self._settlers, []
        for settled in settlers:
            _wake(settled)
        earliest = self._earliest()
        if not settlers and earliest is not None:
            self._jump_to(earliest)

    def _earliest(self) -> float | None:
        while self._alarms and self._alarms[0][2].cancelled:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def _jump_to(self, when: float) -> None:
        self._monotonic = max(self._monotonic, when)
        loop = asyncio.get_running_loop()
        while (earliest := self._earliest()) is not None and earliest <= self._monotonic:
            loop.call_soon(heapq.heappop(self._alarms)[2].go_off)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
