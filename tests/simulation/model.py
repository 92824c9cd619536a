"""The model: what must be in the database, by the ledger alone, compared with what plain SQLite finds there.

It shares no code with the product. From the marks (one action for each turn) it learns which turns are there
and where; from that and the ledger it says what every fact must be. `rows.py` does so for all other rows.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.simulation.ledger import Appended, Did, Intent, Ledger, Own, Said, Where, facts_in
from tests.simulation.rows import Rows
from tests.simulation.world import Violation

UNAVAILABLE = {"STORE_UNAVAILABLE", "DISK_FULL", "STORE_READ_ONLY", "STORE_LOCKED", "STORE_CORRUPT"}

Fact = tuple[Any, ...]


def inspect(database: Path, ledger: Ledger) -> None:
    """Look at what a life left behind; raise `Violation` with all that is wrong."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        if "log_head" in tables and db.execute("SELECT 1 FROM log_head").fetchone():
            wrong = list(Inspection(db, ledger).findings())
        else:  # it died before it had begun
            wrong = ["the log is gone"] if any(one.first for one in ledger.intents) else []
    wrong = ledger.complaints + wrong
    if wrong:
        raise Violation("; ".join(wrong[:8]))


class Inspection:
    """One look at the database."""

    def __init__(self, db: sqlite3.Connection, ledger: Ledger) -> None:
        self.db = db
        self.ledger = ledger
        self.there: dict[int, int] = {}
        """The first position of each turn that is there, by its number, in the order of the log."""
        self.log: dict[int, Fact] = {}
        for row in db.execute("SELECT position, cause, kind, subject, type, data, at FROM log"):
            self.log.setdefault(row[0], row[1:])
        self._twice: list[int] = []

    def findings(self) -> Iterator[str]:
        """Say in words all that is wrong."""
        yield from self._file()
        yield from self._find_turns()
        yield from self._answers()
        yield from self._tiles()
        yield from self._facts()
        yield from self._order()
        yield from self._readers()
        yield from self._streams()
        present = [(self.ledger.intents[number], first) for number, first in self.there.items()]
        yield from Rows(self.db, self.ledger, present, self.log).findings()

    def _file(self) -> Iterator[str]:
        if (said := self.db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            yield f"the file is damaged: {said}"
        if orphan := self.db.execute("PRAGMA foreign_key_check").fetchone():
            yield f"a row refers to nothing: {orphan}"
        (count,) = self.db.execute("SELECT count(*) FROM log").fetchone()
        if count != len(self.log):
            yield "two facts share a position"

    def _find_turns(self) -> Iterator[str]:
        for position, data in self.db.execute(
            "SELECT position, data FROM operator_actions WHERE action = 'did' ORDER BY position"
        ).fetchall():
            number = json.loads(data)["turn"]
            if number in self.there:
                yield f"turn {number} is there twice"
            self.there[number] = position - self.ledger.intents[number].mark

    def _answers(self) -> Iterator[str]:
        """Whoever was told something was told the truth, and it stays true."""
        for intent in self.ledger.intents:
            first = self.there.get(intent.number)
            about = f"turn {intent.number} of {intent.caller}"
            if intent.outcome == "acknowledged" and first != intent.first:
                yield f"{about} was acknowledged at {intent.first} and is {first or 'lost'}"
            if intent.outcome == "refused":
                if first is not None:
                    yield f"{about} was refused ({intent.code}) and is there at {first}"
                yield from self._why_refused(intent, about)
            if intent.doomed and first is not None:
                yield f"{about} cannot be and is there"
            if intent.found is not None and intent.found != (first is not None):
                yield f"{about} was {'there' if intent.found else 'not there'} after life {intent.life}"
            if intent.outcome == "gave up" and first is None and self._must_be_there(intent):
                yield f"{about} was handed in, its caller left, and it was dropped"
            intent.found = first is not None

    def _why_refused(self, intent: Intent, about: str) -> Iterator[str]:
        code = intent.code
        if code in UNAVAILABLE:
            if not any(intent.handed < fault < intent.answered for fault in self.ledger.injected):
                yield f"{about} was refused with {code}, and no disk failed"
        elif code == "CONSTRAINT_VIOLATED" and not intent.doomed:
            pruned = any(number < intent.answered for number, _, _ in self.ledger.prunings)
            if code not in intent.may or not pruned:
                yield f"{about} was refused with {code}, and nothing that it names was pruned"
        elif code not in intent.may:
            yield f"{about} was refused with {code} for no reason of its own"
        if intent.conflict is not None:
            expected, actual = intent.conflict
            if expected == actual:
                yield f"{about} conflicts with itself"
            race = [op for op in intent.ops if isinstance(op, Appended) and op.expected == expected]
            if actual > expected and not any(self._wrote(op.stream, expected + 1) for op in race):
                yield f"{about} lost version {expected + 1} to nobody"

    def _wrote(self, stream: str, version: int) -> bool:
        found = self.db.execute(
            "SELECT 1 FROM workflow_events WHERE stream_id = ? AND version = ?", (stream, version)
        )
        return found.fetchone() is not None

    def _must_be_there(self, intent: Intent) -> bool:
        """Tell whether a turn that nobody waited for was surely written, since a later one was."""
        if not intent.room or intent.may or intent.doomed or intent.code != "cancelled":
            return False
        later = [
            one.answered
            for one in self.ledger.intents
            if one.life == intent.life and one.outcome == "acknowledged" and one.handed > intent.handed
        ]
        return bool(later) and not any(intent.handed < fault < min(later) for fault in self.ledger.injected)

    def _tiles(self) -> Iterator[str]:
        """The turns lie side by side: no position is skipped, none belongs to two, the head comes after."""
        next_position = 1
        for number, first in sorted(self.there.items(), key=lambda item: item[1]):
            if first != next_position:
                yield f"turn {number} begins at {first}, but the one before ends at {next_position - 1}"
            next_position = first + self.ledger.intents[number].size
        (head,) = self.db.execute("SELECT next_position FROM log_head").fetchone()
        if head != next_position:
            yield f"the head stands at {head}, but the log ends at {next_position - 1}"

    def _facts(self) -> Iterator[str]:
        """Every fact of every turn is there as it was asked for, and no other."""
        expected: dict[int, Fact] = {}
        for number, first in self.there.items():
            intent = self.ledger.intents[number]
            expected |= dict(zip(range(first, first + intent.size), _facts_of(intent, first), strict=True))
        for position, fact in self.log.items():
            cause, kind, subject, type_, data, at = fact
            seen = (cause, kind, subject, type_, json.loads(data), at)
            if seen != expected.get(position):
                yield f"at {position} stands {seen}, not {expected.get(position)}"
            if cause is not None and not 0 < cause < position:
                yield f"the cause of {position} is {cause}"
        self.missing = {place: fact for place, fact in expected.items() if place not in self.log}

    def _order(self) -> Iterator[str]:
        """Turns stand in the order in which they were accepted."""
        last: Intent | None = None
        for number in self.there:
            intent = self.ledger.intents[number]
            if last is not None and intent.handed < last.handed:
                yield f"turn {number} was handed in before turn {last.number} and stands after it"
            last = intent

    def _readers(self) -> Iterator[str]:
        """What a reader saw is there, and it saw all that was there in between."""
        gone = set(self.missing)
        for seen in self.ledger.seen:
            for position, (kind, subject, type_) in seen.facts.items():
                if position in gone:
                    continue
                if position not in self.log or self.log[position][1:4] != (kind, subject, type_):
                    yield f"{seen.reader} saw {kind} {type_} at {position}, and it is not there"
            last = max(seen.facts, default=0)
            passed = [at for at in self.log if seen.after < at <= last and at not in seen.facts]
            if passed:
                yield f"{seen.reader} read up to {last} and never saw {passed[:5]}"

    def _streams(self) -> Iterator[str]:
        """Versions begin at 1 and have no gap; a fold that somebody loaded is the fold of what is there."""
        streams: dict[str, list[str]] = {}
        for stream, version, data in self.db.execute(
            "SELECT stream_id, version, data FROM workflow_events ORDER BY stream_id, version"
        ):
            words = streams.setdefault(stream, [])
            words.append(str(json.loads(data).get("words", "")))
            if version != len(words):
                yield f"{stream} has a gap before version {version}"
        for stream, version, count, crc in self.ledger.folds:
            words = streams.get(stream, [])
            if words and (count != version or crc != tally(words[:version])):
                yield f"{stream} was loaded at version {version} as something else than its events"


def tally(words: list[str]) -> int:
    """Fold words the slow way."""
    crc = 0
    for one in words:
        crc = zlib.crc32(one.encode(), crc)
    return crc


def _facts_of(intent: Intent, first: int) -> Iterator[Fact]:
    """Say what the log must hold of a turn that begins at a position."""
    at = intent.at
    for op in intent.ops:
        match op:
            case Appended(stream, _, new, cause):
                for type_, data in new:
                    yield _whole(cause, first), "event", stream, type_, data, at
            case Said(_, kind, to, body, cause):
                yield _whole(cause, first), "message", f"{kind}:{to}", "word", body, at
            case Did():
                yield None, "action", f"turn:{intent.number}", "did", {"turn": intent.number}, at
            case _:
                assert facts_in(op) == 0


def _whole(where: Where, first: int) -> int | None:
    return first + where.index if isinstance(where, Own) else where
