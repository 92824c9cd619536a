"""Patience: reading again and again while the disk cannot be read.

A run that is told something has it in its hand alone: a timer rings once, an attempt says once what it came
to. So where it reads before it can decide, it waits for the disk; to fall over would be to forget. What is
read for a step is waited for, too: that our disk failed is no outcome of anybody's step. And a bot that
begins waits, for one that fell over time after time would be set aside, and stay so on a disk that is well.

A file that is truly damaged is waited for as well: a read that fails for a moment looks the same from here.
Each try leaves a line in the log, and the pauses grow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from callboard.clock import Clock
from callboard.errors import StoreUnavailable
from callboard.retry import Backoff

T = TypeVar("T")

_log = structlog.get_logger("callboard.store")


async def patiently(
    clock: Clock,
    read: Callable[[], Awaitable[T]],
    *,
    unless: Callable[[], bool] = lambda: False,
    **who: str,
) -> T:
    """Return what a read gives, once it can be read; raise what keeps it from that if nobody waits any more.

    `who` waits is told in the log.
    """
    pause = Backoff(first=0.2, factor=2.0, longest=10.0)
    while True:
        try:
            return await read()
        except StoreUnavailable as error:
            if unless():
                raise
            _log.warning("store.cannot_read", reason=error.message, **who)
            await clock.sleep(pause.next())
