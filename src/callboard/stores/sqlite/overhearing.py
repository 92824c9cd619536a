"""Overhearing: what was said on some channels, or by somebody, past a position, whoever it was for.

The ranges of the index in which it may lie are read side by side and no further than is asked for, as for an
inbox. What is looked for may be rare, so each reading looks at one stretch of the log at most: others wait
for the same connection.
"""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from itertools import islice

from callboard.ids import DEFAULT_TENANT, Position, Tenant
from callboard.store.boardrows import Said
from callboard.stores.sqlite import rows
from callboard.stores.sqlite.connection import P, Result, Work
from callboard.stores.sqlite.inboxes import merged, snapshot, spoken_channels
from callboard.stores.sqlite.queries import QUERIES, Row
from callboard.stores.sqlite.writing import read_head

STRETCH = 20_000
"""So many positions are looked at in one reading."""


class Overhears(ABC):
    """What the adapter reads for those who listen without an inbox."""

    @abstractmethod
    async def _read(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do a piece of reading on a connection."""

    async def said(
        self,
        after: Position,
        limit: int,
        *,
        channel: str | None = None,
        sender: str | None = None,
        type: str | None = None,  # noqa: A002 - the word of the domain
        tenant: Tenant = DEFAULT_TENANT,
    ) -> Said:
        found, seen, more = await self._read(_said, tenant, channel, sender, type, after, limit)
        return Said([rows.message(row) for row in found], Position(seen), more)


def _said(
    db: sqlite3.Connection,
    tenant: str,
    channel: str | None,
    sender: str | None,
    type_: str | None,
    after: int,
    limit: int,
) -> tuple[list[Row], int, bool]:
    """Return what was said on the channels of a pattern, by a sender, of a type; all that is told."""
    with snapshot(db):
        head = read_head(db.execute(QUERIES.read_head))[0] - 1
        last = min(after + STRETCH, head)
        ranges: list[tuple[str, Row]]
        if channel is not None:
            places = [("channel", name) for name in spoken_channels(db, tenant, channel)]
            ranges = [(QUERIES.said_on, (tenant, *place, after, last, sender, type_)) for place in places]
        else:
            places = db.execute(QUERIES.addressed_by, (tenant, sender)).fetchall()
            ranges = [(QUERIES.said_by, (tenant, sender, *place, after, last, type_)) for place in places]
        with contextlib.closing(merged(db, ranges)) as positions:
            found = list(islice(positions, limit))
        messages = [db.execute(QUERIES.read_message_at, (one, tenant)).fetchone() for one in found]
        full = len(found) == limit
        return messages, found[-1] if full else last, full or last < head
