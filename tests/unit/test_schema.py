"""The JSON Schema for editors says what the check says, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from callboard.planning.catalogue import KINDS, catalogue
from callboard.planning.schema import workflow_schema
from callboard.workflow import Definition, Step

SCHEMA = workflow_schema(catalogue())


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (inner for name, inner in value.items() if name == "$ref")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(SCHEMA))
    assert found
    assert {name.removeprefix("#/$defs/") for name in found} <= SCHEMA["$defs"].keys()


def test_every_key_is_there_with_a_line_for_people_and_no_other_is_allowed() -> None:
    structs: list[type[msgspec.Struct]] = [Definition, Step, *(kind.parameters for kind in KINDS)]
    for struct in structs:
        described: dict[str, Any] = SCHEMA["$defs"][struct.__name__]
        assert described["properties"].keys() == {
            field.encode_name for field in msgspec.structs.fields(struct)
        }
        for name, field in described["properties"].items():
            assert "description" in field or "$ref" in field, (struct, name)
        assert (
            described.get("additionalProperties", True) is not struct.__struct_config__.forbid_unknown_fields
        )


def test_every_kind_of_step_has_its_parameters() -> None:
    step = SCHEMA["$defs"]["Step"]
    assert {one["const"] for one in step["properties"]["uses"]["oneOf"]} == {kind.name for kind in KINDS}
    told = {
        one["if"]["properties"]["uses"]["const"]: one["then"]["properties"]["with"]["$ref"]
        for one in step["allOf"]
    }
    assert told == {kind.name: f"#/$defs/{kind.parameters.__name__}" for kind in KINDS}


def test_a_parameter_of_a_step_may_be_a_template_and_a_key_of_the_step_may_not() -> None:
    delay = SCHEMA["$defs"]["Ask"]["properties"]["answers"]
    assert any("pattern" in branch for branch in delay["anyOf"])
    assert "anyOf" not in SCHEMA["$defs"]["Definition"]["properties"]["max_parallel"]
