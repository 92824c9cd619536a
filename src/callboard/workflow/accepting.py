"""From what a file says to a definition, with every fault of its shape.

The definition comes back whatever is wrong: what is missing is empty and what cannot be used is left out, so
that the checks that follow find what else there is. Only one without errors is ever kept or run.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from callboard.workflow.definition import MOST_STEPS, MOST_TRIGGERS, Definition
from callboard.workflow.faults import Path
from callboard.workflow.notes import Notes
from callboard.workflow.shape import Shape, bare, described, resembles

HINTS = {
    "if": ": a condition stands on the edge that leads to a step, `next: [{to: x, if: …}]`",
    "depends_on": "; did you mean needs?",
    "dependsOn": "; did you mean needs?",
    "params": "; did you mean with?",
    "parameters": "; did you mean with?",
    "action": "; did you mean uses?",
    "type": "; did you mean uses?",
    "inputs": "; did you mean input?",
    "retries": "; did you mean retry?",
    "every": "; did you mean schedule: {every: …}?",
    "cron": "; did you mean schedule?",
    "triggers": "; did you mean on?",
}
"""What keys of other systems are called here."""


class Reading(msgspec.Struct, frozen=True):
    """A file as a definition."""

    definition: Definition
    edges_sound: bool
    """Whether every step and edge could be read: what is said of the whole graph is true only then."""


def define(notes: Notes) -> Reading:
    """Read a file as a definition, and write down what is wrong with its shape."""
    edges_sound = True

    def note(path: Path, code: str, message: str, key: bool) -> None:  # noqa: FBT001 - a callback
        nonlocal edges_sound
        edges_sound = edges_sound and not (path[:1] == ("steps",) and of_an_edge(path[1:]))
        notes.error(path, code, message, key=key)

    kind = described(Definition)
    value = notes.source.value
    for key, most in (("steps", MOST_STEPS), ("on", MOST_TRIGGERS)):
        listed = value.get(key) if isinstance(value, dict) else None
        if isinstance(listed, list) and len(listed) > most:
            said = f"A workflow has at most {most:,} {_MANY[key]}; this one has {len(listed):,}."
            notes.error((key,), f"TOO_MANY_{_MANY[key].upper()}", said)
            value = {**value, key: listed[:most]}
            edges_sound = edges_sound and key != "steps"
    found = Shape(note, templates=False, near=notes.near, hints=HINTS).read(value, kind, ())
    definition = built(found if isinstance(found, dict) else {}, kind)
    return Reading(definition, edges_sound and bool(definition.steps))


def of_an_edge(path: Path) -> bool:
    """Whether a fault at a path among the steps leaves open which steps or edges there are."""
    return len(path) < _IN_A_STEP or path[1] in _EDGES


_IN_A_STEP = 2
_MANY = {"steps": "steps", "on": "triggers"}
_EDGES = frozenset({"id", "next", "needs", "again", "route", "join"})


def built(value: Any, kind: inspect.Type) -> Any:  # noqa: ANN401 - as the type says
    """Return a value as its type, with what is missing made empty."""
    kind = bare(kind)
    if isinstance(kind, inspect.UnionType):
        near = [one for one in kind.types if resembles(value, one)]
        kind = bare(near[0]) if near else bare(kind.types[0])
    if isinstance(kind, inspect.StructType):
        given = value if isinstance(value, dict) else {}
        found = {}
        for field in kind.fields:
            if field.encode_name in given:
                found[field.name] = built(given[field.encode_name], field.type)
            elif field.required:
                found[field.name] = _empty(field.type)
        return kind.cls(**found)
    if isinstance(kind, inspect.ListType):
        return [built(item, kind.item_type) for item in value or ()]
    if isinstance(kind, inspect.DictType):
        return {key: built(item, kind.value_type) for key, item in value.items()}
    if isinstance(kind, inspect.FloatType):
        return float(value)
    return "" if value is None and isinstance(kind, inspect.StrType) else value


def _empty(kind: inspect.Type) -> Any:  # noqa: ANN401 - as above
    kind = bare(kind)
    if isinstance(kind, inspect.ListType):
        return []
    if isinstance(kind, inspect.IntType):
        return 1
    return ""
