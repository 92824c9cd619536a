"""A process dies before and after each commit from a message to its run, to what that hears, to the reply."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from callboard.stores.sqlite import SqliteStore
from tests.crash import listeners
from tests.proof import scaled

PROGRAM = [sys.executable, "-m", "tests.crash.listeners"]
TREE = Path(__file__).parents[2]


def live(database: Path, *death: str) -> subprocess.CompletedProcess[str]:
    """Let all of it happen in a process of its own, until it dies or there is a reply."""
    return subprocess.run(
        [*PROGRAM, database, *death], capture_output=True, text=True, timeout=60, check=False, cwd=TREE
    )


def test_a_death_at_any_commit_makes_one_run_that_uses_each_message_once_and_replies_once(
    tmp_path: Path,
) -> None:
    whole = live(tmp_path / "whole.db")
    assert whole.returncode == 0, whole.stderr
    look_at(tmp_path / "whole.db", ())
    commits = whole.stdout.count("\n")
    assert commits >= 8
    deaths = [(when, str(number)) for number in range(1, commits + 1) for when in ("before", "after")]
    doubles = [(*one, *random.Random(7).choice(deaths)) for one in random.Random(8).sample(deaths, scaled(4))]

    def tries(death: tuple[str, ...]) -> None:
        database = tmp_path / f"{'-'.join(death)}.db"
        for place in range(0, len(death), 2):
            # What is said comes when somebody listens: a life may have a commit or two fewer than the first.
            done = live(database, *death[place : place + 2])
            assert done.returncode in {0, -signal.SIGKILL}, (death, done.stderr)
        asyncio.run(asyncio.wait_for(listeners.live(SqliteStore(database), database), 60))
        look_at(database, death)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, [*deaths, *doubles]))


def look_at(database: Path, death: tuple[str, ...]) -> None:
    """Look with SQLite alone."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT status FROM workflow_runs").fetchall() == [("completed",)], death
        assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,), death
        heard = [
            json.loads(data)["message"]
            for (data,) in db.execute("SELECT data FROM workflow_events WHERE type = 'wait_answered'")
        ]
        assert len(heard) == len(set(heard)) == 2, death
        said = [row[0] for row in db.execute("SELECT position FROM bot_messages WHERE recipient = 'news'")]
        assert sorted(heard) == said, death
        replies = db.execute("SELECT type, body FROM bot_messages WHERE sender = 'triage'").fetchall()
        assert [type_ for type_, _ in replies] == ["completed"], death
        assert sorted(one["said"] for one in json.loads(replies[0][1])) == [1, 2], death
