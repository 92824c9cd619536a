"""The story of a run over HTTP and on the command line: its pages, its family, how it stood, its forks."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from callboard.web.client import Client
from tests.e2e.server import Server, up

CLAIMS = """
name: claims
vars: {limit: 500}
steps:
  - {id: fetch, uses: core.echo, with: {message: "{{ trigger.n }}"}}
  - id: note
    needs: [fetch]
    uses: core.set
    with: {text: "{{ 'x' * 2000 }}"}
    next:
      - {to: small, if: "trigger.n < vars.limit"}
      - {to: wait}
    route: first
  - {id: small, uses: core.fail, with: {code: "NO", message: Not today.}}
  - {id: wait, uses: wait.signal, with: {signal: go}}
  - {id: done, needs: [wait], uses: core.echo, with: {message: "{{ vars.text }}"}}
"""
FAMILY = """
name: family
steps:
  - {id: ask, uses: workflow, with: {name: claims, input: {n: 900}}}
"""
MODES = """
name: {mode}
context: {mode}
steps:
  - {{id: a, uses: core.echo, with: {{message: "{{{{ 'x' * 2000 }}}}"}}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("story")
    folder = project / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "claims.yaml").write_text(CLAIMS)
    (folder / "family.yaml").write_text(FAMILY)
    for mode in ("full", "keys", "summary"):
        (folder / f"{mode}.yaml").write_text(MODES.format(mode=mode))
    with up(project) as server:
        yield server


def client(server: Server) -> Client:
    return Client(server.url, (server.project / "data" / "door.key").read_text().strip())


def ask(server: Server, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
    key = (server.project / "data" / "door.key").read_text().strip()
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(verb, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data)


def start(server: Server, workflow: str = "claims", n: int = 900) -> str:
    status, started = ask(server, "POST", f"/workflows/{workflow}/runs", {"input": {"n": n}})
    assert status == 202, started
    return str(started["run_id"])


def test_the_story_comes_in_pages_that_go_on_where_they_ended(server: Server) -> None:
    run = start(server)
    for what in ("steps", "events", "decisions"):
        _, whole = ask(server, "GET", f"/runs/{run}/{what}")
        assert whole["next"] is None
        assert len(whole["data"]) >= 2
        found: list[Any] = []
        after = ""
        while True:
            _, page = ask(server, "GET", f"/runs/{run}/{what}?limit=1{after}")
            found += page["data"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == whole["data"], what
        last = whole["data"][-1]["position"]
        assert ask(server, "GET", f"/runs/{run}/{what}?after={last}")[1] == {"data": [], "next": None}


@pytest.mark.parametrize("what", ["steps", "events", "decisions", "tree", "at/1", "stream"])
def test_what_belongs_to_no_run_is_not_found(server: Server, what: str) -> None:
    assert ask(server, "GET", f"/runs/01920000-0000-7000-8000-000000000000/{what}")[0] == 404
    assert ask(server, "GET", f"/runs/seven/{what}")[0] == 400


def test_a_run_is_shown_as_it_stood_at_every_position_of_it(server: Server) -> None:
    run = start(server)
    _, events = ask(server, "GET", f"/runs/{run}/events")
    before: dict[str, str] = {}
    for event in events["data"]:
        status, then = ask(server, "GET", f"/runs/{run}/at/{event['position']}")
        assert (status, then["position"]) == (200, event["position"])
        assert [one["step"] for one in then["steps"]] == ["fetch", "note", "small", "wait", "done"]
        now = {one["step"]: one["status"] for one in then["steps"]}
        told = event["data"]
        match event["type"]:
            case "workflow_started":
                assert (then["ready"], then["vars"]) == (["fetch"], {"limit": 500})
            case "step_completed":
                assert (before[told["step"]], now[told["step"]]) == ("running", "completed")
            case "context_updated":
                assert then["vars"]["text"] == "x" * 2000
            case "step_waiting":
                assert [one["waits_for"] for one in then["steps"] if one["step"] == "wait"] == ["signal"]
        before = now
    first = events["data"][0]["position"]
    assert ask(server, "GET", f"/runs/{run}/at/{first - 1}")[0] == 404
    assert ask(server, "GET", f"/runs/{run}/at/99999999")[1]["code"] == "POSITION_UNKNOWN"
    assert ask(server, "GET", f"/runs/{run}/at/x")[0] == 400


def test_the_context_is_shown_as_the_workflow_says(server: Server) -> None:
    shown = {}
    for mode in ("full", "keys", "summary"):
        run = start(server, mode)
        _, found = ask(server, "GET", f"/runs/{run}?include=context")
        assert found["context"]["mode"] == mode
        shown[mode] = (found["context"]["trigger"], found["context"]["steps"]["a"]["output"])
    assert shown["full"][1] == {"bytes": 2011, "value": {"echo": "x" * 2000}, "left_out": False}
    assert shown["summary"][0] == {"bytes": 9, "value": {"n": 900}, "left_out": False}
    assert shown["summary"][1] == {"bytes": 2011, "value": None, "left_out": True}
    assert shown["keys"][0] == {"bytes": 9, "value": None, "left_out": True}


def test_a_family_is_shown_as_a_tree(server: Server) -> None:
    run = start(server, "family")
    found: Any = {"root": {"children": []}}
    ends = time.monotonic() + 30
    while not found["root"]["children"] and time.monotonic() < ends:
        _, found = ask(server, "GET", f"/runs/{run}/tree")
    (child,) = found["root"]["children"]
    assert (child["step"], child["run"]["workflow"], child["run"]["parent"]) == ("ask", "claims", run)
    assert (child["children"], found["cut"]) == ([], False)
    shown = server.say("runs", "tree", run)
    assert f"  ask: run {child['run']['id']} of claims 1 is running" in shown.stdout


def test_a_run_is_forked_over_http(server: Server) -> None:
    run = start(server)
    status, forked = ask(server, "POST", f"/runs/{run}/fork", {"from": "wait", "request_id": f"f-{run}"})
    assert status == 202, forked
    status, again = ask(server, "POST", f"/runs/{run}/fork", {"from": "wait", "request_id": f"f-{run}"})
    assert (status, again["run_id"], again["repeated"]) == (200, forked["run_id"], True)
    _, found = ask(server, "GET", f"/runs/{forked['run_id']}?include=steps")
    assert found["forked_from"] == run
    assert [(one["step"], one["status"], one["taken_from"]) for one in found["steps"]] == [
        ("fetch", "completed", run),
        ("note", "completed", run),
        ("wait", "waiting", None),
    ]
    _, second = ask(server, "GET", f"/runs/{forked['run_id']}/steps?after={found['position']}")
    assert [one["step"] for one in second["data"]] == ["wait"]
    for body, code, word in (
        ({"from": "wiat"}, 400, "did you mean wait"),
        ({"from": "done"}, 409, "wait, which comes before it"),
        ({"from": "small"}, 409, "leads elsewhere"),
        ({}, 400, "from"),
    ):
        status, refused = ask(server, "POST", f"/runs/{run}/fork", body)
        assert (status, word in refused["detail"]) == (code, True), refused


def test_a_run_of_an_archived_workflow_is_not_forked(server: Server) -> None:
    run = start(server, "keys")
    assert ask(server, "POST", "/workflows/keys/archive", {})[0] in {200, 202}
    status, refused = ask(server, "POST", f"/runs/{run}/fork", {"from": "a"})
    assert (status, refused["code"]) == (400, "WORKFLOW_INACTIVE")


def test_a_fork_is_made_watched_and_explained_on_the_command_line(server: Server) -> None:
    run = start(server, n=5)
    done = server.say("runs", "fork", run, "--from", "note", "--data", '{"n": 900}', "--json")
    other = json.loads(done.stdout)["run_id"]
    assert server.say("signal", other, "go").returncode == 0
    watched = server.say("runs", "watch", other)
    assert watched.returncode == 0
    assert watched.stdout.splitlines()[0] == "fetch  attempt 1  completed  taken over"
    assert "taken over" in server.say("runs", "show", other).stdout
    why = server.say("runs", "why", other, "--step", "wait").stdout
    assert f"run:{run}" in why
    decided = [line.split("\t")[1:3] for line in why.splitlines() if "\t" in line]
    assert decided == [["note", "wait"], ["wait", "done"]]
    assert server.say("runs", "fork", run, "--from", "fitch").returncode == 2


def test_a_run_is_shown_as_it_stood_on_the_command_line(server: Server) -> None:
    run = start(server)
    with client(server) as asking:
        position = asking.read_run(run).position
    shown = server.say("runs", "show", run, "--at", str(position)).stdout
    assert f"was pending at position {position}" in shown
    assert "fetch\t1\t0\tpending\tready" in shown
    assert "context (summary" in server.say("runs", "show", run, "--context").stdout
    assert server.say("runs", "show", run, "--at", "99999999").returncode == 2
