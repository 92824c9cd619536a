"""Looking for damage: what `callboard doctor` asks of the database.

Each finding is one question with the answer in words. `full` reads every page and every row; without it, only
what costs little on a large file.
"""

from __future__ import annotations

import hashlib
import sqlite3

from callboard.errors import FactUnreadable
from callboard.store.port import Finding
from callboard.stores.sqlite.opening import durability_faults, pragmas
from callboard.stores.sqlite.queries import QUERIES
from callboard.stores.sqlite.rebuilding import compare
from callboard.stores.sqlite.writing import roll_back

DERIVED = "projections"
"""The name of the finding about derived tables."""


def check_writer(db: sqlite3.Connection, *, in_memory: bool) -> Finding:
    """Read durability back on the live writer."""
    wrong = durability_faults(db, in_memory=in_memory)
    seen = ", ".join(f"{name}={value}" for name, value in pragmas(db).items())
    return Finding("durability", ok=not wrong, detail="; ".join(wrong) or seen)


def check_file(db: sqlite3.Connection, *, full: bool) -> list[Finding]:
    """Check pages, references and the log's invariants in one snapshot."""
    db.execute("BEGIN")
    try:
        return [_pages(db, full=full), _schema(db), *(_invariants(db) if full else _cheap(db))]
    finally:
        roll_back(db)


def _pages(db: sqlite3.Connection, *, full: bool) -> Finding:
    if not full:
        pages, free, size = (
            db.execute(f"PRAGMA {x}").fetchone()[0] for x in ("page_count", "freelist_count", "page_size")
        )
        return Finding("size", ok=True, detail=f"{pages * size:,} bytes, {free * size:,} of them free")
    faults = [row[0] for row in db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    orphans = list(db.execute("PRAGMA foreign_key_check"))
    faults += [f"row {row[1]} of {row[0]} refers to a missing {row[2]}" for row in orphans[:5]]
    return Finding(
        "integrity", ok=not faults, detail="; ".join(faults) or "every page and reference is sound"
    )


def _schema(db: sqlite3.Connection) -> Finding:
    number, name = db.execute(
        "SELECT number, name FROM schema_migrations ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return Finding("schema", ok=True, detail=f"at migration {number} ({name})")


_QUESTIONS = {
    "streams": (QUERIES.check_streams, "versions begin at 1 and have no gaps"),
    "positions": (QUERIES.check_positions, "no fact stands past the head"),
    "one order": (QUERIES.check_shared_positions, "no two facts share a position"),
    "cursors": (QUERIES.check_cursors, "no cursor stands past the head"),
    "waits": (QUERIES.check_answers, "no wait is answered from the future"),
    "runs": (QUERIES.check_owned, "each that has not ended goes on by an attempt, a timer or a wait"),
    "queues": (QUERIES.check_queues, "each run that waits for its turn waits behind another"),
}


def _cheap(db: sqlite3.Connection) -> list[Finding]:
    return [_ask(db, name) for name in ("positions", "cursors", "waits", "runs", "queues")]


def _invariants(db: sqlite3.Connection) -> list[Finding]:
    return [*(_ask(db, name) for name in _QUESTIONS), _versions(db), _derived(db)]


def _versions(db: sqlite3.Connection) -> Finding:
    """Compare the text of each version of a workflow with the checksum under which it was published."""
    altered, seen = [], 0
    for workflow, version, checksum, text in db.execute(QUERIES.check_versions):
        seen += 1
        if hashlib.sha256(text.encode()).hexdigest() != checksum:
            altered.append(f"version {version} of {workflow}")
    said = f"not what was published: {', '.join(altered)}" if altered else f"{seen} are what was published"
    return Finding("versions", ok=not altered, detail=said)


def _derived(db: sqlite3.Connection) -> Finding:
    try:
        different = compare(db)
    except FactUnreadable as error:
        return Finding(DERIVED, ok=False, detail=error.message)
    said = f"not as the log makes them: {', '.join(different)}" if different else "as the log makes them"
    return Finding(DERIVED, ok=not different, detail=said)


def _ask(db: sqlite3.Connection, name: str) -> Finding:
    statement, good = _QUESTIONS[name]
    wrong = db.execute(statement).fetchall()
    return Finding(name, ok=not wrong, detail=f"found {wrong}" if wrong else good)
