"""Drafts, versions and the archive as a user has them: a server, the command line, and what it prints."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from callboard.folder import DataFolder
from callboard.web.client import Client
from tests.e2e.server import Server, up

ONE = """
name: sleeper
steps:
  - {id: nap, uses: wait.signal, with: {signal: up}}
  - {id: first, uses: core.echo, with: {message: one}}
output: {said: "{{ steps.first.output.echo }}"}
"""
TWO = ONE.replace("first", "second").replace("one", "two")


def said(server: Server, *words: str | Path) -> dict[str, Any]:
    done = server.say(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(server: Server, *words: str | Path) -> str:
    done = server.say(*words)
    assert done.returncode in {1, 2}, done.stdout
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def steps(server: Server, run: str) -> list[str]:
    return [row["step"] for row in said(server, "runs", "show", run)["steps"]]


def test_a_run_keeps_to_its_version_whatever_becomes_of_its_workflow(tmp_path: Path) -> None:
    """Another version is published while it sleeps, the workflow is archived, and the server is killed."""
    file = tmp_path / "sleeper.yaml"
    file.write_text(ONE)
    with up(tmp_path) as server:
        said(server, "workflow", "publish", file)
        sleeper = said(server, "run", "sleeper")["run_id"]
        file.write_text(TWO)
        assert said(server, "workflow", "publish", file)["version"] == 2
        younger = said(server, "run", "sleeper")["run_id"]
        assert said(server, "workflow", "archive", "sleeper", "--reason", "no use")["status"] == "archived"
        assert "archived (no use): no run of it starts" in refused(server, "run", "sleeper")
        assert "archived" in refused(server, "run", "sleeper", "--version", "1")
        server.process.kill()
        server.process.wait()
    with up(tmp_path) as server:
        for run, version, last in ((sleeper, 1, "first"), (younger, 2, "second")):
            assert said(server, "signal", run, "up")["status"] == "completed"
            shown = said(server, "runs", "show", run)
            assert (shown["version"], steps(server, run)) == (version, ["nap", last])
            assert shown["output"] == {"said": {"first": "one", "second": "two"}[last]}
        assert "archived" in refused(server, "run", "sleeper")
        assert "archived" in refused(server, "runs", "fork", sleeper, "--from", "first")
        assert said(server, "workflow", "reactivate", "sleeper", "--version", "1")["version"] == 1
        assert said(server, "run", "sleeper")["version"] == 1


def test_a_draft_is_written_corrected_compared_and_published(tmp_path: Path) -> None:
    file = tmp_path / "sleeper.yaml"
    with up(tmp_path) as server:
        file.write_text(ONE.replace("core.echo", "core.ecko"))
        saved = said(server, "workflow", "draft", "save", file)
        assert (saved["revision"], saved["ok"]) == (1, False)
        assert "did you mean core.echo?" in "".join(fault["message"] for fault in saved["faults"])
        assert server.say("workflow", "draft", "check", "sleeper").returncode == 1
        assert "core.ecko" in refused(server, "workflow", "publish", "sleeper")
        assert "it is a draft" in refused(server, "run", "sleeper")
        file.write_text(ONE)
        assert "revision 1" in refused(server, "workflow", "draft", "save", file)
        said(server, "workflow", "draft", "save", file, "--revision", "1")
        assert said(server, "workflow", "publish", "sleeper")["version"] == 1
        file.write_text(TWO)
        said(server, "workflow", "draft", "save", file)
        shown = server.say("workflow", "diff", "sleeper").stdout.splitlines()
        assert shown[:2] == ["--- sleeper, version 1", "+++ sleeper, draft 5"]
        assert "+  - id: second" in shown
        assert "its draft can be dropped" in refused(server, "workflow", "delete", "sleeper")
        assert said(server, "workflow", "publish", "sleeper", "--no-activate")["activated"] is False
        listed = said(server, "workflow", "list")["data"]
        assert [(row["name"], row["version"], row["versions"], row["draft"]) for row in listed] == [
            ("sleeper", 1, 2, 0)
        ]
        assert said(server, "workflow", "activate", "sleeper", "2")["version"] == 2
        yaml = server.say("workflow", "show", "sleeper", "--yaml").stdout
        file.write_text(yaml)
        assert said(server, "workflow", "publish", file)["created"] is False, "the same content"


def test_the_folder_does_not_undo_what_an_operator_did(tmp_path: Path) -> None:
    """A server that starts again leaves what was rolled back and what was archived, and says so."""
    file = tmp_path / "config" / "workflows" / "sleeper.yaml"
    file.parent.mkdir(parents=True)
    for version, text in ((1, ONE), (2, TWO)):
        file.write_text(text)
        with up(tmp_path) as server:
            assert said(server, "workflow", "show", "sleeper")["version"] == version
    with up(tmp_path) as server:
        said(server, "workflow", "activate", "sleeper", "1")
    with up(tmp_path) as server:
        assert said(server, "workflow", "show", "sleeper")["version"] == 1
        (line,) = [one for one in server.lines() if one["event"] == "workflow.not_running"]
        assert line["code"] == "VERSION_NOT_ACTIVE"
        said(server, "workflow", "archive", "sleeper")
    file.write_text(TWO.replace("two", "three"))
    with up(tmp_path) as server:
        (line,) = [one for one in server.lines() if one["event"] == "workflow.not_running"]
        assert line["code"] == "WORKFLOW_ARCHIVED"
        shown = said(server, "workflow", "show", "sleeper")
        assert (shown["status"], shown["version"], shown["versions"]) == ("archived", 1, 3)


def test_twenty_who_publish_the_same_at_once_get_one_version(tmp_path: Path) -> None:
    """Each on a connection of his own, each with the file in a spelling of his own."""

    def publish(number: int) -> tuple[int, bool]:
        with Client.find(DataFolder(tmp_path / "data")) as client:
            done = client.workflows.publish(f"# {number}\n{ONE}\n" + "\n" * number)
        return done.version, done.created

    with up(tmp_path) as server, ThreadPoolExecutor(20) as callers:
        done = list(callers.map(publish, range(20)))
        assert sorted(done) == [(1, False)] * 19 + [(1, True)]
        assert len(said(server, "workflow", "versions", "sleeper")["data"]) == 1
