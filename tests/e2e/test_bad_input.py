"""What is wrong is refused at each door of a real server with a sentence and a code, and nothing is lost."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.server import Server, up

CLERK = '''
from callboard import Body, Bot, Turn, on


class Text(Body):
    text: str


class Clerk(Bot):
    """Answers what it is asked, in capitals."""

    @on(Text)
    async def answer(self, said: Text, turn: Turn) -> Text:
        return Text(said.text.upper())
'''

FILES = {
    "clerk": CLERK,
    "typo": CLERK.replace("Clerk", "Typo").replace("async def answer(", "async def answer((", 1),
    "fails": CLERK.replace("Clerk", "Fails") + "\n1 / 0\n",
    "one": CLERK.replace("Clerk", "Twin"),
    "two": CLERK.replace("Clerk", "Twin"),
    "wrong-handler": CLERK.replace("Clerk", "WrongHandler").replace("@on(Text)", "@on(str)"),
    "wrong-name": CLERK.replace("Clerk(Bot):", 'WrongName(Bot):\n    name = "Wrong Name"\n'),
    "exits": "raise SystemExit(3)\n",
    "binary": "\x00\x01",
}
"""Beside one that is as it should be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("project")
    (project / "bots").mkdir()
    for name, text in FILES.items():
        (project / "bots" / f"{name}.py").write_text(text)
    with up(project) as found:
        until(lambda: found.say("ask", "clerk", "there?").returncode == 0)
        yield found


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def goes_on(server: Server) -> Iterator[None]:
    """Whatever was wrong: afterwards the bot answers, and nobody was told of a fault of ours."""
    yield
    status, answer = post(server, "/messages", message(body={"text": "still there?"}, ask="20s"))
    assert (status, answer["answer"]["body"]) == (202, {"text": "STILL THERE?"})
    ours = [line for line in server.lines() if not line["event"].startswith("bot")]
    assert not [line for line in ours if line["level"] in {"error", "critical"} or "exception" in line]


