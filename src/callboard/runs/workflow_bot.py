"""The workflow bot: a message to it starts a run, and what the run comes to is the reply.

    [bots.triage]
    kind = "workflow"
    workflow = "claims-triage"

It is a bot like any other, with one handler for all types of messages, so its turns and dead letters are
those of `company/bot.py`. The body of the message is the input of the run, the message its cause and, told
whole, its `run.trigger`. The id of the message is the request id: a crash between the run and the delivery,
or a second attempt, finds the run that there is. The reply is in the turn that ends the run (`replying.py`).

A message that can start no run, because there is no such workflow or it does not take such an input, is a
dead letter at once. Whoever asks such a bot should be patient: a run may take days.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from callboard.authoring.bot import Bot, Settings, Shape, Turn, otherwise, shape_of
from callboard.authoring.terms import Terms, terms_of
from callboard.botconfig import BotConfig
from callboard.errors import BadInput, Conflict, HopLimitReached, NotFound, RunRefused
from callboard.messages import Message, hops_allowed
from callboard.runs.replying import came
from callboard.runs.runs import Runs


class Opening:
    """Gives the runs to bots, which may be there a moment before them."""

    def __init__(self) -> None:
        self._there = asyncio.Event()
        self._runs: Runs | None = None

    def open(self, runs: Runs) -> None:
        """Let the bots have the runs."""
        self._runs = runs
        self._there.set()

    async def runs(self) -> Runs:
        """Return the runs once they are there."""
        await self._there.wait()
        if self._runs is None:
            raise RuntimeError("The runs are said to be there, and are not.")
        return self._runs


class Task(Settings, frozen=True):
    """What one workflow bot does."""

    bot: str
    workflow: str
    opening: Any
    """Where the runs are."""


class WorkflowBot(Bot):
    """Starts a run for each message; what the run comes to is the reply."""

    settings: Any

    @otherwise
    async def start(self, message: Message, turn: Turn) -> None:
        task: Task = self.settings
        if turn.hops + 1 > hops_allowed(message.headers):  # the reply is a message too
            raise HopLimitReached(f"{task.bot} starts no run: too many messages followed one from another.")
        runs = await task.opening.runs()
        try:
            await runs.start_run(
                task.workflow,
                msgspec.json.decode(message.json),
                principal=message.principal,
                request=f"message:{task.bot}:{message.id}",
                envelope=msgspec.to_builtins(came(task.bot, message, turn.hops)),
                cause=message.position,
            )
        except (BadInput, NotFound, Conflict) as error:
            raise RunRefused(f"No run of {task.workflow} could be started: {error.message}") from error


def engagement(name: str, said: BotConfig, opening: Opening) -> tuple[type[Bot], Shape, Terms]:
    """Return what a workflow bot is and how it works."""
    shape = msgspec.structs.replace(shape_of(WorkflowBot), name=name, description="")
    task = Task(name, said.workflow or "", opening)
    terms = msgspec.structs.replace(terms_of(WorkflowBot, shape, said), settings=task)
    return WorkflowBot, shape, terms
