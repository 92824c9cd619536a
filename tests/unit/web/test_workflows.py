"""Workflows at the door: the same check as on the command line, and those that were published."""

from __future__ import annotations

import msgspec
import pytest

from callboard.checking import check
from callboard.web import wire
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
