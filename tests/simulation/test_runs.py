"""One seed decides a whole history of workflows; the critic looks at what each life left behind."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof import scaled
from tests.simulation.runner import Run, simulate
from tests.simulation.tour import Tour
from tests.simulation.world import Violation

SEEDS_AT_ONCE = 4


@functools.cache
def played(seed: int) -> Run:
    """Play a seed, once for all tests."""
    return simulate(seed, Tour.name, lines=True)


@pytest.mark.parametrize("first", range(0, scaled(12), SEEDS_AT_ONCE))
def test_every_history_of_runs_keeps_the_promises(first: int) -> None:
    """A seed that fails says how it is played again."""
    for seed in range(first, first + SEEDS_AT_ONCE):
        assert played(seed).violation is None, played(seed).report


def test_the_histories_of_runs_are_eventful() -> None:
    """Or the test above would prove nothing: steps fail, hang and are cut off, and people meddle with all."""
    words = "\n".join(line for seed in range(12) for line in played(seed).lines or ())
    for event in (
        "dies torn",
        "dies before a commit",
        "dies after a commit",
        "dies in an action",
        "fault fsync COMMIT that took place",
        "fault read",
        "returned",
        "Retry",
        "Fail",
        "RuntimeError",
        "CancelledError",
        *(f"operator {do}" for do in ("start", "say", "pause", "resume", "cancel", "retry", "release")),
        *(f"operator {do}" for do in ("signal", "fork", "decide")),
        *(f"fact {type_}" for type_ in MET),
    ):
        assert event in words, f"{event} never happens"


MET = (
    "attempt_retried",
    "step_waiting",
    "approval_decided",
    "wait_answered",
    "consensus_calculated",
    "hold_released",
    "step_skipped",
    "step_cancelled",
    "reworked",
    "child_started",
    "child_ended",
    "workflow_paused",
    "workflow_stopping",
    "workflow_recovered",
    "workflow_completed",
    "workflow_failed",
    "workflow_cancelled",
    "reopened",
    "trigger_fired",
)


def test_the_same_seed_makes_the_same_history_of_runs() -> None:
    """To the byte of its trace, in which the log is, also in another process."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests.simulation.runner import simulate; print(simulate(1, 'runs').trace)",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [simulate(1, Tour.name).trace] == [played(1).trace]


def test_a_seed_with_runs_that_fails_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_fault(*_: object) -> None:
        raise Violation("the lights went out")

    monkeypatch.setattr(Tour, "inspect", find_fault)
    assert simulate(4, Tour.name).report == (
        "Seed 4 (runs): the lights went out\nAgain: make simulate SEEDS=1 FROM=4 ARGS='--play runs'"
    )
