"""Answers: what a run makes of a wait of its that somebody has answered.

Whoever answers (a child that ends, a bot that replies) does it as a row, in a turn of his own, and then tells
the run to `Look`. The run reads its answered waits, with the facts that they name, when it is told so and
whenever it is taken up; here each becomes a command, by the kind of the wait. The turn that takes the command
closes the wait. So an answer that came a moment early, or before a crash, is found where it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog

from callboard.authoring.handling import Say
from callboard.company.asking import ASK
from callboard.ids import StreamId
from callboard.planning.plan import Plan
from callboard.run import RunState, commands
from callboard.runs import asked, children, crowding, heard
from callboard.runs.running import Crew
from callboard.runs.runwords import Answer
from callboard.store.port import Store

Made = tuple[commands.Command, list[Say]]
"""What a run is told, and what it says with it."""


def _turn_came(_crew: Crew, _plan: Plan, _state: RunState, _answer: Answer) -> Made:
    return commands.Admit(), []


ANSWERS: Mapping[str, Callable[[Crew, Plan, RunState, Answer], Made | None]] = MappingProxyType(
    {ASK: asked.answered, "child": children.ended, "message": heard.heard, crowding.KIND: _turn_came}
)
"""By the kind of the wait: what its answer makes of the run as it stands. Nothing: it was for something that
is over."""

_log = structlog.get_logger("callboard.run")


async def answered(store: Store, stream: StreamId) -> list[Answer]:
    """Return the waits of a run that are answered, with the facts that answer them."""
    found = []
    for wait in await store.waits(stream):
        if wait.answer is None:
            continue
        entry = await store.entry(wait.answer)
        if entry is None or wait.kind not in ANSWERS:
            _log.error("run.answer_unread", owner=stream, kind=wait.kind, answer=wait.answer)
        else:
            message = await store.message_at(wait.answer) if entry.kind == "message" else None
            found.append(Answer(wait, entry, message))
    return found


def made_of(crew: Crew, plan: Plan, state: RunState, answer: Answer) -> Made | None:
    """Return the command that an answer is."""
    return ANSWERS[answer.wait.kind](crew, plan, state, answer)
