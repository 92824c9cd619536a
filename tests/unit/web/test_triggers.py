"""Triggers and webhooks over HTTP: what is asked of the desk, and what is refused before that."""

from __future__ import annotations

import msgspec
import pytest

from callboard.web import wire
from tests.unit.web.conftest import BODY_BYTES, Caller, MemoryDesk
from tests.unit.web.firing import TRIGGER


async def test_triggers_are_listed_and_read(desk: MemoryDesk, caller: Caller) -> None:
    reply = await caller.ask("GET", f"{wire.API}/triggers?workflow=claims&all=true")
    assert (reply.status, reply.json["data"][0]["id"]) == (200, TRIGGER)
    reply = await caller.ask("GET", f"{wire.API}/triggers/{TRIGGER}?records=0")
    assert (reply.status, reply.json["records"]) == (200, [])
    assert desk.asked == [("triggers", "claims", True), ("trigger", TRIGGER, 0)]


async def test_firing_takes_any_event_or_none_and_a_key(desk: MemoryDesk, caller: Caller) -> None:
    path = f"{wire.API}/triggers/{TRIGGER}/fire"
    reply = await caller.ask("POST", path, b'{"data": [1]}', extra="Idempotency-Key: k\r\n")
    assert (reply.status, reply.json["run_id"]) == (202, "r")
    assert (await caller.ask("POST", path, b"{}", extra="Idempotency-Key: again\r\n")).status == 200
    assert [(call[2], call[3]) for call in desk.asked] == [([1], "k"), (msgspec.UNSET, "again")]


@pytest.mark.parametrize(("verb", "on"), [("enable", True), ("disable", False)])
async def test_a_trigger_is_turned_on_and_off(desk: MemoryDesk, caller: Caller, verb: str, on: bool) -> None:
    reply = await caller.ask("POST", f"{wire.API}/triggers/{TRIGGER}/{verb}", b"{}")
    assert (reply.status, reply.json["enabled"]) == (200, on)
    assert desk.asked[0][:3] == ("switch", TRIGGER, on)


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/triggers/claims.00000000", 404),
        ("GET", f"/triggers/{TRIGGER}?records=-1", 400),
        ("GET", "/triggers/Claims", 400),
        ("GET", "/triggers?workflow=", 400),
        ("POST", "/triggers/claims.00000000/fire", 404),
        ("DELETE", f"/triggers/{TRIGGER}", 405),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_refused(
    caller: Caller, verb: str, path: str, status: int
) -> None:
    reply = await caller.ask(verb, wire.API + path, b"{}" if verb == "POST" else None)
    assert reply.status == status


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_webhook_is_handed_the_bytes_the_headers_and_a_path_with_slashes(
    desk: MemoryDesk, caller: Caller
) -> None:
    body = b'{"a":  1}'
    extra = "X-Twice: a\r\nX-Twice: b\r\nX-GitHub-Delivery: 7\r\n"
    reply = await caller.ask("POST", "/webhooks/git/push?x=1", body, key=None, extra=extra)
    assert (reply.status, reply.json["run_id"]) == (202, "r")
    ((_, path, headers, raw),) = desk.asked
    assert (path, raw) == ("git/push", body)
    assert (headers["x-twice"], headers["x-github-delivery"]) == ("a, b", "7")


async def test_a_body_that_is_too_large_never_reaches_the_webhook(desk: MemoryDesk, caller: Caller) -> None:
    reply = await caller.ask("POST", "/webhooks/claims", b"x" * (BODY_BYTES + 1), key=None)
    assert (reply.status, reply.json["code"]) == (413, "BODY_TOO_LARGE")
    head = b"POST /webhooks/claims HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (BODY_BYTES + 1, b"x" * (BODY_BYTES + 1))
    assert (await caller.raw(head, chunks)).status == 413
    assert desk.asked == []


async def test_a_webhook_takes_only_posts(caller: Caller) -> None:
    reply = await caller.ask("GET", "/webhooks/claims", key=None)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
