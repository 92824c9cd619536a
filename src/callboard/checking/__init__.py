"""The check of a workflow file: everything that can be known before anything runs, all at once.

    for fault in check(text):
        print(f"{fault.line}:{fault.column} {fault.message}")

    accepted = accept(text)            # the definition and its plan, or WorkflowInvalid with the faults

The command line, the HTTP API and the server itself call these two and no others, so they cannot differ. A
check never raises for what a file holds, and its work is bounded, whatever a file of 1 MiB holds.

`levels` finds the steps of bodies; `edges` looks at the graph, `parameters` at uses and with, `triggers` at
on, `language` at every expression, `nesting` at workflows in workflows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callboard.catalogue import catalogue as built_in
from callboard.checking.edges import check_edges, check_failures
from callboard.checking.language import OF_A_BODY, OF_STEPS, Language, Where
from callboard.checking.levels import Level, levels, set_variables
from callboard.checking.nesting import Known, check_nesting, started
from callboard.checking.parameters import check_parameters
from callboard.checking.runnable import check_runnable
from callboard.checking.triggers import check_triggers
from callboard.errors import WorkflowInvalid
from callboard.plan import Plan, compile_plan
from callboard.step import Catalogue, Kind
from callboard.workflow import (
    Definition,
    Enough,
    Fault,
    Notes,
    Step,
    Unreadable,
    define,
    in_order,
    read,
)

__all__ = ["Accepted", "Known", "accept", "calls", "check"]


class Accepted(msgspec.Struct, frozen=True):
    """A file without errors."""

    definition: Definition
    plan: Plan
    warnings: list[Fault]


def check(
    data: str | bytes, *, catalogue: Catalogue | None = None, workflows: Known | None = None
) -> list[Fault]:
    """Return everything that is wrong with a workflow file, in the order of the file.

    `workflows` names those that there are, each with the workflows that it starts; without it, whether one is
    there is not looked at.
    """
    return _checked(data, catalogue or built_in(), workflows)[1]


def accept(
    data: str | bytes, *, catalogue: Catalogue | None = None, workflows: Known | None = None
) -> Accepted:
    """Return the definition and the plan of a file that has no errors, or raise `WorkflowInvalid`."""
    kinds = catalogue or built_in()
    definition, faults = _checked(data, kinds, workflows)
    errors = [fault for fault in faults if fault.severity == "error"]
    if definition is None or errors:
        first = errors[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise WorkflowInvalid(
            f"The workflow has {len(errors)} error{'s' if len(errors) > 1 else ''}: line {first.line}: "
            f"{first.message.rstrip('.')}{more}.",
            faults=[msgspec.to_builtins(fault) for fault in faults],
        )
    return Accepted(definition, compile_plan(definition, kinds), faults)


def calls(data: str | bytes, *, catalogue: Catalogue | None = None) -> tuple[str, frozenset[str]] | None:
    """Return the name of a workflow and those that it starts, for `workflows`; nothing if it has no name."""
    kinds = catalogue or built_in()
    try:
        notes = Notes(read(data))
        reading = define(notes)
        found = levels(reading.definition.steps, kinds, notes, sound=False)
    except (Unreadable, Enough):
        return None
    named = frozenset(name for _, name in started(found, kinds))
    return (reading.definition.name, named) if reading.definition.name else None


def _checked(
    data: str | bytes, catalogue: Catalogue, workflows: Known | None
) -> tuple[Definition | None, list[Fault]]:
    try:
        notes = Notes(read(data))
    except Unreadable as error:
        return None, [error.fault]
    definition: Definition | None = None
    try:
        reading = define(notes)
        definition = reading.definition
        found = levels(definition.steps, catalogue, notes, sound=reading.edges_sound)
        for level in found:
            check_edges(level, notes)
            check_parameters(level, definition, catalogue, notes)
        language = Language(notes, set_variables(found, definition.vars), _reset(found))
        check_triggers(definition, language, notes)
        for level in found:
            _expressions(level, catalogue, language)
        language.value(definition.output, ("output",), Where(OF_STEPS, found[0]))
        check_nesting(definition.name, started(found, catalogue), workflows, notes)
        check_failures(found, catalogue, notes)
        _unused(found, definition, catalogue, language, notes)
        if catalogue.carried is not None:
            check_runnable(definition, notes)
    except Enough:
        pass
    return definition, in_order(notes.faults)


def _reset(found: Sequence[Level]) -> set[str]:
    return {
        id_
        for level in found
        for step in level.steps
        if step.again is not None and step.again.to in level.graph.outgoing
        for id_ in level.graph.following(step.again.to)
    }


def _expressions(level: Level, catalogue: Catalogue, language: Language) -> None:
    roots = OF_STEPS if level.parent is None else OF_STEPS | OF_A_BODY
    for number, step in enumerate(level.steps):
        kind = catalogue.kind(step.uses)
        where = Where(roots, level, step.id, secrets=kind is None or kind.secrets)
        _parameters(level, number, step, kind, language, where)
        after = Where(roots, level, step.id, ended=True)
        single = not isinstance(step.next, list)
        for place, edge in enumerate(step.edges()):
            path = ("next", "if") if single else ("next", place, "if")
            language.condition(edge.if_, level.place(number, *path), after)
        if step.again is not None:
            language.condition(step.again.if_, level.place(number, "again", "if"), after)


def _parameters(
    level: Level, number: int, step: Step, kind: Kind | None, language: Language, where: Where
) -> None:
    for name, value in step.with_.items():
        path = level.place(number, "with", name)
        if kind is not None and name in kind.conditions:
            inside = Where(where.roots | OF_A_BODY, level, step.id, ended=True)
            language.condition(value, path, inside)
        elif kind is None or name != kind.body:
            language.value(value, path, where)


def _unused(
    found: Sequence[Level], definition: Definition, catalogue: Catalogue, language: Language, notes: Notes
) -> None:
    """Warn of steps whose output is all that comes of them, and of which nothing comes."""
    for level in found:
        if "*" in language.used or not level.sound or level.graph.cycles:
            return
        for number, step in enumerate(level.steps):
            kind = catalogue.kind(step.uses)
            if kind is None or step.id in language.used or not kind.only_answers(step.with_):
                continue
            # Without `output`, and in a body, what the last steps give is there to be read by people.
            last = not level.graph.outgoing[step.id]
            if last and (level.parent is not None or definition.output is None):
                continue
            said = (
                f"Nothing uses the output of {step.id}, and a step of the kind {kind.name} does nothing else."
            )
            notes.warning(level.place(number, "id"), "OUTPUT_UNUSED", said)
