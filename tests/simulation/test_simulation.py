"""One seed decides a whole history, crashes included; after each life the model looks at what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.proof import scaled
from tests.simulation.runner import simulate
from tests.simulation.world import SimulatedClock, Violation, make_loop

SEEDS_AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, scaled(100), SEEDS_AT_ONCE))
def test_every_history_keeps_the_promises(first: int) -> None:
    """A seed that fails says how it is played again."""
    for seed in range(first, first + SEEDS_AT_ONCE):
        run = simulate(seed)
        assert run.violation is None, run.report


def test_the_histories_are_eventful() -> None:
    """Or the test above would prove nothing: processes die, disks fail, turns are refused and forgotten."""
    runs = [simulate(seed, lines=True) for seed in range(20)]
    words = "\n".join(line for run in runs for line in run.lines or ())
    for event in (
        "dies torn",
        "dies before a commit",
        "dies after a commit",
        "dies at a statement",
        "dies at a moment",
        "fault fsync COMMIT that took place",
        "fault full INSERT",
        "fault read",
        "CONCURRENCY_CONFLICT",
        "CONSTRAINT_VIOLATED",
        "UNENCODABLE",
        "TURN_TOO_LARGE",
        "cancelled",
        "prunes",
        "hang",
        "crash",
    ):
        assert event in words, f"{event} never happens"


def test_the_same_seed_makes_the_same_history() -> None:
    """To the byte of its trace, also in another process, where sets and hashes lie differently."""
    traces = [simulate(seed).trace for seed in range(3)]
    assert traces == [simulate(seed).trace for seed in range(3)]
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests.simulation.runner import simulate\nfor seed in range(3): print(simulate(seed).trace)",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == traces


def test_other_seeds_make_other_histories() -> None:
    assert len({simulate(seed).trace for seed in range(5)}) == 5


def test_a_failing_seed_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_fault(*_: object) -> None:
        raise Violation("the sky fell")

    monkeypatch.setattr("tests.simulation.model.inspect", find_fault)
    assert simulate(4).report == (
        "Seed 4 (ground): the sky fell\nAgain: make simulate SEEDS=1 FROM=4 ARGS='--play ground'"
    )


def test_to_wait_for_ever_is_a_violation() -> None:
    loop = make_loop(Random(1))

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(Violation, match="nothing will ever wake"):
        loop.run(wait(), until=10.0)


def test_to_wait_too_long_is_a_violation() -> None:
    loop = make_loop(Random(1))

    async def wait() -> None:
        await SimulatedClock(loop).sleep(11.0)
        await SimulatedClock(loop).sleep(1.0)

    with pytest.raises(Violation, match=r"still not done at 11\.0 s"):
        loop.run(wait(), until=10.0)
