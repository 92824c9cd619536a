"""Many decide the same at the same instant, over HTTP: one wins, and all others are told who did."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.server import Server, up

CALLERS = 20
FILE = """
name: pay
steps:
  - id: ask
    uses: approval
    with: {{approvers: [{names}]}}
    next: [{{to: paid}}, {{to: refused, when: failure}}]
  - {{id: paid, uses: message.publish, with: {{channel: paid, type: paid}}}}
  - {{id: refused, uses: message.publish, with: {{channel: paid, type: refused}}}}
"""


def call(server: Server, verb: str, path: str, body: object = None) -> tuple[int, Any]:
    """Say something at the door, and return the status with what was answered."""
    key = (server.project / "data" / "door.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    place = urlsplit(server.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(verb, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def test_of_twenty_who_decide_at_once_one_wins_and_the_others_are_told_who(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(CALLERS)]
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "pay.yaml").write_text(FILE.format(names=", ".join(names)))
    with up(tmp_path) as server:
        _, started = call(server, "POST", "/workflows/pay/runs", {"input": {}})
        run = started["run_id"]
        (wait,) = call(server, "GET", "/approvals")[1]["data"]
        together = threading.Barrier(CALLERS)

        def decide(number: int) -> tuple[int, Any]:
            word = "approve" if number % 2 else "reject"
            together.wait()
            return call(server, "POST", f"/approvals/{wait['id']}", {"decision": word, "by": names[number]})

        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(decide, range(CALLERS)))
        assert Counter(status for status, _ in answers) == {202: 1, 409: CALLERS - 1}
        (winner,) = [number for number, (status, _) in enumerate(answers) if status == 202]
        word = "approved" if winner % 2 else "rejected"
        for status, problem in answers:
            assert status == 202 or f"{names[winner]} {word} it" in problem["detail"], problem
        events = call(server, "GET", f"/runs/{run}?include=events")[1]["events"]
        (decided,) = [one for one in events if one["type"] == "approval_decided"]
        assert decided["data"]["by"] == names[winner]
        said = call(server, "GET", "/channels/paid/messages")[1]["data"]
        assert [one["type"] for one in said] == ["paid" if winner % 2 else "refused"]
        why = server.say("why", str(said[0]["position"]))
        assert "approval_decided" in why.stdout, why.stdout
        for words in (("runs", "show", run, "--events"), ("runs", "why", run)):
            told = server.say(*words)
            assert names[winner] in told.stdout, (words, told)
