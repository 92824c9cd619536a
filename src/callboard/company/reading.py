"""One open read of a bot's inbox from outside, and who may have it open.

Two readers that do not know of each other would each see half and acknowledge what the other had in hand. So
an inbox has one reader. While its read is open, and for `REMEMBERED` seconds after it if it said its name,
any other is refused unless it takes over; whoever lost the inbox is told so by the end of its read.

A read waits in the task of whoever asked, on a future, and never in the actor.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from callboard.clock import Clock
from callboard.company.unsettled import PartKey
from callboard.errors import CallboardError, ReaderConflict
from callboard.ids import Position

REMEMBERED = 60.0
"""Seconds for which a reader that said its name keeps the inbox between two reads."""


class Reading:
    """A read that is open: where it stands, and how it is woken or ended."""

    def __init__(self, reader: str | None, *, take_over: bool = False, after: Position | None = None) -> None:
        self.reader = reader
        self.take_over = take_over
        self.after = after
        """Read on past this position, if it was served."""
        self.place: dict[PartKey, Position] = {}
        """Up to where each part was given to this reader."""
        self.beside: set[tuple[Position, int]] = set()
        """Which messages beside the stream it was given, and for which attempt."""
        self.ended: CallboardError | None = None
        self.closed = False
        self._news = False
        self._rest: asyncio.Future[None] | None = None

    def begin_look(self) -> None:
        """Count as news what comes from here on."""
        self._news = False

    def wake(self) -> None:
        """There may be something new."""
        self._news = True
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    def end(self, reason: CallboardError) -> None:
        """End the read with an error."""
        if not self.closed and self.ended is None:
            self.ended = reason
            self.wake()

    def close(self) -> None:
        """Nobody reads any more."""
        self.closed = True

    async def rest(self, clock: Clock, until: float) -> None:
        """Wait for news, or until a time of the monotonic clock."""
        if self._news:
            return
        self._rest = asyncio.get_running_loop().create_future()
        alarm = clock.call_at(until, self.wake)
        try:
            await self._rest
        finally:
            alarm.cancel()
            self._rest = None


class Reader(msgspec.Struct, frozen=True):
    """Who reads an inbox."""

    name: str | None
    since: datetime
    reading: bool
    """Whether a read is open now."""


class Seat:
    """Who has the inbox."""

    def __init__(self, bot: str, clock: Clock) -> None:
        self._bot = bot
        self._clock = clock
        self._reading: Reading | None = None
        self._name: str | None = None
        self._since = clock.now()
        self._seen = clock.monotonic()

    @property
    def reading(self) -> Reading | None:
        """The read that is open."""
        found = self._reading
        return None if found is None or found.closed or found.ended is not None else found

    def reader(self) -> Reader | None:
        """Return who has the inbox now, if anybody has."""
        if self.reading is None and not self._remembered():
            return None
        return Reader(self._name, self._since, self.reading is not None)

    def open(self, reading: Reading) -> None:
        """Let a reader in, or refuse it; whoever it takes over from is told."""
        now, before = self._clock.monotonic(), self.reading
        same = reading.reader is not None and reading.reader == self._name
        held = before is not None or self._remembered()
        if held and not same and not reading.take_over:
            raise self._conflict(f"{_named(self._name)} reads the inbox of {self._bot}: ")
        if before is not None:
            before.end(
                ReaderConflict(
                    f"{_named(reading.reader)} took over the inbox of {self._bot}; "
                    "read with take_over=true to take it back.",
                    bot=self._bot,
                    reader=reading.reader,
                )
            )
        if not held or not same:
            self._since = self._clock.now()
        self._reading, self._name, self._seen = reading, reading.reader, now

    def touch(self, reading: Reading) -> None:
        """Note that the reader is there."""
        if reading is self._reading:
            self._seen = self._clock.monotonic()

    def check(self, name: str | None) -> None:
        """Refuse an acknowledgement of a reader that has lost the inbox."""
        if name is None or name == self._name:
            self._seen = self._clock.monotonic() if name is not None else self._seen
        elif self.reader() is not None:
            raise self._conflict(f"{_named(self._name)} reads the inbox of {self._bot} now, not {name}: ")

    def _remembered(self) -> bool:
        return self._name is not None and self._clock.monotonic() - self._seen < REMEMBERED

    def _conflict(self, what: str) -> ReaderConflict:
        return ReaderConflict(
            f"{what}read with take_over=true (--take-over) to take it over, or wait until "
            f"{_named(self._name)} has been silent for {REMEMBERED:g} s.",
            bot=self._bot,
            reader=self._name,
        )


def _named(reader: str | None) -> str:
    return "another reader" if reader is None else reader
