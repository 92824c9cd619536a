"""Queueing: a run that found no place under its concurrency key, and how it comes to one.

Who has a place and whose turn it is, no run can know of itself: that is decided once, for all of them
(`runs/crowding.py`), and told with `Start` and with `Admit`. While a run is queued nothing of it begins. It
can be cancelled, and its deadline counts; it cannot be paused, since there is nothing to hold up.
"""

from __future__ import annotations

from callboard.errors import WrongState
from callboard.facts.crowd_events import Crowded, WorkflowAdmitted
from callboard.run import commands, stopping
from callboard.run.work import Work


def join(work: Work, crowded: Crowded | None) -> None:
    """Have a run that found no place told when its turn has come."""
    if crowded is not None and crowded.queued:
        work.wants.append(commands.JoinQueue(crowded))


def admit(work: Work, _command: commands.Admit) -> None:
    """Let a run begin whose turn has come."""
    state = work.state
    if state.ended or not state.queued:
        work.stale = True
        return
    work.emit(WorkflowAdmitted(work.now, tuple(state.held_back)))


def held_back(work: Work) -> bool:
    """Tell whether nothing of a run may begin; one that was refused ends here."""
    state = work.state
    if state.queued:
        return True
    refused = None if state.crowded is None else state.crowded.refused
    if refused is None:
        return False
    stopping.ruin(work, refused)
    return True


def not_queued(work: Work, what: str) -> None:
    """Refuse what makes no sense for a run that waits for its turn."""
    state = work.state
    if state.queued:
        said = f"Run {state.run} waits for its turn, and nothing of it runs, so it cannot be {what}."
        raise WrongState(f"{said} Cancel it if it is not wanted.", status=state.status)


def replaced(work: Work, by: str) -> None:
    """End a run because a newer one under its key takes its place."""
    said = "A newer run with the same concurrency key takes its place."
    stopping.cancel(work, f"run {by}" if by else "a newer run", said)
