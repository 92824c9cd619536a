"""What must hold after a day of kills (`workday.py`): looked at with SQLite alone, and none of our code."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.workday import People

ENDED = ("completed", "failed", "cancelled")


class Place(NamedTuple):
    """A step of a run."""

    run: str
    step: str
    iteration: int


class Aftermath:
    """A database and a ledger, and what was acknowledged."""

    def __init__(self, project: Path, db: sqlite3.Connection) -> None:
        self._ledger = [json.loads(line) for line in (project / "ledger").read_text().splitlines()]
        self._db = db
        self.facts: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        """By the run, in order."""
        for stream, type_, data in db.execute(
            "SELECT stream_id, type, data FROM workflow_events WHERE stream_type = 'run' ORDER BY position"
        ):
            self.facts[stream.removeprefix("run:")].append((type_, json.loads(data)))

    def check(self, people: People) -> Counter[str]:
        """Check all of it, and say how often what was to happen happened."""
        self._nothing_is_left()
        self._runs_ended_right(people)
        self._what_was_heard_started_runs(people)
        self._all_was_said_once(people)
        return self._no_step_was_done_again()

    def _nothing_is_left(self) -> None:
        assert self._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert self._db.execute("SELECT count(*) FROM waits").fetchone() == (0,)
        assert self._db.execute("SELECT count(*) FROM timers WHERE kind <> 'trigger'").fetchone() == (0,)
        assert self._db.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)

    def _runs_ended_right(self, people: People) -> None:
        """Those that were acknowledged are there, and came to what they would without a kill."""
        rows = self._db.execute("SELECT run_id, workflow, status FROM workflow_runs").fetchall()
        assert {status for *_, status in rows} == {"completed"}
        assert set(people.started) <= {run for run, *_ in rows}, "acknowledged and lost"
        for run, (_, expected) in people.started.items():
            type_, data = self.facts[run][-1]
            came_to = type_, data["final_output"]
            assert came_to == ("workflow_completed", expected), (run, came_to, expected)
        for run, told in self.facts.items():
            ends = [type_ for type_, _ in told if type_.removeprefix("workflow_") in ENDED]
            assert len(ends) == 1, (run, "one end for each run")
            assert not [1 for type_, _ in told if type_ == "workflow_crashed"], (run, "it is innocent")

    def _what_was_heard_started_runs(self, people: People) -> None:
        """Each claim, each end of an order and each time of the schedule started one run."""
        begun: dict[str, list[Any]] = defaultdict(list)
        for told in self.facts.values():
            data = told[0][1]
            begun[data["workflow"]].append(data.get("trigger"))
        claims = [trigger["claim"] for trigger in begun["sorting"]]
        assert len(claims) == len(set(claims))
        assert set(people.claims) <= set(claims), "acknowledged and lost"
        orders = {run for run, told in self.facts.items() if _is_whole(told[0][1], "order")}
        assert sorted(trigger["run_id"] for trigger in begun["report"]) == sorted(orders)
        times = [trigger["scheduled_for"] for trigger in begun["tick"]]
        assert len(times) == len(set(times)), "a time fired twice"

    def _all_was_said_once(self, people: People) -> None:
        """Each question was asked and answered once, and each message of a run sent once."""
        asked = self._db.execute(
            "SELECT conversation, recipient FROM bot_messages WHERE type = 'ask'"
        ).fetchall()
        panels = [run for run, told in self.facts.items() if told[0][1]["workflow"] == "refunds"]
        assert sorted(asked) == sorted(
            (f"run:{run}", juror) for run in panels for juror in ("fair", "strict", "generous")
        )
        replies = self._db.execute(
            "SELECT reply_to FROM bot_messages WHERE reply_to IS NOT NULL AND conversation LIKE 'run:%'"
        ).fetchall()
        assert len(replies) == len(set(replies)) == len(asked)
        said = Counter(
            self._db.execute(
                "SELECT recipient, conversation, body FROM bot_messages WHERE recipient_kind = 'channel'"
            )
        )
        for (channel, run, _), times in said.items():
            assert times == 1, (channel, run)
        counts = Counter(channel for channel, *_ in said)
        whole = Counter(told[0][1]["workflow"] for told in self.facts.values() if _is_whole(told[0][1]))
        for channel, workflow, each in (
            ("expenses", "expenses", 1),
            ("refunds", "refunds", 1),
            ("orders", "order", 3),
            ("sorted", "sorting", 1),
        ):
            assert counts[channel] == each * whole[workflow], channel
        assert len(people.started) + len(people.claims) <= sum(whole.values())

    def _no_step_was_done_again(self) -> Counter[str]:
        """The ledger beside the events: which attempts there were, and what became of each."""
        happened: Counter[str] = Counter()
        carried_out: dict[Place, list[int]] = defaultdict(list)
        for line in self._ledger:
            place = Place(line["run"], line["step"], line["iteration"])
            assert line["key"] == ":".join(map(str, place)), "all attempts of a step share its key"
            if line["word"] == "begin":
                carried_out[place].append(line["attempt"])
        for run, told in self.facts.items():
            for place, story in _stories(run, told):
                happened.update(word for word, _ in story)
                _attempts_follow_the_policy(place, story)
                begun = [attempt for word, attempt in story if word == "begun"]
                done = carried_out.pop(place, [])
                assert done == sorted(set(done)), (place, "an attempt was carried out twice")
                assert set(done) <= set(begun), (place, "an effect without a fact before it")
                if story[-1][0] == "completed":
                    assert done[-1] == story[-1][1], (place, "it was done again after it was done")
        assert not carried_out, "effects of steps that never were"
        return happened


def _is_whole(began: dict[str, Any], workflow: str = "") -> bool:
    """Whether it is a run of its own and not a round of a loop."""
    return not began.get("origin", {}).get("path") and workflow in {"", began["workflow"]}


def _stories(
    run: str, told: list[tuple[str, dict[str, Any]]]
) -> Iterator[tuple[Place, list[tuple[str, int]]]]:
    """Return what became of each attempt of the steps that call an action."""
    stories: dict[Place, list[tuple[str, int]]] = {}
    words = {
        "attempt_started": "begun",
        "attempt_retried": "retried",
        "step_completed": "completed",
        "step_failed": "failed",
        "hold_released": "released",
    }
    for type_, data in told:
        for one in data["interrupted"] if type_ == "workflow_recovered" and "interrupted" in data else ():
            place = Place(run, one["step"], one.get("iteration", 1))
            if place in stories:
                stories[place].append((one["then"], one.get("attempt", 1)))
        if "step" not in data:
            continue
        place = Place(run, data["step"], data.get("iteration", 1))
        if type_ == "step_activated" and data["assigned_to"] == "python":
            stories[place] = [("begun", data.get("attempt", 1))]
        elif type_ in words and place in stories:
            stories[place].append((words[type_], data.get("attempt", 1)))
    yield from stories.items()


def _attempts_follow_the_policy(place: Place, story: list[tuple[str, int]]) -> None:
    """An attempt that was begun ended once, and what followed is what its step says of interruptions."""
    words = [word for word, _ in story]
    policy = {"once": "fail", "held": "hold"}.get(place.step, "retry")
    cuts = {"retry", "fail", "hold"} & set(words)
    assert cuts <= {policy}, (place, story)
    assert words.count("begun") == sum(words.count(word) for word in ("retried", "completed", *cuts)), (
        place,
        story,
    )
    assert words[-1] == ("failed" if "fail" in words else "completed"), (place, story)
    if policy == "hold":
        assert words.count("released") == words.count("hold"), (place, story)
    if place.step == "flaky":
        assert words.count("retried") == 2, (place, story, "two faults, and no interruption counts as one")
    numbers = [attempt for word, attempt in story if word == "begun"]
    assert numbers == list(range(1, len(numbers) + 1)), (place, story)


def look_at(project: Path, people: People) -> Counter[str]:
    """Look at what a day has left."""
    file = project / "data" / "callboard.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return Aftermath(project, db).check(people)
