"""Hearing: messages and ends of runs fire triggers, each once, in the order of the log.

Theory of operation
    The log is what is heard; whoever is told of a commit (`stir`) only says how far to listen. One task reads
    on from where it was, finds what fires which trigger, and fires: for one trigger one event after the
    other, so its runs begin in the order of their causes, for several triggers side by side. While nobody is
    interested nothing is read: what the hooks saw pass was heard.

    How far it came is a row that is moved now and then, and at the end. After a crash some of the log is
    heard twice, and the key of each shot (`firing`) sees to it that nothing comes of that.

Rejected
    A row for each event that is to fire, put by the turn that holds the event: every turn would have to know
    all triggers, and the log says it already. A cursor that moves in each run's turn: then a slow trigger
    holds up the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.errors import CallboardError, ShuttingDown
from callboard.facts.events import run_stream
from callboard.ids import Position, Version
from callboard.messages import MAX_HOPS, Message
from callboard.retry import Backoff
from callboard.store.runrows import Audible
from callboard.store.trigger_changes import MoveHearing
from callboard.triggers.entries import Entry
from callboard.triggers.firing import PASSING, Fired, Firing, Shot
from callboard.triggers.judging import Refused

STRETCH = 10_000
"""Positions that are looked at in one query; most of them are steps of runs."""
PAGE = 200
SAVE_EVERY = 1_000
"""Positions after which it is written down how far the log was heard."""
RUN = "run:"
ENDS = {"workflow_completed": "completed", "workflow_failed": "failed", "workflow_cancelled": "cancelled"}

_log = structlog.get_logger("callboard.triggers")

Interested = Callable[[Audible], Awaitable[list[Entry]]]
"""Tells which triggers a fact of the log fires."""


class _Told(msgspec.Struct, frozen=True):
    """What the end of a run says of its output; only one that completed has any."""

    final_output: Any = None


class Hearing:
    """Reads on in the log, as far as there is something to hear."""

    def __init__(self, services: Services, firing: Firing, interested: Interested) -> None:
        self._services = services
        self._firing = firing
        self._interested = interested
        self._after = Position(0)
        """Up to here all was heard."""
        self._until = Position(0)
        """Up to here there is something to hear."""
        self.saved = Position(0)
        """Up to here it is written down that all was heard."""
        self.deaf: set[str] = set()
        """Workflows whose triggers could not be read yet: until they are, nothing more is written down."""
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self, after: Position, until: Position) -> None:
        """Begin behind a position, and listen to what there is up to another, or was told of meanwhile."""
        self._after, self._until, self.saved = after, max(until, self._until), after
        self._task = asyncio.create_task(self._listen(), name="triggers: hearing")
        if after < self._until:
            self._stirred.set()

    def stir(self, position: Position) -> None:
        """Something of interest stands at a position, the newest there is."""
        if self._after >= self._until:
            self._after = Position(position - 1)  # what lies between was seen to pass
        self._until = position
        self._stirred.set()

    def rewind(self, after: Position, until: Position) -> None:
        """Somebody new listens, and from a position on; what was heard by others does them nothing."""
        if after < until:
            idle = self._after >= self._until
            self._after = after if idle else min(after, self._after)
            self._until = max(until, self._until)
            self._stirred.set()

    async def close(self) -> None:
        """Listen no more, and write down how far it came."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        with contextlib.suppress(CallboardError):
            await self._save()

    async def _listen(self) -> None:
        pause = Backoff(first=0.2, factor=2.0, longest=10.0)
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while self._after < self._until:
                begin = self._after
                try:
                    seen = await self._page(begin)
                except ShuttingDown:
                    return
                except Exception as error:  # noqa: BLE001  it goes on where it stands, whatever it was
                    _log.warning("triggers.deaf", after=begin, reason=str(error))
                    await self._services.clock.sleep(pause.next())
                    continue
                pause.reset()
                if self._after == begin:  # else it was rewound meanwhile
                    self._after = seen
            if self._after - self.saved >= SAVE_EVERY:
                with contextlib.suppress(CallboardError):
                    await self._save()

    async def _save(self) -> None:
        reached = self._after
        if reached > self.saved and not self.deaf:
            turn = self._services.journal.turn()
            turn.change(MoveHearing(reached))
            await self._services.journal.commit(turn)
            self.saved = reached

    async def _page(self, begin: Position) -> Position:
        """Hear a page of the log; return up to where."""
        end = Position(min(begin + STRETCH, self._until))
        page = await self._services.store.audible(begin, end, PAGE)
        by_trigger: dict[str, list[tuple[Entry, Audible]]] = {}
        for one in page:
            for entry in await self._interested(one):
                by_trigger.setdefault(entry.id, []).append((entry, one))
        # All to their end, also if one fails: a shot that is left alone would race its own repetition.
        outcomes = await asyncio.gather(
            *(self._one_by_one(shots) for shots in by_trigger.values()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return end if len(page) < PAGE else page[-1].position

    async def _one_by_one(self, heard: Iterable[tuple[Entry, Audible]]) -> None:
        for entry, one in heard:
            shot = await (self._of_run if one.kind == "event" else self._of_message)(entry, one)
            if shot is not None and await self._firing.known(shot) is None:
                await self._fire(shot)

    async def _fire(self, shot: Shot) -> Fired | None:
        try:
            return await self._firing.fire(shot)
        except PASSING:
            raise
        except CallboardError as error:
            # It cannot be fired and cannot be written down; the others must be heard all the same.
            _log.error("trigger.failed", trigger=shot.entry.id, cause=shot.cause, reason=error.message)
            return None

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────

    async def _of_message(self, entry: Entry, one: Audible) -> Shot | None:
        message = await self._services.store.message_at(one.position)
        if message is None:
            return None  # retention took it
        return Shot(
            entry=entry,
            event=message.body,
            envelope=_told_of(message),
            principal=message.principal,
            cause=message.position,
            key=f"@{message.position}",
            refused=_too_far(message.hops, message.max_hops),
        )

    async def _of_run(self, entry: Entry, one: Audible) -> Shot | None:
        store, run = self._services.store, one.subject.removeprefix(RUN)
        began = await store.events(run_stream(run), Version(0), 1)
        row, end = await store.run(run), await store.entry(one.position)
        if row is None or end is None or not began:
            return None  # retention took it
        hops = _hops(getattr(began[0].fact, "envelope", None)) + 1
        told = msgspec.json.decode(end.data, type=_Told)
        event = {"run_id": run, "status": ENDS[one.type], "output": told.final_output}
        return Shot(
            entry=entry,
            event=event,
            envelope={"run": run, "status": event["status"], "workflow": row.workflow, "hops": hops},
            principal=row.principal,
            cause=one.position,
            key=f"@{one.position}",
            refused=_too_far(hops, MAX_HOPS),
        )


def _told_of(message: Message) -> dict[str, Any]:
    return {
        "message": str(message.id),
        "position": message.position,
        "channel": message.to.name,
        "sender": message.sender,
        "type": message.type,
        "conversation": message.conversation,
        "hops": message.hops,
    }


def _hops(envelope: object) -> int:
    hops = envelope.get("hops") if isinstance(envelope, dict) else None
    return hops if isinstance(hops, int) else 0


def _too_far(hops: int, most: int) -> Refused | None:
    if hops <= most:
        return None
    said = (
        f"It is {hops} steps from what began it, and {most} may follow one from another: a circle, perhaps."
    )
    return Refused("HOP_LIMIT", said)
