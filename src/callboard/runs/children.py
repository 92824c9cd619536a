"""Children: how a run begins another one in a turn of its own, and hears of its end.

The first fact of the child is in the turn that says that it was started: there are both, or neither. If the
parent waits for it, that turn holds a wait too, which the child's last turn answers; the parent finds the
answer when it is told to look, or when it is taken up. So no crash comes between.

A child that is not wanted any more is told so by a timer that is due at once: a row of the turn in which the
parent gave it up. The child's own turn takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

import msgspec

from callboard import facts, run
from callboard.authoring.handling import Say
from callboard.facts import events
from callboard.ids import WaitId
from callboard.outcome import Done, Wait
from callboard.planning.plan import Plan
from callboard.run import RunState, commands
from callboard.run.parentage import above
from callboard.runs.running import Crew
from callboard.runs.runwords import Answer, hops_of

__all__ = ["CANCEL", "above", "called", "end_of", "ended", "first_turn"]

CANCEL = commands.Timer("cancel")


def end_of(child: str) -> WaitId:
    """Return the id of the wait for the end of a run: whoever ends it need not know who waits."""
    return WaitId(uuid5(NAMESPACE_OID, f"{child}/ended"))


def first_turn(
    want: commands.StartChild,
    parent: RunState,
    plan: Plan,
    now: datetime,
    place: Callable[[Plan, commands.Start], commands.Start],
) -> run.Decision:
    """Return what a child begins with; `place` says how it finds others under its concurrency key."""
    child, origin = want.child, want.origin
    envelope = {"kind": "step", "run": parent.run, "workflow": parent.workflow, "step": want.step}
    # What an item or a round says counts as said by the run around it; another workflow is one hop further.
    hops = hops_of(parent) - bool(origin.path)
    start = commands.Start(
        *(child.run, child.version or 0, child.input, {**envelope, "hops": hops}, parent.principal),
        origin=origin,
        vars=want.vars,
    )
    return run.decide(RunState(), plan, place(plan, start), now)


def called(outcome: object) -> Iterator[tuple[str, int]]:
    """Return the workflows, with their versions, of which an outcome has runs started."""
    if isinstance(outcome, Done | Wait) and outcome.child is not None:
        yield outcome.child.workflow, outcome.child.version or 0
    if isinstance(outcome, Wait) and outcome.batch is not None and outcome.batch.workflow:
        yield outcome.batch.workflow, outcome.batch.version


def ended(_crew: Crew, _plan: Plan, _state: RunState, answer: Answer) -> tuple[commands.Command, list[Say]]:
    """Return what the end of a child is for its parent."""
    return _ended(answer), []


def _ended(answer: Answer) -> commands.ChildHasEnded:
    waited = msgspec.json.decode(answer.wait.data, type=_Waited)
    # The log across its kinds tells no revision; the ends of runs are at their first.
    fact = facts.read(answer.entry.type, 1, bytes(answer.entry.data))
    told = (waited.step, waited.iteration, answer.wait.key)
    if isinstance(fact, events.WorkflowCompleted):
        return commands.ChildHasEnded(*told, "completed", fact.final_output, given=fact.given)
    if isinstance(fact, events.WorkflowFailed):
        return commands.ChildHasEnded(*told, "failed", error=fact.error)
    return commands.ChildHasEnded(*told, "cancelled")


class _Waited(msgspec.Struct):
    step: str
    iteration: int
