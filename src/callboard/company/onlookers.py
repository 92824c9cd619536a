"""Onlookers: who wants to know that a stream has grown, or the log itself.

    with board.onlookers.watch(run_stream(run)) as grown:
        while True:
            grown.clear()
            ...                      # read from the store what is new
            await grown.wait()

A bell, and no queue: it says that there is something, and the store says what. So one who is slow holds no
memory, however much happens meanwhile, and loses nothing. A commit for which nobody looks costs one look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from callboard.ids import StreamId
from callboard.store.turn import NewEvents, Turn


class Onlookers:
    """The bells of those who look on."""

    def __init__(self) -> None:
        self._bells: dict[StreamId | None, set[asyncio.Event]] = {}
        """By stream; None is the whole log."""

    def __len__(self) -> int:
        return sum(map(len, self._bells.values()))

    @contextmanager
    def watch(self, stream: StreamId | None) -> Iterator[asyncio.Event]:
        """Hang up a bell that is rung whenever a stream, or with None the log, has grown."""
        bell = asyncio.Event()
        bells = self._bells.setdefault(stream, set())
        bells.add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)
            if not bells and self._bells.get(stream) is bells:
                del self._bells[stream]

    def committed(self, turn: Turn) -> None:
        """Ring the bells of those to whom a committed turn is something new."""
        if not self._bells:
            return
        self._ring(None)
        for entry in turn.entries:
            if type(entry) is NewEvents:
                self._ring(entry.stream)

    def _ring(self, stream: StreamId | None) -> None:
        for bell in self._bells.get(stream, ()):
            bell.set()