def post(server: Server, path: str, body: bytes, verb: str = "POST") -> tuple[int, dict[str, Any]]:
    """Say something over HTTP, as a program would that is in no need of our client."""
    key = (server.project / "data" / "door.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    door = http.client.HTTPConnection(server.url.split("/")[2], timeout=30)
    with contextlib.closing(door):
        door.request(verb, f"/api/v1{path}", body, headers)
        answer = door.getresponse()
        return answer.status, json.load(answer)


def message(**changed: Any) -> bytes:
    whole = {"to": "clerk", "type": "text", "body": {"text": "hello"}, **changed}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


WRONG = {
    "a bot that is not there": ({"to": "clerc"}, 404, "RECIPIENT_UNKNOWN", "did you mean clerk"),
    "a bot that was not loaded": ({"to": "typo"}, 404, "RECIPIENT_UNKNOWN", "no bot called"),
    "two bots of one name": ({"to": "twin"}, 404, "RECIPIENT_UNKNOWN", "no bot called"),
    "a name that is none": ({"to": "The Clerk"}, 400, "NAME_INVALID", "small letters"),
    "a channel that is none": ({"to": None, "channel": "a..b"}, 400, "NAME_INVALID", "small letters"),
    "a pattern to publish on": ({"to": None, "channel": "a.*"}, 400, "NAME_INVALID", "small letters"),
    "a type that is none": ({"type": "Big Text"}, 400, "NAME_INVALID", "type of message"),
    "nobody": ({"to": None}, 400, "REQUEST_INVALID", "to"),
    "a bot and a channel": ({"channel": "news"}, 400, "REQUEST_INVALID", "channel"),
    "a body that is too large": (
        {"body": {"text": "x" * (256 << 10)}},
        413,
        "MESSAGE_TOO_LARGE",
        "262,144",
    ),
    "a limit of hops that is none": ({"headers": {"max-hops": "1001"}}, 400, "BAD_INPUT", "from 1 to 1,000"),
    "a field that is none": ({"boddy": 1}, 400, "REQUEST_INVALID", "boddy"),
    "a reply to nothing": (
        {"reply_to": "01920000-0000-7000-8000-000000000001"},
        404,
        "NOT_FOUND",
        "no message",
    ),
    "an ask of a channel": ({"to": None, "channel": "news", "ask": "1s"}, 400, "REQUEST_INVALID", "ask"),
    "a time that is none": ({"after": "soon"}, 400, "REQUEST_INVALID", "after"),
}


@pytest.mark.parametrize(("changed", "status", "code", "said"), WRONG.values(), ids=WRONG)
def test_a_message_that_cannot_be_is_refused_over_http(
    server: Server, changed: dict[str, Any], status: int, code: str, said: str
) -> None:
    before = head(server)
    found, problem = post(server, "/messages", message(**changed))
    assert (found, problem["code"]) == (status, code), problem
    assert said in problem["detail"]
    assert "Traceback" not in str(problem)
    assert head(server) == before, "something of it was written"


def head(server: Server) -> int:
    return int(post(server, "/health", b"", "GET")[1]["head"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("send", "clerc", "hi"), "did you mean clerk"),
        (("ask", "clerc", "hi"), "did you mean clerk"),
        (("send", "The Clerk", "hi"), "small letters"),
        (("send", "#a..b", "hi"), "small letters"),
        (("send", "#a.*", "hi"), "small letters"),
        (("channel", "create", "Big News"), "small letters"),
        (("channel", "subscribe", "a.***", "clerk"), "neither a channel nor a pattern"),
        (("channel", "subscribe", "news", "clerk", "--since", "1000000000"), "the log goes from 0 to"),
        (("channel", "subscribe", "news", "clerk", "--since", "-5"), "since"),
        (("send", "clerk", "hi", "--type", "Big"), "small letters"),
        (("send", "clerk", "hi", "--after", "soon"), "after"),
        (("bots", "show", "twin"), "twin"),
    ],
)
def test_a_word_that_cannot_be_is_one_sentence_on_the_command_line(
    server: Server, words: tuple[str, ...], said: str
) -> None:
    done = server.say(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1_000, "what was wrong is repeated at length"


@pytest.mark.parametrize(
    ("since", "code"),
    [
        (10**9, "POSITION_UNKNOWN"),
        (1 << 62, "POSITION_UNKNOWN"),
        (1 << 70, "REQUEST_INVALID"),
        (-5, "REQUEST_INVALID"),
    ],
)
def test_a_subscription_that_begins_outside_the_log_is_refused(server: Server, since: int, code: str) -> None:
    before, body = head(server), json.dumps({"since": since}).encode()
    status, problem = post(server, "/channels/news/subscribers/clerk", body, "PUT")
    assert (status, problem["code"]) == (400, code), problem
    assert head(server) == before, "something of it was written"


def test_a_body_that_the_handler_cannot_read_is_a_dead_letter_with_the_path(server: Server) -> None:
    before = len(letters(server))
    for body, why in (({"text": 1}, "$.text"), ({"txet": "x"}, "txet"), ([], "Expected"), ("x", "Expected")):
        status, sent = post(server, "/messages", message(body=body))
        assert (status, sent["position"] > 0) == (202, True)
        before += 1
        until(partial(has_letters, server, before))
        letter = letters(server)[-1]
        assert (letter["reason"], letter["message"]) == ("BODY_INVALID", sent["position"])
        assert why in letter["error"]


def has_letters(server: Server, count: int) -> bool:
    return len(letters(server)) == count


def letters(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.say("dead", "list", "--json").stdout)["data"]
    return found


def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    for body in (b"", b"{", b'{"to":"clerk","type":"text","body":}', b"\xff\xfe", b'{"to":"clerk"} 2'):
        status, problem = post(server, "/messages", body)
        assert (status, problem["code"]) == (400, "REQUEST_INVALID"), (body, problem)


def test_files_that_are_no_bots_are_named_with_their_line_and_the_rest_start(server: Server) -> None:
    told = {
        line["file"].rpartition("/")[2]: line for line in server.lines() if line["event"] == "bots.not_loaded"
    }
    twins = [line for line in told.values() if "one.py" in str(line) and "two.py" in str(line)]
    assert len(twins) == 1
    assert "twin" in twins[0]["reason"]
    wrong = {"typo.py", "fails.py", "wrong-handler.py", "wrong-name.py", "exits.py", "binary.py"}
    assert set(told) - {"one.py", "two.py"} == wrong
    assert told["typo.py"]["reason"].startswith("SyntaxError")
    assert (told["typo.py"]["line"], told["fails.py"]["line"]) == (13, 16)
    assert "ZeroDivisionError" in told["fails.py"]["reason"]
    doctor = server.say("doctor")
    assert (doctor.returncode, "typo.py:13: SyntaxError" in doctor.stdout) == (1, True)
    listed = json.loads(server.say("bots", "list", "--json").stdout)["data"]
    assert [(bot["name"], bot["state"]) for bot in listed] == [("clerk", "running")]
