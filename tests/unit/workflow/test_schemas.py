"""The part of JSON Schema that an input is checked with: what fits, what does not, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.checking.schemas import DEEPEST, faults_of_schema, misfits

CLAIM = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["small", "large", 0]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
        "share": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [{"id": 1}, {"id": 2.0}, {"id": 1, "kind": 0}, {"id": 1, "tags": ["a", "b"]}, {"id": 1, "share": None}],
)
def test_what_fits_is_taken(value: object) -> None:
    assert list(misfits(value, CLAIM)) == []


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ([], [()]),
        ({}, [("id",)]),
        ({"id": True}, [("id",)]),
        ({"id": 0}, [("id",)]),
        ({"id": 1.5}, [("id",)]),
        ({"id": 1, "kind": False}, [("kind",)]),
        ({"id": 1, "tags": ["long", 1, "a"]}, [("tags",), ("tags", 0), ("tags", 1)]),
        ({"id": 1, "share": 1}, [("share",)]),
        ({"id": 1, "share": 0}, [("share",)]),
        ({"id": 1, "sahre": 1}, [("sahre",)]),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(value: object, places: list[Any]) -> None:
    assert [path for path, _ in misfits(value, CLAIM)] == places


def test_a_schema_may_allow_everything_or_nothing() -> None:
    anything: object = True
    assert list(misfits(1, anything)) == []
    assert [path for path, _ in misfits({"a": 1}, {"properties": {"a": False}})] == [("a",)]


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"pattern": "x"},
        {"type": "text"},
        {"type": 3},
        {"required": "id"},
        {"properties": []},
        {"enum": "small"},
        {"minimum": "1"},
        {"maxLength": True},
        {"items": {"$ref": "#"}},
        {"properties": {"a": {"oneOf": []}}},
    ],
)
def test_what_is_not_looked_at_is_refused(schema: object) -> None:
    assert list(faults_of_schema(schema))


def test_a_sound_schema_has_no_faults() -> None:
    assert list(faults_of_schema(CLAIM)) == []
    assert list(faults_of_schema({"title": "x", "description": "y", "default": 1, "format": "date"})) == []


def test_a_schema_that_is_too_deep_is_refused_and_not_followed() -> None:
    schema: dict[str, Any] = {}
    for _ in range(10 * DEEPEST):
        schema = {"items": schema}
    assert [message for _, message in faults_of_schema(schema)] == [f"A schema may be {DEEPEST} deep."]
