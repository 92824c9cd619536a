"""Making the derived tables anew from the log, and looking whether they are as the log would make them.

`rebuild` replaces them, in one transaction on the writer: readers see the old rows until the new ones are
committed. `compare` builds them beside, in memory, from one snapshot of a reader, so a live server goes on
meanwhile. Both return the names of the tables that differ, which for a sound database is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3

from callboard.ids import Position
from callboard.store.projections import DERIVED_TABLES, PROJECTED, project
from callboard.stores.sqlite import rows
from callboard.stores.sqlite.migrations import migrate
from callboard.stores.sqlite.queries import QUERIES
from callboard.stores.sqlite.rows import STATEMENTS, Within
from callboard.stores.sqlite.writing import roll_back

PAGE = 1_000
TYPE = 8
"""Where `read_all_events` has the name of the fact's type."""


def rebuild(db: sqlite3.Connection) -> list[str]:
    """Empty every derived table and fill it again from the events; say which came out different."""
    db.execute("BEGIN IMMEDIATE")
    try:
        before = _digests(db)
        for table in DERIVED_TABLES:
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from our own constant
        _project_all(db, db)
        different = _differing(before, _digests(db))
        db.execute("COMMIT")
    finally:
        roll_back(db)
    return different


def compare(db: sqlite3.Connection) -> list[str]:
    """Say which derived tables are not what the log makes of them; inside a read transaction."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as beside:
        migrate(beside, rows.EPOCH)
        _project_all(db, beside)
        return _differing(_digests(db), _digests(beside))


def _project_all(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    after = Position(0)
    while page := source.execute(QUERIES.read_all_events, (after, PAGE)).fetchall():
        for row in page:
            if row[TYPE] not in PROJECTED:
                continue
            event = rows.event(row)
            within = Within(event.tenant, rows.microseconds(event.at), event.position, 1)
            for derived in project(event.fact, event.position, event.stream):
                statement, layout = STATEMENTS[type(derived)]
                target.execute(statement, layout(derived, within))
        after = Position(page[-1][0])


def _differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return [table for table in DERIVED_TABLES if one[table] != other[table]]


def _digests(db: sqlite3.Connection) -> dict[str, bytes]:
    return {table: _digest(db, table) for table in DERIVED_TABLES}


def _digest(db: sqlite3.Connection, table: str) -> bytes:
    """Return a digest of a table's rows in the order of its key: tables may be large."""
    digest = hashlib.sha256()
    for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from our own constant
        digest.update(repr(row).encode())
    return digest.digest()
