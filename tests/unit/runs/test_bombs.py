"""A bomb in a template or a condition of a run ends in a clear error, soon, and other runs go on.

By hand, all of them: `PROOF=4 pytest tests/unit/runs/test_bombs.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.proof import scaled

TREE = Path(__file__).parents[3]
MOST_SECONDS = 1.0
MOST_BYTES = 200 * 1024 * 1024


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """Set bombs off in runs, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.runs.bombs", str(scaled(100))],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=TREE,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def bombs(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in told if "seconds" in one]


def test_at_least_forty_go_off_and_end_in_a_clear_error(bombs: list[dict[str, Any]]) -> None:
    """Those that end well are none, on what a door lets in; the rest says what is wrong, and where."""
    wrong = [one for one in bombs if one["said"]]
    assert len(wrong) >= 40
    assert {one["place"] for one in wrong} == {"with", "output", "if", "again"}
    assert all(one["status"] == "completed" for one in bombs if not one["said"])
    assert not [one for one in wrong if len(one["said"]) > 500]


def test_each_ends_within_a_second(bombs: list[dict[str, Any]]) -> None:
    assert not [one for one in bombs if one["seconds"] > MOST_SECONDS]


def test_all_together_take_less_memory_than_one_may(bombs: list[dict[str, Any]]) -> None:
    assert max(one["peak"] for one in bombs) < MOST_BYTES


def test_the_process_lives_and_another_run_goes_on(told: list[dict[str, Any]]) -> None:
    assert told[-1] == {"place": "beside", "status": "completed"}
