"""A process dies before and after each commit of triggers that fire, and each event has its one outcome."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash import firers
from tests.proof import scaled

PROGRAM = [sys.executable, "-m", "tests.crash.firers"]
TREE = Path(__file__).parents[2]


class Death(NamedTuple):
    """Where a life ends."""

    when: str
    point: str
    number: int


def live(database: Path, death: Death | None = None) -> subprocess.CompletedProcess[str]:
    where = [death.when, death.point, str(death.number)] if death else []
    return subprocess.run(
        [*PROGRAM, database, *where], capture_output=True, text=True, timeout=60, check=False, cwd=TREE
    )


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Death]:
    """Every point of a whole life, before and after."""
    database = tmp_path_factory.mktemp("whole") / "callboard.db"
    done = live(database)
    assert done.returncode == 0, done.stderr
    look_at(database, ())
    points = Counter(done.stdout.splitlines())
    return [
        Death(when, point, number + 1)
        for point, count in points.items()
        for number in range(count)
        for when in ("before", "after")
    ]


def test_the_points_are_those_that_firing_has(deaths: list[Death]) -> None:
    """Else the deaths below would be of something else than what they are meant to interrupt."""
    points = {point for _, point, _ in deaths}
    for held in ("trigger_set+timer", "workflow_started", "trigger_fired+timer", "trigger_not_fired"):
        wanted = set(held.split("+"))
        assert any(wanted <= set(point.split("+")) for point in points), f"no commit holds {held}: {points}"


def test_a_death_at_any_commit_leaves_one_outcome_of_each_event(tmp_path: Path, deaths: list[Death]) -> None:
    pairs = list(itertools.product(deaths, repeat=2))
    doubles = random.Random(5).sample(pairs, min(len(pairs), scaled(4)))

    def tries(these: tuple[Death, ...]) -> None:
        database = tmp_path / f"{lives.index(these)}.db"
        for death in these:
            assert live(database, death).returncode in {0, -signal.SIGKILL}, these
        asyncio.run(asyncio.wait_for(firers.live(database, late=lives.index(these) % 3), 60))
        look_at(database, these)

    lives: list[tuple[Death, ...]] = [*((death,) for death in deaths), *doubles]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, lives))


def test_a_kill_at_the_instant_of_firing_never_fires_a_time_twice(
    tmp_path: Path, deaths: list[Death]
) -> None:
    """The same instant again and again in one database: each life dies as it fires, and the next goes on."""
    (point,) = {death.point for death in deaths if {"trigger_fired", "timer"} <= set(death.point.split("+"))}
    dice, database = random.Random(11), tmp_path / "callboard.db"
    for _ in range(scaled(10)):
        death = Death(dice.choice(["before", "after"]), point, dice.choice([1, 1, 2]))
        assert live(database, death).returncode in {0, -signal.SIGKILL}
    asyncio.run(asyncio.wait_for(firers.live(database), 60))
    look_at(database, ())


def look_at(database: Path, these: Sequence[Death]) -> None:
    """Look with SQLite alone."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        started = {
            stream.removeprefix("run:"): (position, cause, json.loads(data))
            for stream, position, cause, data in db.execute(
                "SELECT stream_id, position, cause, data FROM workflow_events WHERE type = 'workflow_started'"
            )
        }
        records = facts(db, "trigger_fired")
        assert sorted(one["run"] for one in records) == sorted(started), these
        times = sorted(one["scheduled_for"] for one in records if "scheduled_for" in one)
        assert len(times) == len(set(times)) >= firers.TICKS, these
        hours = [int(time[11:13]) + 24 * (int(time[8:10]) - 1) for time in times]
        assert hours == list(range(hours[0], hours[0] + len(hours))), (these, "a time was left out")
        notes = [row[0] for row in db.execute("SELECT position FROM bot_messages ORDER BY position")]
        causes = [cause for _, cause, told in started.values() if told["workflow"] == "heard"]
        assert sorted(causes) == [notes[0], notes[2]], these
        (refused,) = facts(db, "trigger_not_fired")
        assert refused["code"] == "CONDITION_FALSE", these
        ends = [
            row[0]
            for row in db.execute(
                "SELECT e.position FROM workflow_events AS e JOIN workflow_runs AS r "
                "ON e.stream_id = 'run:' || r.run_id "
                "WHERE e.type = 'workflow_completed' AND r.workflow = 'heard' ORDER BY e.position"
            )
        ]
        after = [cause for _, cause, told in started.values() if told["workflow"] == "after"]
        assert sorted(after) == ends, these
        assert db.execute("SELECT count(*) FROM timers WHERE kind = 'trigger'").fetchone() == (1,), these


def facts(db: sqlite3.Connection, type_: str) -> list[dict[str, Any]]:
    query = "SELECT data FROM workflow_events WHERE type = ? ORDER BY position"
    return [json.loads(data) for (data,) in db.execute(query, (type_,))]
