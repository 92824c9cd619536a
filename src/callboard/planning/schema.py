"""The JSON Schema of workflow files, for editors: completion, hover texts and red lines while one types.

It is made from the structs that the check itself reads with, so the two agree about every key. It is looser
where JSON Schema cannot follow: a parameter of a step may be a template whatever its type, and how steps fit
together is only seen by `callboard check`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.planning.step import Catalogue
from callboard.workflow import Definition

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE = {"type": "string", "pattern": r"\{[{%#]", "description": "A template."}
_OPEN = ("type", "enum", "const", "anyOf", "allOf", "oneOf", "$ref")


def workflow_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Return the schema of a workflow file that may use these kinds of steps."""
    kinds = sorted(catalogue.kinds.values(), key=lambda kind: kind.name)
    structs = [Definition, *(kind.parameters for kind in kinds)]
    (root, *parameters), definitions = msgspec.json.schema_components(
        structs, ref_template="#/$defs/{name}", schema_hook=_foreign
    )
    own = _reached(root, definitions)
    for name in definitions.keys() - own:
        definitions[name] = _loosened(definitions[name])
    step = definitions["Step"]
    step["properties"]["uses"] = {
        "description": step["properties"]["uses"]["description"],
        "oneOf": [{"const": kind.name, "description": f"{kind.summary}."} for kind in kinds],
    }
    step["allOf"] = [
        {
            "if": {"properties": {"uses": {"const": kind.name}}, "required": ["uses"]},
            "then": {"properties": {"with": reference}}
            | ({"required": ["with"]} if _needed(kind.parameters) else {}),
        }
        for kind, reference in zip(kinds, parameters, strict=True)
    ]
    _exactly_one(definitions["On"], ("schedule", "webhook", "message", "run"))
    return {"$schema": DIALECT, "title": "Callboard workflow", **root, "$defs": definitions}


def _foreign(_kind: type) -> dict[str, Any]:
    return {}


def _needed(parameters: type[msgspec.Struct]) -> bool:
    return any(field.required for field in msgspec.structs.fields(parameters))


def _reached(schema: object, definitions: dict[str, Any]) -> set[str]:
    """Return the names of what a schema refers to, directly or not."""
    found: set[str] = set()
    ready = [schema]
    while ready:
        here = ready.pop()
        if isinstance(here, list):
            ready += here
        elif isinstance(here, dict):
            name = str(here.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                ready.append(definitions[name])
            ready += here.values()
    return found


def _loosened(schema: dict[str, Any]) -> dict[str, Any]:
    """Let a template stand for each value inside an object of parameters."""
    found = dict(schema)
    for key in ("properties", "$defs"):
        if key in found:
            found[key] = {name: _or_template(inner) for name, inner in found[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _or_template(found[key])
    return found


def _or_template(schema: dict[str, Any]) -> dict[str, Any]:
    inner = _loosened(schema)
    if not any(key in inner for key in _OPEN):
        return inner
    said: dict[str, Any] = {key: inner.pop(key) for key in ("description", "default") if key in inner}
    return {**said, "anyOf": [inner, _TEMPLATE]}


def _exactly_one(schema: dict[str, Any], names: tuple[str, ...]) -> None:
    schema["oneOf"] = [{"required": [name]} for name in names]
