"""The record: what plain SQLite finds in a database of bots, as rows that say what they are.

It shares no code with the product, so a fault there cannot hide here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_HOPS = 32


@dataclass(frozen=True)
class Message:
    position: int
    cause: int | None
    principal: str
    id: str
    sender: str
    kind: str
    to: str
    type: str
    body: Any
    headers: dict[str, str]
    reply_to: str | None
    hops: int
    asks: bool

    @property
    def by_bot(self) -> bool:
        """Whether a bot's own turn said it, and not somebody in its name."""
        return self.principal == f"bot:{self.sender}"

    @property
    def allowed(self) -> int:
        return int(self.headers.get("max-hops", MAX_HOPS))


@dataclass(frozen=True)
class Event:
    position: int
    cause: int | None
    principal: str
    stream: str
    version: int
    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    outcome: str
    attempts: int
    redriven: bool
    deaths: int


@dataclass(frozen=True)
class Interval:
    """From a position, exclusive, a bot hears what fits a pattern; as the facts say, not the table."""

    opened: int
    bot: str
    pattern: str
    since: int
    own: bool


@dataclass
class Record:
    """All that there is to know of a database."""

    messages: dict[int, Message] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    deliveries: dict[tuple[str, int], Delivery] = field(default_factory=dict)
    cursors: dict[tuple[str, int], int] = field(default_factory=dict)
    memories: dict[str, list[int]] = field(default_factory=dict)
    waits: list[tuple[Any, ...]] = field(default_factory=list)
    timers: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """The kind and the data of each, by id."""
    letters: dict[int, tuple[str, int | None, int | None]] = field(default_factory=dict)
    """Bot, message and redrive of each dead letter on the list."""
    subscriptions: dict[int, tuple[str, str, int, int | None]] = field(default_factory=dict)
    causes: dict[int, tuple[int | None, str]] = field(default_factory=dict)
    """Cause and principal of every fact, and so every position there is."""
    head: int = 0

    def __post_init__(self) -> None:
        self.ids: dict[str, Message] = {}
        self.declared: dict[str, int] = {}
        self.ends: dict[int, int] = {}
        """Where each interval that has ended did so."""
        self.intervals: list[Interval] = []

    def fold(self) -> None:
        """Find out, from the facts alone, who was on the board and who listened to what."""
        self.ids = {one.id: one for one in self.messages.values()}
        listening: dict[tuple[str, str], Interval] = {}
        for event in self.events.values():
            data = event.data
            match event.type:
                case "bot_declared":
                    self.declared.setdefault(data["bot"], event.position)
                case "subscribed" if (data["bot"], data["pattern"]) not in listening:
                    since = event.position if data["since"] is None else data["since"]
                    one = Interval(event.position, data["bot"], data["pattern"], since, data["own"])
                    listening[one.bot, one.pattern] = one
                    self.intervals.append(one)
                case "unsubscribed":
                    ended = listening.pop((data["bot"], data["pattern"]), None)
                    if ended is not None:
                        self.ends[ended.opened] = event.position
                case _:
                    pass

    def listens(self, bot: str, pattern: str, at: int) -> bool:
        """Tell whether a bot listened to exactly this pattern at a position."""
        return any(
            one.bot == bot and one.pattern == pattern and one.opened < at <= self.ends.get(one.opened, at)
            for one in self.intervals
        )

    def digest(self) -> str:
        """Return the hash of the log and of what became of each message; tracebacks name folders."""
        lines = [repr(one) for one in self.messages.values()]
        lines += [
            repr((one.position, one.cause, one.type, one.version, {**one.data, "traceback": ""}))
            for one in self.events.values()
        ]
        lines += [repr(one) for one in sorted(self.deliveries.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read(database: Path) -> Record | None:
    """Read a database; None if the process died before it had made one."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("BEGIN")
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        head = db.execute("SELECT next_position FROM log_head").fetchone() if "log_head" in tables else None
        if head is None:
            return None
        record = Record(head=head[0])
        for row in db.execute(
            "SELECT position, cause, principal, message_id, sender, recipient_kind, recipient, type, body,"
            " headers, reply_to, hops, asks FROM bot_messages ORDER BY position"
        ):
            about = (*row[:8], json.loads(row[8]), json.loads(row[9]), row[10], row[11], bool(row[12]))
            record.messages[row[0]] = Message(*about)
        for row in db.execute(
            "SELECT position, cause, principal, stream_id, version, type, data FROM workflow_events"
            " ORDER BY position"
        ):
            about = (*row[:6], json.loads(row[6]))
            record.events[row[0]] = Event(*about)
        for bot, message, *rest in db.execute(
            "SELECT bot, message, outcome, attempts, redriven, deaths FROM deliveries"
        ):
            record.deliveries[bot, message] = Delivery(rest[0], rest[1], bool(rest[2]), rest[3])
        _read_state(db, record)
        record.fold()
        return record


def _read_state(db: sqlite3.Connection, record: Record) -> None:
    for bot, subscription, position in db.execute("SELECT bot, subscription, position FROM bot_cursors"):
        record.cursors[bot, subscription] = position
    for bot, data in db.execute("SELECT bot, data FROM bot_memory"):
        record.memories[bot] = json.loads(data)["tokens"]
    record.waits = db.execute("SELECT owner, kind, key, answer FROM waits ORDER BY wait_id").fetchall()
    for timer, kind, data in db.execute("SELECT timer_id, kind, data FROM timers"):
        record.timers[timer] = (kind, json.loads(data))
    for letter, *rest in db.execute("SELECT letter, bot, message, redriven FROM dead_letters"):
        record.letters[letter] = tuple(rest)
    for opened, *rest in db.execute("SELECT opened, bot, pattern, since, until FROM bot_subscriptions"):
        record.subscriptions[opened] = tuple(rest)
    for position, cause, principal in db.execute("SELECT position, cause, principal FROM log"):
        record.causes[position] = (cause, principal)


def damage(database: Path) -> list[str]:
    """Say what is wrong with the file itself."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"a row refers to nothing: {row}" for row in db.execute("PRAGMA foreign_key_check")]
        for stream, count, last in db.execute(
            "SELECT stream_id, count(*), max(version) FROM workflow_events GROUP BY stream_id"
        ):
            if count != last:
                found.append(f"{stream} has {count} events up to version {last}")
    return found
