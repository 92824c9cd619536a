"""Slots: how many attempts the whole house carries out at once, and who is next.

    if slots.take(): ...              # at once, where one is free
    await slots.wait()                # or in the order in which runs ask
    slots.release()

An attempt is written down as begun only when there is a slot for it. What waits for one has not begun: it
is not cut off by a crash, its run's time does not run, and no operator is asked what becomes of it. So a run
asks before it decides what to begin, and has one place in the queue however many steps are ready in it: a run
with a thousand of them cannot keep another one out.

A run whose attempt has just ended may use that slot again for what follows, within the same commit, although
others wait; else each step of a busy house would cost two commits. It may do so for `TURN` seconds
(docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
from collections import deque

TURN = 1.0
"""Seconds for which a run may use a slot on and on while others wait for one."""


class Slots:
    """So many, for all runs of a house."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._waiting)

    def take(self) -> bool:
        """Take a slot if one is free; those who wait are before whoever comes now."""
        if not self._free:  # while one is free, nobody waits
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Take a slot as soon as one is free."""
        if self.take():
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release()  # it was given one in the moment in which it gave up
            raise

    def release(self) -> None:
        """Give a slot back: to the next who waits, if anybody does."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
