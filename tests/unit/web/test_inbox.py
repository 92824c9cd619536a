"""The door's part for inboxes that are read from outside: what reaches the desk, what is refused."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any

import pytest

from callboard.ids import LOCAL_USER
from callboard.web.api.server import Door
from tests.unit.web.conftest import KEY, Caller, MemoryDesk
from tests.unit.web.talking import ID

API = "/api/v1"
SAID = {"type": "text", "body": {"text": "hi"}}


def sent(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "query",
    [
        "wait=61s",
        "wait=1",
        "wait=-1s",
        "limit=0",
        "limit=1001",
        "limit=x",
        "after=7",
        "after=7%40",
        "reader=",
        "take_over=perhaps",
        "colour=red",
        "limit=1&limit=2",
    ],
)
async def test_a_read_that_cannot_be_is_refused(caller: Caller, desk: MemoryDesk, query: str) -> None:
    reply = await caller.ask("GET", f"{API}/bots/printer/inbox?{query}")
    assert (reply.status, reply.json["code"], desk.asked) == (400, "REQUEST_INVALID", [])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"up_to": "x"},
        {"up_to": "7@"},
        {"up_to": -1},
        {"up_to": 1.5},
        {"up_to": 10**30},
        {"up_to": True},
        {"up_to": 7, "failed": {}},
        {"up_to": 7, "failed": {"reason": ""}},
        {"up_to": 7, "failed": {"reason": "x" * 2001}},
        {"up_to": 7, "failed": {"reason": "x"}, "messages": [{**SAID, "to": "clerk"}]},
        {"up_to": 7, "messages": [{**SAID, "to": "clerk", "channel": "x"}]},
        {"up_to": 7, "messages": [{**SAID, "to": "clerk", "sender": "boss"}]},
        {"up_to": 7, "messages": [{**SAID, "to": "clerk", "reply_to": "7"}]},
        {"up_to": 7, "messages": [{**SAID, "to": "clerk", "after": "soon"}]},
        {"up_to": 7, "messages": [{"type": "t", "body": 1, "to": "c"}] * 101},
        {"upto": 7},
    ],
)
async def test_an_acknowledgement_that_cannot_be_is_refused(
    caller: Caller, desk: MemoryDesk, fields: dict[str, Any]
) -> None:
    reply = await caller.ask("POST", f"{API}/bots/printer/ack", sent(**fields))
    assert (reply.status, reply.json["code"], desk.asked) == (400, "REQUEST_INVALID", [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": "Printer", "kind": "outside"}, "NAME_INVALID"),
        ({"name": "printer"}, "REQUEST_INVALID"),
        ({"name": "printer", "kind": "outsid"}, "REQUEST_INVALID"),
        ({"name": "printer", "kind": "outside", "subscribes": "jobs"}, "REQUEST_INVALID"),
        ({"name": "printer", "kind": "outside", "subscribes": ["a b"]}, "NAME_INVALID"),
        ({"name": "printer", "kind": "python"}, "KIND_UNAVAILABLE"),
        ({"name": "printer", "kind": "webhook"}, "KIND_UNAVAILABLE"),
        ({"name": "printer", "kind": "workflow"}, "KIND_UNAVAILABLE"),
        ({"name": "printer", "kind": "llm"}, "KIND_UNAVAILABLE"),
    ],
)
async def test_a_bot_that_cannot_be_declared_is_refused(
    caller: Caller, desk: MemoryDesk, fields: dict[str, Any], code: str
) -> None:
    reply = await caller.ask("POST", f"{API}/bots", sent(**fields))
    assert (reply.status, reply.json["code"], desk.asked) == (400, code, [])


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/bots/No Name/inbox", None),
        ("GET", "/bots/Printer/inbox", None),
        ("GET", "/bots/Printer/inbox/stream", None),
        ("POST", "/bots/Printer/ack", {"up_to": 7}),
        ("POST", "/bots/Printer/messages", {**SAID, "to": "clerk"}),
        ("POST", "/bots/printer/messages", SAID),
        ("DELETE", "/bots/Printer", None),
    ],
)
async def test_a_name_or_message_that_is_none_is_400(
    caller: Caller, desk: MemoryDesk, verb: str, path: str, body: dict[str, Any] | None
) -> None:
    path = path.replace(" ", "%20")
    reply = await caller.ask(verb, API + path, None if body is None else sent(**body))
    assert (reply.status, desk.asked) == (400, [])


async def test_a_body_that_is_no_json_is_refused(caller: Caller, desk: MemoryDesk) -> None:
    body = b'{"up_to": 7, "messages": [{"to": "a", "type": "t", "body": {"x": "\xff"}}]}'
    reply = await caller.ask("POST", f"{API}/bots/printer/ack", body)
    assert (reply.status, desk.asked) == (400, [])


# ── what reaches the desk ────────────────────────────────────────────────────────────────────────────────


async def test_a_read_reaches_the_desk_and_its_rows_come_back(caller: Caller, desk: MemoryDesk) -> None:
    reply = await caller.ask("GET", f"{API}/bots/printer/inbox?limit=2&wait=30s&reader=ann&take_over=true")
    assert [(one["position"], one["cursor"]) for one in reply.json["data"]] == [
        (7, "7@log-1"),
        (8, "8@log-1"),
    ]
    assert (reply.status, reply.json["next"]) == (200, "8@log-1")
    _, bot, query = desk.asked[0]
    assert (bot, query.limit, query.wait, query.reader, query.take_over) == ("printer", 2, "30s", "ann", True)


@pytest.mark.parametrize("up_to", [7, "7", "7@log-1"])
async def test_a_position_or_a_cursor_is_acknowledged(caller: Caller, up_to: object) -> None:
    messages = [{**SAID, "to": "clerk"}, {**SAID, "reply_to": str(ID)}]
    reply = await caller.ask("POST", f"{API}/bots/printer/ack", sent(up_to=up_to, messages=messages))
    assert (reply.status, reply.json["settled"], len(reply.json["sent"])) == (200, 1, 2)


async def test_what_was_not_served_and_a_second_reader_are_conflicts(caller: Caller) -> None:
    reply = await caller.ask("POST", f"{API}/bots/printer/ack", sent(up_to=9))
    assert (reply.status, reply.json["code"]) == (409, "NOT_SERVED")
    for path in ("inbox", "inbox/stream"):
        reply = await caller.ask("GET", f"{API}/bots/printer/{path}?reader=second")
        assert (reply.status, reply.json["code"]) == (409, "READER_CONFLICT")


async def test_one_speaks_as_somebody_outside(caller: Caller, desk: MemoryDesk) -> None:
    body, extra = sent(**SAID, to="clerk"), "Idempotency-Key: once\r\n"
    reply = await caller.ask("POST", f"{API}/bots/printer/messages", body, extra=extra)
    assert (reply.status, reply.json["position"]) == (202, 7)
    assert [desk.asked[0][1], *desk.asked[0][3:]] == ["printer", "once", LOCAL_USER]
    assert (await caller.ask("POST", f"{API}/bots/clerk/messages", body)).status == 409


# ── what lasts ───────────────────────────────────────────────────────────────────────────────────────────


async def open_stream(
    door: Door, query: str = "", extra: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {API}/bots/printer/inbox/stream{query} HTTP/1.1\r\nHost: {host}\r\n{extra}"
    writer.write(f"{head}Authorization: Bearer {KEY}\r\n\r\n".encode())
    return reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode()


async def test_a_stream_is_written_as_events_each_on_one_line(door: Door, desk: MemoryDesk) -> None:
    reader, writer, head = await open_stream(door, extra="Last-Event-ID: 7@log-1\r\n")
    body = await reader.read()
    writer.close()
    assert "content-type: text/event-stream" in head.lower()
    assert b": still here\n\n" in body
    assert b"id: 7@log-1" not in body
    (line,) = [line for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert json.loads(line.removeprefix(b"data: "))["body"] == {"text": "hi"}
    assert desk.asked[0][3] == "7@log-1"


async def test_a_stream_that_is_ended_says_why(door: Door) -> None:
    reader, writer, _ = await open_stream(door, "?reader=first")
    body = await reader.read()
    writer.close()
    ended = body.partition(b"event: ended\ndata: ")[2].partition(b"\n")[0]
    assert json.loads(ended)["code"] == "READER_CONFLICT"


async def test_a_stream_is_not_opened_for_a_head(caller: Caller) -> None:
    def head() -> int:
        connection = http.client.HTTPConnection(*caller.address, timeout=10)
        try:
            connection.request("HEAD", f"{API}/bots/printer/inbox/stream")
            return connection.getresponse().status
        finally:
            connection.close()

    assert await asyncio.to_thread(head) == 405


@pytest.mark.parametrize("path", ["inbox?wait=60s", "inbox/stream"])
async def test_what_waits_ends_when_the_door_closes(door: Door, desk: MemoryDesk, path: str) -> None:
    desk.hang = asyncio.Event()
    caller = Caller(door.url)
    waiting = asyncio.ensure_future(caller.ask("GET", f"{API}/bots/printer/{path}"))
    while not desk.asked:
        await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    await door.stop(10)
    assert asyncio.get_running_loop().time() - began < 2
    assert (await waiting).json["code"] == "SHUTTING_DOWN"


async def test_a_caller_that_hangs_up_ends_its_read(door: Door, desk: MemoryDesk) -> None:
    class Left(asyncio.Event):
        async def wait(self) -> Any:
            try:
                return await super().wait()
            finally:
                left.set()

    left, desk.hang = asyncio.Event(), Left()
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {API}/bots/printer/inbox?wait=60s HTTP/1.1\r\nHost: {host}\r\n"
    writer.write(f"{head}Authorization: Bearer {KEY}\r\n\r\n".encode())
    while not desk.asked:
        await asyncio.sleep(0.01)
    writer.close()
    async with asyncio.timeout(5):
        await left.wait()
