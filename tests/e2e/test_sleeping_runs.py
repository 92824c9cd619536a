"""Runs that sleep cost nothing but their rows, and runs that were cut off are taken up without them.

By hand, with a hundred thousand that sleep and ten thousand that were cut off:

    PROOF=100 pytest tests/e2e/test_sleeping_runs.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e.server import up
from tests.e2e.sleepers import memory_of
from tests.proof import scaled

TREE = Path(__file__).parents[2]
SLEEP = scaled(1_000)
DUE = min(1_000, SLEEP // 10)
CUT = scaled(100)
MOST_SECONDS = 10.0
MOST_BYTES = 300 * 1024 * 1024


def program(word: str, database: Path, *numbers: int, status: int = 0) -> dict[str, Any]:
    """Run one life of the runs, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.sleepers", word, database, *map(str, numbers)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=TREE,
    )
    assert done.returncode == status, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def test_sleeping_runs_cost_no_actors_and_those_that_fall_due_run_once_each(tmp_path: Path) -> None:
    database = tmp_path / "callboard.db"
    program("fill", database, SLEEP, DUE, 1)
    told = program("take", database, DUE)
    assert told["taken"] < MOST_SECONDS
    assert told["peak"] < MOST_BYTES
    assert (told["runs"], told["most"]) == (DUE, 1)
    assert told["read"] == DUE, "only those that fell due were read"
    again = program("take", database, 0)
    assert (again["awake"], again["read"], again["runs"]) == (0, 0, 0)


def test_a_server_with_sleeping_runs_is_soon_up_and_stays_small(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    program("fill", tmp_path / "data" / "callboard.db", SLEEP, 0, 0)
    began = time.monotonic()
    with up(tmp_path) as server:
        lasted = time.monotonic() - began
        assert lasted < MOST_SECONDS
        report = json.loads(server.say("doctor", "--json").stdout)
        assert report["ok"], report
        assert memory_of(server.process.pid, "VmHWM") < MOST_BYTES


def test_runs_that_were_cut_off_are_taken_up_without_those_that_sleep(tmp_path: Path) -> None:
    database = tmp_path / "callboard.db"
    program("fill", database, SLEEP, 0, 0)
    program("cut", database, CUT, status=9)
    told = program("take", database, CUT)
    assert (told["runs"], told["most"]) == (CUT, 1)
    assert told["read"] == CUT, "only those that were cut off were read"
