"""A process dies before and after each commit of a run that asks: none is asked twice, no answer is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callboard.stores.sqlite import SqliteStore
from tests.crash import panelists

PROGRAM = [sys.executable, "-m", "tests.crash.panelists"]
TREE = Path(__file__).parents[2]
Death = tuple[str, int]
"""Before or after which commit a life ends."""


def live(database: Path, *death: object) -> subprocess.CompletedProcess[str]:
    """Let the run live in a process of its own, until it dies or the run has ended."""
    command = [*PROGRAM, str(database), *map(str, death)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=TREE)


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the commits of a whole life hold, in order."""
    done = live(tmp_path_factory.mktemp("whole") / "callboard.db")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_the_run_asks_three_times_in_its_life(points: list[str]) -> None:
    facts = "+".join(points).split("+")
    assert facts.count("step_waiting") == 3
    assert facts.count("wait_answered") == 5
    assert facts[-1] == "workflow_completed"


def test_a_death_at_any_commit_loses_no_answer_and_asks_nobody_twice(
    tmp_path: Path, points: list[str]
) -> None:
    deaths = [(when, place + 1) for place in range(len(points)) for when in ("before", "after")]

    def tries(death: Death) -> None:
        database = tmp_path / f"{death[0]}-{death[1]}.db"
        # Answers may share a commit or not, so a life may have a commit or two fewer than the first.
        assert live(database, *death).returncode in {0, -signal.SIGKILL}, death
        finish(database, death)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, deaths))


def finish(database: Path, death: Death) -> None:
    """Let the run come to its end, and look with SQLite alone."""
    asyncio.run(asyncio.wait_for(panelists.live(SqliteStore(database), database), 60))
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT status FROM workflow_runs").fetchall() == [("completed",)], death
        for table in ("timers", "waits"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), (table, death)
        asked = db.execute(
            "SELECT recipient FROM bot_messages WHERE type = 'ask' ORDER BY position"
        ).fetchall()
        assert [name for (name,) in asked] == ["ann", "ben", "joe", "kim", "chief"], death
        replied = db.execute("SELECT sender FROM bot_messages WHERE reply_to IS NOT NULL").fetchall()
        assert sorted(name for (name,) in replied) == ["ann", "ben", "chief", "joe", "kim"], death
        (end,) = db.execute("SELECT data FROM workflow_events WHERE type = 'workflow_completed'").fetchall()
    assert json.loads(end[0])["final_output"] == {
        "answers": {"ann": "pay", "ben": "refuse", "joe": "pay", "kim": "refuse"},
        "missing": {},
        "agreement": 0.5,
        "metric": "percent",
        "result": "pay",
        "resolved_by": "adjudicator",
    }, death
