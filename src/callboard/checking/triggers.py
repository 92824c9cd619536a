"""What starts runs: the entries of `on`, the schema of the input, and how many runs there may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from callboard.checking.language import ALWAYS, OF_A_TRIGGER, Language, Where
from callboard.schedule import Schedule, check_zone, zones
from callboard.workflow import Definition, Enough, Notes, Path, Unreadable, define, read
from callboard.workflow.definition import Every, On

_KINDS = ("schedule", "webhook", "message", "run")
_ONLY_OF = {"timezone": "schedule", "missed": "schedule", "auth": "webhook"}
_PATH = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")
_LONGEST_PATH = 200
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_OVER_EVENT = Where(frozenset({"event", "vars", "workflow", "now"}))


def check_triggers(definition: Definition, language: Language, notes: Notes) -> None:
    """Check everything that concerns the start of runs."""
    paths: dict[str, int] = {}
    for number, on in enumerate(definition.on):
        path: Path = ("on", number)
        written = notes.source.node(path).items
        _one_kind(on, path, {str(key) for key in written}, notes)
        _schedule(on, path, notes)
        if on.webhook is not None:
            _webhook(on, path, paths, number, notes)
        if on.run is not None and on.run.workflow == definition.name:
            said = "A run that starts another of its own workflow never comes to an end."
            notes.warning((*path, "run", "workflow"), "TRIGGER_CIRCLE", said)
        language.condition(on.if_, (*path, "if"), Where(OF_A_TRIGGER))
        language.value(on.input, (*path, "input"), _OVER_EVENT)
    if definition.concurrency is not None:
        language.value(definition.concurrency.key, ("concurrency", "key"), Where(ALWAYS))
    if definition.input is not None:
        _schema(definition.input, ("input",), notes)


def _one_kind(on: On, path: Path, written: set[str], notes: Notes) -> None:
    chosen = [kind for kind in _KINDS if kind in written]
    if len(chosen) != 1:
        said = f"An entry of on is one of {', '.join(_KINDS)}"
        found = "none of them is here" if not chosen else f"here are {' and '.join(chosen)}"
        notes.error(path, "TRIGGER_INVALID", f"{said}, and {found}.")
        return
    if getattr(on, chosen[0]) is None and notes.source.node((*path, chosen[0])).value is None:
        notes.error((*path, chosen[0]), "WRONG_TYPE", f"It is not said which {chosen[0]}.")
    for key, kind in _ONLY_OF.items():
        if key in written and kind not in chosen:
            notes.error((*path, key), "TRIGGER_INVALID", f"{key} belongs to a {kind}.", key=True)


def _schedule(on: On, path: Path, notes: Notes) -> None:
    if on.timezone is not None:
        try:
            check_zone(on.timezone)
        except ValueError as error:
            hint = notes.near(on.timezone, zones())
            notes.error((*path, "timezone"), "TIMEZONE_UNKNOWN", f"{_sentence(error)}{hint}.")
    read: Callable[[str], Schedule]
    if isinstance(on.schedule, Every):
        where, text, read = (*path, "schedule", "every"), on.schedule.every, Schedule.read_every
    elif on.schedule is not None:
        where, text, read = (*path, "schedule"), on.schedule, Schedule.read
    else:
        return
    try:
        if text:
            read(text)
        elif isinstance(on.schedule, str):
            raise ValueError("it is empty")  # noqa: TRY301 - told like all others
    except ValueError as error:
        notes.error(where, "SCHEDULE_INVALID", f"This is no schedule: {error}.")


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _webhook(on: On, path: Path, paths: dict[str, int], number: int, notes: Notes) -> None:
    said = on.webhook or ""
    if len(said) > _LONGEST_PATH or _PATH.fullmatch(said) is None:
        message = (
            "A webhook's path is of letters, digits, dashes and underscores, in parts joined by slashes."
        )
        notes.error((*path, "webhook"), "WRONG_VALUE", message)
    elif paths.setdefault(said, number) != number:
        message = f"The path {said} is taken by on[{paths[said]}] already."
        notes.error((*path, "webhook"), "TRIGGER_INVALID", message)
    if on.auth is None:
        message = "Anybody who can reach this webhook can start runs: give it auth."
        notes.warning((*path, "webhook"), "WEBHOOK_OPEN", message)
    elif (on.auth.hmac is None) == (on.auth.bearer is None):
        notes.error((*path, "auth"), "TRIGGER_INVALID", "auth is either hmac or bearer.")


def webhooks(data: bytes) -> tuple[str, list[tuple[int, str]]]:
    """Return the name of a workflow and the paths of its webhooks, each with its entry of `on`."""
    try:
        definition = define(Notes(read(data))).definition
    except (Unreadable, Enough):
        return "", []
    found = [(number, on.webhook) for number, on in enumerate(definition.on) if on.webhook is not None]
    return definition.name, found if definition.name else []


def _schema(schema: object, path: Path, notes: Notes) -> None:
    """Check the parts of a JSON Schema that people get wrong."""
    if not isinstance(schema, Mapping):
        if not isinstance(schema, bool):
            notes.error(path, "SCHEMA_INVALID", "A JSON Schema is an object here.")
        return
    types = schema.get("type", [])
    for type_ in types if isinstance(types, list) else [types]:
        if type_ not in _TYPES:
            hint = notes.near(type_, _TYPES) if isinstance(type_, str) else ""
            said = f"A type of JSON Schema is one of {', '.join(_TYPES)}{hint}."
            notes.error((*path, "type"), "SCHEMA_INVALID", said)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        notes.error((*path, "required"), "SCHEMA_INVALID", "required is a list of names.")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        notes.error((*path, "properties"), "SCHEMA_INVALID", "properties is an object of schemas.")
    else:
        for name, inner in properties.items():
            _schema(inner, (*path, "properties", name), notes)
    if "items" in schema:
        _schema(schema["items"], (*path, "items"), notes)
