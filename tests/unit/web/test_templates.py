"""Templates at the door: what is asked, and what cannot be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callboard.errors import TemplateAnswers
from callboard.web import wire
from tests.unit.web.conftest import Caller, MemoryDesk

AT = f"{wire.API}/templates"


@pytest.mark.parametrize(
    ("verb", "path", "sent", "status", "asked"),
    [
        ("GET", "?kind=document&search=x&after=a&limit=1", None, 200, ("templates",)),
        ("GET", "/letters", None, 200, ("template", "letters", None)),
        ("GET", "/letters?version=1", None, 200, ("template", "letters", 1)),
        ("GET", "/letters/versions?before=3&limit=1", None, 200, ("template versions", "letters")),
        ("POST", "/validate", {"text": "x"}, 200, ("validate template", "x")),
        ("POST", "/publish", {"text": "x"}, 200, ("publish template", "x")),
        ("POST", "/preview", {"text": "x", "answers": {"a": 1}}, 200, ("preview",)),
        ("POST", "/letters/render", {"document": "d", "answers": {}}, 200, ("render", "letters")),
        ("POST", "/letters/render", {}, 200, ("render", "letters")),
        ("POST", "/watch/instantiate", {"config": {"a": 1}}, 201, ("instantiate", "watch")),
    ],
)
async def test_each_request_is_asked_of_the_house(
    caller: Caller, desk: MemoryDesk, verb: str, path: str, sent: Any, status: int, asked: tuple[Any, ...]
) -> None:
    reply = await caller.ask(verb, AT + path, None if sent is None else msgspec.json.encode(sent))
    assert reply.status == status, reply.json
    assert desk.asked[-1][: len(asked)] == asked


@pytest.mark.parametrize(
    ("verb", "path", "sent", "status"),
    [
        ("GET", "/Letters", None, 400),
        ("GET", "/lettres", None, 404),
        ("GET", "/letters?version=0", None, 400),
        ("GET", "?kind=documents", None, 400),
        ("POST", "/lettres/render", {}, 404),
        ("POST", "/letters/render", {"answers": []}, 400),
        ("POST", "/letters/render", {"answer": {}}, 400),
        ("POST", "/letters/render", {"version": 0}, 400),
        ("POST", "/letters/render", {"document": ""}, 400),
        ("POST", "/watch/instantiate", {"name": "No Name"}, 400),
        ("POST", "/watch/instantiate", {"config": "x"}, 400),
        ("DELETE", "/letters", None, 405),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_told_apart(
    caller: Caller, verb: str, path: str, sent: Any, status: int
) -> None:
    reply = await caller.ask(verb, AT + path, None if sent is None else msgspec.json.encode(sent))
    assert (reply.status, len(reply.json["detail"]) > 10) == (status, True)


async def test_answers_that_do_not_fit_are_told_with_all_their_faults(
    caller: Caller, desk: MemoryDesk
) -> None:
    faults = [{"path": "answers.a", "message": "it is missing"}]
    desk.raises = TemplateAnswers("This cannot be filled in.", faults=faults)
    reply = await caller.ask("POST", f"{AT}/letters/render", b"{}")
    assert (reply.status, reply.json["code"]) == (422, "TEMPLATE_ANSWERS")
    assert reply.json["details"]["faults"] == faults


async def test_it_needs_a_key(caller: Caller) -> None:
    assert (await caller.ask("POST", f"{AT}/letters/render", b"{}", key=None)).status == 401
