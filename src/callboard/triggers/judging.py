"""Whether an event starts a run, and with which input. Pure: no run exists yet, and none may.

In this order: `input` is rendered over `event`; `if` sees `event` and what came of it as `trigger`; only what
is meant for the workflow, by that, is then held against the workflow's own `input`. Each of the three can say
no, and says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from callboard.errors import ExpressionFailed, Unencodable
from callboard.planning.plan import Plan
from callboard.run.work import plain
from callboard.steps.callee import Callee
from callboard.triggers.entries import Entry


class Passed(msgspec.Struct, frozen=True):
    """A run shall be, and see this as `trigger`."""

    trigger: Any


class Refused(msgspec.Struct, frozen=True):
    """No run comes of it."""

    code: str
    reason: str
    passing: bool = False
    """The same event might start one later."""


def judge(entry: Entry, event: object, now: datetime) -> Passed | Refused:
    """Say what comes of an event."""
    planned, plan = entry.planned, entry.plan
    try:
        seen, _ = plain(event)
        scope: dict[str, object] = {
            "event": seen,
            "vars": dict(plan.vars),
            "workflow": {"name": plan.name, "version": entry.version},
            "now": now,
        }
        trigger = seen if planned.input is None else plain(planned.input.render(scope))[0]
    except (ExpressionFailed, Unencodable) as error:
        return Refused("INPUT_FAILED", f"The input cannot be made of this event: {error.message}")
    if planned.condition is not None:
        verdict = planned.condition.holds({**scope, "trigger": trigger})
        if not verdict.holds:
            return Refused("CONDITION_FALSE", verdict.reason)
    return _fits(plan, trigger)


def _fits(plan: Plan, trigger: object) -> Passed | Refused:
    wrong = Callee.of(plan, 0).refuses(trigger)
    return Refused("INPUT_REFUSED", wrong) if wrong else Passed(trigger)
