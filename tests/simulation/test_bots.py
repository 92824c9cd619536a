"""One seed decides a whole history of a company of bots; the model looks at what each life left behind."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof import scaled
from tests.simulation.runner import Run, simulate
from tests.simulation.season import Season
from tests.simulation.world import Violation

SEEDS_AT_ONCE = 6


@functools.cache
def played(seed: int) -> Run:
    """Play a seed, once for all tests."""
    return simulate(seed, Season.name, lines=True)


@pytest.mark.parametrize("first", range(0, scaled(12), SEEDS_AT_ONCE))
def test_every_history_of_bots_keeps_the_promises(first: int) -> None:
    """A seed that fails says how it is played again."""
    for seed in range(first, first + SEEDS_AT_ONCE):
        assert played(seed).violation is None, played(seed).report


def test_the_histories_of_bots_are_eventful() -> None:
    """Or the test above would prove nothing: bots fail, hang, are asked, listen anew, and processes die."""
    words = "\n".join(line for seed in range(12) for line in played(seed).lines or ())
    for event in (
        "dies torn",
        "dies before a commit",
        "dies after a commit",
        "fault fsync COMMIT that took place",
        "fault read",
        "returned",
        "RuntimeError",
        "CancelledError",
        "AskTimeout",
        "AskCycle",
        "AskChanged",
        "operator later",
        "operator ask",
        "operator subscribe",
        "operator unsubscribe",
        "operator redrive",
        "operator purge",
        "operator answer",
    ):
        assert event in words, f"{event} never happens"


def test_the_same_seed_makes_the_same_history_of_bots() -> None:
    """To the byte of its trace, in which the log is, also in another process."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests.simulation.runner import simulate; print(simulate(1, 'bots').trace)",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [simulate(1, Season.name).trace] == [played(1).trace]


def test_a_seed_with_bots_that_fails_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_fault(*_: object) -> None:
        raise Violation("the curtain fell")

    monkeypatch.setattr(Season, "inspect", find_fault)
    assert simulate(4, Season.name).report == (
        "Seed 4 (bots): the curtain fell\nAgain: make simulate SEEDS=1 FROM=4 ARGS='--play bots'"
    )
