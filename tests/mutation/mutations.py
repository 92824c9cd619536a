"""Ways in which the product could be broken, each with the tests that must notice.

A mutation replaces a piece of text that stands exactly once in its file. When the code changes so that the
text is no longer there, the run says so, and the mutation is written anew: it never passes by doing nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One defect, as a replacement."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


JOURNAL = "tests/unit/actors/test_journal.py"
CONFORMANCE = "tests/conformance"
FAULTS = "tests/unit/stores/test_sqlite_faults.py"
COPIES = "tests/unit/stores/test_sqlite_copies.py"
KILL = "tests/crash/test_kill_while_appending.py"

MUTATIONS = (
    Mutation(
        "acknowledge before the commit",
        "stores/sqlite/writing.py",
        '        db.execute("COMMIT")\n    except (sqlite3.Error, MemoryError) as error:\n        roll_back(db)\n        raise CommitInDoubt',
        "        pass\n    except (sqlite3.Error, MemoryError) as error:\n        roll_back(db)\n        raise CommitInDoubt",
        (CONFORMANCE,),
    ),
    Mutation(
        "do not sync the write-ahead log, and say so nowhere",
        "stores/sqlite/opening.py",
        'db.execute("PRAGMA synchronous = FULL")',
        'db.execute("PRAGMA synchronous = OFF")',
        (FAULTS,),
    ),
    Mutation(
        "refuse a commit in doubt at once",
        "actors/journal.py",
        "            self._doubt = Doubt(batch, list(doubt.outcomes), doubt.mark)\n            self._unwell(doubt.fault)\n",
        "            for envelope in batch:\n                _answer(envelope, doubt.fault)\n            self._unwell(doubt.fault)\n",
        (JOURNAL,),
    ),
    Mutation(
        "acknowledge a commit in doubt as soon as the disk works again",
        "actors/journal.py",
        "doubt.outcomes if there else [gone] * len(doubt.waiting)",
        "doubt.outcomes",
        (JOURNAL,),
    ),
    Mutation(
        "take the traces of a settling commit for the commit in doubt",
        "stores/sqlite/writing.py",
        "mark + (1 if there else 2)",
        "mark + 1",
        (JOURNAL,),
    ),
    Mutation(
        "stay ready while nothing can be written",
        "actors/journal.py",
        "        self.fault = fault\n        if self._retrial",
        "        if self._retrial",
        (JOURNAL,),
    ),
    Mutation(
        "never try again after a fault",
        "actors/journal.py",
        "            self.actor_ref.tell(Settle())",
        "            self.actor_ref.is_alive()",
        (JOURNAL,),
    ),
    Mutation(
        "refuse the whole batch for one faulty turn",
        "stores/sqlite/writing.py",
        "    except (_Refused, _Faulty):\n        return _transaction(db, turns, savepoints=True)",
        "    except _Refused as refused:\n        return [refused.error for _ in turns]",
        (CONFORMANCE,),
    ),
    Mutation(
        "keep what a refused turn wrote",
        "stores/sqlite/writing.py",
        '            self._execute("ROLLBACK TO turn")\n',
        "",
        (CONFORMANCE,),
    ),
    Mutation(
        "leave a hole in the positions where a turn was refused",
        "stores/sqlite/writing.py",
        "            self.next = first\n            outcome = refused.error",
        "            outcome = refused.error",
        (CONFORMANCE,),
    ),
    Mutation(
        "compute the next position from the rows that exist",
        "stores/sqlite/queries.sql",
        "SELECT log_id, next_position, commits FROM log_head WHERE one = 1;",
        "SELECT log_id, (SELECT coalesce(max(position), 0) + 1 FROM log), commits FROM log_head WHERE one = 1;",
        (CONFORMANCE, "tests/unit/stores"),
    ),
    Mutation(
        "append without looking at the expected version",
        "stores/sqlite/queries.sql",
        "WHERE tenant = ?1 AND stream_id = ?2 AND version = ?4;",
        "WHERE tenant = ?1 AND stream_id = ?2 AND ?4 = ?4;",
        (CONFORMANCE,),
    ),
    Mutation(
        "let a cursor go back",
        "stores/sqlite/queries.sql",
        "DO UPDATE SET position = max(position, excluded.position), moved_at",
        "DO UPDATE SET position = excluded.position, moved_at",
        (CONFORMANCE,),
    ),
    Mutation(
        "let the last answer to a wait win",
        "stores/sqlite/queries.sql",
        "WHERE wait_id = ?1 AND tenant = ?2 AND answer IS NULL;",
        "WHERE wait_id = ?1 AND tenant = ?2;",
        (CONFORMANCE,),
    ),
    Mutation(
        "project nothing as facts are committed",
        "stores/sqlite/writing.py",
        "in project_all([event.fact for event in entry.events], ",
        "in project_all([], ",
        (CONFORMANCE, "tests/unit/stores"),
    ),
    Mutation(
        "prune what a subscriber has still to handle",
        "stores/sqlite/queries.sql",
        "      AND m.position > coalesce(c.position, s.since) AND matches(s.pattern, m.recipient))",
        "      AND m.position > coalesce(c.position, s.since) AND s.pattern = m.recipient)",
        (CONFORMANCE,),
    ),
    Mutation(
        "believe a snapshot of another revision",
        "store/fold.py",
        "        if snapshot.revision != self.revision:",
        "        if snapshot.revision < 0:",
        ("tests/unit/test_fold.py",),
    ),
    Mutation(
        "keep the log's identity over a restore",
        "stores/sqlite/opening.py",
        "    elif row[0]:",
        "    elif row[0] is None:",
        (COPIES,),
    ),
    Mutation(
        "leave the old write-ahead log beside a restored database",
        "stores/sqlite/replacing.py",
        "        file.unlink(missing_ok=True)\n    return kept",
        "        file.exists()\n    return kept",
        (COPIES,),
    ),
    Mutation(
        "drop the turn of a caller that gave up",
        "actors/journal.py",
        "        batch = [envelope for envelope in taken if isinstance(envelope.message, Turn)]",
        "        batch = [e for e in taken if isinstance(e.message, Turn) and not e.reply_to.done]",
        (JOURNAL,),
    ),
    Mutation(
        "lose what waits when the journal ends",
        "actors/inbox.py",
        "        self.closed = True\n",
        "        self.closed = True\n        self._items = None\n",
        (JOURNAL,),
    ),
    Mutation(
        "start without the folder's lock",
        "folder.py",
        "        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)",
        "        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        ("tests/unit/test_folder.py",),
    ),
    Mutation(
        "open the door without the key",
        "web/api/application.py",
        "hmac.compare_digest(",
        "isinstance(",
        ("tests/unit/web/test_door.py",),
    ),
)
