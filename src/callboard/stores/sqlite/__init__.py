"""The store on SQLite.

In reading order: `connection` (how work reaches a connection), `opening` (pragmas, schema, identity),
`migrations`, `writing` (committing a batch), `rows` and `queries` (how things are laid out), `adapter` (the port
itself), and the housekeeping: `checking`, `retention`, `rebuilding`, `backup`. `schema.sql` shows the tables.
"""

from callboard.stores.sqlite.adapter import SqliteStore
from callboard.stores.sqlite.connection import inline, on_thread

__all__ = ["SqliteStore", "inline", "on_thread"]
