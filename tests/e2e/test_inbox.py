"""A real server, and bots and persons outside it: over HTTP, on the command line, and in JavaScript."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.folder import DataFolder
from tests.e2e.server import CALLBOARD, Server, environment, up

ECHO = Path(__file__).parents[2] / "examples" / "echo.mjs"

BOTS = '''
from callboard import Body, Bot, Turn, every, on


class Text(Body):
    text: str


class Clerk(Bot):
    """Answers what it is asked, in capitals."""

    @on(Text)
    async def answer(self, said: Text, turn: Turn) -> None:
        turn.reply(Text(text=said.text.upper()))

    @every("1h")
    async def tidy(self, turn: Turn) -> None:
        pass
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("project")
    (project / "bots").mkdir()
    (project / "bots" / "clerk.py").write_text(BOTS)
    with up(project) as found:
        yield found


def ask(
    server: Server, verb: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Ask the door as any program would."""
    connection, key = connect(server)
    headers |= {"Authorization": f"Bearer {key}"}
    try:
        connection.request(verb, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def connect(server: Server) -> tuple[http.client.HTTPConnection, str]:
    host = server.url.removeprefix("http://")
    return http.client.HTTPConnection(host, timeout=70), DataFolder(server.project / "data").key()


def said(server: Server, *words: str) -> Any:
    """Run a command that must succeed, and return what it says as JSON."""
    done = server.say(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(true: Callable[[], object], within: float = 20.0) -> None:
    """Wait until something holds, which is so when another process has done it."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def declare(server: Server, name: str, kind: str = "outside", **more: object) -> str:
    status, made = ask(server, "POST", "/bots", {"name": name, "kind": kind, **more})
    assert (status, made["kind"], made["state"]) == (201, kind, "running")
    return f"/bots/{name}"


def tell(server: Server, to: str, text: str) -> int:
    body = {"to": to, "type": "text", "body": {"text": text}}
    status, sent = ask(server, "POST", "/messages", body)
    assert status == 202
    return int(sent["position"])


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────


def test_one_reads_acknowledges_and_replies_over_http(server: Server) -> None:
    bot = declare(server, "http-one", subscribes=["http.*"])
    first = tell(server, "http-one", "a")
    ask(server, "POST", "/messages", {"channel": "http.news", "type": "text", "body": {"text": "b"}})
    _, page = ask(server, "GET", f"{bot}/inbox")
    assert [(one["body"]["text"], one["channel"]) for one in page["data"]] == [
        ("a", None),
        ("b", "http.news"),
    ]
    reply = {"reply_to": page["data"][0]["id"], "type": "text", "body": {"text": "done"}}
    ack = {"up_to": first, "messages": [reply]}
    status, done = ask(server, "POST", f"{bot}/ack", ack)
    assert (status, done["settled"], done["repeated"], len(done["sent"])) == (200, 1, False, 1)
    assert ask(server, "POST", f"{bot}/ack", ack)[1]["repeated"]
    rows = said(server, "audit", "local", "http-one")["data"]
    assert [(row["sender"], row["body"]["text"], row["cause"]) for row in rows] == [
        ("local", "a", None),
        ("local", "b", None),
        ("http-one", "done", first),
    ]
    assert ask(server, "POST", f"{bot}/ack", {"up_to": page["next"]})[1]["settled"] == 1
    assert ask(server, "GET", f"{bot}/inbox")[1] == {"data": [], "next": None, "held_until": None}


def test_what_is_wrong_at_the_door_is_said_and_loses_nothing(server: Server) -> None:
    bot = declare(server, "wrong")
    position = tell(server, "wrong", "a")
    cases: list[tuple[str, str, object, int, str]] = [
        ("POST", f"{bot}/ack", {"up_to": position}, 409, "NOT_SERVED"),
        ("POST", f"{bot}/ack", {"up_to": f"{position}@other"}, 400, "POSITION_UNKNOWN"),
        ("GET", f"{bot}/inbox?after={position}@other", None, 400, "POSITION_UNKNOWN"),
        ("GET", "/bots/nobody/inbox", None, 404, "NOT_FOUND"),
        ("GET", "/bots/clerk/inbox", None, 409, "CONFLICT"),
        ("GET", "/bots/clerk/inbox/stream", None, 409, "CONFLICT"),
        ("POST", "/bots/clerk/ack", {"up_to": 1}, 409, "CONFLICT"),
        ("POST", "/bots", {"name": "clerk", "kind": "outside"}, 409, "CONFLICT"),
        ("POST", "/bots", {"name": "wrong", "kind": "person"}, 409, "CONFLICT"),
        ("POST", "/bots", {"name": "new", "kind": "llm"}, 400, "KIND_UNAVAILABLE"),
        ("POST", "/bots", {"name": "local", "kind": "person"}, 400, "NAME_INVALID"),
        ("DELETE", "/bots/clerk", None, 409, "CONFLICT"),
        ("DELETE", "/bots/nobody", None, 404, "NOT_FOUND"),
    ]
    for verb, path, body, status, code in cases:
        found = ask(server, verb, path, body)
        assert (found[0], found[1]["code"]) == (status, code), path
        assert "?." not in found[1]["detail"]
    speaking = {"to": "wrong", "type": "text", "body": {}}
    assert ask(server, "POST", "/bots/clerk/messages", speaking)[0] == 409
    _, page = ask(server, "GET", f"{bot}/inbox")
    assert [one["position"] for one in page["data"]] == [position]
    for message, status in (
        ({"to": "nobody", "type": "text", "body": {}}, 404),
        ({"to": "clerk", "type": "text", "body": {"x": "y" * 300_000}}, 413),
        ({"to": "clerk", "type": "text", "body": {}, "headers": {"max-hops": "many"}}, 400),
        ({"to": "clerk", "type": "text", "body": {}, "headers": {"own": "y" * 20_000}}, 413),
    ):
        assert ask(server, "POST", f"{bot}/ack", {"up_to": position, "messages": [message]})[0] == status
    assert [one["position"] for one in ask(server, "GET", f"{bot}/inbox")[1]["data"]] == [position]


def test_a_long_poll_wakes_at_once_and_a_second_reader_may_take_over(server: Server) -> None:
    bot = declare(server, "poll")
    found: list[Any] = []

    def poll(query: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: found.append(ask(server, "GET", f"{bot}/inbox?{query}")))
        thread.start()
        return thread

    def reads() -> bool:
        reader = ask(server, "GET", bot)[1]["reader"]
        return reader is not None and reader["reading"]

    first = poll("wait=60s&reader=ann")
    until(reads)
    status, refused = ask(server, "GET", f"{bot}/inbox?reader=ben")
    assert (status, refused["code"]) == (409, "READER_CONFLICT")
    assert "take_over=true" in refused["detail"]
    second = poll("wait=60s&reader=ben&take_over=true")
    first.join(10)
    assert (found[0][0], found[0][1]["code"]) == (409, "READER_CONFLICT")
    until(reads)
    began = time.monotonic()
    tell(server, "poll", "now")
    second.join(10)
    assert time.monotonic() - began < 2
    assert [one["body"]["text"] for one in found[1][1]["data"]] == ["now"]
    assert "ben" in server.say("bots", "show", "poll").stdout


class Events:
    """A stream of server-sent events, read one at a time."""

    def __init__(self, server: Server, path: str, **headers: str) -> None:
        self._connection, key = connect(server)
        self._connection.request(
            "GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {key}", **headers}
        )
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        assert self._answer.getheader("Content-Type") == "text/event-stream"

    def next(self) -> dict[str, str] | None:
        """Return the fields of the next event; None at the end."""
        fields: dict[str, str] = {}
        while line := self._answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                return fields
            elif not line.strip():
                fields = {}
        return None

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def test_a_stream_goes_on_from_the_last_event_each_message_once_and_in_order(server: Server) -> None:
    bot = declare(server, "stream")
    seen: list[str] = []
    last: dict[str, str] = {}
    for part in range(4):
        for number in range(5):
            tell(server, "stream", f"{part}-{number}")
        events = Events(server, f"{bot}/inbox/stream", **({"Last-Event-ID": last["id"]} if last else {}))
        for _ in range(3 if part < 3 else 11):
            found = events.next()
            assert found is not None
            last = found
            seen.append(json.loads(last["data"])["body"]["text"])
        events.close()
        until(lambda: ask(server, "GET", bot)[1]["reader"] is None)
    assert seen == [f"{part}-{number}" for part in range(4) for number in range(5)]
    _, page = ask(server, "GET", f"{bot}/inbox")
    assert len(page["data"]) == 20, "a stream acknowledged something"
    assert ask(server, "POST", f"{bot}/ack", {"up_to": last["id"]})[1]["settled"] == 20


def test_a_slow_reader_of_a_stream_loses_nothing(server: Server) -> None:
    bot = declare(server, "slow")
    text = "x" * 20_000
    for _ in range(300):
        tell(server, "slow", text)
    events = Events(server, f"{bot}/inbox/stream")
    time.sleep(0.5)  # nothing is read meanwhile: what it is about
    positions = []
    for _ in range(300):
        found = events.next()
        assert found is not None
        positions.append(json.loads(found["data"])["position"])
    events.close()
    assert len(positions) == 300
    assert positions == sorted(set(positions))


def test_a_stream_and_a_long_poll_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with up(tmp_path) as server:
        declare(server, "one")
        declare(server, "two")
        events = Events(server, "/bots/one/inbox/stream")
        answers: list[int] = []
        poll = threading.Thread(
            target=lambda: answers.append(ask(server, "GET", "/bots/two/inbox?wait=60s")[0])
        )
        poll.start()
        until(lambda: (ask(server, "GET", "/bots/two")[1]["reader"] or {}).get("reading"))
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 2
        poll.join(5)
        assert events.next() is None
        events.close()
        assert answers == [503]
        assert "requests did not end in time and were cancelled" not in server.events()


def test_one_that_is_outside_asks_and_sends_under_its_own_name(server: Server) -> None:
    bot = declare(server, "asker")
    question = {"to": "clerk", "type": "text", "body": {"text": "hi"}, "ask": "10s"}
    _, found = ask(server, "POST", f"{bot}/messages", question)
    assert found["answer"]["body"] == {"text": "HI"}
    key = {"Idempotency-Key": "once"}
    sent = {"to": "clerk", "type": "text", "body": {"text": "x"}}
    first = ask(server, "POST", f"{bot}/messages", sent, **key)[1]
    again = ask(server, "POST", f"{bot}/messages", sent, **key)[1]
    assert (again["id"], again["repeated"]) == (first["id"], True)
    until(lambda: [one["body"]["text"] for one in ask(server, "GET", f"{bot}/inbox")[1]["data"]] == ["X"])


# ── on the command line ──────────────────────────────────────────────────────────────────────────────────


def test_a_person_reads_replies_fails_and_is_removed(server: Server) -> None:
    added = said(
        server, "bots", "add", "ann", "--kind", "person", "--subscribe", "#door", "--subscribe", "x.*"
    )
    assert (added["kind"], [one["pattern"] for one in added["subscriptions"]]) == ("person", ["door", "x.*"])
    a, b, c = (tell(server, "ann", text) for text in "abc")
    assert [one["position"] for one in said(server, "inbox", "ann")["data"]] == [a, b, c]
    table = server.say("inbox", "ann").stdout
    assert [line.split("\t")[0] for line in table.splitlines()] == [str(a), str(b), str(c)]
    done = said(server, "inbox", "ann", "--reply", str(a), "thank you")
    assert (done["settled"], len(done["sent"])) == (1, 1)
    row = said(server, "audit", "local", "ann", "--newest", "--limit", "1")["data"][0]
    assert (row["sender"], row["body"], row["cause"]) == ("ann", {"text": "thank you"}, a)
    failed = said(server, "inbox", "ann", "--fail", str(b), "not now")
    assert failed["next_try_at"] is not None
    until(lambda: [one["attempt"] for one in said(server, "inbox", "ann")["data"]] == [2, 1])
    assert ask(server, "POST", "/bots/ann/ack", {"up_to": b, "failed": {"reason": "nor now"}})[0] == 200
    assert ask(server, "GET", "/bots/ann/inbox")[1]["held_until"] is not None
    until(lambda: [one["attempt"] for one in said(server, "inbox", "ann")["data"]] == [3, 1])
    assert said(server, "inbox", "ann", "--done", "all")["settled"] == 2
    assert said(server, "inbox", "ann", "--done", str(c))["repeated"]
    assert server.say("ask", "clerk", "hello", "--as", "ann").stdout == "HELLO\n"
    for words in (
        ["--done", "x"],
        ["--fail", "7", ""],
        ["--follow", "--done", "all"],
    ):
        assert server.say("inbox", "ann", *words).returncode == 2, words
    for words in (["--reply", "999999", "hi"], ["--fail", "999999", "why"], ["--done", "999999"]):
        refused = server.say("inbox", "ann", *words)
        assert (refused.returncode, "read first" in refused.stderr) == (1, True), words
    assert server.say("inbox", "nobody").returncode == 2
    assert server.say("inbox", "clerk").returncode == 1
    tell(server, "ann", "left")
    assert said(server, "bots", "remove", "ann") == {"name": "ann", "dead_letters": 1}
    assert server.say("inbox", "ann").returncode == 2
    assert server.say("bots", "remove", "clerk").returncode == 1


def test_what_a_removed_bot_never_tried_is_not_said_to_have_failed(server: Server) -> None:
    bot = declare(server, "leaver")
    a, b = tell(server, "leaver", "a"), tell(server, "leaver", "b")
    assert ask(server, "GET", f"{bot}/inbox")[1]["next"].startswith(f"{b}@")
    assert ask(server, "POST", f"{bot}/ack", {"up_to": a, "failed": {"reason": "no"}})[0] == 200
    assert said(server, "bots", "remove", "leaver")["dead_letters"] == 2
    rows = [row["deliveries"][0] for row in said(server, "audit", "local", "leaver")["data"]]
    assert [(row["outcome"], row["attempts"]) for row in rows] == [("dead", 1), ("dead", 0)]


def test_large_messages_are_shown_however_many_there_are(server: Server) -> None:
    for _ in range(30):
        body = {"channel": "large", "type": "text", "body": {"text": "x" * 250_000}}
        assert ask(server, "POST", "/messages", body)[0] == 202
    status, page = ask(server, "GET", "/channels/large/messages?limit=1000")
    assert (status, len(page["data"])) == (200, 17)
    assert len(said(server, "audit", "#large")["data"]) == 30
    assert ask(server, "PUT", "/channels/large/subscribers/wrong", {"since": 0})[0] == 200
    page = said(server, "inbox", "wrong", "--limit", "10")
    assert (len(page["data"]), page["next"]) == (10, page["data"][-1]["cursor"])


def test_an_inbox_is_followed_as_messages_come(server: Server) -> None:
    declare(server, "follower", "person")
    tell(server, "follower", "first")
    words = [*CALLBOARD, "inbox", "follower", "--follow", "--json", "--project", str(server.project)]
    # Ctrl+C is what ends it, also where whoever runs the tests has SIGINT ignored.
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    ) as process:
        try:
            assert process.stdout is not None
            texts = [json.loads(process.stdout.readline())["body"]["text"]]
            tell(server, "follower", "second")
            row = json.loads(process.stdout.readline())
            texts.append(row["body"]["text"])
            assert said(server, "inbox", "follower", "--reply", str(row["position"]), "seen")["settled"] == 2
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            process.kill()
    assert texts == ["first", "second"]


def test_a_bot_is_shown_with_what_it_handles_and_when_it_is_called(server: Server) -> None:
    shown = said(server, "bots", "show", "clerk")
    assert (shown["handles"], shown["schedules"]) == (["text"], {"every.tidy": 3600.0})
    assert "every.tidy, every 1h" in server.say("bots", "show", "clerk").stdout


def test_an_audit_as_json_gives_where_to_go_on(server: Server) -> None:
    declare(server, "paged")
    for text in "abc":
        tell(server, "paged", text)
    page = said(server, "audit", "local", "paged", "--limit", "2")
    assert len(page["data"]) == 2
    assert page["next"].startswith(f"{page['data'][-1]['position']}@")


# ── in JavaScript ────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_in_javascript_answers_and_survives_a_restart_and_its_own_death(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "the example in JavaScript is tested with node: install it"
    words = [node, str(ECHO), str(tmp_path / "data"), "echo"]

    def answers(server: Server, text: str) -> bool:
        done = server.say("ask", "echo", text, "--within", "20s")
        return done.stdout == f"{text}\n"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    echo: subprocess.Popen[str] | None = None
    try:
        with up(tmp_path) as server:
            echo = start()
            assert echo.stdout is not None
            # If it never comes this does not hang: the deadline ends the process, and with it its output.
            deadline = threading.Timer(30, echo.kill)
            deadline.start()
            assert echo.stdout.readline() == "echo is here\n"
            deadline.cancel()
            assert answers(server, "one")
            server.process.kill()
        with up(tmp_path) as server:
            until(lambda: (ask(server, "GET", "/bots/echo")[1]["reader"] or {}).get("reading"))
            assert answers(server, "two")
            echo.kill()
            echo.communicate()
            position = tell(server, "echo", "three")
            echo = start()
            until(
                lambda: (
                    [row["cause"] for row in said(server, "audit", "echo", "local")["data"]][-1] == position
                )
            )
            failing = {"to": "echo", "type": "text", "body": {"fail": "please"}}
            ask(server, "POST", "/messages", failing)
            until(lambda: bool(said(server, "dead", "list", "--bot", "echo")["data"]), within=30)
            assert answers(server, "four")
            started = said(server, "audit", "#echo.started")["data"]
            assert [row["sender"] for row in started] == ["echo", "echo"]
    finally:
        if echo is not None:
            echo.kill()
            echo.communicate()
