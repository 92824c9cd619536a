"""Auditing: which messages passed between whom, what became of each, and what led to what.

The messages that a query may mean are read from the index that narrows most, in the order of the log, and no
further than needed to fill the page. What no index knows (whether the other one of a pair hears a channel,
who has still to handle a message) is decided for each message, from the board as it is in the same snapshot.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from callboard.facts.membership import matches
from callboard.store.boardrows import AuditQuery
from callboard.stores.sqlite.inboxes import merged, snapshot
from callboard.stores.sqlite.queries import QUERIES, Row
from callboard.stores.sqlite.rows import microseconds

SENDER, KIND, RECIPIENT = 5, 6, 7
"""Where the row of a message has these."""

BOT, OUTCOME = 0, 2
"""Where the row of a delivery has these."""


class Found(msgspec.Struct, frozen=True):
    """The row of a message, the rows of its deliveries, and the bots that it waits for."""

    message: Row
    deliveries: list[Row]
    waiting: list[str]


class _Interval(msgspec.Struct, frozen=True):
    """An interval of listening, and up to where its catch-up came."""

    bot: str
    pattern: str
    since: int
    opened: int
    until: int | None
    own: int
    caught_up: int

    def covers(self, message: Row) -> bool:
        """Tell whether the interval makes its bot hear a message on a channel."""
        position = message[0]
        return (
            min(self.since, self.opened) < position != self.opened
            and (self.until is None or position < self.until)
            and (bool(self.own) or message[SENDER] != self.bot)
            and matches(self.pattern, message[RECIPIENT])
        )


class _Standing(msgspec.Struct, frozen=True):
    """Since when a bot on the board was declared, and where its cursor stands."""

    bot: str
    declared: int
    cursor: int | None


class _Board:
    """Who hears what, and has come how far."""

    def __init__(self, db: sqlite3.Connection, tenant: str) -> None:
        intervals = (_Interval(*row) for row in db.execute(QUERIES.read_all_intervals, (tenant,)))
        self._intervals: dict[str, list[_Interval]] = {}
        for interval in intervals:
            self._intervals.setdefault(interval.bot, []).append(interval)
        standing = (_Standing(*row) for row in db.execute(QUERIES.read_standing, (tenant,)))
        self._standing = {one.bot: one for one in standing}

    def hears(self, bot: str, message: Row) -> bool:
        """Tell whether a message on a channel is for a bot."""
        return any(interval.covers(message) for interval in self._intervals.get(bot, ()))

    def waiting(self, message: Row, deliveries: list[Row]) -> list[str]:
        """Return the bots on the board that have a message still to handle, by name."""
        outcomes = {row[BOT]: row[OUTCOME] for row in deliveries}
        return sorted(bot for bot in self._standing if self._waits(bot, message, outcomes.get(bot)))

    def _waits(self, bot: str, message: Row, outcome: str | None) -> bool:
        if outcome is not None:
            return outcome == "started"
        position, standing = message[0], self._standing[bot]
        if message[KIND] == "bot":
            begin = standing.declared if standing.cursor is None else standing.cursor
            return bool(message[RECIPIENT] == bot and position > begin)
        return any(
            position > (interval.caught_up if position < interval.opened else standing.cursor or 0)
            for interval in self._intervals.get(bot, ())
            if interval.covers(message)
        )


def audit(db: sqlite3.Connection, tenant: str, query: AuditQuery) -> list[Found]:
    """Return messages with what became of them."""
    found: list[Found] = []
    with snapshot(db):
        board = _Board(db, tenant)
        candidates = merged(db, _ranges(db, tenant, query), newest_first=query.newest_first)
        with contextlib.closing(candidates):
            for position in candidates:
                if len(found) >= query.limit:
                    break
                message = db.execute(QUERIES.read_message_at, (position, tenant)).fetchone()
                one = _judged(db, tenant, board, query, message)
                if one is not None:
                    found.append(one)
    return found


def _judged(
    db: sqlite3.Connection, tenant: str, board: _Board, query: AuditQuery, message: Row
) -> Found | None:
    """Return a message with what became of it, unless the query does not mean it."""
    deliveries = db.execute(QUERIES.read_deliveries, (message[0], tenant)).fetchall()
    waiting = board.waiting(message, deliveries)
    if query.pair is not None:
        one, two = query.pair
        other = two if message[SENDER] == one else one
        deliveries = [row for row in deliveries if row[BOT] == other]
        waiting = [bot for bot in waiting if bot == other]
        if message[KIND] == "channel" and not deliveries and not board.hears(other, message):
            return None
    if query.outcome == "waiting" and not waiting:
        return None
    if query.outcome not in {None, "waiting"} and all(row[OUTCOME] != query.outcome for row in deliveries):
        return None
    return Found(message, deliveries, waiting)


# ── which index to read ──────────────────────────────────────────────────────────────────────────────────


def _ranges(db: sqlite3.Connection, tenant: str, query: AuditQuery) -> Iterator[tuple[str, Row]]:
    """Yield the statements whose positions, merged, are what the query may mean."""
    narrowed, values = _narrowed(query)
    order = "DESC" if query.newest_first else "ASC"
    for where, parameters in _sources(db, tenant, query):
        # Only our own words are put together here; each value is a parameter.
        statement = f"SELECT position FROM bot_messages {where} {narrowed} ORDER BY position {order}"  # noqa: S608 - see above
        yield statement, (*parameters, *values)


_TO_ONE = (
    "INDEXED BY bot_messages_sender WHERE tenant = ? AND sender = ? AND recipient_kind = ? AND recipient = ?"
)
_AT_ONE = "INDEXED BY bot_messages_inbox WHERE tenant = ? AND recipient_kind = ? AND recipient = ?"


def _sources(db: sqlite3.Connection, tenant: str, query: AuditQuery) -> Iterator[tuple[str, Row]]:
    if query.pair is not None:
        one, two = query.pair
        for sender, other in ((one, two), (two, one)):
            for kind, recipient in _addressed_by(db, tenant, sender):
                if kind == "channel" or recipient == other:
                    yield _TO_ONE, (tenant, sender, kind, recipient)
    elif query.conversation is not None:
        yield (
            "INDEXED BY bot_messages_conversation WHERE tenant = ? AND conversation = ?",
            (*(tenant, query.conversation),),
        )
    elif query.bot is not None:
        yield _AT_ONE, (tenant, "bot", query.bot)
        for kind, recipient in _addressed_by(db, tenant, query.bot):
            yield _TO_ONE, (tenant, query.bot, kind, recipient)
    elif query.channel is not None:
        yield _AT_ONE, (tenant, "channel", query.channel)
    else:
        yield "WHERE tenant = ?", (tenant,)


def _addressed_by(db: sqlite3.Connection, tenant: str, sender: str) -> list[tuple[str, str]]:
    return db.execute(QUERIES.addressed_by, (tenant, sender)).fetchall()


def _narrowed(query: AuditQuery) -> tuple[str, list[Any]]:
    """Return the conditions that a row alone can answer, and their values."""
    past = "position < ?" if query.newest_first else "position > ?"
    wanted: dict[str, list[Any]] = {}
    if query.after is not None:
        wanted[past] = [query.after]
    if query.channel is not None:
        wanted["recipient_kind = 'channel' AND recipient = ?"] = [query.channel]
    if query.conversation is not None:
        wanted["conversation = ?"] = [query.conversation]
    if query.bot is not None:
        wanted["(sender = ? OR recipient_kind = 'bot' AND recipient = ?)"] = [query.bot, query.bot]
    if query.type is not None:
        wanted["type = ?"] = [query.type]
    wanted |= {f"sent_at {how} ?": [microseconds(at)] for how, at in _times(query)}
    return "".join(f" AND {condition}" for condition in wanted), [
        value for values in wanted.values() for value in values
    ]


def _times(query: AuditQuery) -> Iterator[tuple[str, datetime]]:
    """Yield the bounds in time: from the first instant on, and before the second."""
    if query.since is not None:
        yield ">=", query.since
    if query.until is not None:
        yield "<", query.until


# ── what led to what ─────────────────────────────────────────────────────────────────────────────────────


def causes(db: sqlite3.Connection, tenant: str, position: int, limit: int) -> list[Row]:
    """Return the row of a fact, of its cause, and so on, as far as the log still holds them."""
    chain: list[Row] = []
    with snapshot(db):
        wanted: int | None = position
        while wanted is not None and len(chain) < limit:
            row = db.execute(QUERIES.read_entry, (wanted, tenant)).fetchone()
            if row is None:
                break
            chain.append(row)
            wanted = row[1]
    return chain


def effects(db: sqlite3.Connection, tenant: str, position: int, after: int, limit: int) -> list[Row]:
    """Return the rows of what a fact led to, in log order."""
    with snapshot(db):
        found = db.execute(QUERIES.read_effects, (position, tenant, after, limit)).fetchall()
        return [db.execute(QUERIES.read_entry, (one, tenant)).fetchone() for (one,) in found]
