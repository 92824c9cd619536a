"""Children: what follows when a run ends that a step has started, and what it starts next.

`each` and `loop` go through runs of their own (`parentage.py`): as many at once as they may, in order, and
the next one begins when one has ended. What they came to is gathered in the step's progress.
"""

from __future__ import annotations

from typing import Any

from callboard.facts.child_events import ChildEnded
from callboard.facts.events import ContextUpdated
from callboard.outcome import Batch, Done, Failure
from callboard.run import attempts, commands, stopping
from callboard.run.leaving import cancel_children
from callboard.run.parentage import gathered, start_next
from callboard.run.state import Progress, StepState
from callboard.run.work import Work, bounded, plain


def has_ended(work: Work, command: commands.ChildHasEnded) -> None:
    """Take what a run came to that a step has started."""
    id_, step = command.step, work.state.steps.get(command.step)
    if step is None or step.iteration != command.iteration or step.wait is None or work.state.ended:
        work.stale = True
    elif step.progress is not None and step.wait.batch is not None:
        index = step.progress.under_way.get(command.run)
        if index is None:
            work.stale = True
        else:
            _one_of_many(work, id_, step.wait.batch, command, index)
    elif step.wait.child is not None and step.wait.child.run == command.run:
        _the_only_one(work, id_, step, step.wait.child.workflow, command)
    else:
        work.stale = True


def _the_only_one(
    work: Work, id_: str, step: StepState, workflow: str, command: commands.ChildHasEnded
) -> None:
    work.emit(ChildEnded(id_, work.now, command.run, command.status, step.iteration))
    if command.status == "completed":
        attempts.complete(work, id_, Done(command.output))
        return
    said = f"The run {command.run} of {workflow} was {command.status}."
    details = {"run": command.run}
    if command.error is not None:
        said = f"The run {command.run} of {workflow} failed: {command.error.message}"
        details["code"] = command.error.code
    attempts.fail(work, id_, Failure(f"CHILD_{command.status.upper()}", said, details))


# ── items and rounds ─────────────────────────────────────────────────────────────────────────────────────


def _one_of_many(work: Work, id_: str, batch: Batch, command: commands.ChildHasEnded, index: int) -> None:
    state, step = work.state, work.state.step(id_)
    given = command.given
    if batch.kind == "loop" and given.vars:
        changed, size = plain(dict(given.vars))
        before = plain({name: state.vars[name] for name in changed if name in state.vars})[1]
        work.emit(ContextUpdated(id_, work.now, changed, size - before))
    error = command.error
    if error is None and command.status != "completed":
        error = Failure(f"CHILD_{command.status.upper()}", f"Its run was {command.status}.")
    output, size = plain(command.output)
    work.size += 2 * size
    work.emit(
        ChildEnded(
            *(id_, work.now, command.run, command.status, step.iteration, index, output, error),
            *(given.goes_on, size),
        )
    )
    if state.bytes > work.limits.context:
        stopping.ruin(work, stopping.too_much(work), step=id_)
        return
    if error is None:
        error = _too_much_to_hand_on(work, step)
    if error is not None and not batch.collects:
        _fails(work, id_, step, _named(batch, index, command.run, error))


def _too_much_to_hand_on(work: Work, step: StepState) -> Failure | None:
    """Say so where rounds have set more than the first fact of the next one should hold."""
    names = [] if step.progress is None else step.progress.sets
    handed = bounded({name: work.state.vars[name] for name in names}, work.limits.output) if names else None
    return handed if isinstance(handed, Failure) else None


def _named(batch: Batch, index: int, run: str, error: Failure) -> Failure:
    """Return an error of an item or a round as one of its step."""
    what, code = ("Item", "ITEM_FAILED") if batch.kind == "each" else ("Round", "ROUND_FAILED")
    details: dict[str, Any] = {"index": index, "run": run, "code": error.code}
    return Failure(code, f"{what} {index} failed: {error.message}", details)


def _fails(work: Work, id_: str, step: StepState, error: Failure) -> None:
    cancel_children(work, id_, step)
    attempts.fail(work, id_, error)


def go_on(work: Work) -> None:
    """Start the items and rounds whose turn it is, and complete what has had all of them."""
    for id_ in tuple(work.state.batches):
        step = work.state.step(id_)
        if step.progress is not None and step.wait is not None and step.wait.batch is not None:
            _further(work, id_, step, step.wait.batch, step.progress)
        if work.more or work.state.ended:
            return


def _further(work: Work, id_: str, step: StepState, batch: Batch, progress: Progress) -> None:
    limits = work.limits
    while _another(batch, progress) and work.state.events < limits.events:
        index = _next(progress)
        refused = batch.refused.get(str(index))
        # The first fact of each is in the turn, too. Where none is under way one is begun all the same, for
        # nothing else would bring the run back if the process ended before the next turn.
        if 2 * len(work.events) >= limits.facts_at_once and (progress.under_way or refused is not None):
            work.more = True
            return
        if refused is None:
            start_next(work, id_, step, batch, progress, index)
        else:
            error = Failure("INPUT_INVALID", refused)
            work.emit(ChildEnded(id_, work.now, "", "failed", step.iteration, index, error=error))
    if progress.bytes > limits.output:
        said = f"What the items came to has passed {limits.output:,} bytes: put the rest elsewhere."
        _fails(work, id_, step, Failure("OUTPUT_TOO_LARGE", said))
    elif progress.under_way or (batch.kind == "each" and _next(progress) < batch.count):
        return
    elif batch.kind == "each":
        attempts.complete(work, id_, Done(gathered(batch, progress.results)))
    elif not progress.next:
        return
    elif progress.goes_on:
        said = f"The loop has done {progress.next} rounds, which is the most it may, and would go on."
        _fails(work, id_, step, Failure("LOOP_LIMIT", said))
    else:
        attempts.complete(work, id_, Done({"rounds": progress.next, "output": progress.results[0]}))


def _next(progress: Progress) -> int:
    """Return the number of the next item or round; past what was done before the run was reopened."""
    index = progress.next
    while index in progress.done:
        index += 1
    return index


def _another(batch: Batch, progress: Progress) -> bool:
    """Tell whether another item or round begins now."""
    if _next(progress) >= batch.count or len(progress.under_way) >= batch.parallel:
        return False
    return batch.kind == "each" or progress.next == 0 or progress.goes_on
