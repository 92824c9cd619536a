"""The house of one life: Callboard's ground put together as the app does it, on a simulated world.

`House.commit` is the one way in: it makes a real turn of an intent, hands it in, and writes into the ledger
what the caller was told.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from callboard.actors.journal import Journal, JournalActor
from callboard.errors import CallboardError, ConcurrencyConflict, OutcomeUnknown, StoreUnavailable
from callboard.facts import fact
from callboard.facts.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
)
from callboard.ids import BotName, LogId, Position, StreamId, TimerId, Version, WaitId
from callboard.messages import To
from callboard.store.boardrows import Event
from callboard.store.changes import (
    AnswerWait,
    CloseWait,
    DropTimer,
    KeepTimer,
    MoveCursor,
    OpenWait,
    RecordDelivery,
    Ref,
)
from callboard.store.fold import Fold
from callboard.store.turn import Limits, Turn
from callboard.stores.sqlite import SqliteStore
from tests.simulation import ledger as said
from tests.simulation.disk import DATABASE, Disk
from tests.simulation.ledger import Intent, Ledger, Op, Own
from tests.simulation.world import SeededIds, SimulatedClock, SimulatedLoop

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANSWERED_WITHIN = 60.0
"""Virtual seconds after which nobody may still wait for an answer, whatever the disk does."""


@fact("simulated_noted")
class Noted(msgspec.Struct, frozen=True):
    words: str


@fact("simulated_ended", ends=True)
class Ended(msgspec.Struct, frozen=True):
    words: str


SHAPES: dict[str, type[msgspec.Struct]] = {
    "simulated_noted": Noted,
    "simulated_ended": Ended,
    "bot_declared": BotDeclared,
    "bot_removed": BotRemoved,
    "channel_created": ChannelCreated,
    "channel_deleted": ChannelDeleted,
    "subscribed": Subscribed,
    "unsubscribed": Unsubscribed,
}


class Tally(msgspec.Struct, frozen=True):
    """The state that streams of notes are folded to: it shows a missing, doubled or swapped event."""

    count: int = 0
    crc: int = 0


def _evolve(state: Tally, event: Event) -> Tally:
    words: str = event.fact.words  # type: ignore[attr-defined]  # only notes are folded
    return Tally(state.count + 1, zlib.crc32(words.encode(), state.crc))


TALLY = Fold(start=Tally, evolve=_evolve, revision=1)


class _Watched(JournalActor):
    """A journal whose every change of health is noted."""

    def __init__(self, heard: Callable[[CallboardError | None], None], *args: Any, **kwargs: Any) -> None:
        self._heard = heard
        super().__init__(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        changed = name == "fault" and value is not getattr(self, "fault", None)
        super().__setattr__(name, value)
        if changed:
            self._heard(value)


class House:
    """Store and journal of one life."""

    def __init__(
        self, disk: Disk, loop: SimulatedLoop, clock: SimulatedClock, log: Ledger, dice: Random
    ) -> None:
        self.disk = disk
        self.loop = loop
        self.clock = clock
        self.ledger = log
        self.ready = True
        self.ending = False
        self.ids = SeededIds(Random(dice.random()))
        self.store = SqliteStore(
            disk.folder / DATABASE,
            connect=disk.connect,
            clock=clock,
            new_log_id=lambda: LogId("simulated"),
        )
        self._queue, self._batch = dice.choice([(3, 2), (10_000, 1_000), (10_000, 1_000), (50, 7)])

    async def open(self) -> None:
        """Open the database and start the journal."""
        await self.store.open()
        self.actor = _Watched(self._heard, self.store, queue=self._queue, batch=self._batch, clock=self.clock)
        self.ref = self.actor.launch()
        self.ref.when_ended(lambda ending: self._journal_ended(ending.error))
        limits = Limits(facts=60, bytes=20_000)
        self.journal = Journal(self.ref, clock=self.clock, ids=self.ids, limits=limits)

    async def close(self) -> None:
        """End in good order."""
        self.ending = True
        await self.ref.aclose()
        await self.store.close()

    def _heard(self, fault: CallboardError | None) -> None:
        self.ready = fault is None
        number = self.ledger.note("ready" if fault is None else f"not ready: {fault.code}")
        if fault is not None:
            self.ledger.unwell.append(number)

    def _journal_ended(self, error: BaseException | None) -> None:
        if not self.ending:
            self.ledger.complain(f"the journal ended by itself: {error!r}")

    # ── turns ────────────────────────────────────────────────────────────────────────────────────────────

    async def commit(self, intent: Intent) -> int | None:
        """Hand a turn in; return its first position, or None if it was refused."""
        log = self.ledger
        turn = self.journal.turn()
        intent.at = (turn.at - EPOCH) // timedelta(microseconds=1)
        try:
            for op in intent.ops:
                _put(turn, op, intent.number)
        except CallboardError as error:
            log.refused(intent, error.code)
            return None
        intent.handed = log.note("hands in", intent.number, intent.caller)
        intent.handed_at = self.loop.time()
        intent.room = not self.ref.actor_inbox.full
        try:
            receipt = await self.journal.commit(turn)
        except asyncio.CancelledError:
            log.gave_up(intent, "cancelled")
            raise
        except OutcomeUnknown as error:
            log.gave_up(intent, error.code)
            return None
        except CallboardError as error:
            self._refused(intent, error)
            return None
        if receipt.count != intent.size:
            log.complain(f"turn {intent.number} has {intent.size} facts and a receipt for {receipt.count}")
        log.acknowledged(intent, receipt.first)
        self._in_time(intent)
        return receipt.first

    def _refused(self, intent: Intent, error: CallboardError) -> None:
        conflict = (error.expected, error.actual) if isinstance(error, ConcurrencyConflict) else None
        self.ledger.refused(intent, error.code, conflict)
        self._in_time(intent)
        was_unwell = not self.ready or any(at > intent.handed for at in self.ledger.unwell[-20:])
        if isinstance(error, StoreUnavailable) and not was_unwell:
            self.ledger.complain(f"turn {intent.number} was refused by a store that said it was ready")

    def _in_time(self, intent: Intent) -> None:
        waited = self.loop.time() - intent.handed_at
        if waited > ANSWERED_WITHIN:
            self.ledger.complain(f"turn {intent.number} was answered after {waited:.0f} s")


def _place(where: said.Where) -> Any:
    return Ref(where.index) if isinstance(where, Own) else where


def _put(turn: Turn, op: Op, number: int) -> None:
    """Say an op of the ledger in Callboard's words."""
    match op:
        case said.Appended(stream, expected, new, cause):
            turn.append(
                StreamId(stream),
                stream.partition(":")[0],
                [SHAPES[type_](**data) for type_, data in new],
                expected=Version(expected),
                cause=_place(cause),
            )
        case said.Said(sender, kind, to, body, cause):
            recipient: Any = To(kind, to)  # type: ignore[arg-type]  # "bot" or "channel", and sometimes a sin
            turn.send(sender=sender, to=recipient, type="word", body=body, cause=_place(cause))
        case said.Did():
            turn.act("did", f"turn:{number}", {"turn": number})
        case _:
            turn.change(_change(op, turn.at))


def _change(op: Op, at: datetime) -> Any:  # noqa: PLR0911 - a table of eight, one line each
    match op:
        case said.Settled(bot, where):
            return MoveCursor(BotName(bot), _place(where))
        case said.Delivered(bot, message, outcome, attempts):
            return RecordDelivery(BotName(bot), _place(message), outcome, attempts)
        case said.Snapped(stream, version, count, crc):
            return TALLY.snapshot(StreamId(stream), Version(version), Tally(count, crc), at)
        case said.Slept(wait, owner, key):
            return OpenWait(WaitId(UUID(wait)), StreamId(owner), "nap", key, since=Position(0))
        case said.Answered(wait, where):
            return AnswerWait(WaitId(UUID(wait)), _place(where))
        case said.Woken(wait):
            return CloseWait(WaitId(UUID(wait)))
        case said.Armed(timer, due, kind):
            instant = EPOCH + timedelta(microseconds=due)
            return KeepTimer(TimerId(UUID(timer)), instant, StreamId("clock"), kind)
        case said.Disarmed(timer):
            return DropTimer(TimerId(UUID(timer)))
    raise TypeError(op)
