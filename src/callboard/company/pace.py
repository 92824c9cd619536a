"""How fast one sender may speak to one recipient, if the settings set a limit.

For each directed pair a bucket fills with time and holds a minute's worth; a message takes one from it.
What it counts is lost with the process, so a restart begins with full buckets.
"""

from __future__ import annotations

from collections import OrderedDict

from callboard.clock import Clock
from callboard.errors import RateLimited
from callboard.messages import To

PAIRS = 10_000
"""So many pairs are remembered; the one that was silent longest is forgotten, and begins anew."""

MINUTE = 60.0


class Pace:
    """The limit of messages a minute; 0 is none."""

    def __init__(self, clock: Clock, a_minute: int = 0) -> None:
        self._clock = clock
        self._most = a_minute
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def take(self, sender: str, to: To) -> None:
        """Count a message, or refuse it."""
        if not self._most:
            return
        pair, now = (sender, str(to)), self._clock.monotonic()
        held, since = self._buckets.pop(pair, (float(self._most), now))
        held = min(float(self._most), held + (now - since) * self._most / MINUTE)
        enough = held >= 1
        self._buckets[pair] = (held - 1 if enough else held, now)
        if len(self._buckets) > PAIRS:
            self._buckets.popitem(last=False)
        if not enough:
            wait = (1 - held) * MINUTE / self._most
            raise RateLimited(
                f"{sender} may say {self._most} messages a minute to {to}: the next one in {wait:.1f} s.",
                retry_after=round(wait, 3),
            )
