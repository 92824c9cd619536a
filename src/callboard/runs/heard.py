"""What a message that a run waited for makes of it: its step is done, and the message is what it came to."""

from __future__ import annotations

import msgspec

from callboard.authoring.handling import Say
from callboard.outcome import Done
from callboard.planning.plan import Plan
from callboard.run import RunState, commands
from callboard.runs.running import Crew
from callboard.runs.runwords import Answer
from callboard.steps.listening import Sought, seen


class _Waited(msgspec.Struct):
    step: str
    iteration: int
    number: int
    about: Sought


def heard(
    _crew: Crew, _plan: Plan, _state: RunState, answer: Answer
) -> tuple[commands.Command, list[Say]] | None:
    """Return what a message is to the run; None if it is not there."""
    message = answer.message
    if message is None:
        return None
    item = seen(message)
    waited = msgspec.json.decode(answer.wait.data, type=_Waited)
    command = commands.Answered(
        *(waited.step, waited.iteration, waited.number),
        answer={"reason": waited.about.verdict(message, item).reason},
        by=message.sender,
        outcome=Done(item),
        message=message.position,
    )
    return command, []
