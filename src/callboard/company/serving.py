"""What was served of an inbox outside, and what may therefore be acknowledged.

Serving goes through the inbox in one order: what was redriven and is due, beside the stream; then the parts
of `unsettled.py`. Up to where each part was served is remembered, and nothing past it can be acknowledged.

A message that failed holds the inbox: nothing is served until its next attempt is due, and what was served
behind it is served anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import chain

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.company.board import Line
from callboard.company.reading import Reading
from callboard.company.sitting import Delivered, Sitting, next_attempt
from callboard.company.unsettled import Part, PartKey, find_in, page_of, parts_of
from callboard.errors import NotServed, StoreUnavailable
from callboard.ids import Position
from callboard.messages import Message
from callboard.store.port import WHENEVER

PAGE = 100
PAGE_BYTES = 1 << 20
"""Bodies that one answer holds; a first message goes whatever its size."""

MOST_BESIDE = 100
"""So many redriven messages are served at a time."""

_ALL = 10_000
"""Retries that are looked at; there is one that holds, and few that were redriven."""

_log = structlog.get_logger("callboard.authoring.bot")


class Served(msgspec.Struct, frozen=True):
    """What was served, and when there is a reason to look again although nothing new has come."""

    given: list[Delivered]
    again: datetime | None
    held: bool = False
    """Nothing is served before that time."""


class Held(msgspec.Struct, frozen=True):
    """The message that failed, and holds the inbox."""

    position: Position
    part: PartKey
    """Where it was served: a catch-up that began since may have it too, and all that lies before it there."""
    attempts: int
    due: datetime


class Last(msgspec.Struct, frozen=True):
    """The message at the position of an acknowledgement, and where it was served."""

    given: Delivered
    part: Part | None
    """None is beside the stream."""


class Serving:
    """What was served of one inbox."""

    def __init__(self, line: Line, services: Services) -> None:
        self._line = line
        self._name = line.name
        self._services = services
        self._store = services.store
        self._marks: dict[PartKey, Position] = {}
        """Up to where each part was served."""
        self._beside: list[Delivered] = []
        """What was served beside the stream, and is not settled."""
        self._held: Held | None = None

    async def begin(self) -> None:
        """Count all as served that a read could have served before now: what was read is not on disk."""
        for part in await self.parts():
            self._marks[part.key] = part.key or Position(0)
        self._marks[None] = (await self._store.head()).position
        self._beside = await self._due_beside()
        await self.see_what_holds(None)

    async def parts(self) -> list[Part]:
        """Return the parts of the inbox as they stand."""
        return await parts_of(self._store, self._line)

    def _mark_of(self, part: Part) -> Position:
        return self._marks.get(part.key, part.cursor)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def read_on(self, reading: Reading, limit: int) -> Served:
        """Return what follows where a reader stands."""
        now, held = self._services.clock.now(), self._held
        if held is not None and now < held.due:
            return Served([], held.due, held=True)
        given = await self._read_beside(reading, limit)
        if len(given) < limit:
            given += await self._read_parts(reading, limit - len(given))
        again = None if given else await self._store.next_retry(self._name)
        return Served(given, again if again is not None and again > now else None)

    async def _due_beside(self) -> list[Delivered]:
        """Return what was redriven and is due, no more than may be served at a time."""
        due = await self._store.retries(self._name, self._services.clock.now(), _ALL)
        found = []
        for one in [one for one in due if one.redriven][:MOST_BESIDE]:
            message = await self._store.message_at(one.message)
            if message is not None:
                found.append(next_attempt(message, one, beside=True))
        return found

    async def _read_beside(self, reading: Reading, limit: int) -> list[Delivered]:
        if await self._store.next_retry(self._name) is None:
            self._beside = []
            return []
        due = {(one.message.position, one.attempt): one for one in await self._due_beside()}
        known = {(one.message.position, one.attempt) for one in self._beside}
        self._beside = [one for one in self._beside if (one.message.position, one.attempt) in due]
        given: list[Delivered] = []
        for key, one in due.items():
            if key not in reading.beside and len(given) < limit:
                given.append(one)
                if key not in known:
                    self._beside.append(one)
        reading.beside = {key for key in reading.beside if key in due}
        reading.beside |= {(one.message.position, one.attempt) for one in given}
        return given

    async def _read_parts(self, reading: Reading, limit: int) -> list[Delivered]:
        given: list[Delivered] = []
        size = 0
        parts = await self.parts()
        for number, part in enumerate(parts):
            place = max(part.cursor, reading.place.get(part.key, part.cursor))
            while place < (part.key or self._line.last):
                page = await page_of(self._store, self._line, part, place, min(PAGE, limit - len(given)))
                if part.key is not None and place == part.cursor and not page.messages:
                    await self._finish(part.key)
                for message in page.messages:
                    size += len(message.json) + sum(map(len, chain(*message.headers.items())))
                    if given and size > PAGE_BYTES:
                        return given
                    reading.place[part.key] = self._mark(part.key, message.position)
                    if not any(earlier.covers(message) for earlier in parts[:number]):
                        given.append(self._give(message, part))
                if len(given) >= limit:
                    return given
                reading.place[part.key] = place = page.seen
        return given

    def _give(self, message: Message, part: Part) -> Delivered:
        held = self._held
        attempt = held.attempts + 1 if held is not None and held.position == message.position else 1
        return Delivered(message, attempt, catch_up=part.key)

    def _mark(self, key: PartKey, position: Position) -> Position:
        """Note that a part was served up to a position."""
        self._marks[key] = max(self._marks.get(key, position), position)
        return position

    async def _finish(self, opened: Position) -> None:
        """Close a catch-up in which nothing is left, so that it is not looked at again."""
        sitting = Sitting(self._name, self._services.board, self._services.journal)
        sitting.reach(opened, opened)
        try:
            await self._services.journal.commit(sitting.close(None))
        except StoreUnavailable as fault:  # reading needs no disk; the next one closes it
            _log.warning("bot.catch_up_not_closed", bot=self._name, reason=fault.message)

    async def place_after(self, after: Position | None) -> dict[PartKey, Position]:
        """Return where a reader stands that was given all up to a position.

        Only what was served can have been given: so it is never led past anything that was not.
        """
        message = None if after is None else await self._store.message_at(after)
        if message is None:
            return {} if after is None else {None: min(after, self._marks.get(None, Position(0)))}
        place: dict[PartKey, Position] = {}
        for part in await self.parts():
            most = self._mark_of(part)
            if part.key is None or part.covers(message):
                place[part.key] = min(message.position, most)
                break
            place[part.key] = most
        return place

    # ── what may be acknowledged ─────────────────────────────────────────────────────────────────────────

    async def find(self, parts: Sequence[Part], position: Position, *, failed: bool) -> Last | None:
        """Return the message at a position, served and not settled; None if it is settled; or refuse it."""
        for one in self._beside:
            if one.message.position == position:
                return Last(one, None)
        unserved = False
        for part in parts:
            message = (
                await find_in(self._store, self._line, part, position) if part.cursor < position else None
            )
            if message is None:
                continue
            held = self._held
            again = held is not None and (held.position, held.part) == (position, part.key)
            if position <= self._mark_of(part) or (again and not failed):
                return Last(self._give(message, part), part)
            if again:
                return None  # that it failed was said before, and it was not served since
            unserved = True
        delivery = await self._store.delivery(self._name, position)
        settled = delivery is not None and (failed or delivery.outcome != "retrying")
        if not unserved and (settled or (delivery is None and position <= parts[-1].cursor)):
            return None
        held = self._held
        until = (
            "" if held is None else f" The inbox is held at {held.position} until {held.due:%H:%M:%S} UTC."
        )
        raise NotServed(
            f"Position {position} is no message that was served to {self._name} and waits: read first, and "
            f"acknowledge a position that was read.{until}",
            bot=self._name,
            position=position,
        )

    async def before(self, parts: Sequence[Part], last: Last) -> AsyncIterator[Delivered]:
        """Yield what was served before the last one and is not settled, in order."""
        for one in list(self._beside):
            if last.part is None and one.message.position == last.given.message.position:
                return
            yield one
        for part in parts if last.part is not None else ():
            final = last.part is not None and part.key == last.part.key
            most = last.given.message.position - 1 if final else self._mark_of(part)
            place = part.cursor
            while place < most:
                page = await page_of(self._store, self._line, part, place, PAGE)
                for message in page.messages:
                    if message.position <= most:
                        yield self._give(message, part)
                place = page.seen
            if final:
                return

    # ── what became of it ────────────────────────────────────────────────────────────────────────────────

    def let_go(self, done: set[Position]) -> None:
        """Forget what holds the inbox, and what is beside it, once that is settled."""
        if self._held is not None and self._held.position in done:
            self._held = None
        self._beside = [one for one in self._beside if one.message.position not in done]

    def hold(self, given: Delivered, due: datetime, open_read: Reading | None) -> None:
        """Serve nothing until a message that failed is due again, and then from there."""
        self._held = Held(given.message.position, given.catch_up, given.attempt, due)
        self._serve_anew(given.catch_up, given.message.position, open_read)

    async def see_what_holds(self, open_read: Reading | None) -> None:
        """Find the message that holds the inbox, as the store has it."""
        self._held = None
        now = self._services.clock.now()
        for one in await self._store.retries(self._name, WHENEVER, _ALL):
            if one.redriven or one.next_try_at is None:
                continue
            for part in await self.parts():
                if await find_in(self._store, self._line, part, one.message) is not None:
                    self._held = Held(one.message, part.key, one.attempts, one.next_try_at)
                    if one.next_try_at > now:
                        self._serve_anew(part.key, one.message, open_read)
                    return

    def _serve_anew(self, key: PartKey, position: Position, open_read: Reading | None) -> None:
        """Count a message, and what was served behind it, as not served."""
        for marks in (self._marks, open_read.place if open_read is not None else {}):
            for later in list(marks):
                if later == key:
                    marks[later] = min(marks[later], Position(position - 1))
                elif key is not None and (later is None or later > key):
                    del marks[later]
