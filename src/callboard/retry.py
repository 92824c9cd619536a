"""How long to wait before trying again: a pure count of growing pauses."""

from __future__ import annotations


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
