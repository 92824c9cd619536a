"""What a test sees of a log, be its house at work or gone."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import msgspec

from callboard.authoring.bot import Bot, shape_of
from callboard.errors import BadInput, NotFound
from callboard.facts.events import WorkflowCompleted, run_stream
from callboard.ids import BotName, ChannelName, Position, Version
from callboard.messages import Message
from callboard.store.boardrows import AuditQuery, DeadLetter
from callboard.store.port import Store
from callboard.store.runrows import AttemptRow, RunQuery, RunRow

T = TypeVar("T")

MOST = 1_000
"""Rows that a question to the log gives at once."""


class Looking:
    """What was said and done, as the log has it; whoever has a store can look."""

    store: Store

    def _at_once(self, reading: Coroutine[Any, Any, T]) -> T:
        """Return what a read gives, without waiting: a store that works on the loop itself never waits."""
        try:
            while reading.send(None) is None:
                """It lets others go first, of whom there are none."""
        except StopIteration as done:
            return cast("T", done.value)
        reading.close()
        raise RuntimeError("The store of a test has waited.")

    def memory(self, bot: type[Bot]) -> Any:  # noqa: ANN401 - of the type that the bot declares
        """Return what a bot keeps, as of its last turn."""
        shape = shape_of(bot)
        if shape.memory is None:
            raise BadInput(f"{bot.__qualname__} keeps nothing: it declares no memory.")
        row = self._at_once(self.store.memory(BotName(shape.name)))
        return shape.memory() if row is None else msgspec.json.decode(row.data, type=shape.memory)

    def said(
        self,
        one: str,
        other: str | None = None,
        *,
        type: str | None = None,  # noqa: A002 - as above
    ) -> list[Message]:
        """Return what two said to each other, or what was said on a '#channel', in the order of the log.

        Each is a message: `sender`, `to`, `type`, `body`, `at` and all else that the log has.
        """
        if one.startswith("#") == (other is not None):
            raise BadInput("Name two who speak to each other, or one '#channel'.")
        pair = None if other is None else (one, other)
        channel = ChannelName(one[1:]) if other is None else None
        query = AuditQuery(pair=pair, channel=channel, type=type, limit=MOST)
        return [row.message for row in self._at_once(self.store.audit(query))]

    def dead_letters(self, bot: type[Bot] | None = None) -> list[DeadLetter]:
        """Return the messages that were given up, of one bot or of all."""
        name = None if bot is None else BotName(shape_of(bot).name)
        return self._at_once(self.store.dead_letters(bot=name, limit=MOST))

    def runs(self, workflow: str | None = None) -> list[RunRow]:
        """Return the runs, of one workflow or of all, in the order in which they started."""
        return self._at_once(self.store.runs(RunQuery(workflow=workflow, limit=MOST)))

    def run(self, run: str) -> RunRow:
        """Return where a run stands."""
        row = self._at_once(self.store.run(run))
        if row is None:
            raise NotFound(f"There is no run {run}.", run=run)
        return row

    def attempts(self, run: str) -> list[AttemptRow]:
        """Return the attempts of a run's steps, with what went in and what came out."""
        return self._at_once(self.store.attempts(run, Position(0), MOST))

    def output(self, run: str) -> Any:  # noqa: ANN401 - any value that JSON holds
        """Return the output of a run; None as long as it has none."""
        stream = self._at_once(self.store.stream(run_stream(run)))
        for event in self._at_once(self.store.events(stream.id, Version(stream.version - 1), 1)):
            if isinstance(event.fact, WorkflowCompleted):
                return event.fact.final_output
        return None
