"""Turns side by side: the rows of many turns, said in few statements.

Theory of operation
    A statement with the rows of fifty turns costs SQLite little more than half of fifty statements, and
    Python gives its lock away once and not fifty times: while the writer inserts, the loop goes on deciding.

    So neighbours in a batch are gathered as long as none of them touches a row of another: each appends to
    streams of runs, none of them twice, and says of rows only what is of its own run (`apart`). Their
    statements are then said in another order than one turn after the other, but those of each turn keep the
    order among themselves: a statement goes into the first pile of its kind that comes after the pile of the
    one before it. Any other turn ends the gathering, and is written by itself.

    Whatever is refused here (a version that is not the expected one, a row that cannot be) is refused for the
    whole batch, which is then played again turn by turn. So nobody is refused for his neighbour's fault.

Rejected
    One statement with a JSON of all rows: it takes twice as long. `executemany`: it saves little, and gives
    the lock away for each row.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from callboard.store.changes import RecordDecision, SaveSnapshot
from callboard.store.turn import NewEvents, Turn
from callboard.stores.sqlite.queries import QUERIES, Row

FEW = 4
"""So many turns are worth gathering."""
SIZES = (*range(1, 17), *range(20, 65, 4), *range(72, 129, 8))
"""How many rows there may be in one statement; what is left over goes by a smaller one.

One of each size is compiled and kept, so all sizes up to the largest would take five times the memory
(70 MB), and powers of two alone cut a batch of fifty turns into twice as many statements: Python's lock is
given away at each, and has to be waited for."""

RUN = "run:"
_OWN = frozenset({RecordDecision, SaveSnapshot})
"""Changes that concern nobody but the run whose turn they stand in."""

_AS_MANY = {
    QUERIES.open_stream: QUERIES.open_stream,
    QUERIES.advance_stream: QUERIES.advance_streams,
    QUERIES.insert_event: QUERIES.insert_event,
    QUERIES.end_stream: QUERIES.end_streams,
    QUERIES.put_run: QUERIES.put_run,
    QUERIES.move_run: QUERIES.move_runs,
    QUERIES.complete_step: QUERIES.complete_steps,
    QUERIES.begin_attempt: QUERIES.begin_attempt,
    QUERIES.record_decision: QUERIES.record_decision,
}
"""How to say for many rows what a statement says for one, in the order in which most turns say it."""
_MUST_MOVE = frozenset({QUERIES.open_stream, QUERIES.advance_stream})
"""Statements that are refused if they find a row otherwise than expected."""

_ROW = re.compile(r"(?<=VALUES )\([?, ]+\)")

Execute = Callable[[str, Sequence[Any]], sqlite3.Cursor]


def apart(turn: Turn) -> list[tuple[str, str]] | None:
    """Return the streams to which a turn appends if it touches the rows of no other runs; else nothing."""
    streams: list[tuple[str, str]] = []
    for entry in turn.entries:
        kind = type(entry)
        if kind is NewEvents:
            if entry.expected is None or not entry.stream.startswith(RUN):  # type: ignore[union-attr]
                return None
            streams.append((turn.tenant, entry.stream))  # type: ignore[union-attr]
        elif kind not in _OWN:
            return None
    return streams if len(streams) == 1 or len(set(streams)) == len(streams) else None


class Gathering:
    """The statements of turns that stand side by side, in piles."""

    def __init__(self) -> None:
        self.streams: set[tuple[str, str]] = set()
        """To which those append that were gathered so far."""
        self._piles: list[tuple[str, list[Row]]] = [(statement, []) for statement in _AS_MANY]
        self._usual = {statement: (at, rows) for at, (statement, rows) in enumerate(self._piles)}
        """The piles that were there before the first turn, each with its place."""
        self._at = 0

    def begin(self, streams: list[tuple[str, str]]) -> None:
        """Begin with the next turn."""
        self.streams.update(streams)
        self._at = 0

    def put(self, statement: str, row: Row) -> None:
        """Take a statement of the turn, after those that it said before."""
        usual = self._usual.get(statement)
        if usual is not None and usual[0] >= self._at:
            self._at, rows = usual
            rows.append(row)
            return
        piles = self._piles
        for at in range(self._at, len(piles)):
            if piles[at][0] is statement:
                piles[at][1].append(row)
                self._at = at
                return
        self._at = len(piles)
        piles.append((statement, [row]))

    def say(self, execute: Execute) -> bool:
        """Say all of it; return False if a stream did not stand where it was expected."""
        for statement, rows in self._piles:
            as_many = _AS_MANY.get(statement)
            if as_many is None:
                for row in rows:
                    execute(statement, row)
                continue
            for part in _parts(rows):
                one = len(part) == 1
                said = execute(statement, part[0]) if one else execute(_for(as_many, len(part)), _flat(part))
                if statement in _MUST_MOVE and said.rowcount != len(part):
                    return False
        return True


def _parts(rows: list[Row]) -> list[list[Row]]:
    """Cut rows into parts of few sizes, since a statement of each size is compiled and kept."""
    parts, begin = [], 0
    while begin < len(rows):
        size = SIZES[bisect_right(SIZES, len(rows) - begin) - 1]
        parts.append(rows[begin : begin + size])
        begin += size
    return parts


def _flat(rows: list[Row]) -> list[Any]:
    return list(chain.from_iterable(rows))


@lru_cache(maxsize=512)
def _for(statement: str, count: int) -> str:
    """Return a statement that takes so many rows where it is written for one."""
    return _ROW.sub(lambda row: ", ".join([row[0]] * count), statement)
