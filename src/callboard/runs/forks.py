"""Forks: reading a run as far as it has come, in order to begin another one from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from callboard.errors import NotFound, TurnTooLarge, WrongState
from callboard.facts import encode
from callboard.facts.events import WorkflowStarted, run_stream
from callboard.ids import Position, PrincipalId, Version
from callboard.planning.plan import Plan
from callboard.run import commands
from callboard.run.forking import Source
from callboard.runs.runwords import Begin
from callboard.store.port import Store

PAGE = 500


class Wanted(msgspec.Struct, frozen=True):
    """The run that somebody wants to fork, the step from which, and what the fork gets for its input."""

    run: str
    step: str
    input: object = msgspec.UNSET
    """What the other run got, if it is not set."""

    def digest(self) -> str:
        """Return what tells it from another wish under the same request id."""
        given = [] if self.input is msgspec.UNSET else [self.input]
        return hashlib.sha256(encode(["fork", self.run, self.step, given]).encode()).hexdigest()


class Read:
    """A run that was read."""

    def __init__(self, source: Source, last: Position) -> None:
        self.state = source.state
        self.last = last
        self._source = source

    @classmethod
    async def of(cls, store: Store, run: str) -> Read:
        """Read a run from its beginning, since what was overwritten since counts, too."""
        source, version, last = Source(), Version(0), Position(0)
        while page := await store.events(run_stream(run), version, PAGE):
            for event in page:
                if isinstance(event.fact, WorkflowStarted):
                    _check_whole(event.fact)
                source.see(event.fact)
            version, last = page[-1].version, page[-1].position
        if not version:
            raise NotFound(f"There is no run {run}.", run=run)
        return cls(source, last)

    def fork(self, plan: Plan, wanted: Wanted, run: str, principal: PrincipalId) -> Begin:
        """Return what begins a run that is done again from the step that is wanted.

        What fired stays what it was, and with it the hops; the newest fact that was read is the cause.
        """
        state = self.state
        forked = self._source.fork(plan, wanted.step)
        trigger = state.trigger if wanted.input is msgspec.UNSET else wanted.input
        start = commands.Start(run, state.version, trigger, state.envelope, principal, forked=forked)
        return Begin(start, plan, None, self.last)


@contextmanager
def of_bounded_size(run: str) -> Iterator[None]:
    """Say of what is too large for one turn that it is what a run hands on."""
    try:
        yield
    except TurnTooLarge as error:
        text = f"Run {run} cannot be forked there: what it would hand on is more than one turn holds."
        raise TurnTooLarge(f"{text} {error.message}", run=run) from error


def _check_whole(started: WorkflowStarted) -> None:
    """Refuse an item of `each` and a round of `loop`: what they see of the run around them is not theirs."""
    origin = started.origin
    if origin is not None and origin.path:
        text = (
            f"Run {started.run} is a part of run {origin.parent}: fork that one, from its step {origin.step}."
        )
        raise WrongState(text, run=origin.parent, step=origin.step)
