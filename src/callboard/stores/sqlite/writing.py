"""Committing a batch of turns: what runs on the writer's connection, in one piece.

    BEGIN IMMEDIATE → each turn's rows → the head moves → COMMIT

Almost every batch is sound, so it is written without savepoints. If a turn breaks the transaction, all of it
is rolled back and the batch is played again with a savepoint around each turn: the faulty one is then refused
alone, and its neighbours commit. A conflict of versions that shows before the turn has written anything needs
not even that.

Turns of runs that stand side by side are not written one after the other, but gathered into few statements
(`gathering.py`); what is refused there is found out in the same way, by playing the batch again.

Positions and commits are numbered from the head row, which is read at the beginning and moved at the end of
the same transaction. Nothing is remembered between batches, so no failure can leave a wrong number behind.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence

from callboard.errors import CallboardError, ConcurrencyConflict, StoreCorrupt, Unencodable
from callboard.ids import Position
from callboard.store.port import CommitInDoubt, Outcome, Receipt
from callboard.store.projections import project_all
from callboard.store.turn import NewAction, NewEvents, NewMessage, Turn
from callboard.stores.sqlite.faults import fault, meaning
from callboard.stores.sqlite.gathering import FEW, Gathering, apart
from callboard.stores.sqlite.queries import QUERIES, Row
from callboard.stores.sqlite.rows import STATEMENTS, Within, microseconds


class _Refused(Exception):
    """One turn cannot be; the batch goes on without it."""

    def __init__(self, error: CallboardError, *, clean: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.clean = clean
        """Nothing of the turn was written before it was refused."""


class _Faulty(Exception):
    """One of several turns cannot be; played one by one, they show which."""


def commit(db: sqlite3.Connection, turns: Sequence[Turn]) -> list[Outcome]:
    """Commit all turns in one transaction; answer each for itself."""
    try:
        return _transaction(db, turns, savepoints=False)
    except (_Refused, _Faulty):
        return _transaction(db, turns, savepoints=True)


def _transaction(db: sqlite3.Connection, turns: Sequence[Turn], *, savepoints: bool) -> list[Outcome]:
    write = _Transaction(db)
    try:
        write.begin()
        outcomes = [write.turn_alone(turn) for turn in turns] if savepoints else write.turns(turns)
        write.advance_head()
    except (sqlite3.Error, MemoryError) as error:
        roll_back(db)
        raise fault(error) from error
    except BaseException:
        roll_back(db)
        raise
    try:
        db.execute("COMMIT")
    except (sqlite3.Error, MemoryError) as error:
        roll_back(db)
        raise CommitInDoubt(fault(error), outcomes, write.commits) from error
    return outcomes


class _Transaction:
    """The rows of one transaction, and the numbers that it gives out."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._execute = db.cursor().execute
        self._say: Callable[[str, Row], sqlite3.Cursor | None] = self._execute
        """Executes a statement of a turn, or gathers it with those of other turns."""
        self.next = 0
        self.commits = 0

    def begin(self) -> None:
        self._execute("BEGIN IMMEDIATE")
        self.next, commits = read_head(self._execute(QUERIES.read_head))
        self.commits = commits + 1

    def advance_head(self) -> None:
        self._execute(QUERIES.advance_head, (self.next, self.commits))

    def turns(self, turns: Sequence[Turn]) -> list[Outcome]:
        """Write turns; neighbours that touch no row of one another are gathered."""
        if len(turns) < FEW:
            return [self.turn(turn) for turn in turns]
        outcomes = []
        gathering = Gathering()
        for turn in turns:
            streams = apart(turn)
            if streams is None or not gathering.streams.isdisjoint(streams):
                self._say_gathered(gathering)
                gathering = Gathering()
            if streams is None:
                self._say = self._execute
            else:
                gathering.begin(streams)
                self._say = gathering.put
            outcomes.append(self.turn(turn))
        self._say_gathered(gathering)
        return outcomes

    def _say_gathered(self, gathering: Gathering) -> None:
        try:
            as_expected = gathering.say(self._execute)
        except Exception as error:
            if _concerns_everyone(error):
                raise
            raise _Faulty from error
        if not as_expected:
            raise _Faulty

    def turn_alone(self, turn: Turn) -> Outcome:
        """Write a turn inside a savepoint, so that a faulty one takes nothing with it."""
        first = self.next
        self._execute("SAVEPOINT turn")
        try:
            outcome = self.turn(turn)
        except _Refused as refused:
            self._execute("ROLLBACK TO turn")
            self.next = first
            outcome = refused.error
        self._execute("RELEASE turn")
        return outcome

    def turn(self, turn: Turn) -> Outcome:
        """Write a turn's rows in the order in which they were put in."""
        first = self.next
        wrote = False
        try:
            within = Within(turn.tenant, microseconds(turn.at), first, turn.facts)
            for entry in turn.entries:
                kind = type(entry)
                if kind is NewEvents:
                    self._events(turn, entry, within, clean=not wrote)  # type: ignore[arg-type]
                elif kind is NewMessage:
                    self._message(turn, entry, within)  # type: ignore[arg-type]
                elif kind is NewAction:
                    self._action(turn, entry, within)  # type: ignore[arg-type]
                else:
                    statement, layout = STATEMENTS[kind]  # type: ignore[index]
                    self._say(statement, layout(entry, within))
                wrote = True
        except _Refused as refused:
            if refused.clean:
                return refused.error
            raise
        except Exception as error:
            if _concerns_everyone(error):
                raise
            raise _Refused(_refusal(error), clean=False) from error
        return Receipt(Position(first), self.next - first)

    def _events(self, turn: Turn, entry: NewEvents, within: Within, *, clean: bool) -> None:
        tenant, stream = turn.tenant, entry.stream
        if entry.expected is None:  # wherever it stands: nobody else writes meanwhile
            row = self._execute(QUERIES.stream_version, (tenant, stream)).fetchone()
            version = row[0] if row else 0
        else:
            version = entry.expected.__index__()
        reached = version + len(entry.events)
        if version == 0:
            moved = self._say(QUERIES.open_stream, (tenant, stream, entry.kind, reached, None))
        else:
            moved = self._say(QUERIES.advance_stream, (tenant, stream, reached, version))
        if moved is not None and moved.rowcount != 1:  # if it is gathered, that shows later
            row = self._execute(QUERIES.stream_version, (tenant, stream)).fetchone()
            conflict = ConcurrencyConflict(stream, version, row[0] if row else 0)
            raise _Refused(conflict, clean=clean)
        say, at, principal, stream_type = self._say, within.at, turn.principal, entry.kind
        first = position = self.next
        for event in entry.events:
            version += 1
            type_ = event.type
            row = (
                position,
                within.position(event.cause),
                tenant,
                principal,
                stream,
                stream_type,
                version,
                event.id,
                type_.name,
                type_.revision,
                event.data,
                event.metadata,
                at,
            )
            say(QUERIES.insert_event, row)
            position += 1
            if type_.ends or type_.reopens:
                say(QUERIES.end_stream, (tenant, stream, at if type_.ends else None))
        self.next = position
        for derived in project_all([event.fact for event in entry.events], Position(first), stream):
            statement, layout = STATEMENTS[type(derived)]
            say(statement, layout(derived, within))

    def _message(self, turn: Turn, entry: NewMessage, within: Within) -> None:
        position = self.next
        self.next += 1
        self._execute(
            QUERIES.insert_message,
            (
                *(position, within.position(entry.cause), turn.tenant, turn.principal, str(entry.id)),
                *(entry.sender, entry.to.kind, entry.to.name, entry.type, entry.json, entry.headers),
                *(None if entry.reply_to is None else str(entry.reply_to), entry.conversation),
                *(entry.hops, within.at, int(entry.asks)),
            ),
        )

    def _action(self, turn: Turn, entry: NewAction, within: Within) -> None:
        position = self.next
        self.next += 1
        self._execute(
            QUERIES.insert_action,
            (
                *(position, within.position(entry.cause), turn.tenant, turn.principal),
                *(entry.action, entry.target, entry.data, within.at),
            ),
        )


