"""A process dies before and after each commit of runs that share a key: no place is lost or given twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from callboard.stores.sqlite import SqliteStore
from tests.crash import queuers

PROGRAM = [sys.executable, "-m", "tests.crash.queuers"]
TREE = Path(__file__).parents[2]
ENDS = ("workflow_completed", "workflow_cancelled", "workflow_failed")


def live(database: Path, *death: str) -> subprocess.CompletedProcess[str]:
    """Let the runs live in a process of their own, until it dies or all have ended."""
    return subprocess.run(
        [*PROGRAM, database, *death], capture_output=True, text=True, timeout=60, check=False, cwd=TREE
    )


def test_a_death_at_any_commit_leaves_a_queue_that_goes_on(tmp_path: Path) -> None:
    whole = live(tmp_path / "whole.db")
    assert whole.returncode == 0, whole.stderr
    points = whole.stdout.split("\n")[:-1]
    assert any("workflow_admitted" in point for point in points)
    assert any("workflow_cancelled" in point for point in points)

    def tries(death: tuple[str, str]) -> None:
        database = tmp_path / f"{'-'.join(death)}.db"
        assert live(database, *death).returncode in {0, -signal.SIGKILL}, death
        asyncio.run(asyncio.wait_for(queuers.live(SqliteStore(database), database), 60))
        check(database, death)

    with ThreadPoolExecutor(2) as pool:
        deaths = [(when, str(place + 1)) for place in range(len(points)) for when in ("before", "after")]
        list(pool.map(tries, deaths))


def check(database: Path, death: tuple[str, str]) -> None:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        runs = db.execute("SELECT workflow, status FROM workflow_runs ORDER BY workflow, started").fetchall()
        assert [status for name, status in runs if name == "queue"] == ["completed"] * queuers.MANY, death
        replaced = ["cancelled"] * (queuers.MANY - 1)
        assert [status for name, status in runs if name == "replace"] == [*replaced, "completed"], death
        for table in ("timers", "waits"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), (table, death)
        for workflow in ("queue", "replace"):
            facts = db.execute(
                "SELECT e.stream_id, e.type FROM workflow_events AS e "
                "JOIN workflow_runs AS r ON e.stream_id = 'run:' || r.run_id WHERE r.workflow = ? "
                "ORDER BY e.position",
                (workflow,),
            ).fetchall()
            at_work: set[str] = set()
            for run, type_ in facts:
                if type_ in ENDS:
                    at_work.discard(run)
                elif type_ == "step_activated":
                    at_work.add(run)
                assert len(at_work) <= 1, (death, "two runs had one place")
