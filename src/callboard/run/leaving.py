"""Leaving: what is put away when a step no longer waits, or is not wanted any more."""

from __future__ import annotations

from callboard.run import commands
from callboard.run.state import StepState
from callboard.run.work import Work


def wait_timer(id_: str, step: StepState) -> commands.Timer:
    """Return the timer of a step's present wait."""
    return commands.Timer("wait", id_, step.iteration, step.waits)


def leave(work: Work, id_: str, step: StepState) -> None:
    """Put away what a step waits with: its wait and its timers."""
    if step.retry_at is not None:
        timer = commands.Timer("retry", id_, step.iteration, step.attempt)
        work.wants.append(commands.DropTimer(timer))
    if step.wait is None:
        return
    if step.wait.what not in {"timer", "hold", "child"}:
        work.wants.append(commands.CloseWait(id_, step.iteration, step.waits, step.wait))
    if step.wait.until is not None:
        work.wants.append(commands.DropTimer(wait_timer(id_, step)))


def abandon(work: Work, id_: str) -> None:
    """Stop what a step has under way, because it is not wanted any more."""
    step = work.state.step(id_)
    if step.status == "running":
        work.wants.append(commands.CancelAttempt(id_, step.iteration, step.attempt))
    cancel_children(work, id_, step)
    leave(work, id_, step)


def cancel_children(work: Work, id_: str, step: StepState) -> None:
    """End the runs that a step waits for."""
    if step.wait is not None and step.wait.child is not None:
        work.wants.append(commands.CancelChild(id_, step.wait.child.run))
    if step.progress is not None:
        work.wants += [commands.CancelChild(id_, run) for run in step.progress.under_way]
