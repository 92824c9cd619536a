"""Bringing a database to today's schema, or refusing it untouched.

Migrations are numbered `.sql` files, applied in their order in one transaction, each recorded with a checksum
of its text. A database that holds a migration we do not know was written by a newer Callboard; one whose
recorded checksum differs from our file was made by other means than ours. Neither is opened, and nothing in
it changes.

`PRAGMA application_id` marks the file as ours, so that some other program's database is not taken for an
empty one of ours.
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime
from importlib.resources import files

import msgspec

from callboard.errors import SchemaTooNew, StartRefused
from callboard.stores.sqlite.rows import microseconds

APPLICATION_ID = 0x43414C4C
"""The letters CALL."""

_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT
"""


class Migration(msgspec.Struct, frozen=True):
    """One numbered step of the schema."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def known() -> list[Migration]:
    """Return the migrations that this version holds, in order."""
    found = [
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in (files(__package__) / "migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(db: sqlite3.Connection, at: datetime, *, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing, all or nothing; return the names of what was applied."""
    steps = known() if migrations is None else migrations
    missing = pending(db, steps)
    if not missing:
        return []
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_RECORD)
        for step in missing:
            for statement in _statements(step.text):
                db.execute(statement)
            db.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
                (step.number, step.name, step.checksum, microseconds(at)),
            )
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return [step.name for step in missing]


def pending(db: sqlite3.Connection, steps: list[Migration]) -> list[Migration]:
    """Return what is still to be applied, or refuse a database that is not ours or is newer."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        return steps
    if application != APPLICATION_ID:
        msg = "The file is another program's SQLite database: name another data folder. It is untouched."
        raise StartRefused(msg)
    applied = {
        number: (name, checksum)
        for number, name, checksum in db.execute("SELECT number, name, checksum FROM schema_migrations")
    }
    ours = {step.number: step for step in steps}
    newer = [name for number, (name, _) in applied.items() if number not in ours]
    if newer:
        msg = (
            f"The database was written by a newer Callboard (it holds {', '.join(newer)}): start that "
            "version, or restore a backup from before the upgrade. It was left untouched."
        )
        raise SchemaTooNew(msg, newer=newer)
    altered = [name for number, (name, checksum) in applied.items() if ours[number].checksum != checksum]
    if altered:
        msg = (
            f"The database's schema was made by a different {', '.join(altered)} than this version holds: it "
            "comes from a build that was never released. It was left untouched."
        )
        raise StartRefused(msg)
    return [step for step in steps if step.number not in applied]


def _statements(text: str) -> list[str]:
    """Cut a script into statements, so that they run inside our transaction and not in one of their own."""
    statements, waiting = [], ""
    for line in text.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            statements.append(waiting)
            waiting = ""
    return statements
