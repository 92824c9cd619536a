"""Triggers of a real server: webhooks by real requests, and the words of the command line."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.server import Server, up

SECRET = "a-secret-of-claims"
CLAIMS = """
name: claims
input: {type: object, required: [claim], properties: {claim: {type: integer}}}
on:
  - webhook: git/claims
    auth: {hmac: CLAIMS_SECRET}
    input: {claim: "{{ event.number }}"}
    if: event.kind != "noise"
  - webhook: plain
    auth: {bearer: CLAIMS_SECRET}
  - webhook: closed
    auth: {hmac: NO_SUCH_SECRET}
  - schedule: "0 7 * * *"
    timezone: Europe/Lisbon
    input: {claim: 1}
steps:
  - {id: a, uses: core.echo, with: {message: "{{ trigger.claim }}"}}
output: "{{ steps.a.output.echo }}"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("triggers")
    folder = project / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "claims.yaml").write_text(CLAIMS)
    with up(project, CLAIMS_SECRET=SECRET) as server:
        yield server


def post(server: Server, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", f"/webhooks/{path}", body, {"Content-Type": "application/json", **named})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def signed(server: Server, body: bytes, **more: str) -> tuple[int, dict[str, Any]]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return post(server, "git/claims", body, X_Hub_Signature_256=f"sha256={digest}", **more)


def told(server: Server, *words: str) -> Any:
    return json.loads(server.say(*words, "--json").stdout)


def trigger(server: Server, about: str) -> str:
    return next(str(one["id"]) for one in told(server, "trigger", "list")["data"] if one["about"] == about)


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something holds, which is so when another process has done it."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signed_delivery_starts_a_run_with_what_it_says(server: Server) -> None:
    status, answer = signed(server, b'{"kind": "claim", "number": 7}')
    assert (status, answer["started"]) == (202, True)
    run = answer["run_id"]
    until(lambda: told(server, "runs", "show", run)["status"] == "completed")
    assert told(server, "runs", "show", run)["output"] == 7
    last = told(server, "trigger", "show", trigger(server, "git/claims"))["records"][0]
    assert (last["what"], last["run_id"]) == ("fired", run)


WRONG = [
    {},
    {"X_Hub_Signature_256": ""},
    {"X_Hub_Signature_256": "sha256=" + "0" * 64},
    {"X_Hub_Signature_256": "sha1=" + "0" * 40},
    {"X_Hub_Signature_256": "sha256=é"},
    {"Authorization": f"Bearer {SECRET}"},
]


@pytest.mark.parametrize("headers", WRONG)
def test_whoever_does_not_know_the_secret_is_told_the_same_sentence(
    server: Server, headers: dict[str, str]
) -> None:
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    status, answer = post(server, "git/claims", b'{"number": 1}', **sent)
    assert (status, answer["code"]) == (401, "UNAUTHENTICATED")
    assert answer["detail"].startswith("This webhook does not know you.")
    assert SECRET not in json.dumps(answer)


def test_a_signature_is_of_these_bytes_and_no_others(server: Server) -> None:
    digest = hmac.new(SECRET.encode(), b'{"number": 1}', hashlib.sha256).hexdigest()
    status, _ = post(server, "git/claims", b'{"number":  1}', X_Hub_Signature_256=f"sha256={digest}")
    assert status == 401


def test_a_bearer_is_let_in_and_a_near_one_is_not(server: Server) -> None:
    assert post(server, "plain", b'{"claim": 1}', Authorization=f"Bearer {SECRET}")[0] == 202
    for wrong in (SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", "Bearer "):
        assert post(server, "plain", b'{"claim": 1}', Authorization=wrong)[0] == 401


def test_a_webhook_whose_secret_is_not_set_is_closed_also_to_who_signs_with_nothing(server: Server) -> None:
    digest = hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
    status, answer = post(server, "closed", b"{}", X_Hub_Signature_256=f"sha256={digest}")
    assert (status, answer["code"]) == (503, "WEBHOOK_CLOSED")
    assert "NO_SUCH_SECRET" in answer["detail"]


@pytest.mark.parametrize(
    "path", ["nothing", "git", "git/claims/more", "git/claims/", "%00", "../api/v1/runs"]
)
def test_an_unknown_path_is_unknown(server: Server, path: str) -> None:
    assert post(server, path, b"{}")[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"claim=7", b"\xff", b"[" * 5_000])
def test_what_is_not_json_is_refused_and_starts_nothing(server: Server, body: bytes) -> None:
    status, answer = signed(server, body)
    assert (status, answer["code"]) == (400, "REQUEST_INVALID")


def test_a_body_that_is_too_large_is_refused(server: Server) -> None:
    assert signed(server, b'"' + b"x" * (1 << 20) + b'"')[0] == 413


def test_the_same_delivery_again_is_the_same_run_whatever_its_header_is_called(server: Server) -> None:
    body = b'{"kind": "claim", "number": 8}'
    for header in ("X_GitHub_Delivery", "Idempotency_Key", "Callboard_Delivery"):
        first = signed(server, body, **{header: f"of-{header}"})
        again = signed(server, body, **{header: f"of-{header}"})
        assert (first[0], again[0]) == (202, 200)
        assert again[1]["run_id"] == first[1]["run_id"]
        assert again[1]["repeated"]


def test_the_id_of_a_delivery_with_another_body_is_refused(server: Server) -> None:
    assert signed(server, b'{"kind": "claim", "number": 1}', X_GitHub_Delivery="twice")[0] == 202
    status, answer = signed(server, b'{"kind": "claim", "number": 2}', X_GitHub_Delivery="twice")
    assert (status, answer["code"]) == (409, "KEY_REUSED")


def test_fifty_of_one_delivery_at_one_moment_start_one_run(server: Server) -> None:
    body = b'{"kind": "claim", "number": 9}'
    with ThreadPoolExecutor(25) as pool:
        replies = list(pool.map(lambda _: signed(server, body, X_GitHub_Delivery="fifty"), range(50)))
    assert {status for status, _ in replies} == {200, 202}
    assert len({answer["run_id"] for _, answer in replies}) == 1
    assert sum(not answer["repeated"] for _, answer in replies) == 1


def test_a_condition_that_is_false_is_answered_and_written_down(server: Server) -> None:
    status, answer = signed(server, b'{"kind": "noise", "number": 3}')
    assert (status, answer["started"], answer["code"]) == (202, False, "CONDITION_FALSE")
    last = told(server, "trigger", "show", trigger(server, "git/claims"))["records"][0]
    assert (last["what"], last["code"], last["reason"]) == ("not_fired", "CONDITION_FALSE", answer["reason"])


def test_an_input_that_does_not_fit_is_refused_with_reasons_and_written_down(server: Server) -> None:
    status, answer = post(server, "plain", b'{"claim": "x"}', Authorization=f"Bearer {SECRET}")
    assert (status, answer["details"]["code"]) == (400, "INPUT_REFUSED")
    assert "input.claim" in answer["detail"]
    last = told(server, "trigger", "show", trigger(server, "plain"))["records"][0]
    assert (last["code"], last["principal"]) == ("INPUT_REFUSED", "webhook:plain")


def test_a_webhook_that_is_off_starts_nothing_and_says_so_only_to_who_may_call_it(server: Server) -> None:
    name = trigger(server, "plain")
    assert server.say("trigger", "disable", name).returncode == 0
    try:
        assert post(server, "plain", b'{"claim": 1}')[0] == 401
        known = {"Authorization": f"Bearer {SECRET}", "Callboard_Delivery": "while off"}
        status, answer = post(server, "plain", b'{"claim": 1}', **known)
        assert (status, answer["started"], answer["code"]) == (202, False, "DISABLED")
    finally:
        assert server.say("trigger", "enable", name).returncode == 0
    assert post(server, "plain", b'{"claim": 1}', **known)[1]["started"], "the same delivery is sent again"


def test_a_path_that_another_workflow_has_is_not_published(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "thief.yaml"
    file.write_text("name: thief\non: [{webhook: plain}]\nsteps: [{id: a, uses: core.echo}]\n")
    said = server.say("run", file)
    assert said.returncode != 0
    assert "/webhooks/plain leads to the workflow claims" in said.stderr


def test_the_secret_is_in_no_line_of_the_log(server: Server) -> None:
    signed(server, b'{"kind": "claim", "number": 1}')
    assert SECRET not in "".join(json.dumps(line) for line in server.lines())


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────


def test_triggers_are_listed_with_when_they_fire_next(server: Server) -> None:
    said = server.say("trigger", "list")
    assert said.returncode == 0
    assert "0 7 * * * Europe/Lisbon" in said.stdout
    (row,) = [one for one in told(server, "trigger", "list")["data"] if one["kind"] == "schedule"]
    assert row["next_fire"] is not None
    shown = told(server, "trigger", "show", row["id"])
    assert (len(shown["coming"]), shown["missed"]) == (5, "once")
    assert server.say("trigger", "list", "--workflow", "clams").returncode == 2


def test_a_trigger_is_fired_by_hand_with_and_without_an_event(server: Server) -> None:
    name = trigger(server, "0 7 * * * Europe/Lisbon")
    said = server.say("trigger", "fire", name)
    assert said.returncode == 0
    assert "is started" in said.stdout
    assert server.say("trigger", "fire", trigger(server, "plain"), "--data", '{"claim": 3}').returncode == 0
    wrong = server.say("trigger", "fire", trigger(server, "plain"), "--data", '{"claim": "x"}')
    assert wrong.returncode == 2
    assert "input.claim" in wrong.stderr
    quiet = server.say(
        "trigger", "fire", trigger(server, "git/claims"), "--data", '{"kind":"noise","number":1}'
    )
    assert quiet.returncode == 1
    assert "[CONDITION_FALSE]" in quiet.stdout


def test_a_trigger_that_is_not_there_is_named_with_one_that_is_near(server: Server) -> None:
    name = trigger(server, "plain")
    near = name[:-1] + ("0" if name[-1] != "0" else "1")
    for word in ("show", "fire", "enable", "disable"):
        said = server.say("trigger", word, near)
        assert said.returncode == 2
        assert name in said.stderr
    assert server.say("trigger", "show", "nothing").returncode == 2


def test_a_schedule_can_be_tried_without_a_server(server: Server) -> None:
    said = server.say("trigger", "next", "0 7 * * mon-fri", "--timezone", "Europe/Lisbon", "--count", "3")
    assert (said.returncode, len(said.stdout.splitlines())) == (0, 3)
    assert server.say("trigger", "next", "0 0 30 2 *").returncode == 2


def test_the_doctor_finds_all_triggers_kept(server: Server) -> None:
    checks = {check["name"]: check for check in told(server, "doctor")["checks"]}
    assert checks["triggers"]["ok"]
    assert "4 awake" in checks["triggers"]["detail"]
