"""Making the derived tables anew from the log, in one transaction.

What they held before is compared with what came out: `rebuild` returns the names of the tables
that differed, which for a sound database is none. Readers see the old rows until the new ones are committed.
"""

from __future__ import annotations

import hashlib
import sqlite3

from callboard.ids import Position
from callboard.projections import DERIVED_TABLES, PROJECTED, project
from callboard.stores.sqlite import rows
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
        before = {table: _content(db, table) for table in DERIVED_TABLES}
        for table in DERIVED_TABLES:
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from our own constant
        _project_all(db)
        different = [table for table in DERIVED_TABLES if _content(db, table) != before[table]]
        db.execute("COMMIT")
    finally:
        roll_back(db)
    return different


def _project_all(db: sqlite3.Connection) -> None:
    after = Position(0)
    while page := db.execute(QUERIES.read_all_events, (after, PAGE)).fetchall():
        for row in page:
            if row[TYPE] not in PROJECTED:
                continue
            event = rows.event(row)
            derived = project(event.fact, event.position)
            if derived is not None:
                statement, layout = STATEMENTS[type(derived)]
                db.execute(statement, layout(derived, Within(event.tenant, rows.microseconds(event.at), 0)))
        after = Position(page[-1][0])


def _content(db: sqlite3.Connection, table: str) -> bytes:
    """Return a digest of a table's rows in the order of its key: tables may be large."""
    digest = hashlib.sha256()
    for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from our own constant
        digest.update(repr(row).encode())
    return digest.digest()
