"""Patience: reading again and again while the disk cannot be read.

A run that is told something has it in its hand alone: a timer rings once, an attempt says once what it came
to. So where it reads before it can decide, it waits for the disk; to fall over would be to forget.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from callboard.clock import Clock
from callboard.errors import StoreUnavailable
from callboard.retry import Backoff

T = TypeVar("T")

_log = structlog.get_logger("callboard.runs")


async def patiently(clock: Clock, read: Callable[[], Awaitable[T]]) -> T:
    """Return what a read gives, once it can be read."""
    pause = Backoff(first=0.2, factor=2.0, longest=10.0)
    while True:
        try:
            return await read()
        except StoreUnavailable as error:
            _log.warning("runs.cannot_read", reason=error.message)
            await clock.sleep(pause.next())
