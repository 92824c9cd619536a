"""The housekeeper: each hour it gives up what waited too long, and takes away what retention does not keep.

It is started only where something may ever go, so a server that keeps everything has no timer for this. What
it took is put into the log; a look that found nothing is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from callboard.actors.journal import Journal
from callboard.actors.runtime import LoopActor
from callboard.clock import Alarm, Clock
from callboard.errors import CallboardError
from callboard.store.port import Retention, Store

EVERY = 3_600.0
FIRST_AFTER = 60.0
"""Seconds after the start, when those who were down have had time to come back for their messages."""

_log = structlog.get_logger("callboard.housekeeper")


@dataclass(frozen=True, slots=True)
class Look:
    """It is time."""


class Housekeeper(LoopActor[Look]):
    """Prunes by the clock."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        retention: Callable[[], Retention],
        expire: Callable[[], Awaitable[object]],
        *,
        clock: Clock,
    ) -> None:
        super().__init__(name="housekeeper", clock=clock)
        self._store = store
        self._journal = journal
        self._retention = retention
        self._expire = expire
        self._alarm: Alarm | None = None

    async def on_start(self) -> None:
        self._look_after(FIRST_AFTER)

    async def on_receive(self, message: Look) -> None:  # noqa: ARG002 - there is but one
        try:
            await self._expire()
            await self._prune()
        except CallboardError as error:
            _log.warning("retention.failed", code=error.code, reason=error.message)
        self._look_after(EVERY)

    async def on_stop(self) -> None:
        self._forget()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._forget()

    async def _prune(self) -> None:
        wanted = self._retention()
        if wanted == Retention():
            return
        taken = await self._store.prune(wanted)
        if taken.messages or taken.streams:
            _log.info("retention.took", messages=taken.messages, streams=taken.streams)
            turn = self._journal.turn()
            turn.act("prune", "log", taken)
            await self._journal.commit(turn)

    def _look_after(self, seconds: float) -> None:
        self._alarm = self.clock.call_at(self.clock.monotonic() + seconds, self.actor_ref.tell, Look())

    def _forget(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
