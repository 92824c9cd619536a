"""Time as a port: what the house may know of it, and the system's own clock.

Two kinds of time are kept apart. The wall (`now`) is what people read and what is stored; it can be set back
or forward. The monotonic count (`monotonic`) is what durations are measured with; it only grows. Everything
that waits goes through `call_at` or `sleep`, so a test can hand in `callboard.testing.JumpClock`, which jumps
to the next thing that is waited for as soon as nobody has anything else to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol


class Alarm(Protocol):
    """Something that will happen at a time, unless it is cancelled."""

    def cancel(self) -> None:
        """Forget it; without effect once it has rung."""


class Clock(Protocol):
    """Wall time, monotonic time, and waiting."""

    def now(self) -> datetime:
        """Return the wall time, in UTC."""

    def monotonic(self) -> float:
        """Return seconds since some fixed instant; never goes back."""

    def call_at(self, when: float, ring: Callable[..., Any], *args: Any) -> Alarm:
        """Call `ring(*args)` in the running loop once `monotonic()` reaches `when`."""

    async def sleep(self, seconds: float) -> None:
        """Wait, letting others work."""


class SystemClock:
    """The machine's clocks. Monotonic time is the running loop's, so that alarms and readings agree."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_at(self, when: float, ring: Callable[..., Any], *args: Any) -> Alarm:
        loop = asyncio.get_running_loop()
        return loop.call_later(max(0.0, when - time.monotonic()), ring, *args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
