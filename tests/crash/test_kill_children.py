"""`kill -9` of a real server while runs start others: items, rounds and child runs end right, each once.

What the steps do is counted outside, in a file that each attempt writes a line to.
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from collections import Counter
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


@action("double")
async def double(number: Number) -> int:
    attempt = this_attempt()
    await asyncio.sleep(random.random() / 50)
    line = f"{attempt.key} {attempt.attempt}\\n"
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
    return 2 * number.value
"""
INNER = """
name: inner
input: {type: integer}
steps:
  - {id: a, uses: python, with: {action: double, input: {value: "{{ trigger }}"}}}
  - {id: b, uses: core.delay, with: {for: 10ms}}
output: "{{ steps.a.output }}"
"""
OUTER = """
name: outer
vars: {sum: 0}
steps:
  - id: items
    uses: each
    with:
      items: "{{ [trigger.value, trigger.value + 1, trigger.value + 2] }}"
      parallel: 2
      steps:
        - {id: double, uses: python, with: {action: double, input: {value: "{{ item }}"}}}
        - id: say
          uses: message.publish
          with: {channel: items, type: item, body: {value: "{{ steps.double.output }}"}}
        - {id: give, uses: core.echo, with: {message: "{{ steps.double.output }}"}}
  - {id: called, uses: workflow, with: {name: inner, input: "{{ steps.items.output[0].echo }}"}}
  - id: rounds
    uses: loop
    with:
      until: "index == 2"
      steps:
        - {id: add, uses: python, with: {action: double, input: {value: "{{ index }}"}}}
        - {id: set, uses: core.set, with: {sum: "{{ vars.sum + steps.add.output }}"}}
output:
  - "{{ steps.items.output | map(attribute='echo') | list }}"
  - "{{ steps.called.output }}"
  - "{{ vars.sum }}"
"""
LEFT = "SELECT run_id, path, status FROM workflow_runs WHERE ended_at IS NULL"


def test_child_runs_end_right_whenever_the_server_is_killed(tmp_path: Path) -> None:
    """Kills at random moments; every run that was acknowledged gives what it should, and so do its parts."""
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "doubling.py").write_text(ACTIONS)
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    for name, text in (("inner", INNER), ("outer", OUTER)):
        (tmp_path / "config" / "workflows" / f"{name}.yaml").write_text(text)
    dice = random.Random(7)
    started: dict[str, int] = {}
    for round_ in range(scaled(4)):
        with up(tmp_path) as server:
            killer = threading.Timer(dice.uniform(0.1, 0.9), server.process.kill)
            killer.start()
            _start(server, round_ * 1_000, dice.randint(3, 8), started)
            killer.join()
    with up(tmp_path) as server:
        _wait_until_ended(tmp_path / "data" / "callboard.db", server)
        report = json.loads(server.say("doctor", "--full", "--json").stdout)
        assert report["ok"], report
        server.process.terminate()
        server.process.wait(30)
    _check(tmp_path / "data" / "callboard.db", tmp_path / "ledger", started)


def _start(server: Server, first: int, count: int, started: dict[str, int]) -> None:
    with contextlib.suppress(CallboardError), Client.find(DataFolder(server.project / "data")) as client:
        for value in range(first, first + count):
            request = StartRequest(input={"value": value}, request_id=f"start-{value}")
            started[client.start_run("outer", request).run_id] = value


def _wait_until_ended(database: Path, server: Server) -> None:
    ends = time.monotonic() + 60
    while True:
        with contextlib.closing(_open(database)) as db:
            left = db.execute(LEFT).fetchall()
        if not left:
            return
        assert time.monotonic() < ends, f"{left} did not end: {server.events()[-10:]}"
        time.sleep(0.05)


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _check(database: Path, ledger: Path, started: dict[str, int]) -> None:
    """Look with SQLite alone, and none of our code."""
    assert started, "nothing was ever started"
    with contextlib.closing(_open(database)) as db:
        runs = db.execute("SELECT run_id, workflow, path, status FROM workflow_runs").fetchall()
        assert {status for *_, status in runs} == {"completed"}
        whole = [run for run, workflow, path, _ in runs if (workflow, path) == ("outer", "")]
        kinds = Counter(path or workflow for _, workflow, path, _ in runs)
        assert kinds == {
            "outer": len(whole),
            "items": 3 * len(whole),
            "inner": len(whole),
            "rounds": 3 * len(whole),
        }
        ends = dict(
            db.execute(
                "SELECT stream_id, json_extract(data, '$.final_output') FROM workflow_events "
                "WHERE type = 'workflow_completed'"
            ).fetchall()
        )
        for run, value in started.items():
            items = [2 * value, 2 * value + 2, 2 * value + 4]
            assert json.loads(ends[f"run:{run}"]) == [items, 4 * value, 6]
        said = db.execute("SELECT count(*), count(DISTINCT conversation) FROM bot_messages").fetchone()
        assert said == (3 * len(whole), 3 * len(whole)), "a message was sent twice, or never"
        assert db.execute("SELECT count(*) FROM timers").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,)
        completed = {
            f"{stream.removeprefix('run:')}:{step}:1": attempt
            for stream, step, attempt in db.execute(
                "SELECT stream_id, json_extract(data, '$.step'), "
                "coalesce(json_extract(data, '$.attempt'), 1) "
                "FROM workflow_events WHERE type = 'step_completed'"
            )
        }
    for line in ledger.read_text().splitlines():
        key, attempt = line.split()
        assert int(attempt) <= completed[key], f"{key} was done again after it was done"
