"""A process dies before and after each commit of a run that waits for everything, and the run goes on.

What the run waits for is committed by somebody else's wish (a signal, a decision) or by time (a delay that is
due at once, the pause before a retry), so a death lies between each of these and what the run makes of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callboard.stores.sqlite import SqliteStore
from tests.crash import waiters
from tests.proof import scaled

PROGRAM = [sys.executable, "-m", "tests.crash.waiters"]
TREE = Path(__file__).parents[2]


class Death(NamedTuple):
    """Where a life ends."""

    when: str
    number: int


def live(database: Path, death: Death | None = None) -> subprocess.CompletedProcess[str]:
    """Let the run live in a process of its own, until it dies or the run has ended."""
    where = [death.when, str(death.number)] if death else []
    return subprocess.run(
        [*PROGRAM, database, *where], capture_output=True, text=True, timeout=60, check=False, cwd=TREE
    )


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the commits of a whole life hold, in order."""
    done = live(tmp_path_factory.mktemp("whole") / "callboard.db")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_the_commits_are_those_that_the_run_is_to_be_interrupted_at(points: list[str]) -> None:
    held = {part for point in points for part in point.split("+")}
    assert {"signal_received", "wait_answered", "approval_asked", "approval_decided"} <= held
    assert {"step_waiting", "attempt_due", "attempt_started", "workflow_completed"} <= held


def test_a_death_at_any_commit_leaves_a_run_that_goes_on(tmp_path: Path, points: list[str]) -> None:
    deaths = [Death(when, place + 1) for place in range(len(points)) for when in ("before", "after")]

    def tries(death: Death) -> None:
        database = tmp_path / f"{death.when}-{death.number}.db"
        # The decisions come as they are looked for, so a life may have a commit or two fewer than the first.
        assert live(database, death).returncode in {0, -signal.SIGKILL}, death
        finish(database, death)

    side_by_side(tries, deaths)


def test_two_deaths_in_a_row_leave_a_run_that_goes_on(tmp_path: Path, points: list[str]) -> None:
    deaths = [Death(when, place + 1) for place in range(len(points)) for when in ("before", "after")]
    pairs = random.Random(7).sample(list(itertools.product(deaths, repeat=2)), scaled(8))

    def tries(pair: tuple[Death, Death]) -> None:
        database = tmp_path / f"{pairs.index(pair)}.db"
        for death in pair:
            assert live(database, death).returncode in {0, -signal.SIGKILL}, pair
        finish(database, *pair)

    side_by_side(tries, pairs)


def side_by_side(tries: Callable[[Any], None], cases: Iterable[Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, cases))


def finish(database: Path, *deaths: Death) -> None:
    """Let the run come to its end, and look with SQLite alone."""
    asyncio.run(asyncio.wait_for(waiters.live(SqliteStore(database), database), 60))
    with contextlib.closing(sqlite3.connect(database)) as db:
        runs = db.execute("SELECT status FROM workflow_runs").fetchall()
        assert runs == [("completed",)], deaths
        facts = [
            (type_, json.loads(data))
            for type_, data in db.execute("SELECT type, data FROM workflow_events ORDER BY position")
        ]
        for table in ("timers", "waits"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), (table, deaths)
    done = [data["step"] for type_, data in facts if type_ == "step_completed"]
    assert done == ["due", "work", "pass", "early", "ask", "last"], deaths
    decided = [data["by"] for type_, data in facts if type_ == "approval_decided"]
    assert decided == ["ann", "ben"], deaths
    assert [data["final_output"] for type_, data in facts if type_ == "workflow_completed"] == [
        [7, ["ann", "ben"]]
    ], deaths
    faults = [data for type_, data in facts if type_ == "attempt_retried"]
    assert len(faults) == 2, (deaths, "an interruption counts as no fault")
    attempts: dict[str, list[int]] = defaultdict(list)
    for line in database.with_suffix(".ledger").read_text().splitlines():
        step, attempt, key = line.split()
        attempts[step].append(int(attempt))
        assert key.endswith(f":{step}:1")
    for step, begun in attempts.items():
        assert begun == sorted(set(begun)), (step, begun, deaths)
