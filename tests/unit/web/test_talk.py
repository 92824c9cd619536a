"""The door's part for messages, channels, bots and dead letters: what reaches the desk, what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from callboard.errors import ChannelInUse, NameInvalid, NotFound, RateLimited, RequestInvalid
from callboard.ids import LOCAL_USER
from callboard.web import talk, wire
from callboard.web.api import openapi
from callboard.web.api.routes import ROUTES
from callboard.web.api.server import Door
from callboard.web.client import Client
from tests.unit.web.conftest import KEY, Caller, MemoryDesk
from tests.unit.web.talking import ID

API = "/api/v1"


def sent(**fields: Any) -> bytes:
    return json.dumps({"type": "text", "body": {"text": "hi"}, **fields}).encode()


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with Client(door.url, KEY) as found:
        yield found


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_reaches_the_desk_as_it_was_sent(caller: Caller, desk: MemoryDesk) -> None:
    body = b'{"to": "clerk", "type": "text", "body": {"n": 12345678901234567890, "x": 1.10}, "after": "10m"}'
    reply = await caller.ask("POST", f"{API}/messages", body, extra="Idempotency-Key: once\r\n")
    assert (reply.status, reply.json["position"], reply.json["repeated"]) == (202, None, False)
    _, request, key, principal = desk.asked[0]
    assert (request.to, request.channel, request.after) == ("clerk", None, "10m")
    assert bytes(request.body) == b'{"n": 12345678901234567890, "x": 1.10}'
    assert (key, principal) == ("once", LOCAL_USER)


async def test_a_repeat_is_said_to_be_one(caller: Caller) -> None:
    extra = "Idempotency-Key: again\r\n"
    reply = await caller.ask("POST", f"{API}/messages", sent(channel="tickets.new"), extra=extra)
    assert (reply.status, reply.json["repeated"]) == (202, True)


async def test_an_answer_that_is_asked_for_comes_with_the_reply(caller: Caller) -> None:
    reply = await caller.ask("POST", f"{API}/messages", sent(to="clerk", ask="5s"))
    assert (reply.status, reply.json["answer"]["body"]) == (202, {"text": "hi"})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "REQUEST_INVALID"),
        ({"to": "clerk", "channel": "tickets"}, "REQUEST_INVALID"),
        ({"to": "No Name"}, "NAME_INVALID"),
        ({"channel": "#tickets"}, "NAME_INVALID"),
        ({"to": "clerk", "type": "A B"}, "NAME_INVALID"),
        ({"to": "clerk", "after": "10"}, "REQUEST_INVALID"),
        ({"to": "clerk", "after": "999999999d"}, "REQUEST_INVALID"),
        ({"to": "clerk", "reply_to": "7"}, "REQUEST_INVALID"),
        ({"to": "clerk", "sender": "boss"}, "REQUEST_INVALID"),
        ({"to": "clerk", "headers": {"a": 1}}, "REQUEST_INVALID"),
        ({"to": "clerk", "ask": "0s"}, "REQUEST_INVALID"),
        ({"to": "clerk", "ask": "11m"}, "REQUEST_INVALID"),
        ({"channel": "tickets", "ask": "5s"}, "REQUEST_INVALID"),
        ({"to": "clerk", "ask": "5s", "after": "5s"}, "REQUEST_INVALID"),
    ],
)
async def test_a_message_that_cannot_be_is_refused_before_the_desk(
    caller: Caller, desk: MemoryDesk, fields: dict[str, Any], code: str
) -> None:
    reply = await caller.ask("POST", f"{API}/messages", sent(**fields))
    assert (reply.status, reply.json["code"]) == (400, code)
    assert desk.asked == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/messages", sent(to="clerk", after="soon"), "$.after: expected a whole number and a unit, such as"),
        ("/messages", sent(to=""), "$.to: it must not be empty"),
        ("/messages?after=5", None, "$.after: expected a cursor such as 17@"),
        ("/bots/ann/ack", b'{"up_to": "x"}', "$.up_to: expected a cursor or a position of the log"),
    ],
)
async def test_what_is_written_otherwise_is_refused_in_words(
    caller: Caller, path: str, body: bytes | None, said: str
) -> None:
    reply = await caller.ask("GET" if body is None else "POST", API + path, body)
    assert (reply.status, said in reply.json["detail"]) == (400, True), reply.json["detail"]


def test_every_pattern_at_the_door_has_words() -> None:
    kinds = [kind for route in ROUTES for kind in (route.request, route.query) if kind is not None]
    schema = json.dumps(msgspec.json.schema_components(kinds)[1])
    patterns = {json.loads(found) for found in re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', schema)}
    assert patterns >= {wire.CURSOR, wire.DURATION, wire.UP_TO}
    assert patterns <= wire.WRITTEN.keys()


async def test_a_bot_may_be_called_as_the_last_word_of_a_path(caller: Caller, desk: MemoryDesk) -> None:
    await caller.ask("DELETE", f"{API}/bots/reload")
    await caller.ask("POST", f"{API}/bots/reload")
    assert [asked[:2] for asked in desk.asked] == [("remove", "reload"), ("reload", LOCAL_USER)]
    reply = await caller.ask("PUT", f"{API}/bots/reload")
    assert (reply.status, reply.json["code"]) == (405, "VERB_NOT_ALLOWED")


async def test_who_says_too_much_is_told_when_to_go_on(caller: Caller, desk: MemoryDesk) -> None:
    desk.raises = RateLimited("local may say 6 messages a minute to clerk.", retry_after=9.2)
    reply = await caller.ask("POST", f"{API}/messages", sent(to="clerk"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "10")


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b'{"a": }', b"NaN"])
async def test_a_body_that_is_no_json_is_refused(caller: Caller, desk: MemoryDesk, body: bytes) -> None:
    whole = b'{"to": "clerk", "type": "text", "body": ' + body + b"}"
    reply = await caller.ask("POST", f"{API}/messages", whole)
    assert (reply.status, reply.json["code"], desk.asked) == (400, "REQUEST_INVALID", [])


@pytest.mark.parametrize(
    "extra",
    [
        "Idempotency-Key: \r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
        f"Idempotency-Key: {'k' * 201}\r\n",
        "Idempotency-Key: a\tb\r\n",
    ],
)
async def test_an_idempotency_key_that_is_none_is_refused(caller: Caller, extra: str) -> None:
    reply = await caller.ask("POST", f"{API}/messages", sent(to="clerk"), extra=extra)
    assert (reply.status, reply.json["code"]) == (400, "REQUEST_INVALID")


def test_the_idempotency_key_is_described() -> None:
    operation = openapi.document(ROUTES, "1.2.3")["paths"][f"{API}/messages"]["post"]
    assert [one["name"] for one in operation["parameters"]] == [talk.KEY_HEADER]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "pair", "channel", "conversation"),
    [
        ("/conversations/clerk/desk", ("clerk", "desk"), None, None),
        ("/channels/tickets.new/messages", None, "tickets.new", None),
        ("/messages?conversation=c1", None, None, "c1"),
        ("/messages", None, None, None),
    ],
)
async def test_an_audit_asks_for_what_the_path_says(
    caller: Caller, desk: MemoryDesk, path: str, pair: object, channel: object, conversation: object
) -> None:
    query = "order=newest&outcome=dead&type=text&since=2030-01-01T00:00:00Z&after=9%40log-1&limit=2"
    reply = await caller.ask("GET", f"{API}{path}{'&' if '?' in path else '?'}{query}")
    assert reply.status == 200
    _, asked, *of = desk.asked[0]
    assert of == [pair, channel, conversation]
    assert (asked.order, asked.outcome, asked.type, asked.after) == ("newest", "dead", "text", "9@log-1")
    assert (asked.since.year, asked.limit) == (2030, 2)


async def test_each_row_says_what_became_of_it_at_each_bot(caller: Caller) -> None:
    row = (await caller.ask("GET", f"{API}/messages/{ID}")).json
    assert row["body"] == {"text": "hi"}
    said = [(one["bot"], one["outcome"], one["attempts"]) for one in row["deliveries"]]
    assert said == [("clerk", "retrying", 2), ("desk", "waiting", 0)]


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/messages/7"),
        ("GET", "/messages/x/causes"),
        ("GET", "/messages/x/effects"),
        ("GET", "/log/x/causes"),
        ("GET", "/log/-1/effects"),
        ("GET", "/log/%C2%B2/effects"),
        ("GET", "/log/9999999999999999999/effects"),
        ("GET", "/conversations/Clerk/desk"),
        ("GET", "/conversations/clerk/desk?order=upwards"),
        ("GET", "/conversations/clerk/desk?since=2030-01-01T00:00:00"),
        ("GET", "/conversations/clerk/desk?limit=1001"),
        ("GET", "/conversations/clerk/desk?colour=red"),
        ("GET", "/channels/tickets.*/messages"),
        ("DELETE", "/channels/tickets.*?force=true"),
        ("DELETE", "/channels/a..b/subscribers/clerk"),
        ("GET", "/bots/Clerk"),
        ("POST", "/bots/Clerk/restart"),
        ("GET", "/dead-letters/x"),
        ("POST", "/dead-letters/x/redrive"),
        ("GET", "/dead-letters?after=9"),
        ("GET", "/dead-letters?bot=A"),
    ],
)
async def test_a_bad_id_is_400(caller: Caller, desk: MemoryDesk, verb: str, path: str) -> None:
    reply = await caller.ask(verb, API + path)
    assert (reply.status, desk.asked) == (400, [])


@pytest.mark.parametrize(
    "path",
    [
        "/messages/01920000-0000-7000-8000-000000000002",
        "/messages/01920000-0000-7000-8000-000000000002/causes",
        "/messages/01920000-0000-7000-8000-000000000002/effects",
        "/channels/other",
        "/bots/other",
        "/dead-letters/8",
    ],
)
async def test_an_unknown_id_is_404(caller: Caller, path: str) -> None:
    reply = await caller.ask("GET", API + path)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")


# ── the client ───────────────────────────────────────────────────────────────────────────────────────────


async def ask(call: Any, *words: Any, **flags: Any) -> Any:
    return await asyncio.to_thread(call, *words, **flags)


async def test_the_client_says_and_sees_it_all(client: Client, desk: MemoryDesk) -> None:
    request = talk.SendRequest(to="clerk", type="text", body=msgspec.Raw(b"[1]"))
    assert (await ask(client.send, request, key="again")).repeated
    assert (await ask(client.message, str(ID))).id == ID
    assert [one.position for one in (await ask(client.between, "clerk", "desk", {"limit": "1"})).data] == [7]
    assert (await ask(client.on_channel, "tickets.new", {})).next is None
    assert [one.position for one in (await ask(client.causes, 7)).data] == [7, 5]
    assert (await ask(client.effects, 7)).next == "9@log-1"
    assert (await ask(client.channels)).data[0].name == "tickets.new"
    assert (await ask(client.create_channel, "new")).made
    with pytest.raises(ChannelInUse):
        await ask(client.delete_channel, "tickets.new")
    assert (await ask(client.delete_channel, "tickets.new", force=True)).done
    assert (await ask(client.bots)).data[0].state == "running"
    assert (await ask(client.restart, "clerk")).waiting == 3
    assert (await ask(client.dead_letters, "clerk")).data[0].id == 9
    assert bytes((await ask(client.dead_letter, 9)).story)
    assert (await ask(client.redrive, 9)).done
    assert (await ask(client.purge, 9)).done
    with pytest.raises(NotFound):
        await ask(client.bot, "other")


async def test_a_pattern_goes_through_the_path_whole(client: Client, desk: MemoryDesk) -> None:
    await ask(client.subscribe, "clerk", "tickets.**", since=4, own=True)
    await ask(client.unsubscribe, "clerk", "*.new")
    assert desk.asked == [
        ("subscribe", "clerk", "tickets.**", 4, True, LOCAL_USER),
        ("unsubscribe", "clerk", "*.new", LOCAL_USER),
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "a?b", "#a", "a b", "%2e"])
async def test_a_name_that_is_none_leads_to_no_other_path(
    client: Client, desk: MemoryDesk, name: str
) -> None:
    with pytest.raises((NotFound, NameInvalid)) as caught:
        await ask(client.bot, name)
    assert caught.value.code in {"NOT_FOUND", "NAME_INVALID"}
    assert desk.asked == []


async def test_a_key_that_no_header_can_hold_is_refused(client: Client) -> None:
    request = talk.SendRequest(to="clerk", type="text", body=msgspec.Raw(b"1"))
    with pytest.raises(RequestInvalid, match="printable"):
        await ask(client.send, request, key="a\r\nX: y")
