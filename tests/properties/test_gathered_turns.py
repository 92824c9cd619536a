"""Turns that are written together leave what they leave one by one."""

from __future__ import annotations

import random
import sqlite3
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import ConcurrencyConflict
from callboard.facts.events import StepActivated, WorkflowStarted, run_stream
from callboard.facts.membership import BotDeclared, bot_stream
from callboard.ids import BotName, Version
from callboard.store.changes import RecordDecision, Ref
from callboard.store.port import Receipt
from callboard.store.turn import Turn
from callboard.stores.sqlite.rebuilding import rebuild
from callboard.stores.sqlite.writing import commit
from tests.properties.test_run_rows import ANY, a_database, a_run
from tests.unit.run.player import NOON
from tests.unit.run.test_any_run import SCRIPTS, TRIES, definitions

RUNS = 6


class Counted:
    """Ids that are the same each time."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> UUID:
        self._last += 1
        return UUID(int=self._last)

    def text(self) -> str:
        return str(self.new())


def batches_of(histories: dict[str, list[msgspec.Struct]], seed: int) -> list[list[Turn]]:
    """Return the facts of several runs in turns, those of different runs side by side; and some of a bot."""
    luck, ids = random.Random(seed), Counted()
    version = dict.fromkeys(histories, 0)
    batches: list[list[Turn]] = []
    while any(version[run] < len(facts) for run, facts in histories.items()):
        batch = []
        for run in luck.choices(list(histories), k=luck.randint(1, 2 * RUNS)):
            portion = histories[run][version[run] : version[run] + luck.choice([1, 1, 2, 5])]
            if not portion:
                continue
            turn = Turn(at=NOON, ids=ids, limits=ANY)
            turn.append(run_stream(run), "run", _named(portion, run), expected=Version(version[run]))
            if luck.random() < 0.5:
                turn.change(RecordDecision(run, Ref(0), 0, "edge", "a", "b", "x", True, "it holds"))  # noqa: FBT003 - a row as it is
            version[run] += len(portion)
            batch.append(turn)
            if luck.random() < 0.1:
                batch.append(Turn(at=NOON, ids=ids))
                name = BotName(f"bot-{len(batches)}-{len(batch)}")
                batch[-1].append(bot_stream(name), "bot", [BotDeclared(name, "inbox")], expected=Version(0))
        batches.append(batch)
    return batches


def _named(facts: list[msgspec.Struct], run: str) -> list[msgspec.Struct]:
    return [
        msgspec.structs.replace(fact, run=run) if isinstance(fact, WorkflowStarted) else fact
        for fact in facts
    ]


def all_rows(db: sqlite3.Connection) -> dict[str, list[Any]]:
    tables = [
        name
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if name not in {"log_head", "schema_migrations"} and not name.startswith("sqlite_")
    ]
    return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_turns_written_together_leave_the_rows_that_they_leave_one_by_one(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    histories = {f"r{number}": a_run(written, script, seed + number).history for number in range(RUNS)}
    with a_database() as together, a_database() as alone:
        for batch in batches_of(histories, seed):
            assert all(isinstance(outcome, Receipt) for outcome in commit(together, batch))
            for turn in batch:
                (outcome,) = commit(alone, [turn])
                assert isinstance(outcome, Receipt)
        assert all_rows(together) == all_rows(alone)
        assert rebuild(together) == []


def append_to(run: int, fact: msgspec.Struct, expected: int, ids: Counted) -> Turn:
    turn = Turn(at=NOON, ids=ids)
    turn.append(run_stream(f"r{run}"), "run", [fact], expected=Version(expected))
    return turn


def test_of_turns_written_together_only_the_one_that_expects_another_version_is_refused() -> None:
    ids = Counted()
    begin = [append_to(run, WorkflowStarted(f"r{run}", "any", 1, NOON), 0, ids) for run in range(8)]
    go_on = [
        append_to(run, StepActivated("a", NOON, "core.echo"), 3 if run == 5 else 1, ids) for run in range(8)
    ]
    with a_database() as db:
        assert all(isinstance(outcome, Receipt) for outcome in commit(db, begin))
        outcomes = commit(db, go_on)
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [run != 5 for run in range(8)]
        assert isinstance(outcomes[5], ConcurrencyConflict)
        places = [
            position for (position,) in db.execute("SELECT position FROM workflow_events ORDER BY position")
        ]
        assert places == list(range(1, 16))


def test_of_turns_written_together_only_the_one_that_begins_a_run_again_is_refused() -> None:
    ids = Counted()
    turns = [append_to(run, WorkflowStarted(f"r{run}", "any", 1, NOON), 0, ids) for run in (0, 1, 2, 3, 4, 2)]
    with a_database() as db:
        assert [isinstance(outcome, Receipt) for outcome in commit(db, turns)] == [True] * 5 + [False]
