"""Where runs get what they live on, and whether what they are given fits it."""

from __future__ import annotations

from typing import Protocol, get_args

from callboard.company.board import Board
from callboard.errors import RequestInvalid
from callboard.facts.publishing import WorkflowFact
from callboard.ids import Position, StreamId
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


class Current:
    """Plans of which it is known what is current: the disk is asked once, not for each run.

    What is current follows from the facts of workflows alone, and the journal tells the board of each before
    it answers whoever wanted it. So what was read holds until the next such fact, which drops all of it. What
    was on its way while one came is not kept: it may be from before.
    """

    def __init__(self, plans: Plans, board: Board) -> None:
        self._plans = plans
        self._known: dict[str, int] = {}
        """By workflow; one of which no run may start is not among them."""
        self._changes = 0
        for kind in get_args(WorkflowFact):
            board.listeners.setdefault(kind, []).append(self._changed)

    async def plan(self, workflow: str, version: int) -> Plan:
        """Return what runs of a version live on."""
        return await self._plans.plan(workflow, version)

    async def current(self, workflow: str, version: int | None = None) -> tuple[int, Plan]:
        """Return the version that a new run gets, the one that is named if any, and its plan."""
        known = self._known.get(workflow) if version is None else None
        if known is not None:
            return known, await self._plans.plan(workflow, known)
        before = self._changes
        found = await self._plans.current(workflow, version)
        if version is None and self._changes == before:
            self._known[workflow] = found[0]
        return found

    def _changed(self, _fact: WorkflowFact, _position: Position, _stream: StreamId) -> None:
        self._changes += 1
        self._known.clear()


def check_input(plan: Plan, trigger: object) -> None:
    """Refuse an input that is not what the workflow takes."""
    wrong = Callee.of(plan, 0).refuses(trigger)
    if wrong:
        raise RequestInvalid(wrong, field="$.input")
