"""The door: who is let in, what is refused and how, and how it closes. Real sockets, a real uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from callboard import logs
from callboard.errors import AddressInUse, DiskFull, StartRefused, StreamNotFound
from callboard.settings import Door as DoorConfig
from callboard.web import wire
from callboard.web.api.server import Door
from tests.unit.web.conftest import BODY_BYTES, KEY, Caller, MemoryDesk, Reply

PRUNE = "/api/v1/retention/prune"


def is_problem(reply: Reply, status: int, code: str) -> dict[str, Any]:
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    found: dict[str, Any] = reply.json
    assert (found["status"], found["code"]) == (status, code)
    assert found["correlation_id"] == reply.headers["x-correlation-id"]
    assert found["detail"]
    assert "Traceback" not in reply.body.decode()
    return found


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
async def test_health_needs_no_key(caller: Caller, path: str) -> None:
    reply = await caller.ask("GET", path, key=None)
    assert (reply.status, reply.json["status"], reply.json["head"]) == (200, "ok", 2)


@pytest.mark.parametrize("path", ["/health/ready", "/api/v1/health/ready"])
async def test_readiness_is_503_with_the_reason_until_work_is_taken(
    caller: Caller, desk: MemoryDesk, path: str
) -> None:
    assert (await caller.ask("GET", path, key=None)).status == 200
    desk.status, desk.reason = "failing", "The disk is full."
    assert (
        is_problem(await caller.ask("GET", path, key=None), 503, "UNAVAILABLE")["detail"]
        == "The disk is full."
    )
    desk.status = "closing"
    is_problem(await caller.ask("GET", path, key=None), 503, "SHUTTING_DOWN")


async def test_liveness_is_200_whatever_the_house_is_busy_with(caller: Caller, desk: MemoryDesk) -> None:
    desk.status, desk.raises = "failing", ValueError("broken")
    assert (await caller.ask("GET", "/health/live", key=None)).status == 200


async def test_head_answers_like_get_without_a_body(caller: Caller) -> None:
    reader, writer = await asyncio.open_connection(*caller.address)
    writer.write(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


# ── who is let in ────────────────────────────────────────────────────────────────────────────────────────


async def test_the_key_opens_the_door(caller: Caller, desk: MemoryDesk) -> None:
    assert (await caller.ask("GET", "/api/v1/doctor?full=true")).status == 200
    assert desk.asked == [("doctor", True)]


@pytest.mark.parametrize("key", [None, "", "x", KEY[:-1], KEY + "k", "K" * 43, "é" * 43, KEY + " " + KEY])
async def test_without_the_right_key_nothing_is_done(
    caller: Caller, desk: MemoryDesk, key: str | None
) -> None:
    reply = await caller.ask("POST", PRUNE, b"{}", key=key)
    is_problem(reply, 401, "UNAUTHENTICATED")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert desk.asked == []


@pytest.mark.parametrize("header", [f"Authorization: Basic {KEY}", f"Authorization: {KEY}", f"X-Key: {KEY}"])
async def test_the_key_is_taken_as_a_bearer_token_only(caller: Caller, header: str) -> None:
    is_problem(
        await caller.ask("GET", "/api/v1/doctor", key=None, extra=header + "\r\n"), 401, "UNAUTHENTICATED"
    )


async def test_two_keys_are_no_key(caller: Caller) -> None:
    extra = "Authorization: Bearer wrong\r\n"
    is_problem(await caller.ask("GET", "/api/v1/doctor", extra=extra), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "127.0.0.1@evil.example",
        "[::1",
        "[::1]x",
        "127.0.0.1:80:80",
        "127.0.0.1:evil",
        "0.0.0.0",
        "2130706433",
    ],
)
async def test_a_name_that_is_not_loopback_is_refused_even_for_health(caller: Caller, host: str) -> None:
    """A page on a hostile site can point its own name at 127.0.0.1; the Host header gives it away."""
    is_problem(await caller.ask("GET", "/health", host=host), 403, "DENIED")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7331", "localhost", "LOCALHOST:80", "[::1]", "[::1]:7331"]
)
async def test_every_loopback_name_is_welcome(caller: Caller, host: str) -> None:
    assert (await caller.ask("GET", "/health", host=host)).status == 200


async def test_a_request_with_no_host_or_two_is_refused(caller: Caller) -> None:
    is_problem(await caller.raw(b"GET /health HTTP/1.0\r\n\r\n"), 403, "DENIED")
    is_problem(await caller.ask("GET", "/health", extra="Host: localhost\r\n"), 403, "DENIED")


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v1", "/api/v1/doctor/", "/api/v2/health", "/../etc/passwd", "//"]
)
async def test_an_unknown_path_is_a_problem_too(caller: Caller, path: str) -> None:
    is_problem(await caller.ask("GET", path), 404, "NOT_FOUND")


@pytest.mark.parametrize("verb", ["POST", "DELETE", "OPTIONS", "PATCH"])
async def test_a_wrong_verb_is_told_the_right_one(caller: Caller, verb: str) -> None:
    reply = await caller.ask(verb, "/api/v1/doctor", b"{}")
    is_problem(reply, 405, "VERB_NOT_ALLOWED")
    assert reply.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"dry_run": true}x', b"null", b"[]", b'{"dry_run": "yes"}', b'"\\ud800', b"nan"],
)
async def test_a_body_that_is_not_as_declared_is_refused(
    caller: Caller, desk: MemoryDesk, body: bytes
) -> None:
    is_problem(await caller.ask("POST", PRUNE, body), 400, "REQUEST_INVALID")
    assert desk.asked == []


async def test_an_unknown_field_is_refused_with_its_path_and_the_name_that_was_meant(caller: Caller) -> None:
    found = is_problem(await caller.ask("POST", PRUNE, b'{"dry_rum": true}'), 400, "REQUEST_INVALID")
    assert "$.dry_rum" in found["detail"]
    assert "did you mean dry_run?" in found["detail"]
    assert found["details"] == {"field": "$.dry_rum"}


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
async def test_deep_nesting_is_refused_not_followed(caller: Caller, bracket: bytes) -> None:
    body = b'{"x": ' + bracket * (BODY_BYTES // len(bracket) - 10)
    is_problem(await caller.ask("POST", PRUNE, body), 400, "REQUEST_INVALID")


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(caller: Caller) -> None:
    body = b'{"dry_run":true}'.ljust(BODY_BYTES)
    assert (await caller.ask("POST", PRUNE, body)).status == 200
    is_problem(await caller.ask("POST", PRUNE, body + b" "), 413, "BODY_TOO_LARGE")


async def test_a_declared_length_past_the_limit_is_refused_before_the_body_comes(caller: Caller) -> None:
    head = f"POST {PRUNE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 40}\r\n\r\n"
    is_problem(await caller.raw(head.encode()), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("size", [BODY_BYTES + 1, BODY_BYTES * 50])
async def test_chunks_past_the_limit_are_refused_though_no_length_was_declared(
    caller: Caller, size: int
) -> None:
    head = (
        f"POST {PRUNE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"%x\r\n%s\r\n" % (1024, b" " * 1024)
    reply = await caller.raw(head.encode(), *[chunk] * (size // 1024 + 1), b"0\r\n\r\n")
    is_problem(reply, 413, "BODY_TOO_LARGE")


async def test_a_body_that_is_not_json_by_its_own_word_is_refused(caller: Caller) -> None:
    head = (
        f"POST {PRUNE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}"
    )
    is_problem(await caller.raw(head.encode()), 400, "REQUEST_INVALID")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=1&limit=2",
        "lim=1",
        "after=1",
        "after=x@y",
        "after=1@",
        "after=%00",
        "after=1@log%0d%0aX:y",
        "&&&",
        "limit",
        "after=%ff",
        "a=1&" * 200,
    ],
)
async def test_a_query_that_is_not_as_declared_is_refused(
    caller: Caller, desk: MemoryDesk, query: str
) -> None:
    is_problem(await caller.ask("GET", f"/api/v1/log?{query}"), 400, "REQUEST_INVALID")
    assert desk.asked == []


async def test_a_route_without_a_query_takes_none(caller: Caller) -> None:
    found = is_problem(await caller.ask("GET", "/api/v1/health?full=1"), 400, "REQUEST_INVALID")
    assert "'full'" in found["detail"]


@pytest.mark.parametrize("path", ["backup.db", "../x", "", "/tmp/a\\u0000b", "x" * 5000])
async def test_a_backup_goes_to_an_absolute_path_only(caller: Caller, desk: MemoryDesk, path: str) -> None:
    reply = await caller.ask("POST", "/api/v1/backups", f'{{"path": "{path}"}}'.encode())
    assert reply.status in {400, 413}
    assert desk.asked == []


@pytest.mark.parametrize("piece", [b"X-More: " + b"y" * 8_000 + b"\r\n", b"y" * 8_000])
async def test_a_head_that_never_ends_is_cut_off(caller: Caller, piece: bytes) -> None:
    reader, writer = await asyncio.open_connection(*caller.address)
    writer.write(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
    sent = 0
    try:
        while not reader.at_eof() and sent < 64 << 20:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert 1 << 20 <= sent < 32 << 20  # past the bound and what the sockets hold
    assert (await caller.ask("GET", "/api/v1/health")).status == 200


async def test_a_head_in_pieces_before_a_large_body_is_taken(caller: Caller, desk: MemoryDesk) -> None:
    body = b'{"path": "/tmp/' + b"a" * 3_000 + b'"}'
    head = f"POST /api/v1/backups HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n".encode()
    more = b"X-More: " + b"y" * 60_000 + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert (await caller.raw(head, more, body)).status == 201
    assert desk.asked[0][0] == "backup"


async def test_bytes_that_are_not_http_are_refused(caller: Caller) -> None:
    assert (await caller.raw(b"\x16\x03\x01 hello\r\n\r\n")).status == 400


# ── errors and ids ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_error_of_ours_keeps_its_code_and_details(caller: Caller, desk: MemoryDesk) -> None:
    desk.raises = DiskFull("No room on the disk.", free=0)
    reply = await caller.ask("GET", "/api/v1/doctor")
    found = is_problem(reply, 503, "DISK_FULL")
    assert (found["details"], found["retryable"], reply.headers["retry-after"]) == ({"free": 0}, True, "1")
    desk.raises = StreamNotFound("No such stream.")
    is_problem(await caller.ask("GET", "/api/v1/doctor"), 404, "STREAM_NOT_FOUND")


async def test_a_fault_of_ours_tells_the_caller_an_id_and_nothing_else(
    caller: Caller, desk: MemoryDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """What broke is for the log: the caller gets the id under which it is there."""
    desk.raises = RuntimeError("the password is swordfish")
    reply = await caller.ask("GET", "/api/v1/doctor", extra="X-Correlation-Id: find-me\r\n")
    found = is_problem(reply, 500, "INTERNAL")
    assert "find-me" in found["detail"]
    assert b"swordfish" not in reply.body
    assert any("find-me" in str(record.msg) and "swordfish" in str(record.msg) for record in caplog.records)


async def test_a_usable_correlation_id_comes_back(caller: Caller) -> None:
    reply = await caller.ask("GET", "/health", extra="X-Correlation-Id: a.b_c-1\r\n")
    assert reply.headers["x-correlation-id"] == "a.b_c-1"


@pytest.mark.parametrize("offered", ["a b", "x" * 65, "a\tb", "é", "<script>", "", "a\x0bSet-Cookie: a=b"])
async def test_any_other_is_replaced(caller: Caller, offered: str) -> None:
    reply = await caller.raw(
        b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nX-Correlation-Id: "
        + offered.encode("latin-1")
        + b"\r\n\r\n"
    )
    if reply.status == 404:  # the parser refuses some of them by itself
        assert logs.CORRELATION_ID.fullmatch(reply.headers["x-correlation-id"])
        assert reply.headers["x-correlation-id"] != offered
    assert "set-cookie" not in reply.headers


async def test_the_id_and_who_asks_are_on_every_line_of_the_request(
    caller: Caller, desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    async def look(*, full: bool) -> wire.DoctorReport:
        seen.append(structlog.contextvars.get_contextvars())
        return await MemoryDesk().doctor(full=full)

    monkeypatch.setattr(desk, "doctor", look)
    await caller.ask("GET", "/api/v1/doctor", extra="X-Correlation-Id: c-1\r\n")
    assert seen == [{"correlation_id": "c-1", "principal": "local", "tenant": "default"}]


async def test_the_key_is_in_no_log_line(
    caller: Caller, desk: MemoryDesk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.raises = RuntimeError("broken")
    await caller.ask("GET", f"/api/v1/doctor?key={KEY}")
    await caller.ask("GET", "/api/v1/doctor")
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY in logs._secrets


async def test_answers_are_not_kept_or_guessed_at(caller: Caller) -> None:
    reply = await caller.ask("GET", "/api/v1/log")
    assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == (
        "no-store",
        "nosniff",
    )
    assert "server" not in reply.headers


# ── the page for browsers ────────────────────────────────────────────────────────────────────────────────


async def test_the_front_page_is_for_people_and_runs_nothing(caller: Caller, desk: MemoryDesk) -> None:
    desk.status, desk.reason = "failing", "<script>alert('x')</script>"
    reply = await caller.ask("GET", "/", key=None)
    page = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/html")
    assert "1.2.3" in page
    assert "/api/v1/openapi.json" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


# ── opening and closing ──────────────────────────────────────────────────────────────────────────────────


async def test_a_taken_address_is_refused_with_what_to_do(
    desk: MemoryDesk, make_door: Callable[[MemoryDesk, int], Door], taken_port: int
) -> None:
    with pytest.raises(AddressInUse, match=f"{taken_port}.*--port"):
        await make_door(desk, taken_port).start()


async def test_a_door_never_opens_to_the_network(desk: MemoryDesk) -> None:
    with pytest.raises(StartRefused, match="loopback"):
        Door(desk, key=KEY, config=DoorConfig(host="0.0.0.0")).bind()


async def test_the_address_is_known_and_taken_once_the_door_is_bound(
    desk: MemoryDesk, make_door: Callable[[MemoryDesk, int], Door]
) -> None:
    door = make_door(desk, 0)
    door.bind()
    port = int(door.url.rsplit(":", 1)[1])
    with pytest.raises(AddressInUse):
        make_door(desk, port).bind()
    await door.stop()
    again = make_door(desk, port)
    again.bind()
    await again.stop()


async def test_a_request_in_flight_is_answered_when_the_door_closes(
    caller: Caller, desk: MemoryDesk, door: Door
) -> None:
    desk.hang = asyncio.Event()
    reply = asyncio.create_task(caller.ask("POST", PRUNE, b"{}"))
    await _until(lambda: bool(desk.asked))
    closing = asyncio.create_task(door.stop(30))
    await asyncio.sleep(0)
    desk.hang.set()
    assert (await reply).status == 200
    await closing


@pytest.mark.parametrize(
    ("verb", "path", "code", "status"),
    [("GET", "/api/v1/doctor", "SHUTTING_DOWN", 503), ("POST", PRUNE, "OUTCOME_UNKNOWN", None)],
)
async def test_a_request_that_hangs_is_ended_after_the_grace_time_and_told_the_truth(
    caller: Caller, desk: MemoryDesk, door: Door, verb: str, path: str, code: str, status: int | None
) -> None:
    desk.hang = asyncio.Event()
    body = b"{}" if verb == "POST" else None
    reply = asyncio.create_task(caller.ask(verb, path, body))
    await _until(lambda: bool(desk.asked))
    async with asyncio.timeout(5):
        await door.stop(0.01)
    found = await reply
    is_problem(found, status or found.status, code)


async def test_slow_callers_hold_up_neither_others_nor_the_end(caller: Caller, door: Door) -> None:
    """Half a request line, half a head, half a body: the door works on, and closes."""
    halves = [
        b"GET /hea",
        b"GET /health HTTP/1.1\r\nHost: loc",
        f"POST {PRUNE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n".encode()
        + b"Content-Length: 9\r\n\r\n{",
    ]
    slow = []
    for half in halves * 20:
        reader, writer = await asyncio.open_connection(*caller.address)
        writer.write(half)
        slow.append((reader, writer))
    assert (await caller.ask("GET", "/health")).status == 200
    async with asyncio.timeout(5):
        await door.stop(0.05)
    for reader, writer in slow:
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_an_idle_door_sets_no_timers(door: Door) -> None:
    """Uvicorn's own loop would wake ten times a second."""
    loop = asyncio.get_running_loop()
    timers = getattr(loop, "_scheduled", [])
    assert [timer for timer in timers if not timer.cancelled()] == []
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in others if "uvicorn" in repr(task)] == []


async def test_many_requests_on_one_connection_and_pipelined_are_all_answered(caller: Caller) -> None:
    reader, writer = await asyncio.open_connection(*caller.address)
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request * 50 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answers = await reader.read()
    writer.close()
    assert answers.count(b"HTTP/1.1 200 OK") == 51
    assert json.loads(answers.rsplit(b"\r\n\r\n", 1)[1]) == {"status": "alive"}


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)
