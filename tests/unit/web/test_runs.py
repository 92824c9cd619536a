"""Runs and approvals over the door."""

from __future__ import annotations

import json

import pytest

from callboard.web import wire
from tests.unit.web.conftest import Caller, MemoryDesk
from tests.unit.web.running import ENDED, RUN

RUNS = f"{wire.API}/runs"


async def test_a_run_is_accepted_and_a_repeated_one_is_told_as_such(caller: Caller) -> None:
    first = await caller.ask("POST", f"{wire.API}/workflows/claims/runs", b'{"input": {"claim": 7}}')
    assert (first.status, first.json["run_id"], first.json["repeated"]) == (202, RUN, False)
    again = await caller.ask("POST", f"{wire.API}/workflows/claims/runs", b'{"request_id": "again"}')
    assert (again.status, again.json["run_id"], again.json["repeated"]) == (200, RUN, True)


@pytest.mark.parametrize("name", ["Claims", "claims_triage", "-x", "%2E"])
async def test_what_cannot_be_a_workflow_is_refused(caller: Caller, name: str) -> None:
    reply = await caller.ask("POST", f"{wire.API}/workflows/{name}/runs", b"{}")
    assert (reply.status, reply.json["code"]) == (400, "REQUEST_INVALID")


async def test_a_run_is_read_with_what_was_asked_for(caller: Caller) -> None:
    bare = await caller.ask("GET", f"{RUNS}/{RUN}")
    assert (bare.status, bare.json["steps"]) == (200, None)
    whole = await caller.ask("GET", f"{RUNS}/{RUN}?include=steps,events")
    assert whole.json["steps"] == []
    wrong = await caller.ask("GET", f"{RUNS}/{RUN}?include=stepps")
    assert (wrong.status, wrong.json["code"]) == (400, "REQUEST_INVALID")
    assert "steps" in wrong.json["detail"]


async def test_a_bad_id_is_400_and_an_unknown_one_404(caller: Caller) -> None:
    assert (await caller.ask("GET", f"{RUNS}/seven")).status == 400
    assert (await caller.ask("GET", f"{RUNS}/{ENDED}")).status == 404


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "cancel"])
async def test_what_cannot_be_is_a_conflict_with_the_state_that_the_run_is_in(
    caller: Caller, verb: str
) -> None:
    assert (await caller.ask("POST", f"{RUNS}/{RUN}/{verb}", b"{}")).status == 202
    reply = await caller.ask("POST", f"{RUNS}/{ENDED}/{verb}", b"{}")
    assert (reply.status, reply.json["code"]) == (409, "WRONG_STATE")
    assert reply.json["details"] == {"status": "failed"}


async def test_a_run_that_has_ended_is_deleted_and_one_that_goes_on_is_not(
    caller: Caller, desk: MemoryDesk
) -> None:
    gone = await caller.ask("DELETE", f"{RUNS}/{RUN}")
    assert (gone.status, gone.json) == (200, {"run_id": RUN})
    assert desk.asked[-1][:2] == ("delete", RUN)
    wrong = await caller.ask("DELETE", f"{RUNS}/{ENDED}")  # whose desk says so of every wish
    assert (wrong.status, wrong.json["code"]) == (409, "WRONG_STATE")
    assert (await caller.ask("DELETE", f"{RUNS}/seven")).status == 400


async def test_a_signal_carries_any_value(caller: Caller, desk: MemoryDesk) -> None:
    body = json.dumps({"name": "go", "body": [1, {"a": None}]}).encode()
    assert (await caller.ask("POST", f"{RUNS}/{RUN}/signal", body)).status == 202
    assert desk.asked[-1][2].body == [1, {"a": None}]


async def test_approvals_are_listed_and_decided(caller: Caller, desk: MemoryDesk) -> None:
    listed = await caller.ask("GET", f"{wire.API}/approvals")
    (one,) = listed.json["data"]
    body = b'{"decision": "reject", "by": "ann", "comment": "no"}'
    assert (await caller.ask("POST", f"{wire.API}/approvals/{one['id']}", body)).status == 202
    assert desk.asked[-1][2].decision == "reject"
    wrong = await caller.ask("POST", f"{wire.API}/approvals/{one['id']}", b'{"decision": "perhaps"}')
    assert wrong.status == 400
