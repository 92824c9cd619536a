"""Overhearing: who of the runs waits for which message, and telling each of the first that suits.

    hearing = Overhearing(services)
    await hearing.begin(runs.answered)                  # also for the waits that are there
    hearing.opened(wait, stream, since, data)           # of a wait that was just committed
    hearing.closed(wait)

Theory of operation
    A wait for a message is a row that says all there is to know (`steps/listening.py`), so a run that waits
    sleeps. Each wait is known here from its commit on. First the log is read from where the wait begins,
    a page at a time; then the board, as a witness, tells of what is committed. What is committed while the
    log is still being read makes it be read once more. So each message is looked at once, in the order of the
    log, and none falls between.

    The first that suits answers the wait: a row, by a turn of ours, with the position of the message. Then
    the run is told to look, and uses it in a turn of its own. A crash before the row finds the wait open and
    begins anew; a crash after it finds it answered.

    A run uses a message once. The turn that uses it keeps a key for it (`used`); until then the row says so
    that it answers. Both are asked before a message is given to another wait of the same run.

    Waits are found by channel or sender, so a message that nobody waits for costs two look-ups, and one that
    many wait for is judged after its commit and not within it. If more come in than can be judged, they are
    forgotten, and the log is read again for those who wait.

Rejected
    Waking the run for each message on its channel, to judge it there: ten thousand runs would be folded.
    Keeping what a run has used in its state: the wait would have to know of what its neighbour used since.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.errors import ActorStopped, CallboardError, ShuttingDown, StoreUnavailable
from callboard.ids import Position, StreamId, WaitId
from callboard.messages import Message
from callboard.retry import Backoff
from callboard.runs.ears import Ear, Ears
from callboard.steps.listening import Sought, seen
from callboard.store.changes import AnswerWait, KeepKey, Place

KIND = "message"
"""The kind of wait."""
PAGE = 100
WAITS_PAGE = 500
READING_AT_ONCE = 4
"""So many waits have the log read for them at a time."""
MOST_UNJUDGED = 10_000
"""Past so many messages the log is read instead."""
ANSWERS_AT_ONCE = 1_000
"""Waits that one turn answers."""
LONGEST_BREATH = 0.005
"""Seconds for which conditions are looked at before others may work."""

_log = structlog.get_logger("callboard.runs")


def used(run: str, message: Position, first: Place) -> KeepKey:
    """Return what keeps a run from using a message again; it stays as long as the run, by its first fact."""
    return KeepKey(_keys(run), str(message), "", first)


def since_of(about: object, first: Place, first_at: datetime | None) -> Place:
    """Return from where in the log a message counts: all of it, if from a time before the run began."""
    since = msgspec.convert(about, Sought).since
    return first if since is None or (first_at is not None and since > first_at) else Position(0)


def _keys(run: str) -> str:
    return f"heard:{run}"


def _nobody(_run: str) -> None:
    """Tell nobody."""


class _Row(msgspec.Struct):
    """What is read of a wait's row."""

    about: Sought


