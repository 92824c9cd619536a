"""The webhook bot against a real server: what is posted, what becomes of the answer, and of each failure."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.botconfig import BotConfig
from callboard.company.webhook import Webhook, engagement
from callboard.errors import BotInvalid
from callboard.ids import BotName
from callboard.messages import Body
from tests.unit.company.stage import Stage, stage

ANSWER_BYTES = 1_000
VARIABLE = "BILLING_SECRET"


class Invoice(Body):
    amount: int


class Written(Body):
    number: str


class Heard(Memory):
    numbers: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Clerk(Bot):
    """Hears what was written."""

    subscribes = ("invoices.*",)
    memory: Heard

    @on(Written)
    async def hear(self, written: Written, turn: Turn) -> None:
        self.memory.numbers.append(written.number)


Reaction = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """A server that keeps what it is posted, and answers as it is told, the last answer again and again."""

    def __init__(self) -> None:
        self.posted: list[tuple[Mapping[str, str], bytes]] = []
        self.answers: list[web.Response | Reaction] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_post("/in", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.posted.append((request.headers.copy(), await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(answer, web.Response):
            return await answer(request)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posted]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    found = Service()
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "callboard.db", Clerk) as found:
        yield found


async def engage(here: Stage, service: Service, **said: Any) -> None:
    said.setdefault("url", f"http://127.0.0.1:{service.port}/in")
    shape, terms = engagement("billing", BotConfig(kind="webhook", **said), ANSWER_BYTES)
    await here.company.engage(Webhook, shape, terms, kind="webhook")


def says(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, text=json.dumps(value))


async def dead(here: Stage) -> list[tuple[str, int, str]]:
    return [(one.reason, one.attempts, one.error) for one in await here.store.dead_letters()]


async def test_a_message_is_posted_whole_and_the_answer_is_the_reply(here: Stage, service: Service) -> None:
    service.answers = [says({"type": "written", "body": {"number": "A-1"}})]
    await engage(here, service, headers={"Authorization": "Bearer abc"})
    sent = await here.send("billing", Invoice(7), headers={"max-hops": "3"}, conversation="c-1")
    await here.quiet("billing")
    ((headers, _),) = service.posted
    assert headers["Idempotency-Key"] == str(sent.id)
    assert headers["Authorization"] == "Bearer abc"
    assert headers["Callboard-Bot"] == "billing"
    assert headers["X-Correlation-Id"] == "c-1"
    assert "X-Hub-Signature-256" not in headers
    (document,) = service.documents
    at = document.pop("at")
    assert at.endswith("Z")
    assert document == {
        "id": str(sent.id),
        "position": sent.position,
        "type": "invoice",
        "sender": "local",
        "to": "billing",
        "channel": None,
        "conversation": "c-1",
        "body": {"amount": 7},
        "headers": {"max-hops": "3"},
        "reply_to": None,
        "hops": 0,
        "asks": False,
    }
    reply = (await here.said(pair=("local", "billing")))[-1].message
    assert (reply.sender, reply.type, reply.body, reply.reply_to) == (
        "billing",
        "written",
        {"number": "A-1"},
        sent.id,
    )
    assert (reply.hops, reply.conversation) == (1, "c-1")


@pytest.mark.parametrize("conversation", ["two\nlines", "Besuch für Käthe", "x" * 5_000])
async def test_a_conversation_that_is_fit_for_no_header_is_in_the_document_alone(
    here: Stage, service: Service, conversation: str
) -> None:
    service.answers = [web.Response(status=204)]
    await engage(here, service, attempts=1)
    sent = await here.send("billing", Invoice(7), conversation=conversation)
    await here.quiet("billing")
    assert [headers["X-Correlation-Id"] for headers, _ in service.posted] == [str(sent.id)]
    assert service.documents[0]["conversation"] == conversation


async def test_the_signature_is_of_the_very_bytes_that_are_sent(
    here: Stage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "s3cret")
    service.answers = [web.Response(status=204)]
    await engage(here, service, secret=VARIABLE)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    ((headers, body),) = service.posted
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={expected}"


def test_a_secret_that_is_not_set_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(BotInvalid, match=r"bots\.billing\.secret: .* BILLING_SECRET is not set"):
            engagement("billing", BotConfig(kind="webhook", url="http://a", secret=VARIABLE), 1)


async def test_an_answer_may_send_and_publish(here: Stage, service: Service) -> None:
    service.answers = [
        says(
            {
                "messages": [
                    {"to": "clerk", "type": "written", "body": {"number": "direct"}},
                    {"channel": "invoices.new", "type": "written", "body": {"number": "public"}},
                ]
            }
        )
    ]
    await engage(here, service)
    await here.send("billing", Invoice(7))
    await here.quiet("billing", "clerk")
    memory = await here.store.memory(BotName("clerk"))
    assert memory is not None
    assert memory.data == '{"numbers":["direct","public"]}'
    assert len(await here.said(pair=("local", "billing"))) == 1, "no type and no body: no reply"


@pytest.mark.parametrize("answer", [web.Response(status=204), web.Response(status=202, body=b" \n")])
async def test_an_empty_answer_is_no_reply(here: Stage, service: Service, answer: web.Response) -> None:
    service.answers = [answer]
    await engage(here, service)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    (only,) = await here.said(pair=("local", "billing"))
    assert [one.outcome for one in only.deliveries] == ["handled"]


async def test_who_asks_a_webhook_bot_is_given_its_answer(here: Stage, service: Service) -> None:
    service.answers = [says({"type": "written", "body": {"number": "A-1"}})]
    await engage(here, service)

    class Front(Bot):
        @on(Invoice)
        async def pass_on(self, invoice: Invoice, turn: Turn) -> None:
            turn.publish("invoices.done", await turn.ask("billing", invoice, Written))

    await here.engage(Front)
    await here.send("front", Invoice(7))
    await here.quiet("front", "clerk")
    memory = await here.store.memory(BotName("clerk"))
    assert memory is not None
    assert memory.data == '{"numbers":["A-1"]}'


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_fault_of_the_moment_is_tried_again_with_the_same_key(
    here: Stage, service: Service, status: int
) -> None:
    service.answers = [web.Response(status=status), says({"type": "written", "body": {"number": "1"}})]
    await engage(here, service)
    sent = await here.send("billing", Invoice(7))
    await here.quiet("billing")
    assert [headers["Idempotency-Key"] for headers, _ in service.posted] == [str(sent.id)] * 2
    assert service.posted[0][1] == service.posted[1][1]
    assert len(await here.said(pair=("local", "billing"))) == 2
    assert await dead(here) == []


async def test_a_server_that_asks_for_time_is_given_it(here: Stage, service: Service) -> None:
    service.answers = [web.Response(status=429, headers={"Retry-After": "2"}), web.Response(status=204)]
    await engage(here, service)
    await here.send("billing", Invoice(7))
    await here.until(lambda: here.store.next_retry(BotName("billing")), within=10)
    due = await here.store.next_retry(BotName("billing"))
    assert due is not None
    assert (due - here.clock.now()).total_seconds() > 1.0, "the first pause of ours is 0.2 s at most"
    await here.quiet("billing")
    assert len(service.posted) == 2


@pytest.mark.parametrize("text", ["soon", "-3", "1e9", "Wed, 99 Jan 1970 00:00:00 GMT", "٣"])
async def test_nonsense_about_time_is_passed_over(here: Stage, service: Service, text: str) -> None:
    answer = web.Response(status=503)
    answer.headers["Retry-After"] = text
    service.answers = [answer, web.Response(status=204)]
    await engage(here, service)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    assert len(service.posted) == 2


async def test_a_server_that_never_mends_leads_to_a_dead_letter(here: Stage, service: Service) -> None:
    service.answers = [web.Response(status=500)]
    await engage(here, service, attempts=2)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    ((reason, attempts, error),) = await dead(here)
    assert (reason, attempts, len(service.posted)) == ("FAILED", 2, 2)
    assert "answered 500" in error


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 422])
async def test_a_refusal_is_not_repeated(here: Stage, service: Service, status: int) -> None:
    service.answers = [web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"})]
    await engage(here, service)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    ((reason, attempts, error),) = await dead(here)
    assert (reason, attempts, len(service.posted)) == ("FAILED", 1, 1)
    assert f"answered {status}" in error


async def test_a_server_that_does_not_answer_in_time_has_failed(here: Stage, service: Service) -> None:
    let_go = asyncio.Event()

    async def sleeps(_: web.Request) -> web.Response:
        await let_go.wait()
        return web.Response(status=204)

    service.answers = [sleeps]
    await engage(here, service, attempts=1, timeout=0.2)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    ((reason, _, error),) = await dead(here)
    assert reason == "FAILED"
    assert "took longer than 0.2 s" in error
    let_go.set()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>Back soon</html>", "cannot be read"),
        (b'"hello"', "cannot be read"),
        (b'{"type": "written", "bdoy": {}}', "bdoy"),
        (b'{"type": "written"}', "only one of type and body"),
        (b'{"body": {}}', "only one of type and body"),
        (b'{"type": "No Name", "body": {}}', "No Name"),
        (b'{"messages": [{"type": "a", "body": {}}]}', "one of to and channel"),
        (b'{"messages": [{"to": "a", "channel": "b", "type": "a", "body": {}}]}', "one of to and channel"),
        (b'{"messages": [{"to": "nobody", "type": "a", "body": {}}]}', "nobody"),
        (b'{"messages": [{"to": "clerk", "type": "a", "body": {}, "after": "soon"}]}', "soon"),
        (b"[" * 990, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"type": "written", "body": "' + b"a" * ANSWER_BYTES + b'"}', "more than 1,000 bytes"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_a_failed_attempt_and_nothing_of_it_is_sent(
    here: Stage, service: Service, answer: bytes, said: str
) -> None:
    service.answers = [web.Response(body=answer)]
    await engage(here, service, attempts=1)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    ((reason, _, error),) = await dead(here)
    assert reason == "FAILED"
    assert said in error
    assert len(await here.said()) == 1


async def test_an_answer_without_end_is_cut_off(here: Stage, service: Service) -> None:
    async def streams(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a" * 100)

    service.answers = [streams]
    await engage(here, service, attempts=1)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    assert "more than 1,000 bytes" in (await dead(here))[0][2]


async def test_an_answer_that_was_packed_though_nobody_asked_for_that_is_not_unpacked(
    here: Stage, service: Service
) -> None:
    bomb = gzip.compress(b"[" + b" " * 900_000 + b"]")
    assert len(bomb) < ANSWER_BYTES
    service.answers = [web.Response(body=bomb, headers={"Content-Encoding": "gzip"})]
    await engage(here, service, attempts=1)
    await here.send("billing", Invoice(7))
    await here.quiet("billing")
    assert "cannot be read" in (await dead(here))[0][2]
    assert service.posted[0][0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("garbage", [b"", b"220 smtp.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_what_speaks_no_http_has_failed(here: Stage, service: Service, garbage: bytes) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await engage(here, service, attempts=2, url=f"http://127.0.0.1:{port}/in")
        await here.send("billing", Invoice(7))
        await here.quiet("billing")
    ((reason, attempts, error),) = await dead(here)
    assert (reason, attempts) == ("FAILED", 2)
    assert "could not be reached" in error


async def test_a_server_that_is_gone_and_comes_back_is_given_what_waited(
    here: Stage, service: Service
) -> None:
    service.answers = [web.Response(status=204)]
    await engage(here, service, on_error="block", attempts=50)
    await here.send("billing", Invoice(1))
    await here.quiet("billing")
    await service.close()
    await here.send("billing", Invoice(2))
    await here.send("billing", Invoice(3))
    await here.until(lambda: here.store.next_retry(BotName("billing")), within=10)
    await service.open()
    await here.quiet("billing")
    assert [document["body"]["amount"] for document in service.documents] == [1, 2, 3]
    assert await dead(here) == []


async def test_what_follows_a_question_mark_is_in_no_error(here: Stage, service: Service) -> None:
    service.answers = [web.Response(status=404)]
    await engage(here, service, url=f"http://127.0.0.1:{service.port}/in?token=hunter2")
    await here.send("billing", Invoice(1))
    await here.quiet("billing")
    (letter,) = await here.store.dead_letters()
    entry = await here.store.entry(letter.letter)
    assert entry is not None
    assert b"hunter2" not in bytes(entry.data)
