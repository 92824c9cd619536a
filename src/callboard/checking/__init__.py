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

from collections.abc import Mapping, Sequence

import msgspec

from callboard.checking.edges import check_edges, check_failures
from callboard.checking.language import OF_A_BODY, OF_A_LOOP, OF_STEPS, Language, Where
from callboard.checking.levels import Level, levels, set_variables
from callboard.checking.nesting import Known, check_nesting, started
from callboard.checking.parameters import check_parameters
from callboard.checking.runnable import check_runnable
from callboard.checking.triggers import check_triggers
from callboard.errors import WorkflowInvalid
from callboard.planning.catalogue import catalogue as built_in
from callboard.planning.plan import Plan, compile_plan
from callboard.planning.step import Catalogue, Kind
from callboard.workflow import (
    Definition,
    Enough,
    Fault,
    Notes,
    Path,
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
        told = f"{first.message.rstrip('.')}{more}"
        raise WorkflowInvalid(
            f"The workflow has {len(errors)} error{'s' if len(errors) > 1 else ''}: line {first.line}: "
            f"{told}{'' if told.endswith('?') else '.'}",
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
            _expressions(level, {inner.path: inner for inner in found}, catalogue, language)
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


def _expressions(
    level: Level, bodies: Mapping[Path, Level], catalogue: Catalogue, language: Language
) -> None:
    roots = _roots(level)
    for number, step in enumerate(level.steps):
        kind = catalogue.kind(step.uses)
        where = Where(roots, level, step.id, secrets=kind is None or kind.secrets)
        body = (
            None if kind is None or kind.body is None else bodies.get(level.place(number, "with", kind.body))
        )
        _parameters(level.place(number, "with"), step, kind, language, where, body)
        after = Where(roots, level, step.id, ended=True)
        single = not isinstance(step.next, list)
        for place, edge in enumerate(step.edges()):
            path = ("next", "if") if single else ("next", place, "if")
            language.condition(edge.if_, level.place(number, *path), after)
        if step.again is not None:
            language.condition(step.again.if_, level.place(number, "again", "if"), after)


def _roots(level: Level) -> frozenset[str]:
    """Return what there is in the steps of a level: an item only within an `each`."""
    roots = OF_STEPS
    for inner in level.around:
        number = inner.path[-3] if inner.parent is not None else None
        if inner.parent is not None and isinstance(number, int):
            roots |= OF_A_LOOP if inner.parent.steps[number].uses == "loop" else OF_A_BODY
    return roots


def _parameters(
    path: Path, step: Step, kind: Kind | None, language: Language, where: Where, body: Level | None
) -> None:
    """Check what stands under `with`; the conditions of a step with steps of its own see these."""
    for name, value in step.with_.items():
        if kind is not None and name in kind.conditions:
            inside = Where(where.roots | OF_A_BODY, where.level, step.id, ended=True)
            if body is not None:
                inside = Where(_roots(body), body)
            language.condition(value, (*path, name), inside)
        elif kind is None or name != kind.body:
            language.value(value, (*path, name), where)


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
