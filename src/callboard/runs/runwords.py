"""What is said to a run, and on whose behalf."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard import messages
from callboard.errors import CallboardError
from callboard.ids import SYSTEM, Position, PrincipalId
from callboard.planning.plan import Plan
from callboard.run import RunState, commands
from callboard.runs.occasion import Occasion
from callboard.runs.running import Ended
from callboard.steps import approval
from callboard.store.boardrows import LogEntry, Wait
from callboard.store.changes import KeepKey


class Begin(msgspec.Struct, frozen=True):
    """The run shall be; the first message of all. The answer is how it stands."""

    start: commands.Start
    plan: Plan
    key: KeepKey | None = None
    cause: Position | None = None
    occasion: Occasion | None = None


class Do(msgspec.Struct, frozen=True):
    """Somebody wants something of the run. The answer is how it stands, or why it cannot be."""

    command: commands.Command
    principal: PrincipalId


class Decide(msgspec.Struct, frozen=True):
    """Somebody approves or rejects what a step asks. The answer is how the run stands."""

    step: str
    iteration: int
    number: int
    """Of the step's wait."""
    by: str
    word: approval.Word
    comment: str
    principal: PrincipalId


class Rang(msgspec.Struct, frozen=True):
    """A timer came due."""

    timer: commands.Timer


class Look:
    """Told to a run: see for yourself whether there is something to do, or something was answered."""


class Answer(msgspec.Struct, frozen=True):
    """A wait of the run is answered; told to it by itself, once it has looked."""

    wait: Wait
    entry: LogEntry
    """The fact that is the answer."""
    message: messages.Message | None = None
    """The same, whole, if it is a message."""


class Standing(msgspec.Struct, frozen=True):
    """How a run stands."""

    run: str
    workflow: str
    version: int
    status: str
    paused_by: str


class Nap:
    """Told to a run by itself: nothing has happened for a while."""


Message = Begin | Do | Decide | Rang | Ended | Look | Answer | Nap


class Taken(msgspec.Struct):
    """What was taken into a turn, and what is to be answered once it is committed."""

    told: list[tuple[Any, Any]]
    answers: list[tuple[Any, CallboardError | None]]


def told_by_itself(command: commands.Command) -> tuple[Any, Any]:
    """Return what a run tells itself: nobody waits for the answer."""
    return Do(command, SYSTEM), None


def asks(message: object) -> bool:
    """Whether somebody stands behind it, under a name of his own."""
    return isinstance(message, (Begin, Decide)) or (isinstance(message, Do) and message.principal != SYSTEM)


def is_late(message: object) -> bool:
    """Whether it says that something was waited for long enough."""
    return isinstance(message, Rang) and message.timer.kind == "wait"


def principal_of(message: object, state: RunState) -> PrincipalId:
    """Return in whose name a message is acted on: who asked, or else who started the run."""
    if isinstance(message, (Do, Decide)) and asks(message):
        return message.principal
    return PrincipalId((message.start.principal if isinstance(message, Begin) else state.principal) or SYSTEM)


def unanswered(taken: Taken, error: CallboardError) -> list[tuple[Any, Any]]:
    """Give those who asked the error, and return what was told: nobody would tell it again."""
    left = []
    for message, reply in taken.told:
        if reply is not None:
            reply.set_exception(error)
        else:
            left.append((message, reply))
    return left


def hops_of(state: RunState) -> int:
    """Return at which hop what the run says stands: one more than what started it."""
    envelope = state.envelope
    hops = envelope.get("hops") if isinstance(envelope, dict) else None
    return hops + 1 if isinstance(hops, int) else 0
