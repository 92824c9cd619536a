"""The world of a simulation: a loop, a clock and ids in which one seed decides everything.

No thread, no socket, no real time. What is ready to run is a list, and dice say which of it runs next; when
nothing is ready, time jumps to the next alarm. So any order that tasks could be woken in can happen, and the
same dice make the same history again, to the byte.

asyncio's own loops run what is ready in the order in which it became so. Here each life of a seed has a
manner of its own: that order, an even shuffle, or one that mostly takes what came last. Code that is right
only in the first is right by luck.

A handler or an action that is a plain function has a thread of its own. The loop stands still until that
thread has ended, so what it does seems to take no time, and nothing happens beside it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

Result = TypeVar("Result")
Ts = TypeVarTuple("Ts")

START = datetime(2026, 1, 1, tzinfo=UTC)

MANNERS = ("in order", "shuffled", "shuffled", "newest first")
AT_RANDOM = 0.2
"""How often the third manner takes anything at all."""
BURIAL_ROUNDS, BURIAL_STEPS = 20, 50_000
THREADS = ("bot:", "step:")
"""So begin the names of the threads in which the house carries out plain functions."""


class Violation(AssertionError):
    """Something that was promised does not hold."""


class Died(BaseException):
    """The process is no more; nothing may catch this and go on."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """An event loop whose time and order are made by dice; it offers what actors need, and no I/O."""

    def __init__(self, dice: Random, *, starts_at: float = 0.0) -> None:
        self._dice = dice
        self._manner = dice.choice(MANNERS)
        self._now = starts_at
        self._ready: list[asyncio.Handle] = []
        self._alarms: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._others = set(threading.enumerate())
        self.dead = False
        self.faults: list[BaseException] = []
        """What callbacks raised: nobody else would hear of it."""

    # ── what asyncio asks of a loop ──────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Take what a thread has to say: the loop waits for it, so it comes at no moment of its own."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._alarms, (when, next(self._numbers), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Result] | Generator[Any, None, Result], **kwargs: Any
    ) -> asyncio.Task[Result]:
        return asyncio.Task(coro, loop=self, **kwargs)

    def run_in_executor(
        self, _executor: object, work: Callable[[*Ts], Result], *args: *Ts
    ) -> asyncio.Future[Result]:
        """Do it at once: what is handed to threads only reckons, and a thread has an order of its own."""
        done: asyncio.Future[Result] = self.create_future()
        try:
            done.set_result(work(*args))
        except Exception as error:  # noqa: BLE001  it is for whoever waits for it
            done.set_exception(error)
        return done

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "handle" in context:
            self.faults.append(context["exception"])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: it is passed over when its time comes."""

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────

    def run(self, main: Coroutine[Any, Any, None], *, until: float) -> bool:
        """Run to the end of `main`; False if the process died before. To wait for ever is a violation."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - it is there for those who make loops
        try:
            task = self.create_task(main)
            while not task.done() and not self.dead:
                if not self._step():
                    raise Violation("everybody waits, and nothing will ever wake anyone")
                if self._now > until:
                    raise Violation(f"still not done at {self._now:.1f} s of virtual time")
            if self.dead:
                self._bury()
                return False
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above
        task.result()
        if self.faults:
            raise Violation(f"a callback raised {self.faults[0]!r}") from self.faults[0]
        return True

    def die(self) -> None:
        """Run nothing more: what is going on ends in the middle."""
        self.dead = True

    def _step(self) -> bool:
        """Run one thing that is ready, after a jump in time if there was none; False if there is nothing."""
        while not self._ready:
            if not self._alarms:
                return False
            when, _, alarm = heapq.heappop(self._alarms)
            if not alarm.cancelled():
                self._now = max(self._now, when)
                self._ready.append(alarm)
        handle = self._ready.pop(self._pick(len(self._ready)))
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - as above
            self._await_threads()
        return True

    def _await_threads(self) -> None:
        """Let plain functions come to their end; those that are waited for began a moment ago, here."""
        if threading.active_count() > len(self._others):
            for thread in threading.enumerate():
                if thread not in self._others and thread.name.startswith(THREADS):
                    thread.join()

    def _pick(self, count: int) -> int:
        if count == 1 or self._manner == "in order":
            return 0
        if self._manner == "shuffled" or self._dice.random() < AT_RANDOM:
            return self._dice.randrange(count)
        return count - 1

    def _bury(self) -> None:
        """End what a dead process left in memory, so that nothing of it haunts the next test."""
        self._dice = Random(0)  # noqa: S311 - nobody looks at what it decides
        for _ in range(BURIAL_ROUNDS):
            for task in asyncio.all_tasks(self):
                task.cancel()
            self._alarms.clear()  # whoever would try again later does not
            for _ in range(BURIAL_STEPS):
                if not self._ready:
                    break
                self._step()
            if not asyncio.all_tasks(self):
                break


def make_loop(dice: Random, *, starts_at: float = 0.0) -> SimulatedLoop:
    """Return a loop at a moment in virtual time."""
    return SimulatedLoop(dice, starts_at=starts_at)  # type: ignore[abstract]  # it offers no sockets


class SimulatedClock:
    """The clock port on a simulated loop; its wall can be set, its monotonic count only grows."""

    def __init__(self, loop: SimulatedLoop, *, ahead: timedelta = timedelta()) -> None:
        self._loop = loop
        self.ahead = ahead
        """How far the wall is from where it should be."""

    def now(self) -> datetime:
        return START + self.ahead + timedelta(microseconds=int(self._loop.time() * 1_000_000))

    def monotonic(self) -> float:
        return self._loop.time()

    def call_at(self, when: float, ring: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        return self._loop.call_at(when, ring, *args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SeededIds:
    """The ids port from dice."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def new(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128))

    def text(self) -> str:
        return str(self.new())