def settle(db: sqlite3.Connection, mark: int | None) -> tuple[bool, int]:
    """Reach the disk with a commit of its own; return whether the one in doubt is there, and the new number.

    Without a mark nothing is in doubt, and this only tries whether writing works.

    Such a commit changes nothing but the head's number, and is written over whatever the failed one left at
    the end of the write-ahead log: frames behind it no longer carry a valid chain of checksums and cannot
    reappear. It may fail as well. So the number that it writes says what it found, and the next try reads it
    from that: `mark + 1` stands for "it is there", `mark + 2` for "it is not".
    """
    try:
        roll_back(db)
        db.execute("BEGIN IMMEDIATE")
        next_position, commits = read_head(db.execute(QUERIES.read_head))
        there = mark is not None and commits in {mark, mark + 1}
        number = commits + 1 if mark is None else mark + (1 if there else 2)
        db.execute(QUERIES.advance_head, (next_position, number))
        db.execute("COMMIT")
    except sqlite3.Error as error:
        roll_back(db)
        raise fault(error) from error
    return there, number


def read_head(found: sqlite3.Cursor) -> tuple[int, int]:
    """Return the next position and the number of the last commit."""
    head = found.fetchone()
    if head is None:
        msg = "The database has lost the row that counts positions: restore the last backup."
        raise StoreCorrupt(msg)
    return head[1], head[2]


def roll_back(db: sqlite3.Connection) -> None:
    """End a transaction that is still open; SQLite itself may have ended it."""
    with contextlib.suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")


def _concerns_everyone(error: Exception) -> bool:
    """Tell a fault of the disk or the file from a row that cannot be."""
    if isinstance(error, sqlite3.OperationalError | sqlite3.InternalError | MemoryError):
        return True
    return type(error) is sqlite3.DatabaseError  # a damaged file; its subclasses are about single rows


def _refusal(error: Exception) -> CallboardError:
    if isinstance(error, CallboardError):
        return error
    known = meaning(error) if isinstance(error, sqlite3.Error) else None
    return known or Unencodable(f"The store cannot hold a value of this turn: {error!r}.")
