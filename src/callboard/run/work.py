"""Work: one decision in the making, and what expressions see meanwhile.

What is decided counts at once: each fact is folded into the state as it is written down, so what is decided
next sees it, and the live state is the fold of the facts by the way it is made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.errors import Unencodable
from callboard.facts import encode
from callboard.outcome import Failure
from callboard.plan import Plan, PlannedStep
from callboard.run.commands import Limits, Ruling, Want
from callboard.run.evolving import evolve
from callboard.run.state import RunState, StepState

DEEPEST = 64
"""How deep a value may be nested: what is stored around it must still fit what an encoder can walk."""


class Work:
    """One decision in the making."""

    __slots__ = ("_scope", "events", "limits", "more", "now", "plan", "rulings", "stale", "state", "wants")

    def __init__(self, state: RunState, plan: Plan, now: datetime, limits: Limits) -> None:
        self.state = state
        self.plan = plan
        self.now = now
        self.limits = limits
        self.events: list[msgspec.Struct] = []
        self.wants: list[Want] = []
        self.rulings: list[Ruling] = []
        self.more = False
        self.stale = False
        self._scope: dict[str, Any] | None = None

    def emit(self, fact: msgspec.Struct) -> None:
        """Write down a fact; from here on it is true."""
        self.events.append(fact)
        evolve(self.state, fact)

    def rule(
        self, about: Literal["edge", "again"], source: str, to: str, text: str, *, result: bool, reason: str
    ) -> None:
        """Write down what was looked at and what it came to."""
        self.rulings.append(Ruling(about, source, to, text, result, reason))

    def planned(self, id_: str) -> PlannedStep:
        """Return a step of the plan."""
        return self.plan.flow.steps[id_]

    def scope(self, step: StepState) -> dict[str, Any]:
        """Return what expressions see, in the attempt that the step is at."""
        found = self._scope
        if found is None:
            state = self.state
            found = self._scope = {
                "trigger": state.trigger,
                "steps": state.seen,
                "previous": state.previous,
                "vars": state.vars,
                "run": {
                    "id": state.run,
                    "trigger": state.envelope,
                    "principal": state.principal,
                    "attempt": 0,
                },
                "workflow": {"name": state.workflow, "version": state.version},
                "now": self.now,
            }
        found["run"]["attempt"] = step.attempt
        return found


def plain(value: object) -> tuple[Any, int]:
    """Return a value as it will be read again, and its size; `Unencodable` says what JSON cannot hold."""
    if value is None:
        return None, 4
    text = encode(value)
    size = len(text) if text.isascii() else len(text.encode())
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unencodable(f"This value could not be read again: {error}.") from error
    if text.count("[") + text.count("{") > DEEPEST and _deeper(found):
        raise Unencodable(f"This value is nested more than {DEEPEST} deep.")
    return found, size


def _deeper(value: dict[str, Any] | list[Any]) -> bool:
    level: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def bounded(value: object, most: int) -> tuple[Any, int] | Failure:
    """Return a step's output as `plain` does, or what is wrong with it."""
    try:
        found, size = plain(value)
    except Unencodable as error:
        return Failure("UNENCODABLE", f"The output cannot be kept: {error}")
    if size > most:
        message = f"The output has {size:,} bytes; an output may have {most:,}: put the rest elsewhere."
        return Failure("OUTPUT_TOO_LARGE", message)
    return found, size
