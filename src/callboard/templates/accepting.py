"""Whether a template file can be published: everything that is wrong with it, at once.

    accepted = accept(text)            # the template, or TemplateInvalid with the faults

Template files are read like those of workflows (`workflow/`), within the same bounds, and what is rendered in
them is in the same language; it sees what the fields ask for, and nothing else. No template may name a
secret: what is rendered is given back.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callboard.checking.language import Language, Where
from callboard.checking.schemas import faults_of_schema, misfits
from callboard.errors import TemplateInvalid
from callboard.expressions import Limits
from callboard.templates.definition import (
    MOST_DOCUMENTS,
    MOST_FIELDS,
    Document,
    Field,
    TemplateDefinition,
)
from callboard.templates.instantiating import CONDITIONS, CONFIG, PLACE, places, replaced
from callboard.templates.rendering import ANSWERS, OURS
from callboard.workflow import (
    Definition,
    Enough,
    Fault,
    Notes,
    Path,
    Shape,
    Unreadable,
    built,
    described,
    in_order,
    read,
)

_ANYTHING = "{{ }}"
"""Stands where a config goes while the shape of a workflow is looked at: it is taken for any type."""


class Accepted(msgspec.Struct, frozen=True):
    """A template file without errors."""

    definition: TemplateDefinition
    warnings: list[Fault]


def accept(data: str | bytes) -> Accepted:
    """Return the template of a file that has no errors, or raise `TemplateInvalid`."""
    definition, faults = _checked(data)
    errors = [fault for fault in faults if fault.severity == "error"]
    if definition is None or errors:
        first = errors[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise TemplateInvalid(
            f"The template has {len(errors)} error{'s' if len(errors) > 1 else ''}: line {first.line}: "
            f"{first.message.rstrip('.')}{more}.",
            faults=[msgspec.to_builtins(fault) for fault in faults],
        )
    return Accepted(definition, faults)


def check(data: str | bytes) -> list[Fault]:
    """Return everything that is wrong with a template file, in the order of the file."""
    return _checked(data)[1]


def defined(text: str) -> TemplateDefinition:
    """Return the template of a text in its one spelling, which was checked before."""
    definition: TemplateDefinition = built(msgspec.json.decode(text), described(TemplateDefinition))
    return definition


def _checked(data: str | bytes) -> tuple[TemplateDefinition | None, list[Fault]]:
    try:
        notes = Notes(read(data))
    except Unreadable as error:
        return None, [error.fault]
    definition = None
    try:
        definition = _read(notes)
        if (definition.documents is None) == (definition.workflow is None):
            notes.error((), "WRONG_VALUE", "A template has either documents or a workflow.")
        _documents(definition, notes)
        _workflow(definition, notes)
    except Enough:
        pass
    return definition, in_order(notes.faults)


def _read(notes: Notes) -> TemplateDefinition:
    kind = described(TemplateDefinition)

    def note(path: Path, code: str, message: str, key: bool) -> None:  # noqa: FBT001 - a callback
        notes.error(path, code, message, key=key)

    found = Shape(note, templates=False, near=notes.near).read(notes.source.value, kind, ())
    definition: TemplateDefinition = built(found if isinstance(found, dict) else {}, kind)
    return definition


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────


def _documents(definition: TemplateDefinition, notes: Notes) -> None:
    documents = definition.documents
    if documents is None:
        return
    if not documents:
        notes.error(("documents",), "OUT_OF_BOUNDS", "A set has at least one document.")
    if len(documents) > MOST_DOCUMENTS:
        said = f"A set has at most {MOST_DOCUMENTS} documents; this one has {len(documents):,}."
        notes.error(("documents",), "OUT_OF_BOUNDS", said)
        return
    if definition.config:
        said = "A config belongs to the template of a workflow; what documents ask for are their fields."
        notes.error(("config",), "WRONG_VALUE", said, key=True)
    for name, document in documents.items():
        _document(document, ("documents", name), notes)


def _document(document: Document, path: Path, notes: Notes) -> None:
    _fields(document.fields, (*path, "fields"), notes)
    language = Language(notes, set(), set())
    where = Where(frozenset({ANSWERS}), fields={ANSWERS: document.fields})
    language.value(document.body, (*path, "body"), where)
    language.value(document.metadata, (*path, "metadata"), where)
    _depth(document.metadata, (*path, "metadata"), notes)
    for name in OURS:
        if name in document.metadata:
            said = f"{name} stands in the metadata of every document: take another name."
            notes.error((*path, "metadata", name), "NAME_TAKEN", said, key=True)
    _unused(document.fields, language, (*path, "fields"), notes)


def _fields(fields: Mapping[str, Field], path: Path, notes: Notes) -> None:
    if len(fields) > MOST_FIELDS:
        said = f"A template asks for at most {MOST_FIELDS} fields; this one for {len(fields):,}."
        notes.error(path, "OUT_OF_BOUNDS", said)
        return
    for name, field in fields.items():
        sound = True
        for where, message in faults_of_schema(field.schema_):
            sound = False
            notes.error((*path, name, "schema", *where), "SCHEMA_INVALID", message)
        if sound and field.default is not msgspec.UNSET:
            for where, message in misfits(field.default, field.schema_):
                said = f"The default does not fit the schema: {message}."
                notes.error((*path, name, "default", *where), "WRONG_VALUE", said)


def _depth(value: object, path: Path, notes: Notes) -> None:
    """Refuse a value that is nested deeper than the language would render it."""
    level = [value]
    for _ in range(Limits().depth):
        level = [
            inner
            for outer in level
            for inner in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
            )
        ]
    if level:
        said = f"This is nested more than {Limits().depth - 1} deep."
        notes.error(path, "TOO_DEEP", said)


def _unused(fields: Mapping[str, Field], language: Language, path: Path, notes: Notes) -> None:
    if "*" in language.used:
        return
    for name in fields:
        if name not in language.used:
            notes.warning((*path, name), "FIELD_UNUSED", f"Nothing uses what is told as {name}.", key=True)


# ── the template of a workflow ───────────────────────────────────────────────────────────────────────────


def _workflow(definition: TemplateDefinition, notes: Notes) -> None:
    workflow = definition.workflow
    if workflow is None:
        return
    _fields(definition.config, ("config",), notes)
    language = Language(notes, set(), set())
    where = Where(frozenset({CONFIG}), fields={CONFIG: definition.config})
    results: dict[Path, object] = {}
    for below, inner in places(workflow):
        path: Path = ("workflow", *below)
        results[below] = _ANYTHING
        if set(notes.source.node(path).items) != {PLACE}:
            said = f"Where the config goes stands one key, {PLACE}, and no other beside it."
            notes.error(path, "PLACE_INVALID", said)
        if below and below[-1] in CONDITIONS:
            said = (
                "A condition is code, and none comes from a config: put the value into vars, and look there."
            )
            notes.error(path, "PLACE_INVALID", said)
        language.value(inner, (*path, PLACE), where)
        _depth(inner, (*path, PLACE), notes)
    _unused(definition.config, language, ("config",), notes)

    def note(path: Path, code: str, message: str, key: bool) -> None:  # noqa: FBT001 - a callback
        notes.error(path, code, message, key=key)

    # Whoever instantiates it may name it, so the workflow need not say its name.
    whole = replaced({"name": _ANYTHING, **workflow}, results)
    Shape(note, templates=True, near=notes.near).read(whole, described(Definition), ("workflow",))
