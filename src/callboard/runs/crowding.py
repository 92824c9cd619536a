"""Crowding: how many runs there are under one concurrency key, and who is next.

    crowds = Crowds(services)
    await crowds.load(runs.answered, spawn)
    crowded, replaced = crowds.enter("claims", "ann", run, plan.crowding)    # or ConcurrencyLimit
    crowds.heir(run)                    # who has its place, once it has ended

Theory of operation
    Who has a place and who waits for one is kept here, in memory, for all runs of the house, and decided
    without an await. So however many are started at one moment, no two get the same place. It is made of rows
    at the start: a run has its place, or stands in the queue, by its first fact; its end gives it back.

    A place is taken before the turn that needs it is committed, and given back if that turn is refused. It is
    free only after the turn that ends its holder is on disk. So at no instant does the log hold more runs
    under a key than may be.

    The turn that ends a holder answers the wait of the next in line, in that very commit. Where that cannot
    be (the next in line was not on disk yet, or has left the queue meanwhile; a version with another limit; a
    place that was taken in vain), a small turn of its own does so (`_give`). Between the two a crash leaves a
    free place and a queue: `load` finds it.

    A run that takes the place of another tells it so by a timer that is due at once: a row of its own turn.

Rejected
    A row that is locked by each start: the journal commits side by side, and could only refuse afterwards.
    A queue that each run looks at by itself when a place is free: of a thousand all but one wake in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from uuid import NAMESPACE_OID, uuid5
from weakref import WeakValueDictionary

import msgspec

from callboard.company.asking import Services
from callboard.errors import ActorError, ConcurrencyLimit, OutcomeUnknown, ShuttingDown, Unavailable
from callboard.facts.crowd_events import Crowded
from callboard.ids import Position, WaitId
from callboard.planning.plan import Crowding
from callboard.retry import Backoff
from callboard.store.changes import AnswerWait

LONGEST_QUEUE = 1_000
"""Runs that wait under one key; one more is refused."""
PAGE = 10_000
KIND = "turn"
"""Of the waits of runs that stand in a queue."""

Name = tuple[str, str]
"""A workflow, and a key."""


def turn_of(run: str) -> WaitId:
    """Return the id of the wait of a run for its turn: whoever gives it need not ask."""
    return WaitId(uuid5(NAMESPACE_OID, f"{run}/turn"))


class Queued(msgspec.Struct):
    """A run in a queue."""

    limit: int
    """Of its version: so many may have a place when it has one, itself among them."""
    there: bool = False
    """It is on disk."""
    ousted: str = ""
    """The run that replaces it."""


class Standing(msgspec.Struct, frozen=True):
    """Where a run stands in its queue."""

    key: str
    limit: int
    holders: tuple[str, ...]
    """The runs that have a place, the oldest first."""
    ahead: tuple[str, ...]
    """Those in the queue before it, the next first."""


class Crowd:
    """The runs under one key."""

    def __init__(self) -> None:
        self.holders: dict[str, None] = {}
        """They have a place, the oldest first; or were given one and have not begun yet."""
        self.line: dict[str, Queued] = {}
        """They wait for one, the next first."""
        self.heirs: dict[str, str] = {}
        """By a holder whose last turn is being committed: who gets its place in that turn."""
        self.leaving: dict[str, str] = {}
        """Holders that were told to make room, each with the run for which."""

    def full(self, limit: int) -> bool:
        """Tell whether a run that comes now finds no place."""
        return bool(self.line) or len(self.holders) >= limit

    def next(self, free: int = 0) -> str | None:
        """Return who may have a place now, if so many of those that are taken become free."""
        promised = set(self.heirs.values())
        for run, queued in self.line.items():
            if run in promised or queued.ousted:
                continue
            return run if queued.there and len(self.holders) - free < queued.limit else None
        return None


class Crowds:
    """All runs that are counted under a key."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._crowds: dict[Name, Crowd] = {}
        self._names: dict[str, Name] = {}
        """By run."""
        self._look: Callable[[str], object] = lambda _run: None
        self._spawn: Callable[[Coroutine[Any, Any, None]], object] | None = None
        self._starts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(
        self, look: Callable[[str], object], spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        """Read who is there, and give the places that a crash has left free."""
        self._look, self._spawn = look, spawn
        self._crowds, self._names = {}, {}
        after = Position(0)
        while page := await self._services.store.crowds(after, PAGE):
            for one in page:
                name = self._names[one.run] = (one.workflow, one.key)
                crowd = self._crowds.setdefault(name, Crowd())
                if one.queued:
                    crowd.line[one.run] = Queued(one.places, there=True)
                else:
                    crowd.holders[one.run] = None
            after = page[-1].started
        for crowd in self._crowds.values():
            self._advance(crowd)

    @contextlib.asynccontextmanager
    async def one_by_one(self, crowding: Crowding | None, request: str | None) -> AsyncIterator[bool]:
        """Have starts with the same request id wait for each other, where the second would find no place.

        What comes says whether there may have been another one.
        """
        if crowding is None or request is None:
            yield False
            return
        lock = self._starts.get(request)
        if lock is None:
            lock = self._starts[request] = asyncio.Lock()
        async with lock:
            yield True

    # ── coming ───────────────────────────────────────────────────────────────────────────────────────────

    def enter(self, workflow: str, key: str, run: str, rule: Crowding) -> tuple[Crowded, list[str]]:
        """Take a place for a run or put it into the queue; return also whom it replaces."""
        name = (workflow, key)
        self.withdraw(run)  # what was decided before was not committed
        crowd = self._crowds.get(name) or Crowd()
        ousted: list[str] = []
        if not crowd.full(rule.limit):
            crowd.holders[run] = None
        elif rule.on_limit == "reject":
            raise _no_place(workflow, key, crowd, rule)
        elif rule.on_limit == "replace":
            ousted = _ousted(crowd, run, rule.limit)
            crowd.line[run] = Queued(rule.limit)
        elif len(crowd.line) >= LONGEST_QUEUE:
            raise _no_place(workflow, key, crowd, rule)
        else:
            crowd.line[run] = Queued(rule.limit)
        self._crowds[name], self._names[run] = crowd, name
        return Crowded(key, rule.limit, queued=run in crowd.line), ousted

    def enter_again(self, workflow: str, crowded: Crowded, run: str) -> bool:
        """Take a place for a run that had ended; return false for one that is counted as it is."""
        if run in self._names:
            return False
        rule = Crowding(None, crowded.limit, "reject")  # type: ignore[arg-type]  # its key is rendered
        self.enter(workflow, crowded.key, run, rule)
        return True

    def committed(self, run: str) -> None:
        """Take in that the turn is on disk with which a run came."""
        crowd = self._crowd(run)
        if crowd is not None:
            if run in crowd.line:
                crowd.line[run].there = True
            self._advance(crowd)

    def withdraw(self, run: str) -> None:
        """Take in that a run did not come: its turn was refused."""
        crowd = self._crowd(run)
        if crowd is None:
            return
        for queued in crowd.line.values():
            if queued.ousted == run:
                queued.ousted = ""
        crowd.leaving = {holder: by for holder, by in crowd.leaving.items() if by != run}
        self.left(run)

    # ── going ────────────────────────────────────────────────────────────────────────────────────────────

    def heir(self, run: str) -> str | None:
        """Return who has the place of a run in the turn that ends it."""
        crowd = self._crowd(run)
        if crowd is None or run not in crowd.holders:
            return None
        crowd.heirs.pop(run, None)
        found = crowd.next(free=1)
        if found is not None:
            crowd.heirs[run] = found
        return found

    def stays(self, run: str) -> None:
        """Take in that the turn was refused that would have ended a run."""
        crowd = self._crowd(run)
        if crowd is not None and crowd.heirs.pop(run, None) is not None:
            self._advance(crowd)

    def left(self, run: str) -> None:
        """Take in that a run has ended, and that this is on disk."""
        crowd = self._crowd(run)
        if crowd is None:
            return
        name = self._names.pop(run)
        crowd.holders.pop(run, None)
        crowd.line.pop(run, None)
        crowd.leaving.pop(run, None)
        heir = crowd.heirs.pop(run, None)
        if heir is not None and crowd.line.pop(heir, None) is not None:
            crowd.holders[heir] = None
        self._advance(crowd)
        if not crowd.holders and not crowd.line:
            self._crowds.pop(name, None)

    def _advance(self, crowd: Crowd) -> None:
        """Give the places that are free to those who are next."""
        while (run := crowd.next()) is not None:
            del crowd.line[run]
            crowd.holders[run] = None
            if self._spawn is not None:
                self._spawn(self._give(run))

    async def _give(self, run: str) -> None:
        """Write down that the turn of a run has come."""
        services, pause = self._services, Backoff(first=0.2, factor=2.0, longest=10.0)
        while True:
            try:
                row = await services.store.run(run)
                if row is None or row.ended_at is not None:
                    return
                turn = services.journal.turn()
                turn.change(AnswerWait(turn_of(run), row.started))
                await services.journal.commit(turn)
            except (ShuttingDown, ActorError):
                return  # its row is there at the next start
            except (Unavailable, OutcomeUnknown):
                await services.clock.sleep(pause.next())
            else:
                self._look(run)
                return

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    def standing(self, run: str) -> Standing | None:
        """Return where a run stands in its queue, if it stands in one."""
        crowd = self._crowd(run)
        if crowd is None or run not in crowd.line:
            return None
        line = list(crowd.line)
        ahead = tuple(line[: line.index(run)])
        return Standing(self._names[run][1], crowd.line[run].limit, tuple(crowd.holders), ahead)

    def _crowd(self, run: str) -> Crowd | None:
        name = self._names.get(run)
        return None if name is None else self._crowds.get(name)


def _ousted(crowd: Crowd, by: str, limit: int) -> list[str]:
    """Return who has to make room for a run that replaces others: a queue of one, and a place for it."""
    found = [run for run, queued in crowd.line.items() if not queued.ousted]
    for run in found:
        crowd.line[run].ousted = by
    wanted = len(crowd.holders) - limit + 1
    going = [run for run in crowd.holders if run in crowd.leaving]
    going += [run for run in crowd.holders if run not in crowd.leaving]
    for run in going[:wanted]:
        if run not in crowd.leaving:
            crowd.leaving[run] = by
            found.append(run)
    return found


def _no_place(workflow: str, key: str, crowd: Crowd, rule: Crowding) -> ConcurrencyLimit:
    holders = list(crowd.holders)
    first = holders[0] if holders else next(iter(crowd.line))
    under = f"under the concurrency key {key!r}" if key else "at once"
    said = f"{workflow} takes {rule.limit:,} {'run' if rule.limit == 1 else 'runs'} {under}"
    if rule.on_limit == "queue":
        said += f", and {len(crowd.line):,} wait for their turn: try again when some have ended"
    else:
        said += f": run {first} has not ended"
    details = {"workflow": workflow, "key": key, "limit": rule.limit, "holder": first}
    return ConcurrencyLimit(f"{said}.", **details)
