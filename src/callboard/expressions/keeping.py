"""Keeping what an expression sees, so that it can be looked at later and see the same.

    seen_by(condition("item.n == trigger.claim"), scope, apart={"item"})    # {"trigger": {"claim": 7}}

Only what it refers to is kept, as deep as the text says; what it finds by a computed name is kept with all
that stands around it. What is missing stays missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from callboard.expressions.rendering import Condition


def seen_by(condition: Condition, scope: Mapping[str, Any], apart: Collection[str]) -> dict[str, Any]:
    """Return the part of a scope that a condition sees, but for some roots that are there only later."""
    found: dict[str, Any] = {}
    whole: set[tuple[str, ...]] = set()
    for path in sorted(condition.references, key=len):
        if path[0] not in apart and not any(path[: len(one)] == one for one in whole):
            whole.add(_keep(path, scope, found))
    return found


def _keep(path: tuple[str, ...], scope: Mapping[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    """Put what stands at a path where it stood, and return the path of what is kept whole with it."""
    here: Any = scope
    for depth, key in enumerate(path, start=1):
        if not isinstance(here, Mapping) or key not in here:
            return path
        here = here[key]
        if depth == len(path) or not isinstance(here, Mapping):
            found[key] = here
            return path[:depth]
        found = found.setdefault(key, {})
    return path
