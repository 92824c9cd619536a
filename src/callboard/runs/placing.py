"""Placing: what the turns of runs do for their concurrency keys (`crowding.py` knows who is there).

A run that begins is placed as it begins, and one that is reopened as it is reopened. One that somebody starts
is refused where there is no place; one that a step starts is there then, and fails before it begins, so that
the step fails with it and says why.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callboard import run as machine
from callboard.company.asking import Services
from callboard.errors import CallboardError, ConcurrencyLimit, ExpressionFailed, RequestInvalid
from callboard.expressions import Template
from callboard.facts import encode
from callboard.facts.crowd_events import Crowded
from callboard.facts.publishing import workflow_stream
from callboard.ids import PrincipalId
from callboard.outcome import Failure
from callboard.planning.plan import Plan
from callboard.run import RunState, commands
from callboard.runs.crowding import Crowds, turn_of
from callboard.runs.runturn import RunTurn
from callboard.store.changes import AnswerWait

LONGEST_KEY = 500
"""Characters of a concurrency key."""

Place = Callable[[Plan, commands.Start], commands.Start]


def placed(crowds: Crowds, turn: RunTurn, plan: Plan, start: commands.Start) -> commands.Start:
    """Give a run its place or put it into the queue, or refuse it with `ConcurrencyLimit`."""
    rule = plan.crowding
    if rule is None:
        return start
    key = _key(plan, rule.key, start, turn)
    crowded, ousted = crowds.enter(plan.name, key, start.run, rule)
    turn.entered.append(start.run)
    for run in ousted:
        turn.tell_at_once(run, commands.Timer("replaced", by=start.run))
    return msgspec.structs.replace(start, crowded=crowded)


def child_placed(crowds: Crowds, turn: RunTurn) -> Place:
    """Return what places the runs that steps start."""

    def place(plan: Plan, start: commands.Start) -> commands.Start:
        try:
            return placed(crowds, turn, plan, start)
        except CallboardError as error:
            limit = 1 if plan.crowding is None else plan.crowding.limit
            refused = Failure(error.code, error.message, error.details)
            return msgspec.structs.replace(start, crowded=Crowded("", limit, refused=refused))

    return place


def placed_again(crowds: Crowds, turn: RunTurn, state: RunState) -> None:
    """Give a run that had ended a place again, or refuse it with `ConcurrencyLimit`."""
    crowded = state.crowded
    if crowded is None or crowded.refused is not None or not state.ended:
        return
    if crowds.enter_again(state.workflow, crowded, state.run):
        turn.entered.append(state.run)


def hand_on(crowds: Crowds, turn: RunTurn, state: RunState) -> None:
    """Give the place of a run that this turn ends to the next in line, in this very turn."""
    if state.crowded is None or not state.ended or turn.last is None:
        return
    heir = crowds.heir(state.run)
    if heir is not None:
        turn.change(AnswerWait(turn_of(heir), turn.last))
        turn.looks.append(heir)


def settled(crowds: Crowds, turn: RunTurn, state: RunState) -> None:
    """Take in that a turn is on disk."""
    for run in turn.entered:
        crowds.committed(run)
    if state.crowded is not None and state.ended:
        crowds.left(state.run)


def withdrawn(crowds: Crowds, turn: RunTurn, first: int) -> None:
    """Take in that of a turn nothing is wanted that came after so many runs."""
    for run in turn.entered[first:]:
        crowds.withdraw(run)
    del turn.entered[first:]


def undone(crowds: Crowds, turn: RunTurn, state: RunState) -> None:
    """Take in that a turn was refused."""
    withdrawn(crowds, turn, 0)
    crowds.stays(state.run)


async def write_down(
    services: Services, workflow: str, error: ConcurrencyLimit, principal: PrincipalId
) -> None:
    """Keep that somebody wanted a run for which there was no place."""
    turn = services.journal.turn(principal=principal)
    turn.act("runs.refuse", workflow_stream(workflow), {"reason": error.message, **error.details})
    await services.journal.commit(turn)


def _key(plan: Plan, written: Template, start: commands.Start, turn: RunTurn) -> str:
    state = RunState(
        run=start.run,
        workflow=plan.name,
        version=start.version,
        principal=start.principal,
        trigger=start.trigger,
        envelope=start.envelope,
        vars={**plan.vars, **start.vars},
    )
    try:
        found = written.render({**machine.seen(state, None), "now": turn.turn.at})
    except ExpressionFailed as error:
        said = f"The concurrency key of {plan.name} cannot be made of this input: {error.message}"
        raise RequestInvalid(said, field="$.input") from None
    key = found if isinstance(found, str) else encode(found)
    if len(key) > LONGEST_KEY:
        said = f"The concurrency key of {plan.name} has {len(key):,} characters here; it may have"
        raise RequestInvalid(f"{said} {LONGEST_KEY}.", field="$.input")
    return key
