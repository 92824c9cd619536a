"""`kill -9` of a real server while runs go on: each ends right, and no step is done again that was done.

What the steps do is counted outside, in a file that each attempt writes a line to before and after its work.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from collections import defaultdict
from pathlib import Path

from callboard.errors import CallboardError
from callboard.folder import DataFolder
from callboard.web.client import Client
from callboard.web.runs import StartRequest
from tests.e2e.server import Server, up
from tests.proof import scaled

ACTIONS = """
import asyncio
import os
import random

import msgspec

from callboard.planning.step import action, this_attempt

LEDGER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "ledger")


class Number(msgspec.Struct):
    value: int


def write(word):
    attempt = this_attempt()
    line = f"{word} {attempt.key} {attempt.run} {attempt.step} {attempt.attempt}\\n"
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


@action("double")
async def double(number: Number) -> int:
    write("begin")
    await asyncio.sleep(random.random() / 20)
    write("end")
    return 2 * number.value


@action("add")
def add(number: Number) -> int:
    write("begin")
    write("end")
    return number.value + 1
"""
WORKFLOW = """
name: sums
steps:
  - {id: a, uses: python, with: {action: double, input: {value: "{{ trigger.value }}"}}, next: [b, c, d]}
  - {id: b, uses: python, with: {action: double, input: {value: "{{ steps.a.output }}"}}}
  - {id: c, uses: core.delay, with: {for: 50ms}}
  - {id: d, uses: core.echo, with: {simulate: transient}, retry: {delay: 20ms}}
  - id: e
    uses: python
    needs: [b, c, d]
    with: {action: add, input: {value: "{{ steps.b.output }}"}}
  - id: f
    uses: message.publish
    needs: [e]
    with: {channel: sums, type: sum, body: {value: "{{ steps.e.output }}"}}
output: "{{ steps.e.output }}"
"""


def test_every_run_ends_right_whenever_the_server_is_killed(tmp_path: Path) -> None:
    """Kills at random moments while runs are started; all that were acknowledged end with the right sum."""
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "sums.py").write_text(ACTIONS)
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "config" / "workflows" / "sums.yaml").write_text(WORKFLOW)
    dice = random.Random(5)
    started: dict[str, int] = {}
    for round_ in range(scaled(4)):
        with up(tmp_path) as server:
            killer = threading.Timer(dice.uniform(0.1, 0.9), server.process.kill)
            killer.start()
            _start(server, round_ * 1_000, dice.randint(5, 20), started)
            killer.join()
    with up(tmp_path) as server:
        _wait_until_ended(tmp_path, server)
        report = json.loads(server.say("doctor", "--full", "--json").stdout)
        assert report["ok"], report
        server.process.terminate()
        server.process.wait(30)
    _check(tmp_path / "data" / "callboard.db", started)
    _check_ledger(tmp_path / "data" / "callboard.db", tmp_path / "ledger")


def _start(server: Server, first: int, count: int, started: dict[str, int]) -> None:
    """Start runs until the server is gone; those that were acknowledged must be there for ever."""
    with contextlib.suppress(CallboardError), Client.find(DataFolder(server.project / "data")) as client:
        for value in range(first, first + count):
            request = StartRequest(input={"value": value}, request_id=f"start-{value}")
            started[client.start_run("sums", request).run_id] = value


def _wait_until_ended(project: Path, server: Server) -> None:
    ends = time.monotonic() + 60
    while True:
        with contextlib.closing(_open(project / "data" / "callboard.db")) as db:
            query = "SELECT run_id, status FROM workflow_runs WHERE status NOT IN ('completed', 'failed')"
            left = db.execute(query).fetchall()
        if not left:
            return
        assert time.monotonic() < ends, f"{left} did not end: {server.events()[-10:]}"
        time.sleep(0.05)


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _check(database: Path, started: dict[str, int]) -> None:
    """Look with SQLite alone, and none of our code."""
    assert started, "nothing was ever started"
    with contextlib.closing(_open(database)) as db:
        runs = dict(db.execute("SELECT run_id, status FROM workflow_runs"))
        assert set(started) <= set(runs), "acknowledged and lost"
        assert set(runs.values()) == {"completed"}
        ends = db.execute(
            "SELECT stream_id, json_extract(data, '$.final_output') FROM workflow_events "
            "WHERE type = 'workflow_completed'"
        ).fetchall()
        assert len(ends) == len(runs), "one end for each run"
        sums = {stream.removeprefix("run:"): output for stream, output in ends}
        assert {run: sums[run] for run in started} == {run: 4 * value + 1 for run, value in started.items()}
        said = db.execute("SELECT count(*), count(DISTINCT conversation) FROM bot_messages").fetchone()
        assert said == (len(runs), len(runs)), "a message was sent twice, or never"
        assert db.execute("SELECT count(*) FROM timers").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,)


def _check_ledger(database: Path, ledger: Path) -> None:
    """No attempt follows the one that completed a step, and all attempts of a step share its key."""
    attempts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in ledger.read_text().splitlines():
        word, key, run, step, attempt = line.split()
        assert key == f"{run}:{step}:1"
        if word == "begin":
            attempts[run, step].append(int(attempt))
    with contextlib.closing(_open(database)) as db:
        completed = db.execute(
            "SELECT stream_id, json_extract(data, '$.step'), coalesce(json_extract(data, '$.attempt'), 1) "
            "FROM workflow_events WHERE type = 'step_completed'"
        ).fetchall()
    by = {(stream.removeprefix("run:"), step): attempt for stream, step, attempt in completed}
    assert len(by) == len(completed), "a step was completed twice"
    for place, begun in attempts.items():
        assert begun == sorted(set(begun)), f"{place}: an attempt was begun twice"
        assert begun[-1] == by[place], f"{place}: it was done again after it was done"
