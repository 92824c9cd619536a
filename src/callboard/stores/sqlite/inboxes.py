"""Inboxes: what a bot has still to handle, in log order, from what was addressed to it and what it hears.

An inbox is nowhere written down. It is made of ranges of one index: the messages addressed to the bot,
and for each interval of listening one range for each channel that its pattern fits. The ranges are read
side by side and no further than is asked for, so a page costs what it holds, however long the log is.

Each function is one piece of work, and looks at one snapshot: a head that was read before the messages would
pass over what came in between.
"""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections.abc import Generator, Iterable, Iterator
from itertools import groupby, islice

import msgspec

from callboard.facts.membership import matches
from callboard.stores.sqlite.queries import QUERIES, Row
from callboard.stores.sqlite.writing import read_head, roll_back

NO_END = 2**62
"""A position past all that will ever be."""


class Page(msgspec.Struct, frozen=True):
    """Rows of messages, and up to where was looked."""

    messages: list[Row]
    seen: int


class _Range(msgspec.Struct, frozen=True):
    """What one recipient got between two positions, both exclusive."""

    kind: str
    recipient: str
    after: int
    before: int
    own: bool


@contextlib.contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Let several statements see the same; a transaction that is open already does that."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
        db.execute("COMMIT")
    finally:
        roll_back(db)


def inbox(db: sqlite3.Connection, tenant: str, bot: str, after: int, limit: int) -> Page:
    """Return what a bot has still to handle of its own stream, past a position."""
    with snapshot(db):
        head = read_head(db.execute(QUERIES.read_head))[0] - 1
        found = _own_stream(db, tenant, bot, after, limit)
        return Page(_messages(db, tenant, found), found[-1] if limit and len(found) == limit else head)


def catch_up(db: sqlite3.Connection, tenant: str, opened: int, after: int, limit: int) -> Page:
    """Return what a bot has still to handle of one catch-up, past a position."""
    with snapshot(db):
        found = _catch_up(db, tenant, opened, after, limit)
        return Page(_messages(db, tenant, found), found[-1] if limit and len(found) == limit else opened)


def waiting(db: sqlite3.Connection, tenant: str, bot: str, most: int) -> int:
    """Count what a bot has still to handle: its stream, its catch-ups, and what it tries again."""
    with snapshot(db):
        row = db.execute(QUERIES.read_cursor, (tenant, bot, 0)).fetchone()
        found = set(_own_stream(db, tenant, bot, row[0] if row else 0, most))
        for opened, *_, cursor in db.execute(QUERIES.read_catch_ups, (tenant, bot)).fetchall():
            if len(found) < most:
                found.update(_catch_up(db, tenant, opened, cursor, most))
        found.update(row[0] for row in db.execute(QUERIES.read_retrying, (tenant, bot, most)))
        found.update(row[1] for row in db.execute(QUERIES.read_started, (tenant, bot)))
        return min(len(found), most)


def spoken_channels(db: sqlite3.Connection, tenant: str, pattern: str) -> list[str]:
    """Return the channels that a pattern fits and that something was said on."""
    if "*" not in pattern:
        return [pattern]
    return [name for (name,) in db.execute(QUERIES.spoken_channels, (tenant,)) if matches(pattern, name)]


def merged(
    db: sqlite3.Connection, ranges: Iterable[tuple[str, Row]], *, newest_first: bool = False
) -> Generator[int, None, None]:
    """Yield positions from several statements, each in order already, in one order and each once."""
    with contextlib.ExitStack() as open_ranges:
        cursors = [
            open_ranges.enter_context(contextlib.closing(db.execute(statement, parameters)))
            for statement, parameters in ranges
        ]
        for (position,), _ in groupby(heapq.merge(*cursors, reverse=newest_first)):
            yield position


def _own_stream(db: sqlite3.Connection, tenant: str, bot: str, after: int, limit: int) -> list[int]:
    row = db.execute(QUERIES.read_cursor, (tenant, bot, 0)).fetchone()
    declared = db.execute(QUERIES.read_declared, (tenant, bot)).fetchone()
    # What was addressed to the name before there was a bot is nobody's.
    begin = after if row or not declared else max(after, declared[0])
    ranges = [_Range("bot", bot, begin, NO_END, own=True)]
    for opened, pattern, until, own in db.execute(QUERIES.read_intervals, (tenant, bot, after)).fetchall():
        ranges += [
            _Range("channel", channel, max(after, opened), until or NO_END, own=bool(own))
            for channel in spoken_channels(db, tenant, pattern)
        ]
    return _unsettled(db, tenant, bot, ranges, row[0] if row else 0, limit)


def _catch_up(db: sqlite3.Connection, tenant: str, opened: int, after: int, limit: int) -> list[int]:
    row = db.execute(QUERIES.read_subscription, (opened, tenant)).fetchone()
    if row is None:
        return []
    bot, pattern, since, own, cursor = row
    ranges = [
        _Range("channel", channel, max(after, since), opened, own=bool(own))
        for channel in spoken_channels(db, tenant, pattern)
    ]
    return _unsettled(db, tenant, bot, ranges, cursor, limit)


def _unsettled(
    db: sqlite3.Connection, tenant: str, bot: str, ranges: list[_Range], cursor: int, limit: int
) -> list[int]:
    wanted = (
        (
            QUERIES.unsettled,
            (tenant, one.kind, one.recipient, one.after, one.before, one.own, bot, cursor),
        )
        for one in ranges
    )
    with contextlib.closing(merged(db, wanted)) as positions:
        return list(islice(positions, limit))


def _messages(db: sqlite3.Connection, tenant: str, positions: list[int]) -> list[Row]:
    return [db.execute(QUERIES.read_message_at, (position, tenant)).fetchone() for position in positions]
