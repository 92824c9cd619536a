"""The store on SQLite.

In reading order: `connection` (how work reaches a connection), `opening` (pragmas, schema, identity),
`migrations`, `writing` (committing a batch), `gathering` (many turns in few statements), `rows` and `queries`
(how things are laid out), `inboxes` and `auditing` (questions that take several statements), `adapter` (the
port itself), and the housekeeping: `checking`, `retention`, `rebuilding`, `backup`, `replacing`. `schema.sql`
shows the tables.
"""

from callboard.stores.sqlite.adapter import SqliteStore
from callboard.stores.sqlite.connection import inline, on_thread
from callboard.stores.sqlite.replacing import replace

__all__ = ["SqliteStore", "inline", "on_thread", "replace"]
