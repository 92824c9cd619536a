"""Where runs get what they live on, and whether what they are given fits it."""

from __future__ import annotations

from typing import Protocol

from callboard.errors import RequestInvalid
from callboard.planning.plan import Plan
from callboard.steps.callee import Callee


class Plans(Protocol):
    """Who has the plans of what was published."""

    async def plan(self, workflow: str, version: int) -> Plan:
        """Return what runs of a version live on."""

    async def current(self, workflow: str, version: int | None = None) -> tuple[int, Plan]:
        """Return the version that a new run gets, the one that is named if any, and its plan.

        `WorkflowInactive` if no run of the workflow may start.
        """


def check_input(plan: Plan, trigger: object) -> None:
    """Refuse an input that is not what the workflow takes."""
    wrong = Callee.of(plan, 0).refuses(trigger)
    if wrong:
        raise RequestInvalid(wrong, field="$.input")
