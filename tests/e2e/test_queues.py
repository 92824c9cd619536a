"""Concurrency keys and links as users see them: a queue, a refusal that says why, and who made what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.errors import ConcurrencyLimit, NotFound
from callboard.folder import DataFolder
from callboard.web.client import Client
from callboard.web.runs import StartRequest
from tests.e2e.server import up

FLOW = """
name: {rule}
concurrency: {{key: "{{{{ trigger.k }}}}", limit: 1, on_limit: {rule}}}
steps:
  - {{id: a, uses: wait.signal, with: {{signal: go}}}}
"""


MAKE = """
name: make
steps:
  - {id: a, uses: resource.link, with: {system: jira, type: issue, id: "{{ trigger.id }}", how: created}}
  - {id: b, uses: resource.link, with: {system: jira, type: board, id: main}}
"""


def test_what_runs_made_is_found_over_http(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "make.yaml").write_text(MAKE)
    with up(tmp_path) as server, Client.find(DataFolder(tmp_path / "data")) as client:
        for number in range(3):
            assert server.say("run", "make", "--watch", "--input", f"id={number}").returncode == 0
        again = server.say("run", "make", "--watch", "--input", "id=1")
        assert again.returncode == 1
        assert "RESOURCE_EXISTS" in again.stdout + again.stderr
        (made,) = client.story.links(system="jira", type="issue", id="1").data
        assert (made.how, made.step, made.workflow) == ("created", "a", "make")
        assert [one.type for one in client.story.run_links(made.run_id).data] == ["issue", "board"]
        pages, after = [], None
        while True:
            page = client.story.links(system="jira", after=after, limit=2)
            pages.append(len(page.data))
            after = page.next
            if after is None:
                break
        assert pages == [2, 2, 2]
        with pytest.raises(NotFound):
            client.story.run_links("0190a000-0000-7000-8000-000000000000")


def test_a_queue_is_seen_and_a_refusal_names_the_run_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    for rule in ("queue", "reject"):
        (folder / f"{rule}.yaml").write_text(FLOW.format(rule=rule))
    request = StartRequest(input={"k": "ann"})
    with up(tmp_path) as server, Client.find(DataFolder(tmp_path / "data")) as client:
        one, two, three = (client.start_run("queue", request).run_id for _ in range(3))
        found = client.read_run(three)
        assert (found.status, found.queued, found.concurrency_key) == ("pending", True, "ann")
        assert found.queue is not None
        assert (found.queue.place, found.queue.behind, found.queue.holders) == (2, two, [one])
        assert "pending (queued)" in server.say("runs", "list").stdout
        for word in ("show", "why"):
            told = server.say("runs", word, three).stdout
            assert "is pending (queued)" in told
            assert f'number 2 in the queue with the concurrency key "ann", behind run {two}' in told
        assert json.loads(server.say("doctor", "--full", "--json").stdout)["ok"]
        client.cancel_run(two, "")
        client.cancel_run(one, "")
        server.say("signal", three, "go")
        assert client.read_run(three).queue is None
        assert "queued" not in server.say("runs", "list").stdout

        first = client.start_run("reject", request).run_id
        with pytest.raises(ConcurrencyLimit, match=f"run {first} has not ended") as caught:
            client.start_run("reject", request)
        assert caught.value.details["holder"] == first
        refused = server.say("run", "reject", "--json", "--input", "k=ann")
        assert refused.returncode == 1
        assert "CONCURRENCY_LIMIT" in refused.stdout + refused.stderr
