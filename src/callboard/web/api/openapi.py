"""The OpenAPI 3.1 document, made from the table of routes and msgspec's schemas.

Nothing is written by hand twice: descriptions come from docstrings, parameters from the query structs, errors
from the table. A test compares the document with the table, route by route and error by error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec

from callboard.errors import CallboardError
from callboard.web import inbox, talk, wire
from callboard.web.api.route import Route

_REF = "#/components/schemas/{name}"
_KEY = "key"


@lru_cache(maxsize=4)
def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the whole description of the API."""
    kinds = {
        kind for route in routes for kind in (route.query, route.request, route.answer) if kind is not None
    }
    _, schemas = msgspec.json.schema_components(
        sorted({*kinds, wire.Problem}, key=str), schema_hook=_schema, ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in (route.path, *route.also):
            operation = _operation(route, schemas)
            if path != route.path:
                operation["operationId"] += path.replace("/", "_")
            paths.setdefault(path, {})[route.verb.lower()] = operation
    for query in {route.query.__name__ for route in routes if route.query is not None}:
        del schemas[query]  # its fields have become parameters
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callboard",
            "version": version,
            "summary": "Actors that talk and pipelines that run, with one durable log under both",
            "description": "Every answer carries X-Correlation-Id, the caller's own where it sent one. "
            "Every error is a problem document (RFC 9457) with a stable code.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": {
                wire.CORRELATION_HEADER: {
                    "description": "Under this id the server's log has what happened.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                _KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The content of door.key in the data folder.",
                }
            },
        },
    }


def _schema(kind: type[Any]) -> dict[str, Any]:
    """Describe what msgspec leaves open."""
    if kind is msgspec.Raw:
        return {"description": "Any JSON value."}
    raise NotImplementedError


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [] if route.scope is None else [{_KEY: []}],
        "responses": _responses(route),
    }
    if route.scope is not None:
        operation["x-scope"] = route.scope
    parameters = [*_path_parameters(route), *_query_parameters(route, schemas)]
    if route.keyed:
        parameters.append({"name": talk.KEY_HEADER, "in": "header", "schema": {"type": "string"}})
    if route.streams:
        parameters.append({"name": inbox.RESUME_HEADER, "in": "header", "schema": {"type": "string"}})
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.request)}},
        }
    return operation


def _reference(kind: type[Any]) -> dict[str, Any]:
    if hasattr(kind, "__struct_fields__"):
        return {"$ref": _REF.format(name=kind.__name__)}
    return dict(msgspec.json.schema(kind))


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for part in route.path.split("/"):
        if part.startswith("{"):
            yield {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(route: Route, schemas: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if route.query is None:
        return
    schema = schemas[route.query.__name__]
    for name, field in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}


def _responses(route: Route) -> dict[str, Any]:
    headers = {wire.CORRELATION_HEADER: {"$ref": f"#/components/headers/{wire.CORRELATION_HEADER}"}}
    found: dict[str, Any] = {
        str(route.status): {
            "description": HTTPStatus(route.status).phrase,
            "headers": headers,
            "content": {
                inbox.STREAM_TYPE if route.streams else "application/json": {
                    "schema": _reference(route.answer)
                }
            },
        }
    }
    if route.repeated is not None:
        found[str(route.repeated)] = {
            **found[str(route.status)],
            "description": "It was done before, under the same id.",
        }
    if route.ends:
        found["204"] = {"description": "It has ended, and was read to its end.", "headers": headers}
    by_status: dict[int, list[type[CallboardError]]] = {}
    for error in route.all_errors():
        by_status.setdefault(error.status, []).append(error)
    for status, errors in by_status.items():
        found[str(status)] = {
            "description": "\n".join(f"- `{error.code}`: {_first_line(error)}" for error in errors),
            "headers": headers,
            "content": {
                wire.PROBLEM_TYPE: {
                    "schema": _reference(wire.Problem),
                    "examples": {error.code: {"value": _example(error)} for error in errors},
                }
            },
        }
    return found


def _first_line(error: type[CallboardError]) -> str:
    if error is CallboardError:
        return "A fault of Callboard's own; its log has the details."
    return (error.__doc__ or error.code).strip().partition("\n")[0]


def _example(error: type[CallboardError]) -> dict[str, Any]:
    example = wire.Problem(
        type=f"urn:callboard:error:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=_first_line(error),
        code=error.code,
        correlation_id="01920000-0000-7000-8000-000000000000",
        retryable=error.retryable,
    )
    return dict(msgspec.to_builtins(example))
