"""Templates as a user has them: files of the folder, a step, the command line, and a workflow made of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.server import Server, up
from tests.unit.templates.material import LETTERS, WATCH

WRITE = """
name: write
steps:
  - id: letter
    uses: template.render
    with: {template: letters, document: welcome, answers: "{{ trigger }}"}
output: {body: "{{ steps.letter.output.body }}", version: "{{ steps.letter.output.metadata.version }}"}
"""


def said(server: Server, *words: str | Path) -> Any:
    done = server.say(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(server: Server, *words: str | Path) -> str:
    done = server.say(*words)
    assert done.returncode in {1, 2}, done.stdout
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def output(server: Server, customer: str) -> Any:
    done = server.say("run", "write", "--data", json.dumps({"customer": customer}), "--watch", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (newest, *_) = said(server, "runs", "list")["data"]
    return said(server, "runs", "show", newest["id"])["output"]


def project(folder: Path) -> Path:
    for kind in ("templates", "workflows"):
        (folder / "config" / kind).mkdir(parents=True)
    (folder / "config" / "templates" / "letters.yaml").write_text(LETTERS, "utf-8")
    (folder / "config" / "templates" / "watch.yaml").write_text(WATCH, "utf-8")
    (folder / "config" / "templates" / "faulty.yaml").write_text("name: faulty\ndocuments: {d: {}}")
    (folder / "config" / "workflows" / "write.yaml").write_text(WRITE, "utf-8")
    return folder


def test_documents_are_written_by_runs_and_by_hand(tmp_path: Path) -> None:
    """A new version is used at once, and stays the active one across a restart with the old file."""
    file = tmp_path / "next.yaml"
    file.write_text(LETTERS.replace("Dear", "Hello"), "utf-8")
    with up(project(tmp_path)) as server:
        assert "template.not_published" in server.events()
        assert [row["name"] for row in said(server, "template", "list")["data"]] == ["letters", "watch"]
        assert output(server, "{{ 7*7 }} é") == {"body": "Dear {{ 7*7 }} é, 7.\n\n", "version": 1}
        assert said(server, "template", "publish", file)["version"] == 2
        assert output(server, "Ann") == {"body": "Hello Ann, 7.\n\n", "version": 2}
        words = ("template", "render", "letters", "welcome", "--version", "1")
        assert server.say(*words, "--answer", "customer=Ann").stdout == "Dear Ann, 7.\n\n"
        assert "answers.customer: it is missing" in refused(server, *words, "--answer", "custmer=Ann")
        file.write_text("name: letters\ndocuments: {d: {}}", "utf-8")
        assert f"callboard template check {file}" in refused(server, "template", "publish", file)
    with up(tmp_path) as server:
        assert output(server, "Ben") == {"body": "Hello Ben, 7.\n\n", "version": 2}
        report = json.loads(server.say("doctor", "--full", "--json").stdout)
        (wrong,) = [one for one in report["checks"] if not one["ok"]]
        assert (wrong["name"], "faulty.yaml" in wrong["detail"]) == ("files", True)


def test_a_workflow_is_made_of_a_template_and_runs(tmp_path: Path) -> None:
    with up(project(tmp_path)) as server:
        words = ("template", "instantiate", "watch", "--config", "folder=claims")
        made = said(server, *words, "--config", "tags=[1]")
        assert (made["name"], made["revision"], made["ok"]) == ("watch-claims", 1, True)
        assert "There is a workflow watch-claims already" in refused(server, *words)
        assert said(server, *words, "--name", "mine")["name"] == "mine"
        assert "config.folder: it is missing" in refused(server, *words[:3], "--name", "other")
        assert "which the workflow would render" in refused(server, *words[:3], "--config", "folder={{ x }}")
        assert said(server, "workflow", "publish", "watch-claims")["version"] == 1
        done = server.say("run", "watch-claims", "--input", "who=Ann", "--watch")
        assert done.returncode == 0, done.stdout + done.stderr
