"""Following a run as server-sent events: by whom it is read, how slowly, and how often he goes away."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from callboard.desk.inbox import STILL_HERE
from callboard.errors import NotFound, ServerUnreachable
from callboard.web import runs
from callboard.web.client import Client
from callboard.web.follower import follow_run
from tests.e2e.server import Server, up

ROUNDS = """
name: rounds
steps:
  - {id: a, uses: core.echo, with: {message: "{{ run.id }}"}}
  - id: b
    uses: core.echo
    with: {message: "{{ steps.a.output.echo * 150 }}"}
    again: {to: a, if: "steps.b.iteration < trigger.rounds", max: 1000}
  - {id: c, uses: wait.signal, with: {signal: go}}
"""
FAILS = """
name: fails
steps:
  - {id: a, uses: wait.signal, with: {signal: go}}
  - {id: b, uses: core.fail, with: {code: "NO", message: Not today.}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("following")
    folder = project / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "rounds.yaml").write_text(ROUNDS)
    (folder / "fails.yaml").write_text(FAILS)
    with up(project) as server:
        yield server


def key(server: Server) -> str:
    return (server.project / "data" / "door.key").read_text().strip()


def ask(server: Server, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {key(server)}", "Content-Type": "application/json"}
    connection.request(verb, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if data else None


def start(server: Server, workflow: str, **given: Any) -> str:
    status, started = ask(server, "POST", f"/workflows/{workflow}/runs", {"input": given})
    assert status == 202, started
    return str(started["run_id"])


def give(server: Server, run: str) -> None:
    assert ask(server, "POST", f"/runs/{run}/signal", {"name": "go"})[0] == 202


class Reader:
    """One connection to a stream, read byte by byte if need be."""

    def __init__(self, server: Server, path: str, last: str = "") -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        headers = {"Authorization": f"Bearer {key(server)}"}
        if last:
            headers["Last-Event-ID"] = last
        self._connection.request("GET", f"/api/v1{path}", headers=headers)
        self.answer = self._connection.getresponse()

    def events(self) -> Iterator[dict[str, str]]:
        """Yield whole events; what is cut off in the middle is none."""
        fields: dict[str, str] = {}
        while line := self.answer.readline():
            text = line.decode()
            if text == "\n":
                if "data" in fields:
                    yield fields
                fields = {}
            elif not text.startswith(":"):
                name, _, value = text.rstrip("\n").partition(": ")
                fields[name] = value

    def hang_up(self) -> None:
        self.answer.close()
        self._connection.close()


def read(server: Server, path: str, last: str = "") -> tuple[int, list[dict[str, str]]]:
    """Return the status of a stream that ends by itself, and all its events."""
    reader = Reader(server, path, last)
    found = list(reader.events())
    reader.hang_up()
    return reader.answer.status, found


def test_a_slow_reader_who_goes_away_ten_times_sees_every_event_once_and_one_end(server: Server) -> None:
    run = start(server, "rounds", rounds=1000)
    luck = random.Random(7)
    seen: list[dict[str, str]] = []
    last = ""
    for part in range(10):
        reader = Reader(server, f"/runs/{run}/stream", last)
        assert reader.answer.getheader("Content-Type") == "text/event-stream"
        for count, event in enumerate(reader.events()):
            seen.append(event)
            last = event["id"]
            if count == 400:
                break
        if part % 2:
            reader.answer.read(luck.randrange(1, 80))  # in the middle of an event
        reader.hang_up()
    give(server, run)
    reader = Reader(server, f"/runs/{run}/stream", last)
    seen += reader.events()
    reader.hang_up()
    assert len(seen) >= 5_000
    told = [json.loads(event["data"]) for event in seen]
    assert [one["version"] for one in told] == list(range(1, len(seen) + 1)), (
        "each once, in order, with no gap"
    )
    assert [event["id"].partition("@")[0] for event in seen] == [str(one["position"]) for one in told]
    assert [event.get("event") for event in seen[:-1]] == [None] * (len(seen) - 1)
    assert (seen[-1]["event"], told[-1]["type"]) == ("end", "workflow_completed")
    assert read(server, f"/runs/{run}/stream", seen[-1]["id"]) == (204, [])
    assert read(server, f"/runs/{run}/stream?after={told[-2]['position']}") == (200, seen[-1:])


def test_readers_who_wait_are_told_as_it_happens(server: Server) -> None:
    run = start(server, "rounds", rounds=1)
    readers = [Reader(server, f"/runs/{run}/stream") for _ in range(20)]
    streams = [reader.events() for reader in readers]
    for stream in streams:
        while json.loads(next(stream)["data"])["type"] != "step_waiting":
            pass
    began = time.monotonic()
    give(server, run)
    for stream in streams:
        rest = [json.loads(event["data"])["type"] for event in stream]
        assert rest[-1] == "workflow_completed"
    assert time.monotonic() - began < STILL_HERE * 0.7, "they looked when it was time to, and were not told"
    for reader in readers:
        reader.hang_up()


def test_a_run_that_is_opened_again_has_an_end_for_each_time_and_the_stream_closes_after_the_last(
    server: Server,
) -> None:
    run = start(server, "fails")
    give(server, run)
    _, first = read(server, f"/runs/{run}/stream")
    assert [event.get("event") for event in first].count("end") == 1
    assert ask(server, "POST", f"/runs/{run}/retry", {})[0] == 202
    _, second = read(server, f"/runs/{run}/stream", first[-1]["id"])
    assert json.loads(second[0]["data"])["type"] == "reopened"
    assert [event.get("event") for event in second].count("end") == 1
    _, whole = read(server, f"/runs/{run}/stream")
    assert whole == first + second
    assert [event.get("event") for event in whole].count("end") == 2


def test_what_is_no_place_and_what_is_no_run_is_refused(server: Server) -> None:
    run = start(server, "rounds", rounds=1)
    for last, status in (("x", 400), ("7@another-log", 400), ("999999999", 400)):
        assert read(server, f"/runs/{run}/stream", last)[0] == status
    nobody = "01920000-0000-7000-8000-000000000000"
    assert read(server, f"/runs/{nobody}/stream")[0] == 404
    assert read(server, "/runs/seven/stream")[0] == 400


class Cutter:
    """Stands between a reader and the server, and cuts each connection after some bytes, wherever that is."""

    def __init__(self, server: Server, luck: random.Random, most: int) -> None:
        self.behind = server.url
        self._luck = luck
        self._most = most
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            while True:
                caller, _ = self._listening.accept()
                self._connect(caller)

    def _connect(self, caller: socket.socket) -> None:
        house = urlsplit(self.behind)
        place = (house.hostname or "", house.port or 0)
        with caller, contextlib.suppress(OSError), socket.create_connection(place) as behind:
            self._carry(caller, behind)

    def _carry(self, caller: socket.socket, house: socket.socket) -> None:
        house.sendall(caller.recv(65_536))
        left = self._luck.randrange(1, self._most)
        while left and (data := house.recv(min(left, 65_536))):
            caller.sendall(data)
            left -= len(data)
        self.cuts += not left

    def close(self) -> None:
        self._listening.close()


def test_the_client_comes_back_by_itself_and_tells_each_fact_once(server: Server) -> None:
    run = start(server, "rounds", rounds=1000)
    give(server, run)
    cutter = Cutter(server, random.Random(3), 400_000)
    client = Client(cutter.url, key(server))
    told = [fact.version for fact in follow_run(client, run)]
    cutter.close()
    assert cutter.cuts >= 10
    assert told == list(range(1, len(told) + 1))
    assert len(told) >= 5_000


def test_the_client_goes_on_when_the_server_was_killed_and_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "rounds.yaml").write_text(ROUNDS)
    told: list[runs.EventRow] = []
    with up(tmp_path) as first:
        run = start(first, "rounds", rounds=1)
        between = Cutter(first, random.Random(1), 1 << 40)
        facts = follow_run(Client(between.url, key(first)), run)
        while not told or told[-1].type != "step_waiting":
            told.append(next(facts))
        first.process.kill()
        first.process.wait()
    rest = threading.Thread(target=lambda: told.extend(facts))
    rest.start()
    with up(tmp_path) as second:
        between.behind = second.url
        give(second, run)
        rest.join(30)
    between.close()
    assert told[-1].type == "workflow_completed"
    assert [fact.version for fact in told] == list(range(1, len(told) + 1))


def test_the_client_says_what_the_server_refuses_and_gives_up_on_one_that_is_gone(server: Server) -> None:
    client = Client(server.url, key(server))
    with pytest.raises(NotFound):
        next(follow_run(client, "01920000-0000-7000-8000-000000000000"))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(ServerUnreachable):
        next(follow_run(Client(f"http://127.0.0.1:{port}", "key"), "x", patience=0.1))


def test_the_log_is_followed_too(server: Server) -> None:
    _, health = ask(server, "GET", "/health")
    reader = Reader(server, f"/log/stream?after={health['head']}")
    run = start(server, "rounds", rounds=1)
    row = json.loads(next(reader.events())["data"])
    assert (row["type"], row["subject"]) == ("workflow_started", f"run:{run}")
    reader.hang_up()


def test_streams_are_closed_in_order_when_the_server_ends(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "rounds.yaml").write_text(ROUNDS)
    with up(tmp_path) as server:
        run = start(server, "rounds", rounds=1)
        readers = [Reader(server, f"/runs/{run}/stream"), Reader(server, "/log/stream")]
        found: list[list[dict[str, str]]] = []
        threads = [
            threading.Thread(target=lambda one=one: found.append(list(one.events()))) for one in readers
        ]
        for thread in threads:
            thread.start()
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(20) == 0
        for thread in threads:
            thread.join(20)
        for reader in readers:
            reader.hang_up()
        assert len(found) == 2, "a stream broke off instead of ending"
        assert all(event.get("event") != "end" for one in found for event in one)
