"""How long to wait before trying again: a pure count of growing pauses, or what a server asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 3600.0
"""A server that asks to be left alone for longer is asked again after so many seconds all the same."""


class Backoff:
    """Pauses that grow by a factor up to the longest, until something succeeds."""

    def __init__(self, *, first: float, factor: float, longest: float) -> None:
        self._first = first
        self._factor = factor
        self._longest = longest
        self._following = first

    def next(self) -> float:
        """Return the pause before the next try."""
        pause = self._following
        self._following = min(self._longest, pause * self._factor)
        return pause

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._following = self._first


def asked_pause(text: str, now: datetime) -> float | None:
    """Return for how many seconds `Retry-After` asks, if it does; what a server says may be nonsense."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(LONGEST_PAUSE, float(text[:9]))
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return min(LONGEST_PAUSE, max(0.0, (at - now).total_seconds()))
    except (ValueError, OverflowError):
        return None
