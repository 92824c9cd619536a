"""The named statements of `queries.sql`, read once.

A statement is `QUERIES.insert_event`: a name that is not in the file is an error at import of whoever says it
first, not at the moment a row is needed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from callboard.errors import StoreUnavailable

Row = tuple[Any, ...]

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


class Queries:
    """Statements as attributes."""

    def __init__(self, text: str) -> None:
        parts = _NAME.split(text)
        # Attributes in fact, and not found by name each time: each row that is written asks for a statement.
        statements = vars(self)
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            if name in statements:
                msg = f"Two statements of queries.sql are named {name}."
                raise ValueError(msg)
            statements[name] = _COMMENT.sub("", body).strip().removesuffix(";")

    def __getattr__(self, name: str) -> str:
        msg = f"queries.sql has no statement named {name}"
        raise AttributeError(msg)

    def names(self) -> list[str]:
        """Return every name, for the test that each is used."""
        return list(vars(self))


QUERIES = Queries((files(__package__) / "queries.sql").read_text(encoding="utf-8"))


def every(db: sqlite3.Connection, statement: str, parameters: Row | Mapping[str, object] = ()) -> list[Row]:
    """Return all rows of a statement."""
    return db.execute(statement, parameters).fetchall()


def as_many(db: sqlite3.Connection, statement: str, parameters: Row, column: int, size: int) -> list[Row]:
    """Return the rows of a statement up to the one with which a column has come to so many characters."""
    found: list[Row] = []
    for row in db.execute(statement, parameters):
        found.append(row)
        size -= len(row[column])
        if size <= 0:
            break
    return found


def maybe(db: sqlite3.Connection, statement: str, parameters: Row = ()) -> Row | None:
    """Return the first row of a statement, if there is one."""
    found: Row | None = db.execute(statement, parameters).fetchone()
    return found


def the_head(db: sqlite3.Connection) -> Row:
    """Return the head's row: there is always one."""
    found = maybe(db, QUERIES.read_head)
    if found is None:
        msg = "The database has no head row: it is not whole."
        raise StoreUnavailable(msg)
    return found
