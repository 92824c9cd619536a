"""The part of JSON Schema that the `input` of a workflow is checked with.

    for path, message in faults_of_schema(schema): …     # what a schema asks for that is not looked at here
    for path, message in misfits(value, schema): …       # what is wrong with a value

The words are those that say what fields there are and what stands in them. A word that is not known is
refused where the workflow is checked, since a bound that nobody looks at is worse than none. Words that only
describe (`title`, `description`, `default`, `examples`, `format`, `$schema`, `$id`, `$comment`) are passed
over.

Rejected: the `jsonschema` package, which resolves references over the network unless told not to, and whose
`pattern` can be made to take for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

_WORDS_ONLY = frozenset(
    {"title", "description", "default", "examples", "$schema", "$id", "$comment", "format"}
)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_SIZES = {"minLength", "maxLength", "minItems", "maxItems"}
_LOOKED_AT = frozenset(
    {"type", "required", "properties", "additionalProperties", "items", "enum", "const", *_NUMBERS, *_SIZES}
)
DEEPEST = 32


def faults_of_schema(schema: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Return what of a schema is not looked at, or cannot be meant."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield path, "A schema is an object, or true or false."
        return
    if len(path) > DEEPEST:
        yield path, f"A schema may be {DEEPEST} deep."
        return
    for word in schema:
        if word not in _LOOKED_AT and word not in _WORDS_ONLY:
            known = ", ".join(sorted(_LOOKED_AT))
            yield (*path, word), f"{str(word)[:60]!r} is not looked at here; {known} are."
    yield from _faults_of_words(schema, path)
    properties = schema.get("properties", {})
    if isinstance(properties, dict):
        for name, inner in properties.items():
            yield from faults_of_schema(inner, (*path, "properties", name))
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from faults_of_schema(schema[word], (*path, word))


def _faults_of_words(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    types = schema.get("type", [])
    for one in types if isinstance(types, list) else [types]:
        if not isinstance(one, str) or one not in _TYPES:
            yield (*path, "type"), f"{str(one)[:60]!r} is no type; {', '.join(_TYPES)} are."
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*path, "required"), "required is a list of names."
    if not isinstance(schema.get("properties", {}), dict):
        yield (*path, "properties"), "properties are schemas by name."
    if not isinstance(schema.get("enum", []), list):
        yield (*path, "enum"), "enum is a list of values."
    for word in sorted((_NUMBERS | _SIZES) & schema.keys()):
        value = schema[word]
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield (*path, word), f"{word} is a number."


def misfits(value: object, schema: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Return what is wrong with a value, each with its place in it."""
    if not isinstance(schema, dict):
        if schema is False:
            yield path, "nothing may stand here"
        return
    types = schema.get("type", list(_TYPES))
    types = types if isinstance(types, list) else [types]
    if not any(_is(value, one) for one in types):
        yield path, f"it must be {' or '.join(types)}, and is {_kind(value)}"
        return
    if not any(_same(value, one) for one in schema.get("enum", [value])):
        yield path, f"it must be one of {schema['enum']}"
    if not _same(value, schema.get("const", value)):
        yield path, f"it must be {schema['const']!r}"
    yield from _inside(value, schema, path)


def _inside(value: object, schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        yield from _in_object(value, schema, path)
    elif isinstance(value, list):
        yield from _sized(len(value), schema, "Items", "items", path)
        for number, item in enumerate(value):
            yield from misfits(item, schema.get("items", True), (*path, number))
    elif isinstance(value, str):
        yield from _sized(len(value), schema, "Length", "characters", path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _bounded(value, schema, path)


def _in_object(value: Mapping[str, Any], schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield (*path, name), "it is missing"
    for name, item in value.items():
        if name in properties:
            yield from misfits(item, properties[name], (*path, name))
        elif schema.get("additionalProperties", True) is False:
            yield (*path, name), "there is no such field"
        else:
            yield from misfits(item, schema.get("additionalProperties", True), (*path, name))


def _sized(
    size: int, schema: Mapping[str, Any], word: str, what: str, path: Path
) -> Iterator[tuple[Path, str]]:
    if size < schema.get(f"min{word}", 0):
        yield path, f"it must have at least {schema[f'min{word}']} {what}"
    if size > schema.get(f"max{word}", size):
        yield path, f"it may have {schema[f'max{word}']} {what}"


def _bounded(value: float, schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    if value < schema.get("minimum", value):
        yield path, f"it must be at least {schema['minimum']}"
    if value > schema.get("maximum", value):
        yield path, f"it may be {schema['maximum']} at most"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield path, f"it must be more than {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield path, f"it must be less than {schema['exclusiveMaximum']}"


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _kind(value: object) -> str:
    return next(kind for kind in ("null", "boolean", "integer", *_TYPES) if _is(value, kind))


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
