"""`kill -9` of a real server while deliveries come: each starts one run, and each run one that follows it.

Whoever sends does not know what became of a delivery when the server dies, and sends it again.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sqlite3
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.server import Server, up
from tests.proof import scaled

WORKFLOWS = {
    "take": """
name: take
on: [{webhook: in/claims}]
steps:
  - {id: say, uses: message.publish, with: {channel: claims, type: claim, body: {n: "{{ trigger.n }}"}}}
""",
    "heard": """
name: heard
on: [{message: {channel: claims, type: claim}}]
steps: [{id: look, uses: core.echo, with: {message: "{{ trigger.n }}"}}]
output: "{{ steps.look.output.echo }}"
""",
    "after": """
name: after
on: [{run: {workflow: heard, status: completed}}]
steps: [{id: look, uses: core.echo, with: {message: "{{ trigger.output }}"}}]
output: "{{ steps.look.output.echo }}"
""",
}


def test_every_delivery_has_its_one_run_and_each_run_its_one_follower(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    for name, text in WORKFLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    dice, sent, answered = random.Random(9), 0, dict[int, str]()
    for _ in range(scaled(4)):
        with up(tmp_path) as server:
            sent += dice.randint(20, 60)
            killer = threading.Timer(dice.uniform(0.1, 0.8), server.process.kill)
            killer.start()
            _deliver(server, sent, answered)
            killer.join()
    with up(tmp_path) as server:
        _deliver(server, sent, answered)
        assert len(answered) == sent
        _wait_until_all_ended(tmp_path, sent)
        report = json.loads(server.say("doctor", "--full", "--json").stdout)
        assert report["ok"], report
        server.process.terminate()
        server.process.wait(30)
    _check(tmp_path / "data" / "callboard.db", sent, answered)


def _deliver(server: Server, count: int, answered: dict[int, str]) -> None:
    """Send all deliveries that were not answered yet, until the server is gone."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        for n in [n for n in range(count) if n not in answered]:
            connection.request("POST", "/webhooks/in/claims", f'{{"n": {n}}}', {"Callboard-Delivery": str(n)})
            reply = connection.getresponse()
            said = json.loads(reply.read())
            assert reply.status in {200, 202}, said
            answered[n] = said["run_id"]


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _wait_until_all_ended(project: Path, count: int) -> None:
    ends = time.monotonic() + 60
    ended = 0
    while ended < 3 * count:
        assert time.monotonic() < ends, f"{ended} of {3 * count} runs have ended"
        time.sleep(0.05)
        with contextlib.closing(_open(project / "data" / "callboard.db")) as db:
            (ended,) = db.execute("SELECT count(*) FROM workflow_runs WHERE status = 'completed'").fetchone()


def _check(database: Path, count: int, answered: dict[int, str]) -> None:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(_open(database)) as db:
        taken = dict(
            db.execute(
                "SELECT substr(stream_id, 5), json_extract(data, '$.trigger.n') FROM workflow_events "
                "WHERE type = 'workflow_started' AND json_extract(data, '$.workflow') = 'take'"
            )
        )
        assert {run: taken.get(run) for run in answered.values()} == {run: n for n, run in answered.items()}
        assert sorted(taken.values()) == list(range(count)), "a delivery started two runs, or none"
        for name in ("heard", "after"):
            outputs = db.execute(
                "SELECT json_extract(e.data, '$.final_output') FROM workflow_events AS e "
                "JOIN workflow_runs AS r ON e.stream_id = 'run:' || r.run_id "
                "WHERE e.type = 'workflow_completed' AND r.workflow = ?",
                (name,),
            ).fetchall()
            assert sorted(n for (n,) in outputs) == list(range(count)), name
        (fired,) = db.execute("SELECT count(*) FROM workflow_events WHERE type = 'trigger_fired'").fetchone()
        assert fired == 3 * count
