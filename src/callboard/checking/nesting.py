"""Workflows that start workflows: whether the other is there, and that none comes to stand in itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from callboard.checking.levels import Level
from callboard.planning.step import Catalogue
from callboard.workflow import Notes, Path, is_template

DEEPEST = 5
"""Runs that may stand in one another under the first."""

Known = Mapping[str, Collection[str]]
"""The workflows that there are, each with those that it starts."""


def started(levels: Sequence[Level], catalogue: Catalogue) -> list[tuple[Path, str]]:
    """Return the workflows that steps start by name, each with its path."""
    found: list[tuple[Path, str]] = []
    for level in levels:
        for number, step in enumerate(level.steps):
            kind = catalogue.kind(step.uses)
            name = step.with_.get(kind.workflow or "") if kind is not None else None
            if kind is not None and isinstance(name, str) and name and not is_template(name):
                found.append((level.place(number, "with", kind.workflow or ""), name))
    return found


def check_nesting(name: str, calls: Sequence[tuple[Path, str]], known: Known | None, notes: Notes) -> None:
    """Check each workflow that is started; without a list of those that are known, only for itself."""
    others = dict(known or {})
    others[name] = {called for _, called in calls}
    depths: dict[str, int] = {}
    for path, called in calls:
        if known is not None and called not in others:
            hint = notes.near(called, others)
            notes.error(path, "WORKFLOW_UNKNOWN", f"There is no workflow {called[:100]!r}{hint}.")
            continue
        way = _way_to(called, name, others)
        if way is not None:
            said = f"The workflow would stand in itself: {' → '.join([name, *way])}."
            notes.error(path, "NESTING_RECURSES", said)
        elif _depth(called, others, depths) > DEEPEST:
            said = (
                f"Workflows stand at most {DEEPEST} deep in one another, and below {called} there are more."
            )
            notes.error(path, "NESTING_TOO_DEEP", said)


def _way_to(start: str, end: str, others: Known) -> list[str] | None:
    """Return the shortest way from a workflow to another, both named; nothing where there is none."""
    came_from: dict[str, str | None] = {start: None}
    ready = [start]
    for here in ready:
        if here == end:
            way: list[str] = []
            step: str | None = here
            while step is not None:
                way.append(step)
                step = came_from[step]
            return way[::-1]
        for there in sorted(others.get(here, ())):
            if there not in came_from:
                came_from[there] = here
                ready.append(there)
    return None


def _depth(start: str, others: Known, known: dict[str, int]) -> int:
    """Return how many stand in one another from here on; past the bound it is not counted further."""
    if start in known:
        return known[start]
    layer, depth = {start}, 0
    while layer and depth <= DEEPEST:
        layer = {there for here in layer for there in others.get(here, ())}
        depth += 1
    known[start] = depth
    return depth
