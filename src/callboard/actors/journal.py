"""The journal: the one writer, through which every fact goes into the log.

    receipt = await journal.commit(turn)

Theory of operation
    Group commit. While one transaction is on its way to the disk, turns gather in the inbox; when it returns,
    all of them go into the next. Nothing waits for a timer: a lone turn is written at once, and a thousand
    that wait share one fsync. Each is answered for itself, after the disk has it.

    A turn that was handed in cannot be taken back. A caller that gives up stops waiting, nothing more; it
    must not hand the turn in again. Until it is accepted by the bounded inbox (`commit` waits for room) it is
    not handed in, and giving up leaves nothing.

    Three things can become of a batch (`store/port.py` tells them apart). *Answered*: each turn has its
    receipt or its own refusal. *Unavailable*: nothing exists of it; every turn is refused with the reason,
    and readiness is false until a commit succeeds. *In doubt*: the commit itself failed, and its rows may be
    there or not, or even reappear at the next start. Its turns get no answer until a later commit has reached
    the disk and been read back; those that come meanwhile are refused. While anything is wrong the journal
    tries again by itself, with growing pauses, so work goes on when the fault is gone, also if nobody asks
    for anything.

Invariants
    No turn is acknowledged that is not on disk. No turn is refused that may be there. Turns are committed in
    the order in which they were accepted.

Rejected
    A short wait to gather larger batches: it makes every lone turn slower, and under load the disk itself is
    the wait. Refusing turns at once while a fault lasts: trying each is cheap, and finds out soonest that it
    is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from callboard.actors.runtime import Envelope, LoopActor, Ref, Reply
from callboard.clock import Clock, SystemClock
from callboard.errors import (
    ActorError,
    CallboardError,
    OutcomeUnknown,
    ShuttingDown,
    StoreUnavailable,
)
from callboard.ids import DEFAULT_TENANT, SYSTEM, Ids, Position, PrincipalId, SystemIds, Tenant
from callboard.retry import Backoff
from callboard.store.port import CommitInDoubt, Outcome, Receipt, Store
from callboard.store.turn import Limits, Turn

QUEUE = 10_000
"""How many turns may wait; whoever comes then waits for room."""

BATCH = 1_000
"""How many turns go into one transaction at most: others wait for as long as it takes."""

BATCH_BYTES = 32 * 1024 * 1024
"""How many bytes of facts go into one transaction, unless a single turn holds more."""

_log = structlog.get_logger("callboard.journal")


class Settle:
    """A message of the journal to itself: try whether the fault is gone."""


class Doubt(msgspec.Struct, frozen=True):
    """A commit that failed, and those who wait to hear what became of it."""

    waiting: list[Envelope[Any]]
    outcomes: list[Outcome]
    mark: int


class JournalActor(LoopActor["Turn | Settle"]):
    """Takes all turns that wait, commits them as one transaction, answers each."""

    def __init__(
        self,
        store: Store,
        *,
        queue: int = QUEUE,
        batch: int = BATCH,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="journal", capacity=queue, clock=clock or SystemClock())
        self.fault: CallboardError | None = None
        """Why nothing can be written now."""
        self.head = Position(0)
        """The newest position that this journal has committed."""
        self._store = store
        self._batch = batch
        self.on_committed: Callable[[Turn, Receipt], object] | None = None
        """Told of each turn that holds facts, in the order of the log, before whoever handed it in."""
        self._doubt: Doubt | None = None
        self._pause = Backoff(first=0.1, factor=2.0, longest=5.0)
        self._retrial: asyncio.Task[None] | None = None

    async def _serve(self, first: Envelope[Turn | Settle]) -> None:
        taken = [first, *self.actor_inbox.take_waiting(self._batch - 1)]
        batch = [envelope for envelope in taken if isinstance(envelope.message, Turn)]
        for part in _parts(batch) or [[]]:
            try:
                if self._doubt is not None or not part:
                    await self._settle()
                if part:
                    await self._commit(part)
            except StoreUnavailable as fault:
                for envelope in part:
                    _answer(envelope, fault)
                self._unwell(fault)

    async def _commit(self, batch: list[Envelope[Any]]) -> None:
        try:
            outcomes = await self._store.commit([envelope.message for envelope in batch])
        except CommitInDoubt as doubt:
            self._doubt = Doubt(batch, list(doubt.outcomes), doubt.mark)
            self._unwell(doubt.fault)
            return
        self._well()
        self._answer_all(batch, outcomes)

    def _answer_all(self, batch: list[Envelope[Any]], outcomes: list[Outcome]) -> None:
        for envelope, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                self.head = Position(max(self.head, outcome.first + outcome.count - 1))
                if outcome.count and self.on_committed is not None:
                    self.on_committed(envelope.message, outcome)
            _answer(envelope, outcome)

    async def _settle(self) -> None:
        """Reach the disk once more; if a commit is in doubt, say what became of it."""
        doubt = self._doubt
        there = await self._store.settle(doubt.mark if doubt else None)
        self._doubt = None
        self._well()
        if doubt is not None:
            _log.info("journal.settled", turns=len(doubt.waiting), committed=there)
            gone = StoreUnavailable(
                "The disk failed while this was being written, and nothing of it exists: try again."
            )
            self._answer_all(doubt.waiting, doubt.outcomes if there else [gone] * len(doubt.waiting))

    # ── health ───────────────────────────────────────────────────────────────────────────────────────────

    def _well(self) -> None:
        if self.fault is not None:
            self.fault = None
            self._pause.reset()
            if self._retrial is not None:
                self._retrial.cancel()
                self._retrial = None
            _log.info("journal.recovered")

    def _unwell(self, fault: CallboardError) -> None:
        if self.fault is None or self.fault.code != fault.code:
            _log.error(
                "journal.cannot_write",
                code=fault.code,
                reason=fault.message,
                in_doubt=self._doubt is not None,
            )
        self.fault = fault
        if self._retrial is None or self._retrial.done():
            self._retrial = asyncio.create_task(self._try_later(), name="journal: try again")

    async def _try_later(self) -> None:
        await self.clock.sleep(self._pause.next())
        self._retrial = None
        try:
            self.actor_ref.tell(Settle())
        except ActorError:
            return  # full: the turns that wait will try by themselves; stopped: the next start settles it

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────

    async def on_stop(self) -> None:
        if self._doubt is not None:
            try:
                await self._settle()
            except StoreUnavailable:
                self._leave_unanswered()
        self._end_retrial()

    async def on_failure(self, error: BaseException) -> None:
        _log.error("journal.died", error=repr(error))
        self._leave_unanswered()
        self._end_retrial()

    def _leave_unanswered(self) -> None:
        doubt, self._doubt = self._doubt, None
        for envelope in doubt.waiting if doubt else ():
            _answer(
                envelope,
                OutcomeUnknown(
                    "The disk failed while this was being written, and the server ended before it was known "
                    "whether it took place: look whether it is there before you do it again."
                ),
            )

    def _end_retrial(self) -> None:
        if self._retrial is not None:
            self._retrial.cancel()
            self._retrial = None


class Journal:
    """What the house holds of the journal: makes turns and hands them in."""

    def __init__(
        self, ref: Ref[Turn | Settle], *, clock: Clock, ids: Ids | None = None, limits: Limits | None = None
    ) -> None:
        self._ref = ref
        self._inbox = ref.actor_inbox
        self._clock = clock
        self._ids = ids or SystemIds()
        self._limits = limits or Limits()

    def turn(
        self,
        *,
        tenant: Tenant = DEFAULT_TENANT,
        principal: PrincipalId = SYSTEM,
        cause: Position | None = None,
    ) -> Turn:
        """Begin a turn that happens now."""
        return Turn(
            at=self._clock.now(),
            ids=self._ids,
            tenant=tenant,
            principal=principal,
            cause=cause,
            limits=self._limits,
        )

    async def commit(self, turn: Turn) -> Receipt:
        """Return when the turn is on disk; raise what it was refused with.

        Waits for room while too many turns wait. Once the turn is accepted it is written whatever becomes of
        the caller. A turn is handed in once.
        """
        turn.seal()
        reply = Reply()
        envelope = Envelope(turn, reply)
        if not self._inbox.put(envelope) and not await self._inbox.line_up(envelope):
            msg = "The server is closing and takes no new work: try again when it is back."
            raise ShuttingDown(msg)
        receipt: Receipt = await reply
        return receipt


def _parts(batch: list[Envelope[Any]]) -> list[list[Envelope[Any]]]:
    """Cut a batch where one transaction would hold too many bytes."""
    parts: list[list[Envelope[Any]]] = []
    room = 0
    for envelope in batch:
        if not parts or envelope.message.bytes > room:
            parts.append([])
            room = BATCH_BYTES
        parts[-1].append(envelope)
        room -= envelope.message.bytes
    return parts


def _answer(envelope: Envelope[Any], outcome: Outcome) -> None:
    reply = envelope.reply_to
    if reply is None:
        return
    if isinstance(outcome, Receipt):
        reply.set(outcome)
    else:
        reply.set_exception(outcome)  # type: ignore[arg-type]  # our Reply takes the error itself
