"""Going back: the `again` of a step that has completed, looked at before its edges.

Taken, it makes the step that it names and all that follows it pending once more, in their next iteration.
What is under way there is cancelled. Edges from inside are forgotten; those from outside keep what they came
to, so a step that they open is ready at once, and one that they doom is skipped again.
"""

from __future__ import annotations

from callboard.facts.events import Reworked, WentBack
from callboard.outcome import Failure
from callboard.planning.plan import GoBack, PlannedStep
from callboard.run import stopping
from callboard.run.edges import Spread
from callboard.run.leaving import abandon
from callboard.run.state import LIVE, StepState
from callboard.run.work import Work


def look_back(work: Work, planned: PlannedStep, step: StepState) -> WentBack | None:
    """Find out whether a step that has completed goes back. It must stand in the scope already."""
    again = planned.again
    if again is None:
        return None
    barred = _barred(work, again)
    if barred is not None:
        taken, reason = False, f"The run stops, and {barred} may not run any more."
    else:
        taken, reason = True, "There is no condition."
        if again.condition is not None:
            verdict = again.condition.holds(work.scope(step))
            taken, reason = verdict.holds, verdict.reason
        if taken and step.backs >= again.max:
            taken = False
            reason = f"{reason.rstrip('.')}; it has gone back {step.backs} times, which is the most it may."
    work.rule("again", planned.id, again.to, again.text, result=taken, reason=reason)
    return WentBack(again.to, taken, reason)


def _barred(work: Work, again: GoBack) -> str | None:
    """Return a step that would be done again and must not, since the run stops and it is not spared."""
    state = work.state
    if not state.stopping:
        return None
    return next((id_ for id_ in (again.to, *again.resets) if id_ not in state.spared), None)


def go_back(work: Work, planned: PlannedStep) -> None:
    """Reset what the step goes back to, and all that follows there."""
    again = planned.again
    if again is None:
        return
    state = work.state
    most = work.limits.iterations
    if any(id_ in state.steps and state.steps[id_].iteration > most for id_ in again.resets):
        said = f"{planned.id} goes back to {again.to}, and a step may be done again {most:,} times."
        stopping.ruin(work, Failure("TOO_MANY_ITERATIONS", said), step=planned.id, recoverable=False)
        return
    for id_ in again.resets:
        if id_ in state.steps and state.steps[id_].status in LIVE:
            abandon(work, id_)
    spread = Spread(work)
    opens = spread.forget(again.resets)
    work.emit(Reworked(planned.id, again.to, work.now, again.resets, opens))
    spread.skips()
