"""An action that takes the process with it: a real server dies of its run, and then lives on without it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from callboard.errors import CallboardError
from callboard.folder import DataFolder
from callboard.web.client import Client
from callboard.web.runs import StartRequest
from tests.e2e.server import Server, up

GOING = {"pending", "running", "paused"}
ACTIONS = """
import asyncio
import os

import msgspec

from callboard.planning.step import action

PROJECT = os.path.dirname(os.path.dirname(__file__))


class Word(msgspec.Struct):
    text: str


@action("say")
async def say(word: Word) -> str:
    with open(os.path.join(PROJECT, "ledger"), "a") as ledger:
        ledger.write(word.text + "\\n")
    await asyncio.sleep(1)
    if word.text == "boom" and not os.path.exists(os.path.join(PROJECT, "mended")):
        os._exit(9)
    return word.text
"""
WORKFLOW = """
name: talk
steps:
  - {id: a, uses: python, with: {action: say, input: {text: "{{ trigger }}"}}}
output: "{{ steps.a.output }}"
"""


def test_a_deadly_run_is_left_crashed_and_all_others_end(tmp_path: Path) -> None:
    """It dies with others at work, then alone three times; mended and resumed, it ends well."""
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "say.py").write_text(ACTIONS)
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "config" / "workflows" / "talk.yaml").write_text(WORKFLOW)
    ledger = tmp_path / "ledger"
    with up(tmp_path) as server:
        guilty = _start(server, "boom")
        innocent = [_start(server, "one"), _start(server, "two")]
        server.process.wait(30)
    starts = 0
    while _status(tmp_path, guilty) != "crashed":
        starts += 1
        assert starts <= 5, "it dies for ever"
        with up(tmp_path) as server, contextlib.suppress(CallboardError):
            innocent.append(_start(server, f"new {starts}"))
            _wait(server, guilty)
    assert starts == 5, "once more with all at work, three times alone, and then it is left out"
    assert ledger.read_text().splitlines().count("boom") == 5
    with up(tmp_path) as server:
        for run in innocent:
            assert _wait(server, run) == "completed"
        assert "died 3 times in a row while this run alone" in server.say("runs", "show", guilty).stdout
        (tmp_path / "mended").touch()
        assert server.say("runs", "resume", guilty).returncode == 0
        assert _wait(server, guilty) == "completed"
        assert server.process.poll() is None


def _start(server: Server, text: str) -> str:
    with Client.find(DataFolder(server.project / "data")) as client:
        return client.start_run("talk", StartRequest(input=text)).run_id


def _wait(server: Server, run: str) -> str:
    """Wait until a run has ended or crashed, or the server is gone; return how it stands."""
    ends = time.monotonic() + 30
    while (status := _status(server.project, run)) in GOING and server.process.poll() is None:
        assert time.monotonic() < ends, f"run {run} stays {status}: {server.events()[-10:]}"
        time.sleep(0.05)
    return status


def _status(project: Path, run: str) -> str:
    """Look with SQLite alone, so that a server that is gone can be asked too."""
    with contextlib.closing(
        sqlite3.connect(f"file:{project / 'data' / 'callboard.db'}?mode=ro", uri=True)
    ) as db:
        ((status,),) = db.execute("SELECT status FROM workflow_runs WHERE run_id = ?", (run,)).fetchall()
    return str(status)
