"""Workflows at the door: the same check as on the command line, and those that were published."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callboard.checking import check
from callboard.web import wire
from callboard.web import workflows as of
from tests.unit.web.conftest import Caller, MemoryDesk

PATH = f"{wire.API}/workflows/validate"


def body(text: str) -> bytes:
    return msgspec.json.encode({"text": text})


async def test_a_workflow_without_faults_is_well(caller: Caller) -> None:
    reply = await caller.ask("POST", PATH, body("name: a\nsteps: [{id: b, uses: core.set}]"))
    assert reply.status == 200
    assert reply.json == {"ok": True, "faults": []}


async def test_the_door_tells_what_the_check_tells(caller: Caller) -> None:
    text = "name: A\nsteps:\n- {id: b, uses: core.sat}\n- {id: b, uses: core.set, with: {x: '{{ y'}}\n"
    reply = await caller.ask("POST", PATH, body(text))
    assert reply.status == 200
    assert reply.json == {"ok": False, "faults": msgspec.to_builtins(check(text))}


async def test_warnings_alone_are_well(caller: Caller) -> None:
    text = "name: a\nsteps: [{id: b, uses: core.set, with: {x: '{{ vars.y }}'}}]"
    reply = await caller.ask("POST", PATH, body(text))
    assert reply.json["ok"]
    assert [fault["severity"] for fault in reply.json["faults"]] == ["warning"]


async def test_an_unknown_field_is_refused(caller: Caller) -> None:
    reply = await caller.ask("POST", PATH, b'{"txt": ""}')
    assert reply.status == 400
    assert "did you mean text?" in reply.json["detail"]


async def test_it_needs_a_key(caller: Caller) -> None:
    assert (await caller.ask("POST", PATH, body(""), key=None)).status == 401


async def test_workflows_are_listed(caller: Caller) -> None:
    reply = await caller.ask("GET", f"{wire.API}/workflows")
    assert reply.status == 200
    assert [(row["name"], row["version"], row["versions"]) for row in reply.json["data"]] == [
        ("claims", 2, 2)
    ]


@pytest.mark.parametrize(("query", "version"), [("", None), ("?version=1", 1)])
async def test_a_workflow_is_read_in_one_version(
    caller: Caller, desk: MemoryDesk, query: str, version: int | None
) -> None:
    reply = await caller.ask("GET", f"{wire.API}/workflows/claims{query}")
    assert (reply.status, reply.json["version"]) == (200, version or 2)
    assert [row["version"] for row in reply.json["history"]] == [2, 1]
    assert desk.asked[-1] == ("workflow", "claims", version)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("claimz", 404),
        ("claims?version=7", 404),
        ("Claims", 400),
        ("claims?version=0", 400),
        ("claims?version=x", 400),
        ("claims?verzion=1", 400),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_told_apart(caller: Caller, path: str, status: int) -> None:
    reply = await caller.ask("GET", f"{wire.API}/workflows/{path}")
    assert reply.status == status


# ── drafts and versions ──────────────────────────────────────────────────────────────────────────────────

AT = f"{wire.API}/workflows"


@pytest.mark.parametrize(
    ("verb", "path", "sent", "status", "asked"),
    [
        ("GET", "?owner=clerk&status=active&search=x&after=a&limit=1", None, 200, ("workflows",)),
        ("POST", "", {"text": "name: claims"}, 201, ("create",)),
        ("GET", "/claims/draft", None, 200, ("draft", "claims")),
        ("PUT", "/claims/draft", {"text": "x", "revision": 3}, 200, ("save", "claims")),
        ("PUT", "/claims", {"text": "x", "revision": 0}, 200, ("save", "claims")),
        ("DELETE", "/claims/draft", None, 200, ("drop", "claims", None)),
        ("DELETE", "/claims/draft?revision=3", None, 200, ("drop", "claims", 3)),
        ("DELETE", "/claims", None, 200, ("delete", "claims")),
        ("POST", "/claims/validate", {}, 200, ("draft", "claims")),
        ("POST", "/publish", {"text": "x", "activate": False}, 200, ("publish",)),
        ("POST", "/claims/publish", {"revision": 3}, 200, ("publish_draft", "claims")),
        ("POST", "/claims/archive", {"reason": "no use"}, 200, ("archive", "claims", "no use")),
        ("POST", "/claims/reactivate", {}, 200, ("reactivate", "claims", None)),
        ("POST", "/claims/activate", {"version": 1}, 200, ("activate", "claims", 1)),
        ("GET", "/claims/versions?before=3&limit=1", None, 200, ("versions", "claims")),
        ("GET", "/claims/versions/2", None, 200, ("version", "claims", 2)),
        ("GET", "/claims/diff?old=1&new=draft", None, 200, ("diff", "claims", "1", "draft")),
    ],
)
async def test_every_word_reaches_the_desk(
    caller: Caller, desk: MemoryDesk, verb: str, path: str, sent: Any, status: int, asked: tuple[Any, ...]
) -> None:
    reply = await caller.ask(verb, AT + path, None if sent is None else msgspec.json.encode(sent))
    assert reply.status == status, reply.json
    assert desk.asked[-1][: len(asked)] == asked
    if verb != "GET" and asked[0] != "draft":
        assert desk.asked[-1][-1] == "local", "with the name of who did it"


@pytest.mark.parametrize(
    ("verb", "path", "sent", "said"),
    [
        ("GET", "?status=dead", None, "'dead'"),
        ("GET", "?limit=0", None, ">= 1"),
        ("GET", "?ovner=x", None, "did you mean owner?"),
        ("POST", "", {"name": "claims"}, "text"),
        ("POST", "", {"text": "x", "name": "No Name"}, "cannot be a workflow"),
        ("PUT", "/claims/draft", {"text": "x"}, "revision"),
        ("PUT", "/claims/draft", {"text": "x", "revision": -1}, ">= 0"),
        ("PUT", "/Claims/draft", {"text": "x", "revision": 0}, "cannot be a workflow"),
        ("DELETE", "/claims/draft?revision=x", None, "int"),
        ("POST", "/claims/publish", {"activate": "yes"}, "bool"),
        ("POST", "/claims/activate", {}, "version"),
        ("POST", "/claims/activate", {"version": 0}, ">= 1"),
        ("POST", "/claims/archive", {"reason": "x" * 2001}, "<= 2000"),
        ("GET", "/claims/versions/0", None, "is not a version"),
        ("GET", "/claims/versions/x", None, "is not a version"),
        ("GET", "/claims/versions/" + "9" * 40, None, "is not a version"),
        ("GET", "/claims/diff?old=-1", None, "the number of a version, or active, or draft"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_its_place(
    caller: Caller, verb: str, path: str, sent: Any, said: str
) -> None:
    reply = await caller.ask(verb, AT + path, None if sent is None else msgspec.json.encode(sent))
    assert reply.status == 400, reply.json
    assert said in reply.json["detail"]


async def test_a_workflow_may_be_called_as_a_word_of_the_path_is(caller: Caller, desk: MemoryDesk) -> None:
    """`publish` takes POST alone: a workflow of that name is read all the same."""
    assert (await caller.ask("GET", f"{AT}/publish")).status == 404
    assert desk.asked[-1] == ("workflow", "publish", None)
    asked: tuple[Any, ...] = ("versions", "versions", of.VersionsQuery())
    assert (await caller.ask("GET", f"{AT}/versions/versions")).status == 404
    assert desk.asked[-1] == asked
