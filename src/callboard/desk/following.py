"""The part of the front desk that lets the facts of a run, or of the whole log, be followed as they come.

Whoever follows reads pages from the store, and is only told when it is worth reading again (`onlookers.py`).
So nothing is kept for one who is slow, and where he stands is the position that he has seen last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from callboard.company.onlookers import Onlookers
from callboard.desk.inbox import STILL_HERE
from callboard.desk.story import event_row, placed
from callboard.desk.talk import log_row
from callboard.errors import NotFound
from callboard.facts import registered
from callboard.facts.events import run_stream
from callboard.ids import Position, StreamId, Tenant, Version
from callboard.store.boardrows import Event as StoredEvent
from callboard.store.port import Head, Store
from callboard.web import runs, wire
from callboard.web.api.event import Event

AT_ONCE = 128
ABOUT = 64 << 10
"""Facts, and bytes of them, that are read at once: a slow reader holds that much, a few times over."""
ENTRIES = 32
"""Facts of the whole log that are read at once."""


class FollowingDesk:
    """What the house tells those who look on."""

    def __init__(self, store: Store, onlookers: Onlookers) -> None:
        self._store = store
        self._onlookers = onlookers

    async def run(self, run: str, after: str | None) -> AsyncGenerator[list[Event[runs.EventRow]], None]:
        """Yield the facts of a run, up to its end; the end of a run that was opened again is not the last."""
        store, stream = self._store, run_stream(run)
        head = await store.head()
        place = placed(head, after)
        await self._must_be(run)
        version = Version(0) if place is None else await store.version_at(stream, place)
        over = await self._ends(stream, version)
        with self._onlookers.watch(stream) as grown:
            opened = False
            while True:
                grown.clear()
                page = await store.events(stream, version, AT_ONCE, size=ABOUT)
                if page:
                    yield [_told(event, head) for event in page]
                    version, over = page[-1].version, _is_end(page[-1])
                elif over:
                    return
                else:
                    await self._must_be(run)
                    if not opened or not await _rung(grown):
                        yield []
                opened = True

    async def _ends(self, stream: StreamId, version: Version) -> bool:
        """Tell whether a stream had ended with a version of it."""
        if not version:
            return False
        return any(map(_is_end, await self._store.events(stream, Version(version - 1), 1)))

    async def _must_be(self, run: str) -> None:
        """Refuse a run that is not there, or that was taken away while it was read."""
        if await self._store.run(run) is None:
            raise NotFound(f"There is no run {run}.", run=run)

    async def log(self, after: str | None, tenant: Tenant) -> AsyncGenerator[list[Event[wire.LogRow]], None]:
        """Yield the facts of the log, and whatever comes."""
        store = self._store
        head = await store.head()
        place = placed(head, after) or Position(0)

        with self._onlookers.watch(None) as grown:
            opened = False
            while True:
                grown.clear()
                page = await store.log(place, ENTRIES, tenant=tenant)
                if page:
                    yield [Event(log_row(entry), head.cursor(entry.position)) for entry in page]
                    place = page[-1].position
                elif not opened or not await _rung(grown):
                    yield []
                opened = True


def _told(event: StoredEvent, head: Head) -> Event[runs.EventRow]:
    return Event(event_row(event), head.cursor(event.position), "end" if _is_end(event) else "")


def _is_end(event: StoredEvent) -> bool:
    return registered(type(event.fact)).ends


async def _rung(bell: asyncio.Event) -> bool:
    """Wait for a bell, and tell whether it rang before it was time to show that somebody is here."""
    try:
        async with asyncio.timeout(STILL_HERE):
            await bell.wait()
    except TimeoutError:
        return False
    return True
