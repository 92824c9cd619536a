"""What becomes of a run whose actor died again and again: it is set aside, and once resumed looks for all.

Theory of operation
    What was answered and which attempts were cut off, the successor of an actor that died sees from the log.
    A timer that was in its hand rings once, so the supervisor hands it on.

    A run that fell over too often is left alone by its supervisor, and `running` is a lie then. It is set
    aside as `crashed`, with the error, until somebody resumes it. That is written here, with neither the fold
    nor the machine, since either may be what is broken; the version that is expected keeps it from a run that
    moved. Once it is written the supervisor forgets the actor, and the next word makes a new one. If it
    cannot be written the actor stays in quarantine, where the doctor names it; the next word tries again.

    A run that is resumed looks at its answers, and has its timers set again from their rows, so that what
    fell due meanwhile rings: while it was set aside there was nobody to be told. One reading of the rows
    serves all that were resumed before it.

Rejected
    To wake the actor once more, with `GiveUp` as its only word: it falls over before it has heard it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Coroutine
from functools import partial
from typing import Any

import structlog

from callboard.actors.runtime import Ref
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.company.asking import Services
from callboard.company.patience import patiently
from callboard.errors import CallboardError
from callboard.facts.events import WorkflowCrashed, run_stream
from callboard.ids import TimerId
from callboard.retry import Backoff
from callboard.runs.runturn import RUN
from callboard.store.boardrows import Timer

TIMERS_PAGE = 500
TRIES = 5
"""So often it is tried to write that a run has crashed."""
LONGEST_ERROR = 500
"""Characters of the error that the log of the run keeps; the server's log has all of it."""

_log = structlog.get_logger("callboard.runs")


class Fallen:
    """Looks after runs that are set aside."""

    def __init__(
        self,
        services: Services,
        set_timer: Callable[[SetTimer | CancelTimer], object],
        ring: Callable[[Timer], object],
        look: Callable[[str], object],
        run_errand: Callable[[Coroutine[Any, Any, None]], object],
        forget: Callable[[str], Awaitable[object]],
    ) -> None:
        self._services = services
        self._set_timer = set_timer
        self._ring = ring
        self._look = look
        self._run_errand = run_errand
        self._forget = forget
        self._again: set[str] = set()
        """Runs whose timers are to be set again."""
        self._reading = False
        self._writing: set[str] = set()

    def is_setting_aside(self, run: str) -> bool:
        """Whether it is being written that a run has crashed: until then it is not woken."""
        return run in self._writing

    def set_aside(self, run: str, error: str) -> None:
        """Have it written that a run has crashed, of whose actor its supervisor has given up hope."""
        self._writing.add(run)
        self._run_errand(self._set_aside(run, error))

    def look_again(self, run: str) -> None:
        """Have a run look at what was answered, and what is due of it ring again."""
        self._look(run)
        self._again.add(run)
        if not self._reading:
            self._reading = True
            self._run_errand(self._read_again())

    async def set_timers(self, only: Container[str] | None = None) -> None:
        """Set the timers of all runs, or of these alone, as their rows say."""
        store, clock = self._services.store, self._services.clock
        after: TimerId | None = None
        while page := await patiently(clock, partial(store.timers, after, TIMERS_PAGE)):
            for timer in page:
                if timer.kind == RUN and (only is None or timer.target in only):
                    self._set_timer(SetTimer(timer.id, timer.due_at, self._ring, timer))
            after = page[-1].id

    async def _read_again(self) -> None:
        try:
            while self._again:
                runs, self._again = self._again, set()
                await self.set_timers({run_stream(run) for run in runs})
        finally:
            self._reading = False

    async def _set_aside(self, run: str, error: str) -> None:
        pause = Backoff(first=0.2, factor=2.0, longest=10.0)
        try:
            for _ in range(TRIES):
                try:
                    await self._write(run, error)
                except CallboardError as fault:
                    _log.warning("runs.cannot_set_aside", run=run, reason=fault.message)
                    await self._services.clock.sleep(pause.next())
                else:
                    await self._forget(run)
                    return
            _log.error("runs.not_set_aside", run=run, error=error)
        finally:
            self._writing.discard(run)

    async def _write(self, run: str, error: str) -> None:
        """Have a run be `crashed`, unless it has ended, or is so already, or never began."""
        store, stream = self._services.store, run_stream(run)
        if await store.run(run) is None:
            return
        version = (await store.stream(stream)).version
        row = await store.run(run)  # not before the version: if it moves after this, the turn is refused
        if row is None or row.ended_at is not None or row.status == "crashed":
            return
        turn = self._services.journal.turn()
        crashed = WorkflowCrashed(turn.at, reason_for(error))
        turn.append(stream, RUN, [crashed], expected=version, cause=row.changed)
        await self._services.journal.commit(turn)
        _log.error("runs.set_aside", run=run, error=error)


async def gone(ref: Ref[Any]) -> None:
    """Wait until an actor that takes nothing more has ended."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ref.when_ended(lambda _: None if ended.done() else ended.set_result(None))
    await ended


def reason_for(error: str) -> str:
    """Say why a run was set aside, in words that any database takes."""
    last = error.encode("utf-8", "replace").decode()[:LONGEST_ERROR]
    return (
        f"Its actor died again and again, the last time of {last}. "
        f"Mend the cause, of which the server's log tells more, then resume it."
    )
