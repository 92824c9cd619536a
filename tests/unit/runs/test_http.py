"""Steps make requests: what is sent, what an answer makes of the step, and where no request may go."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from callboard.clock import SystemClock
from callboard.retry import LONGEST_PAUSE, asked_pause
from callboard.steps.client import MOST_REDIRECTS, Allows, Session, anywhere, is_public
from callboard.testing.clock import START
from tests.unit.runs.house import House, house

Reaction = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "correct-horse"


class Service:
    """A server that keeps what it is asked, and reacts as it is told, the last time again and again."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.reactions: list[Reaction] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, str(request.rel_url), request.headers.copy(), body))
        react = self.reactions.pop(0) if len(self.reactions) > 1 else self.reactions[0]
        return await react(request)

    def answers(self, *responses: tuple[int, str, Mapping[str, str]]) -> None:
        def reaction(status: int, text: str, headers: Mapping[str, str]) -> Reaction:
            async def react(_: web.Request) -> web.Response:
                return web.Response(status=status, body=text.encode(), headers=headers)

            return react

        self.reactions = [reaction(*one) for one in responses]


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.port = runner.addresses[0][1]
    service.answers((200, "", {}))
    yield service
    await runner.cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as found:
        yield found


class Liar(AbstractResolver):
    """Tells for every name what it is told to."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""


@asynccontextmanager
async def running(
    tmp_path: Path,
    given: Mapping[str, Any],
    *,
    allows: Allows = anywhere,
    resolver: Liar | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """Open a house with one workflow of one request, that is tried twice without a pause."""
    step = {"id": "a", "uses": "http.request", "with": given, "retry": {"attempts": 2, "delay": "0s"}, **more}
    text = json.dumps({"name": "w", "steps": [step], "output": "{{ steps.a.output }}"})
    client = partial(Session, allows, resolver=resolver)
    async with house(tmp_path / "db", text, clock=SystemClock(), open_client=client) as here:
        async with asyncio.timeout(15):
            yield here


async def output(tmp_path: Path, given: Mapping[str, Any], **more: Any) -> Any:
    async with running(tmp_path, given, **more) as here:
        began = await here.start()
        await here.comes_to(began.run)
        return (await here.facts(began.run))[-1].final_output


async def failure(tmp_path: Path, given: Mapping[str, Any], **more: Any) -> Any:
    """Return the error of a step that fails, and how often it was tried."""
    async with running(tmp_path, given, **more) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        (failed,) = [one for one in await here.facts(began.run) if type(one).__name__ == "StepFailed"]
        return failed.error, len(await here.attempts(began.run))


JSON = {"Content-Type": "application/json"}

# ── what is sent, and what comes back ─────────────────────────────────────────────────────────────────────


async def test_json_goes_out_and_json_comes_back(tmp_path: Path, service: Service) -> None:
    service.answers((201, '{"number": 7}', {"Content-Type": "application/problem+json", "X-More": "yes"}))
    given = {"url": service.url + "?q=1", "method": "POST", "json": {"a": [1]}, "headers": {"X-Mine": "é"}}
    said = await output(tmp_path, given)
    assert (said["status"], said["body"], said["headers"]["x-more"]) == (201, {"number": 7}, "yes")
    ((method, path, headers, body),) = service.asked
    assert (method, path, json.loads(body)) == ("POST", "/in?q=1", {"a": [1]})
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Mine"] == "é"
    assert headers["Idempotency-Key"] == f"{headers['X-Correlation-Id']}:a:1"


async def test_text_goes_out_and_text_comes_back_in_its_own_letters(tmp_path: Path, service: Service) -> None:
    async def react(_: web.Request) -> web.Response:
        return web.Response(
            body="Käthe".encode("latin-1"), headers={"Content-Type": "text/x; charset=iso-8859-1"}
        )

    service.reactions = [react]
    said = await output(tmp_path, {"url": service.url, "method": "PUT", "body": "für"})
    assert said["body"] == "Käthe"
    assert service.asked[0][3] == "für".encode()


async def test_json_that_is_null_is_a_body(tmp_path: Path, service: Service) -> None:
    await output(tmp_path, {"url": service.url, "method": "POST", "json": None})
    assert service.asked[0][3] == b"null"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
async def test_an_answer_without_a_body_has_none(
    tmp_path: Path, service: Service, method: str, status: int
) -> None:
    service.answers((status, "", JSON))
    assert (await output(tmp_path, {"url": service.url, "method": method}))["body"] is None


async def test_what_is_expected_is_well_and_a_redirect_may_be(tmp_path: Path, service: Service) -> None:
    service.answers((302, "", {"Location": "/elsewhere"}))
    said = await output(tmp_path, {"url": service.url, "expect": [302, 404]})
    assert (said["status"], len(service.asked)) == (302, 1)


async def test_a_secret_goes_out_and_never_reaches_the_log(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def echo(request: web.Request) -> web.Response:
        # Where the answer is cut, the secret stands on both sides of it.
        return web.Response(status=404, text="x" * 495 + request.headers["Authorization"])

    monkeypatch.setenv("HTTP_TOKEN", TOKEN)
    service.reactions = [echo]
    secret = '{{ secret("HTTP_TOKEN") }}'
    given = {
        "url": service.url + "/" + secret,
        "headers": {"Authorization": secret},
        "body": secret,
        "method": "POST",
    }
    error, _ = await failure(tmp_path, given)
    ((_, path, headers, body),) = service.asked
    assert (path, headers["Authorization"], body) == (f"/in/{TOKEN}", TOKEN, TOKEN.encode())
    assert TOKEN[:4] not in str(error)
    assert TOKEN.encode() not in (tmp_path / "db").read_bytes()


@pytest.mark.parametrize("headers", [{"A b": "x"}, {"A": "x\ny"}, {"Content-Length": "9"}, {"": "x"}])
async def test_a_header_that_would_break_the_request_is_refused(
    tmp_path: Path, service: Service, headers: Mapping[str, str]
) -> None:
    error, tried = await failure(tmp_path, {"url": service.url, "headers": headers})
    assert (error.code, tried, service.asked) == ("BAD_INPUT", 1, [])
    assert "with.headers" in error.message


@pytest.mark.parametrize("url", ["http://", "http://x:99999/", "http://[::1/"])
async def test_what_is_no_url_fails_and_is_not_tried_again(tmp_path: Path, url: str) -> None:
    error, tried = await failure(tmp_path, {"url": url})
    assert (error.code, tried) == ("BAD_INPUT", 1)


# ── answers that are not well ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [400, 404, 304])
async def test_an_unexpected_answer_fails_for_good_with_its_beginning(
    tmp_path: Path, service: Service, status: int
) -> None:
    service.answers((status, "" if status == 304 else "n" * 900, {}))
    error, tried = await failure(tmp_path, {"url": service.url + "?key=hidden"})
    assert (error.code, tried) == (f"HTTP_{status}", 1)
    assert error.message == f"{service.url} answered {status}."
    assert error.details == {"status": status, "body": "" if status == 304 else "n" * 500}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_passing_fault_is_tried_again_with_the_same_key(
    tmp_path: Path, service: Service, status: int
) -> None:
    service.answers((status, "", {}), (200, "", {}))
    await output(tmp_path, {"url": service.url})
    first, second = (headers["Idempotency-Key"] for _, _, headers, _ in service.asked)
    assert first == second


async def test_a_server_that_asks_for_a_pause_is_given_it(tmp_path: Path, service: Service) -> None:
    service.answers((503, "", {"Retry-After": "1800"}))
    async with running(tmp_path, {"url": service.url}) as here:
        began = await here.start()
        await here.stage.until(lambda: service.asked)
        await here.asleep()
        (retried,) = [one for one in await here.facts(began.run) if type(one).__name__ == "AttemptRetried"]
        assert timedelta(seconds=1790) < retried.due - retried.at < timedelta(seconds=1810)


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("7", 7.0),
        (format_datetime(START + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(START - timedelta(days=1), usegmt=True), 0.0),
        ("9" * 400, LONGEST_PAUSE),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_a_pause_is_asked_for_in_seconds_or_by_a_date(text: str, pause: float | None) -> None:
    assert asked_pause(text, START) == pause


async def test_a_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error, tried = await failure(tmp_path, {"url": f"http://127.0.0.1:{free.getsockname()[1]}/"})
    assert (error.code, tried) == ("CONNECTION_FAILED", 2)


async def test_a_connection_that_breaks_in_the_middle_is_tried_again(
    tmp_path: Path, service: Service
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    service.reactions = [broken]
    error, tried = await failure(tmp_path, {"url": service.url})
    assert (error.code, tried) == ("CONNECTION_FAILED", 2)


async def test_a_slow_server_is_asked_again_with_the_same_key(tmp_path: Path, service: Service) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    service.reactions = [slow]
    error, tried = await failure(tmp_path, {"url": service.url}, timeout="200ms")
    assert (error.code, tried) == ("TIMEOUT", 2)
    first, second = (headers["Idempotency-Key"] for _, _, headers, _ in service.asked)
    assert first == second


async def test_an_answer_without_end_is_refused_while_it_arrives(tmp_path: Path, service: Service) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    service.reactions = [endless]
    error, tried = await failure(tmp_path, {"url": service.url})
    assert (error.code, tried) == ("OUTPUT_TOO_LARGE", 1)


@pytest.mark.parametrize("headers", [JSON, {"Content-Encoding": "gzip"}])
async def test_an_answer_that_is_not_what_it_says_is_told(
    tmp_path: Path, service: Service, headers: Mapping[str, str]
) -> None:
    service.answers((200, "{", headers))
    error, tried = await failure(tmp_path, {"url": service.url})
    assert (error.code, tried) == ("ANSWER_UNREADABLE", 1)


# ── redirects ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"b")],
)
async def test_a_redirect_is_followed_as_its_status_says(
    tmp_path: Path, service: Service, status: int, method: str, body: bytes
) -> None:
    service.answers((status, "", {"Location": "/there"}), (200, "", {}))
    await output(
        tmp_path, {"url": service.url, "method": "POST", "body": "b", "headers": {"Authorization": "me"}}
    )
    last_method, path, headers, last_body = service.asked[-1]
    assert (last_method, path, last_body, headers["Authorization"]) == (method, "/there", body, "me")


async def test_another_origin_is_not_handed_the_authors_headers(tmp_path: Path, service: Service) -> None:
    async with serving() as other:
        service.answers((302, "", {"Location": other.url}))
        given = {"url": service.url, "headers": {"Authorization": "me", "X-Api-Key": "k", "Cookie": "c=1"}}
        await output(tmp_path, given)
        ((_, _, headers, _),) = other.asked
    assert not {"Authorization", "X-Api-Key", "Cookie"} & set(headers)
    assert headers["Idempotency-Key"] == service.asked[0][2]["Idempotency-Key"]


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "http://[", "http://other.example/", "ftp://127.0.0.1/", "/in"]
)
async def test_a_redirect_that_leads_astray_is_refused(tmp_path: Path, service: Service, where: str) -> None:
    service.answers((307, "", {"Location": where}))
    error, tried = await failure(tmp_path, {"url": service.url, "method": "POST", "body": "b"})
    assert (error.code, tried) == ("REDIRECT_REFUSED", 1)
    assert len(service.asked) == (1 + MOST_REDIRECTS if where == "/in" else 1)


# ── where no request may go ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"])
async def test_this_machine_is_not_reached(tmp_path: Path, service: Service, host: str) -> None:
    error, tried = await failure(tmp_path, {"url": f"http://{host}:{service.port}/"}, allows=is_public)
    assert (error.code, tried, service.asked) == ("TARGET_DENIED", 1, [])
    assert "workflows.http_private" in error.message


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::ffff:127.0.0.1",), ("169.254.169.254",)]
)
async def test_a_name_that_leads_to_a_private_address_is_not_reached(
    tmp_path: Path, service: Service, addresses: tuple[str, ...]
) -> None:
    given = {"url": f"http://intake.example:{service.port}/"}
    error, tried = await failure(tmp_path, given, allows=is_public, resolver=Liar(*addresses))
    assert (error.code, tried, service.asked) == ("TARGET_DENIED", 1, [])


async def test_a_redirect_to_a_private_address_is_refused(tmp_path: Path, service: Service) -> None:
    def allows(address: str) -> bool:
        # One address of this machine stands for the public internet.
        return address == "127.0.0.1" or is_public(address)

    service.answers((302, "", {"Location": f"http://127.0.0.2:{service.port}/inner"}))
    error, tried = await failure(
        tmp_path, {"url": f"http://intake.example:{service.port}/"}, allows=allows, resolver=Liar("127.0.0.1")
    )
    assert (error.code, tried, len(service.asked)) == ("TARGET_DENIED", 1, 1)


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "127.8.9.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "nonsense", ""),
        *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:0:0:0:0:0:1"),
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_an_address_of_the_public_internet_is_told(address: str) -> None:
    assert is_public(address)
