"""A process dies before and after each commit of a run that starts others, and every part ends right, once.

A child may end before the run around it has looked at anything: its end is an answer a moment early.
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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callboard.stores.sqlite import SqliteStore
from tests.crash import parents
from tests.proof import scaled

PROGRAM = [sys.executable, "-m", "tests.crash.parents"]
TREE = Path(__file__).parents[2]
RUNS = {"w": 1, "quick": 1, "slow": 1, "items": 3, "rounds": 2, "both": 2}
Death = tuple[str, int]
"""Before or after which commit a life ends."""


def live(database: Path, *death: object) -> subprocess.CompletedProcess[str]:
    """Let the run live in a process of its own, until it dies or the run has ended."""
    command = [*PROGRAM, str(database), *map(str, death)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=TREE)


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Death]:
    """Every commit of a whole life, before and after."""
    database = tmp_path_factory.mktemp("whole") / "callboard.db"
    done = live(database)
    assert done.returncode == 0, done.stderr
    look_at(database, ())
    points = done.stdout.split("\n")[:-1]
    facts = Counter(part for point in points for part in point.split("+"))
    assert facts["child_started"] == facts["child_ended"] == 9
    return [(when, place + 1) for place in range(len(points)) for when in ("before", "after")]


def test_a_death_at_any_commit_leaves_parts_that_end_once(tmp_path: Path, deaths: list[Death]) -> None:
    pairs = random.Random(9).sample(list(itertools.product(deaths, repeat=2)), scaled(4))

    def tries(these: tuple[Death, ...]) -> None:
        database = tmp_path / f"{lives.index(these)}.db"
        for death in these:
            # Ends may share a commit or not, so a life may have a few fewer than the first.
            done = live(database, *death)
            assert done.returncode in {0, -signal.SIGKILL}, (these, done.stderr)
        asyncio.run(asyncio.wait_for(parents.live(SqliteStore(database), database), 60))
        look_at(database, these)

    lives: list[tuple[Death, ...]] = [*((death,) for death in deaths), *pairs]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, lives))


def look_at(database: Path, these: tuple[Death, ...]) -> None:
    """Look with SQLite alone."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        runs = db.execute("SELECT workflow, path, status FROM workflow_runs").fetchall()
        assert {status for *_, status in runs} == {"completed"}, these
        assert Counter(path or workflow for workflow, path, _ in runs) == RUNS, these
        for table in ("timers", "waits"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), (table, these)
        facts = [
            (stream.removeprefix("run:"), type_, json.loads(data))
            for stream, type_, data in db.execute(
                "SELECT stream_id, type, data FROM workflow_events ORDER BY position"
            )
        ]
        (first,) = db.execute(
            "SELECT run_id FROM workflow_runs WHERE workflow = 'w' AND path = ''"
        ).fetchone()
    started = [data["run"] for _, type_, data in facts if type_ == "child_started"]
    ended = [data["run"] for _, type_, data in facts if type_ == "child_ended"]
    assert len(started) == len(set(started)) == 9, these
    assert sorted(ended) == sorted(started), these
    ends = [
        data["final_output"] for run, type_, data in facts if (run, type_) == (first, "workflow_completed")
    ]
    assert ends == [parents.OUTPUT], these
    completed = {
        f"{run}:{data['step']}:1": data.get("attempt", 1)
        for run, type_, data in facts
        if type_ == "step_completed"
    }
    for line in database.with_suffix(".ledger").read_text().splitlines():
        _, attempt, key = line.split()
        assert int(attempt) <= completed[key], (key, "it was done again after it was done", these)
