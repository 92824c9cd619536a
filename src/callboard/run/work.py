"""Work: one decision in the making, and what expressions see meanwhile.

What is decided counts at once: each fact is folded into the state as it is written down, so what is decided
next sees it, and the live state is the fold of the facts by the way it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.errors import Unencodable
from callboard.facts import encoded
from callboard.outcome import Failure
from callboard.planning.plan import Plan, PlannedStep
from callboard.run.commands import Limits, Ruling, Want
from callboard.run.evolving import evolve
from callboard.run.scope import Around, seen
from callboard.run.state import RunState, StepState

DEEPEST = 64
"""How deep a value may be nested: what is stored around it must still fit what an encoder can walk."""

Room = Callable[[str], bool]
"""Tells whether a step of a kind may begin now: there is room for its attempt, which is thereby taken."""


def anywhere(_kind: str) -> bool:
    """Say that there is room for every attempt."""
    return True


class Work:
    """One decision in the making."""

    __slots__ = (
        *("_around", "_scope", "events", "limits", "more", "now", "plan", "room", "rulings", "size", "stale"),
        *("starved", "state", "wants"),
    )

    def __init__(
        self,
        state: RunState,
        plan: Plan,
        now: datetime,
        limits: Limits,
        room: Room = anywhere,
        around: Around | None = None,
    ) -> None:
        self._around = around
        self.state = state
        self.plan = plan
        self.now = now
        self.limits = limits
        self.room = room
        self.events: list[msgspec.Struct] = []
        self.wants: list[Want] = []
        self.rulings: list[Ruling] = []
        self.size = 0
        """Bytes in the facts, of inputs, answers, errors and waits; outputs say their own."""
        self.more = False
        self.stale = False
        self.starved = False
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
        if found is None or self._around is not None:  # what is merged does not follow the state
            found = self._scope = seen(self.state, self._around)
            found["now"] = self.now
        found["run"]["attempt"] = step.attempt
        return found


def plain(value: object) -> tuple[Any, int]:
    """Return a value as it will be read again, and its size; `Unencodable` says what JSON cannot hold."""
    if value is None:
        return None, 4
    text = encoded(value)
    size = len(text)
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unencodable(f"This value could not be read again: {error}.") from error
    if size > 2 * DEEPEST and text.count(b"[") + text.count(b"{") > DEEPEST and _deeper(found):
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
