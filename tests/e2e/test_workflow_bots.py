"""Workflows as bots, as a user has them: a table in the settings, and a server that is killed in between."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.server import up

DOUBLE = """
name: double
steps:
  - {id: a, uses: shell.run, with: {command: [sh, -c, "echo $(( $1 * 2 ))", sh, "{{ trigger.n }}"]}}
output: {twice: "{{ steps.a.output.stdout|trim|int }}"}
"""
LISTEN = """
name: listen
steps:
  - {id: a, uses: wait.message, with: {channel: "news.*", if: item.body.n == trigger.n}}
output: {heard: "{{ steps.a.output.body.said }}"}
"""
SETTINGS = """
[workflows]
shell = {shell}
[bots.doubler]
kind = "workflow"
workflow = "double"
description = "Doubles."
[bots.listener]
kind = "workflow"
workflow = "listen"
"""


def project(folder: Path, *, programs: str = "true") -> Path:
    files = folder / "config" / "workflows"
    files.mkdir(parents=True)
    (files / "double.yaml").write_text(DOUBLE, "utf-8")
    (files / "listen.yaml").write_text(LISTEN, "utf-8")
    (folder / "config" / "callboard.toml").write_text(SETTINGS.format(shell=programs), "utf-8")
    return folder


def test_a_workflow_is_asked_like_a_bot(tmp_path: Path) -> None:
    with up(project(tmp_path)) as server:
        asked = server.say("ask", "doubler", '{"n": 21}', "--type", "job")
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout) == {"twice": 42}
        listed = server.say("bots", "list").stdout
        assert "doubler\tworkflow\trunning" in listed
        shown = server.say("bots", "remove", "doubler")
        assert shown.returncode != 0
        assert "take it out of bots/ or the configuration" in shown.stderr


def test_what_a_run_waits_for_is_heard_after_a_kill_and_its_reply_is_sent(tmp_path: Path) -> None:
    with up(project(tmp_path)) as server:
        assert server.say("send", "listener", '{"n": 5}', "--type", "job").returncode == 0
        server.process.kill()
        server.process.wait()
    with up(tmp_path) as server:
        for number in (4, 5):
            body = json.dumps({"n": number, "said": f"number {number}"})
            assert server.say("send", "#news.home", body, "--type", "item").returncode == 0
        asked = server.say("ask", "listener", '{"n": 6}', "--type", "job", "--within", "1s")
        assert asked.returncode != 0
        told = server.say("audit", "local", "listener").stdout
        assert '{"heard":"number 5"}' in told
        assert told.count("completed") == 1
        assert server.say("doctor").returncode == 0


def test_where_programs_are_off_their_workflow_is_not_published_and_the_bot_says_so(tmp_path: Path) -> None:
    with up(project(tmp_path, programs="false")) as server:
        asked = server.say("ask", "doubler", '{"n": 21}', "--type", "job", "--within", "2s")
        assert asked.returncode != 0
        assert "There is no workflow double" in asked.stderr
        checked = server.say("check", tmp_path / "config" / "workflows")
        assert "write shell = true under [workflows]" in checked.stdout
