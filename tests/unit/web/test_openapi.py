"""The OpenAPI document says exactly what the table of routes says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from callboard.web import wire
from callboard.web.api import openapi
from callboard.web.api.route import Route
from callboard.web.api.routes import ROUTES
from tests.unit.web.conftest import Caller

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi.document(ROUTES, "1.2.3")))


def served() -> Iterator[tuple[Route, str, dict[str, Any]]]:
    for route in ROUTES:
        for path in (route.path, *route.also):
            yield route, path, DOCUMENT["paths"][path][route.verb.lower()]


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_route_is_described_and_nothing_else() -> None:
    in_table = {(path, route.verb.lower()) for route in ROUTES for path in (route.path, *route.also)}
    in_document = {(path, verb) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    assert in_document == in_table
    ids = [operation["operationId"] for _, _, operation in served()]
    assert len(ids) == len(set(ids)) == len(in_table)


def test_every_error_of_a_route_is_described_under_its_status() -> None:
    for route, _, operation in served():
        told = {
            (int(status), code)
            for status, response in operation["responses"].items()
            for code in response.get("content", {}).get(wire.PROBLEM_TYPE, {}).get("examples", {})
        }
        assert told == {(error.status, error.code) for error in route.all_errors()}


def test_what_any_route_of_a_kind_can_answer_is_described_without_being_written_on_its_line() -> None:
    """The hostile requests of `test_door.py` are answered with these, so they must be in the document."""
    for route, _, operation in served():
        expected = {"500", "403"}
        expected |= {"401"} if route.scope else set()
        expected |= {"400"} if route.query or route.request else set()
        expected |= {"413"} if route.request else set()
        assert expected <= set(operation["responses"]), route.name


def test_every_route_says_what_it_answers_with_and_needs() -> None:
    for route, _, operation in served():
        kind = "text/event-stream" if route.streams else "application/json"
        answer = operation["responses"][str(route.status)]["content"][kind]["schema"]
        assert answer.get("$ref", "dict").endswith(getattr(route.answer, "__name__", "dict"))
        assert bool(operation["security"]) == (route.scope is not None)
        assert operation.get("x-scope") == route.scope
        assert ("requestBody" in operation) == (route.request is not None)
        assert all(
            wire.CORRELATION_HEADER in response["headers"] for response in operation["responses"].values()
        )


def test_every_parameter_of_a_query_is_described() -> None:
    for route, _, operation in served():
        described = {
            parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"
        }
        declared = set(route.query.__struct_fields__) if route.query is not None else set()
        assert described == declared


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        here: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


def test_every_request_refuses_unknown_fields() -> None:
    for route in ROUTES:
        for kind in (route.query, route.request):
            if kind is not None:
                assert kind.__struct_config__.forbid_unknown_fields
        if route.request is not None:
            schema = DOCUMENT["components"]["schemas"][route.request.__name__]
            assert schema["additionalProperties"] is False


def test_every_problem_in_an_example_is_a_problem() -> None:
    for _, _, operation in served():
        for response in operation["responses"].values():
            content = response.get("content", {})
            for example in content.get(wire.PROBLEM_TYPE, {}).get("examples", {}).values():
                msgspec.convert(example["value"], wire.Problem)


def test_whatever_changes_something_or_shows_the_log_needs_a_key() -> None:
    keyless = {route.name for route in ROUTES if route.scope is None and not route.hook}
    assert keyless == {"health", "live", "ready", "openapi"}
    assert all(route.verb == "GET" for route in ROUTES if route.name in keyless)
    hooks = [route.name for route in ROUTES if route.hook]  # each knows its callers by a secret of its own
    assert hooks == ["receiveWebhook"]


async def test_the_document_is_served_without_a_key(caller: Caller) -> None:
    reply = await caller.ask("GET", f"{wire.API}/openapi.json", key=None)
    assert reply.json == DOCUMENT


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_every_route_of_the_table_is_served(caller: Caller, route: Route) -> None:
    for path in (route.path, *route.also):
        reply = await caller.ask(route.verb, path, b"{}" if route.request else None)
        assert reply.status in {200, 400, route.status}, path
