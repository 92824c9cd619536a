"""A text that tries to eat time or memory ends in an error of ours, soon, and the process lives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BOMBS = Path(__file__).with_name("bombs.py")
MOST_SECONDS = 1.0
MOST_BYTES = 200 * 1024 * 1024


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, Any]]:
    """Set off all bombs in a process of their own."""
    done = subprocess.run([sys.executable, BOMBS], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_bomb_is_set_off(outcomes: list[dict[str, Any]]) -> None:
    assert len(outcomes) >= 100
    assert len({outcome["name"] for outcome in outcomes}) == len(outcomes)


def test_every_bomb_ends_in_a_clear_error(outcomes: list[dict[str, Any]]) -> None:
    assert not [outcome for outcome in outcomes if outcome["ended"] or not outcome["error"]]
    assert not [outcome for outcome in outcomes if "cannot be evaluated" in outcome["error"]]
    assert not [outcome for outcome in outcomes if len(outcome["error"]) > 500]


def test_every_bomb_ends_within_a_second(outcomes: list[dict[str, Any]]) -> None:
    assert not [outcome for outcome in outcomes if outcome["seconds"] > MOST_SECONDS]


def test_all_bombs_together_take_less_memory_than_one_may(outcomes: list[dict[str, Any]]) -> None:
    assert outcomes[-1]["peak"] - outcomes[0]["base"] < MOST_BYTES
