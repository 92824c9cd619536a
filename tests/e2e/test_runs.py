"""Runs as a user has them: a server, the command line, and what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.e2e.server import Server, say, up

EXAMPLE = Path(__file__).parents[2] / "config" / "workflows" / "expenses.yaml"


def project(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLE, folder)
    return tmp_path


def said(server: Server, *words: str) -> dict[str, Any]:
    done = server.say(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_run_is_started_watched_and_shown(tmp_path: Path) -> None:
    with up(project(tmp_path)) as server:
        watched = server.say("run", "expenses", "--input", "who=ann", "--input", "amount=40", "--watch")
        assert watched.returncode == 0, watched.stderr
        assert "paid at once" in watched.stdout
        (run,) = said(server, "runs", "list")["data"]
        assert (run["workflow"], run["status"]) == ("expenses", "completed")
        shown = server.say("runs", "show", run["id"], "--decisions", "--events")
        assert "workflow_completed" in shown.stdout
        assert "40 <= 100" in shown.stdout


def test_an_approval_is_given_on_the_command_line_and_outlives_a_kill(tmp_path: Path) -> None:
    with up(project(tmp_path)) as server:
        started = said(server, "run", "expenses", "--data", '{"who": "ben", "amount": 400}')
        server.process.kill()
        server.process.wait()
    with up(tmp_path) as server:
        (one,) = said(server, "approvals")["data"]
        assert one["run_id"] == started["run_id"]
        wrong = server.say("approve", one["id"], "--as", "mallory")
        assert wrong.returncode == 1
        assert "may not decide" in wrong.stderr
        assert said(server, "approve", one["id"])["status"] == "completed"
        again = server.say("reject", one["id"])
        assert again.returncode == 1
        assert "local approved it" in again.stderr


def test_a_file_is_checked_published_and_started(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(
        "name: good\nsteps:\n  - {id: a, uses: core.fail, with: {code: NO, message: Not today.}}\n"
    )
    bad.write_text("name: bad\nsteps:\n  - {id: a, uses: shell.run, with: {command: [ls]}}\n")
    with up(tmp_path) as server:
        failed = server.say("run", good, "--watch")
        assert failed.returncode == 1
        assert "Not today. [NO]" in failed.stdout
        refused = server.say("run", bad)
        assert refused.returncode == 2
        assert "shell.run are off here" in refused.stderr
        assert server.say("run", "nobody").returncode == 2
        assert server.say("run", tmp_path / "none.yaml").returncode == 2


def test_a_run_is_paused_resumed_signalled_cancelled_and_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "name: w\nsteps:\n  - {id: a, uses: wait.signal, with: {signal: go}}\n  - {id: b, uses: core.echo}\n"
    )
    with up(tmp_path) as server:
        run = str(said(server, "run", str(file))["run_id"])
        assert said(server, "runs", "pause", run)["status"] == "paused"
        assert server.say("runs", "pause", run).returncode == 1
        assert said(server, "signal", run, "go", "--body", '{"n": 7}')["status"] == "paused"
        assert said(server, "runs", "resume", run)["status"] == "completed"
        assert server.say("runs", "cancel", run).returncode == 1
        other = str(said(server, "run", "w", "--request-id", "x")["run_id"])
        assert said(server, "run", "w", "--request-id", "x")["run_id"] == other
        assert said(server, "runs", "cancel", other, "--reason", "no more")["status"] == "cancelled"
        assert server.say("runs", "watch", other).returncode == 1
        assert server.say("runs", "retry", other).returncode == 1
        third = str(said(server, "run", "w")["run_id"])
        refused = server.say("runs", "delete", third)
        assert refused.returncode == 1
        assert "Cancel it first" in refused.stderr
        assert said(server, "runs", "delete", other) == {"run_id": other}
        assert server.say("runs", "show", other).returncode == 2


def test_without_a_server_the_words_say_so(tmp_path: Path) -> None:
    done = say(tmp_path, "run", "expenses")
    assert done.returncode == 3
    assert "callboard up" in done.stderr
