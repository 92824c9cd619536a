"""The other half of the model: every row beside the log, folded from the turns that are there.

Messages and streams that a pruning took are the one thing that may be missing, and only where nobody still
needed them: a bot on the board that has not come so far, a retry, a stream that has not ended.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from tests.simulation.ledger import (
    Answered,
    Appended,
    Armed,
    Delivered,
    Disarmed,
    Intent,
    Ledger,
    Op,
    Own,
    Said,
    Settled,
    Slept,
    Snapped,
    Woken,
    facts_in,
)

Table = dict[Any, Any]


class Rows:
    """What the tables must hold after the turns that are there, in their order."""

    def __init__(
        self,
        db: sqlite3.Connection,
        ledger: Ledger,
        present: list[tuple[Intent, int]],
        log: dict[int, tuple[Any, ...]],
    ) -> None:
        self.db = db
        self.ledger = ledger
        self.log = log
        self.messages: dict[int, tuple[Said, int]] = {}
        self.streams: dict[str, list[Any]] = {}
        self.cursors: Table = {}
        self.deliveries: Table = {}
        self.snapshots: Table = {}
        self.waits: Table = {}
        self.timers: Table = {}
        self.bots: Table = {}
        self.once_removed: set[str] = set()
        self.channels: Table = {}
        self.listening: Table = {}
        for intent, first in present:
            self._fold(intent, first)

    # ── folding ──────────────────────────────────────────────────────────────────────────────────────────

    def _fold(self, intent: Intent, first: int) -> None:
        position = first
        for op in intent.ops:
            match op:
                case Said():
                    self.messages[position] = (op, intent.at)
                case Appended(stream, _, new, _):
                    for offset, (type_, data) in enumerate(new):
                        row = self.streams.setdefault(stream, [0, None, []])
                        row[0] += 1
                        row[2].append(position + offset)
                        if type_ == "simulated_ended":
                            row[1] = intent.at
                        self._member(type_, data, position + offset)
                case _:
                    self._state(op, first)
            position += facts_in(op)

    def _state(self, op: Op, first: int) -> None:
        match op:
            case Settled(bot, where):
                self.cursors[bot] = max(_at(where, first), self.cursors.get(bot, 0))
            case Delivered(bot, message, outcome, attempts):
                self.deliveries[_at(message, first), bot] = (outcome, attempts)
            case Snapped(stream, version, count, crc):
                self.snapshots[stream, version] = (count, crc)
            case Slept(wait, owner, key):
                self.waits[wait] = (owner, key, None)
            case Answered(wait, where):
                self._answer(wait, _at(where, first))
            case Woken(wait):
                self.waits.pop(wait, None)
            case Armed(timer, due, kind):
                self.timers[timer] = (due, kind)
            case Disarmed(timer):
                self.timers.pop(timer, None)

    def _answer(self, wait: str, at: int) -> None:
        owner, key, answer = self.waits.get(wait, ("", "", 0))
        if answer is None:
            self.waits[wait] = (owner, key, at)

    def _member(self, type_: str, data: dict[str, Any], at: int) -> None:
        match type_:
            case "bot_declared":
                # A change of the description is no new beginning; a return to the board is.
                _, since, removed = self.bots.get(data["bot"], ("", at, at))
                self.bots[data["bot"]] = (data["description"], since if removed is None else at, None)
            case "bot_removed" if data["bot"] in self.bots:
                self.bots[data["bot"]] = (*self.bots[data["bot"]][:2], at)
                self.once_removed.add(data["bot"])
            case "channel_created":
                self.channels.setdefault(data["channel"], at)
            case "channel_deleted":
                self.channels.pop(data["channel"], None)
            case "subscribed" if not self._open(data["bot"], data["pattern"]):
                since = at if data["since"] is None else data["since"]
                self.listening[at] = (data["bot"], data["pattern"], since, None)
            case "unsubscribed":
                for opened in self._open(data["bot"], data["pattern"]):
                    self.listening[opened] = (*self.listening[opened][:3], at)
            case _:
                pass

    def _open(self, bot: str, pattern: str) -> list[int]:
        return [at for at, row in self.listening.items() if row[:2] == (bot, pattern) and row[3] is None]

    # ── comparing ────────────────────────────────────────────────────────────────────────────────────────

    def findings(self) -> Iterator[str]:
        """Say where the tables are not so."""
        yield from self._gone()
        gone = {at for at in self.messages if at not in self.log}
        kept = {key: row for key, row in self.deliveries.items() if key[0] not in gone}
        streams = {name: row for name, row in self.streams.items() if not self._taken(row)}
        snapshots = {key: row for key, row in self.snapshots.items() if key[0] in streams}
        for name, columns, wanted in (
            (
                "streams",
                "stream_id, version, ended_at",
                {name: tuple(row[:2]) for name, row in streams.items()},
            ),
            ("bot_cursors", "bot, position", self.cursors),
            ("deliveries", "(message || ' ' || bot), outcome, attempts", _joined(kept)),
            ("waits", "wait_id, owner, key, answer", self.waits),
            ("timers", "timer_id, due_at, kind", self.timers),
            ("bots", "bot, description, declared, removed", self.bots),
            ("bot_channels", "channel, created", self.channels),
            ("bot_subscriptions", "opened, bot, pattern, since, until", self.listening),
            (
                "workflow_snapshots",
                "(stream_id || ' ' || version), json_extract(data, '$.count'), json_extract(data, '$.crc')",
                _joined(snapshots),
            ),
        ):
            yield from self._compare(name, columns, wanted)

    def _compare(self, name: str, columns: str, wanted: Table) -> Iterator[str]:
        query = f"SELECT {columns} FROM {name}"
        found = {row[0]: row[1] if len(row) == 2 else row[1:] for row in self.db.execute(query)}
        for key in sorted(found.keys() | wanted.keys(), key=str):
            if found.get(key) != wanted.get(key):
                yield f"{name} has {key}: {found.get(key)}, not {wanted.get(key)}"

    def _taken(self, row: list[Any]) -> bool:
        return all(at not in self.log for at in row[2])

    # ── what was pruned ──────────────────────────────────────────────────────────────────────────────────

    def _gone(self) -> Iterator[str]:
        for at, (message, sent) in self.messages.items():
            if at not in self.log:
                if not any(before > sent for _, before, _ in self.ledger.prunings):
                    yield f"the message at {at} is gone, and nobody pruned it"
                elif who := self._needed(at, message):
                    yield f"the message at {at} is gone, and {who} needed it"
        for name, (_, ended, places) in self.streams.items():
            there = [at for at in places if at in self.log]
            if there and len(there) < len(places):
                yield f"only a part of {name} is there"
            old = ended is not None and any(before > ended for _, _, before in self.ledger.prunings)
            if not there and (not old or any(wait[0] == name for wait in self.waits.values())):
                yield f"{name} is gone, and had not ended long ago"

    def _needed(self, at: int, message: Said) -> str | None:
        """Return who has still to handle a message; only by what was so before it, hence at any pruning."""
        bot: str
        for bot, (_, declared, removed) in self.bots.items():
            if removed is not None or declared > at or self.cursors.get(bot, 0) >= at:
                continue
            if message.kind == "bot" and message.to == bot:
                return bot
            if message.kind == "channel" and any(
                _fits(pattern, message.to)
                for opened, (listener, pattern, since, until) in self.listening.items()
                if listener == bot and max(opened, since) < at and (until is None or at < until)
            ):
                return bot
        for (place, bot), (outcome, _) in self.deliveries.items():
            # When that was said the message was there, and from then on nothing may take it.
            if place == at and outcome == "retrying" and bot not in self.once_removed:
                return f"a retry of {bot}"
        return None


def _at(where: int | Own, first: int) -> int:
    return first + where.index if isinstance(where, Own) else where


def _joined(table: Table) -> Table:
    return {f"{one} {other}": row for (one, other), row in table.items()}


def _fits(pattern: str, channel: str) -> bool:
    parts = {"*": r"[^.]+", "**": r".+"}
    return bool(
        re.fullmatch(r"\.".join(parts.get(part, re.escape(part)) for part in pattern.split(".")), channel)
    )
