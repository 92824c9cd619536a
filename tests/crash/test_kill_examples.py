"""`kill -9` of a real server at named points and at random, while all examples run: each run ends as without.

What the lives of a round are: `lives.py`.
"""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.aftermath import look_at
from tests.crash.lives import ROUND, end_the_day, let_all_pass, mortal
from tests.crash.workday import People, lay_out
from tests.proof import shares

Record = Callable[[str, object], None]
ROUNDS = 2
POINTS = (
    "attempt {}",
    "effect {}",
    "before step_activated {}",
    "after step_activated {}",
    "before step_completed {}",
    "after step_completed {}",
    "after attempt_retried {}",
    "after workflow_recovered {}",
    "after wait_answered {}",
    "before approval_decided {}",
    "after signal_received {}",
    "after child_ended {}",
    "after child_started {}",
    "after workflow_completed {}",
)


@pytest.mark.parametrize(("seed", "kills"), shares(ROUND * ROUNDS))
def test_every_example_ends_as_without_a_kill(
    tmp_path: Path, record_property: Record, seed: int, kills: int
) -> None:
    """Deaths before an attempt, after its effect, at its checkpoint, and at any other moment."""
    lay_out(tmp_path)
    dice = random.Random(seed)
    people = People(tmp_path, dice)
    deaths: Counter[str] = Counter()
    for number in range(kills):
        last = number % ROUND == ROUND - 1
        named = not last and dice.random() < 0.75
        death = dice.choice(POINTS).format(dice.choice([1, 1, 2, 3, 5, 8])) if named else ""
        with mortal(tmp_path, death) as server:
            deaths[death[:-2] or "at random"] += 1
            if server is None:
                continue
            if last:
                let_all_pass(server, people)
            killer = threading.Timer(2.0 if named else dice.uniform(0.05, 0.8), server.process.kill)
            killer.start()
            people.live(server, dice.randint(2, 6))
            assert server.process.wait(30) == -signal.SIGKILL
            killer.cancel()
    end_the_day(tmp_path, people)
    happened = look_at(tmp_path, people)
    record_property("happened", dict(happened))
    record_property("deaths", dict(deaths))
    assert happened["retry"], "no attempt was ever interrupted"
