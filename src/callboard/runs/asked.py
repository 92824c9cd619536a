"""What a reply to a question, or the deadline of all of them, makes of a run that has asked.

Whether the run was awake when the reply came makes no difference: it lies in the question's row
(`questioned.py`) until the turn that takes it. A bot that gave the question up is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callboard.authoring.handling import Say
from callboard.expressions import Stored
from callboard.facts import registered
from callboard.facts.mishaps import DeadLettered
from callboard.outcome import Fail, Outcome, Retry
from callboard.planning.plan import Plan
from callboard.planning.step import Attempt
from callboard.run import RunState, commands
from callboard.run.state import StepState, key_of
from callboard.runs.questioned import Questioned, questions
from callboard.runs.running import Crew
from callboard.runs.runwords import Answer
from callboard.steps import Work, ask, came_to

Made = tuple[commands.Command, list[Say]]
"""What a run is told, and what it says with it."""

_DEAD = registered(DeadLettered).name


def answered(crew: Crew, plan: Plan, state: RunState, answer: Answer) -> Made | None:
    """Return what a reply is to the run; None if its question is not open any more."""
    told = msgspec.json.decode(answer.wait.data, type=Questioned)
    step = state.steps.get(told.step)
    wait = None if step is None else step.wait
    if step is None or wait is None or questions(wait).get(told.asked) != answer.wait.key:
        return None
    work = _work(crew, plan, state, told.step)
    if answer.entry.kind == "message":
        heard = ask.heard(work, answer.entry.data)
    elif answer.entry.type == _DEAD:
        letter = msgspec.json.decode(answer.entry.data, type=DeadLettered)
        heard = {"missing": f"It gave the question up ({letter.reason}): {letter.error}"}
    else:
        return None
    got = {**_got(step), told.asked: heard}
    outcome = _outcome(work, lambda: ask.taken(work, wait, got))
    command = commands.Answered(told.step, step.iteration, step.waits, heard, told.asked, outcome)
    return command, work.says


def late(crew: Crew, plan: Plan, state: RunState, timer: commands.Timer) -> Made:
    """Return what a timer is to the run: for a step that has asked, that the deadline has passed."""
    step = state.steps.get(timer.step)
    wait = None if step is None else step.wait
    if timer.kind != "wait" or step is None or wait is None or wait.what != "answer":
        return commands.TimerDue(timer), []
    work = _work(crew, plan, state, timer.step)
    outcome = _outcome(work, lambda: ask.late(work, wait, _got(step)))
    return commands.TimerDue(timer, outcome), work.says


def _got(step: StepState) -> dict[str, dict[str, object]]:
    return {one["by"]: one["answer"] for one in step.answers}


def _work(crew: Crew, plan: Plan, state: RunState, id_: str) -> Work:
    step, planned = state.steps[id_], plan.flow.steps[id_]
    key = key_of(state.run, id_, step.iteration)
    attempt = Attempt(state.run, state.workflow, id_, step.iteration, step.attempt, key)
    work, _ = crew.work(attempt, Stored(step.input, step.secrets), planned.consensus)
    return work


def _outcome(work: Work, look: Callable[[], Outcome | None]) -> Outcome | None:
    try:
        return look()
    except Exception as error:  # noqa: BLE001  who is asked on may be gone, or what he is told too large
        work.says.clear()
        outcome = came_to(error)
        return Fail(outcome.error) if isinstance(outcome, Retry) else outcome