class Overhearing:
    """The open waits for messages, of all runs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answered: Callable[[str], object] = _nobody
        self._ears = Ears()
        self._taken: defaultdict[str, set[Position]] = defaultdict(set)
        """What a run was given, by run, as long as it has not used it."""
        self._unjudged: deque[Message] = deque()
        self._to_read: deque[Ear] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._judging = False
        self._looked, self._breathed = 0, 0.0
        self._readers = 0
        self._closed = False

    # ── who waits ────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self, answered: Callable[[str], object]) -> None:
        """Hear from now on, also for those who wait already; `answered` is told the run that was answered."""
        self._answered = answered
        self._services.board.witnesses.append(self._witness)
        pause, after = Backoff(first=0.2, factor=2.0, longest=10.0), None
        while not self._closed:
            try:
                page = await self._services.store.waits_of(KIND, after, WAITS_PAGE)
            except StoreUnavailable:
                await self._services.clock.sleep(pause.next())
                continue
            if not page:
                return
            for wait in page:
                self.opened(wait.id, wait.owner, wait.since or Position(0), bytes(wait.data))
            after = page[-1].id

    def opened(self, id_: WaitId, owner: StreamId, since: Position, data: str | bytes) -> None:
        """Hear for a wait that is committed."""
        if id_ not in self._ears.by_id and not self._closed:
            ear = Ear(id_, owner, since, msgspec.json.decode(data, type=_Row).about)
            self._ears.add(ear)
            self._read_for(ear)

    def closed(self, id_: WaitId) -> None:
        """Hear no more for a wait: its run has used the answer, or waits no longer."""
        ear = self._ears.remove(id_)
        if ear is not None and ear.answer is not None:
            self._take_back(ear)

    async def aclose(self) -> None:
        """Hear nothing more; what is open stays so on disk."""
        self._closed = True
        with contextlib.suppress(ValueError):
            self._services.board.witnesses.remove(self._witness)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────

    def _witness(self, message: Message) -> None:
        if not self._ears.by_id or not self._ears.concerns(message):
            return
        if len(self._unjudged) >= MOST_UNJUDGED:
            self._unjudged.clear()
            self._read_for_all()
            return
        self._unjudged.append(message)
        if not self._judging:
            self._judging = True
            self._run(self._judge_all())

    async def _judge_all(self) -> None:
        """Look at what was said, in order."""
        try:
            while self._unjudged:
                await self._judge(self._unjudged.popleft())
        except Exception:  # noqa: BLE001  whatever went wrong, what was said stands in the log
            _log.exception("runs.overhearing_failed")
            self._read_for_all()
        finally:
            self._judging = False

    async def _judge(self, message: Message) -> None:
        item, found = seen(message), []
        for ear in self._ears.hear(message):
            if ear.reading:
                ear.again = True
            elif ear.looked < message.position and self._waits(ear):
                if self._suits(ear, message, item):
                    found.append((ear, message.position))
                else:
                    ear.looked = message.position
            await self._breathe()
        try:
            await self._give(found)
        except StoreUnavailable:
            for ear, _ in found:
                self._read_for(ear)

    async def _breathe(self) -> None:
        """Let others work now and then: conditions may be many, and each may take its time."""
        self._looked += 1
        now = self._services.clock.monotonic()
        if self._looked >= PAGE or now - self._breathed > LONGEST_BREATH:
            await asyncio.sleep(0)
            self._looked, self._breathed = 0, self._services.clock.monotonic()

    def _waits(self, ear: Ear) -> bool:
        return ear.answer is None and ear.id in self._ears.by_id

    def _suits(self, ear: Ear, message: Message, item: dict[str, Any]) -> bool:
        taken = message.position in self._taken.get(ear.sought.run, ())
        return not taken and ear.suits(message, item)

    # ── what was said before ─────────────────────────────────────────────────────────────────────────────

    def _read_for_all(self) -> None:
        for ear in self._ears.by_id.values():
            self._read_for(ear)

    def _read_for(self, ear: Ear) -> None:
        if ear.reading:
            ear.again = True
            return
        ear.reading = True
        self._to_read.append(ear)
        if self._readers < READING_AT_ONCE:
            self._run(self._read_all())

    async def _read_all(self) -> None:
        """Read for whoever is next, as long as somebody is."""
        self._readers += 1
        pause = Backoff(first=0.2, factor=2.0, longest=10.0)
        try:
            while self._to_read:
                ear = self._to_read.popleft()
                try:
                    await self._read(ear)
                except StoreUnavailable as fault:
                    _log.warning("runs.nothing_overheard", reason=fault.message)
                    self._to_read.append(ear)
                    await self._services.clock.sleep(pause.next())
        finally:
            self._readers -= 1

    async def _read(self, ear: Ear) -> None:
        """Look for what a wait is for in the log, until there is nothing more."""
        store, sought = self._services.store, ear.sought
        while self._waits(ear):
            ear.again = False
            page = await store.said(
                ear.looked, PAGE, channel=sought.channel, sender=sought.sender, type=sought.type
            )
            for message in page.messages:
                if self._waits(ear) and self._suits(ear, message, seen(message)):
                    await self._give([(ear, message.position)])
                ear.looked = message.position
                await self._breathe()
            ear.looked = max(ear.looked, page.seen)
            if not page.more and not ear.again:
                break
        ear.reading = False

    # ── giving it to the run ─────────────────────────────────────────────────────────────────────────────

    async def _give(self, found: list[tuple[Ear, Position]]) -> None:
        """Answer waits, each if its run has not used the message, and tell the runs."""
        given: list[Ear] = []
        fault: StoreUnavailable | None = None
        for ear, message in found:
            taken = self._taken[ear.sought.run]
            if message in taken or not self._waits(ear):
                continue
            taken.add(message)
            ear.answer = message
            try:
                free = await self._free(ear, message)
            except StoreUnavailable as error:
                fault = error
                self._take_back(ear)
                continue
            ear.looked = message
            if free:
                given.append(ear)
            else:
                self._take_back(ear)
        for first in range(0, len(given), ANSWERS_AT_ONCE):
            some = given[first : first + ANSWERS_AT_ONCE]
            if await self._commit(some):
                for run in {ear.sought.run for ear in some}:
                    self._answered(run)
        if fault is not None:
            raise fault

    def _take_back(self, ear: Ear) -> None:
        taken, answer = self._taken[ear.sought.run], ear.answer
        ear.answer = None
        if answer is not None:
            taken.discard(answer)
        if not taken:
            del self._taken[ear.sought.run]

    async def _free(self, ear: Ear, message: Position) -> bool:
        """Tell whether a wait is still open, and no other of its run was given the message before."""
        store = self._services.store
        waits = await store.waits(ear.owner)  # before the keys: what is used meanwhile has its key by then
        if any(wait.answer == message for wait in waits if wait.id != ear.id):
            return False
        if not any(wait.id == ear.id and wait.answer is None for wait in waits):
            return False
        return await store.key(_keys(ear.sought.run), str(message)) is None

    async def _commit(self, given: list[Ear]) -> bool:
        """Put the answers on disk, for as long as it takes."""
        pause = Backoff(first=0.2, factor=2.0, longest=10.0)
        while True:
            turn = self._services.journal.turn()
            for ear in given:
                if ear.answer is not None:
                    turn.change(AnswerWait(ear.id, ear.answer))
            try:
                await self._services.journal.commit(turn)
            except (ShuttingDown, ActorStopped):
                return False  # they are found again at the next start
            except CallboardError as error:  # the first answer wins, so it can be said again
                _log.warning("runs.not_answered", reason=error.message)
                await self._services.clock.sleep(pause.next())
            else:
                return True

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="runs: overhearing")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("runs.overhearing_failed", exc_info=error)
