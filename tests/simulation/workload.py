"""The workload: who works in the house, and with what. Each caller has dice of its own.

A later part adds its bots, workflows or operators as one more function here, and to `cast`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any

from callboard.errors import StoreUnavailable, StreamNotFound
from callboard.ids import Position, StreamId
from callboard.store.fold import load, snapshot_due
from callboard.store.port import Retention
from tests.simulation.house import EPOCH, TALLY, House
from tests.simulation.ledger import (
    Answered,
    Appended,
    Armed,
    Delivered,
    Did,
    Disarmed,
    Intent,
    Op,
    Own,
    Said,
    Seen,
    Settled,
    Slept,
    Snapped,
    Where,
    Woken,
    facts_in,
)

ROUNDS = 7
CONFLICT = frozenset({"CONCURRENCY_CONFLICT"})
CONSTRAINT = frozenset({"CONSTRAINT_VIOLATED"})
BOTS = ("ada", "bob", "cleo")
CHANNELS = ("news.sport", "news.arts", "ops")


class Draft:
    """The ops of one turn, its mark put somewhere among them by dice."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._marked = False
        self.ops: list[Op] = []
        self.facts = 0

    def put(self, op: Op) -> Own:
        """Add an op; return its first fact, if it is one."""
        if not self._marked and not isinstance(op, Did) and self._dice.random() < 0.3:
            self.put(Did())
        self._marked = self._marked or isinstance(op, Did)
        first = Own(self.facts)
        self.ops.append(op)
        self.facts += facts_in(op)
        return first

    def done(self) -> list[Op]:
        if not self._marked:
            self.put(Did())
        return self.ops


class Caller:
    """One who works in the house."""

    def __init__(self, name: str, house: House, dice: Random) -> None:
        self.name = name
        self.house = house
        self.ledger = house.ledger
        self.dice = dice

    async def pause(self) -> None:
        await asyncio.sleep(self.dice.choice([0.0, 0.0, 0.01, 0.05, 0.5]) * self.dice.random())

    def draft(self) -> Draft:
        return Draft(self.dice)

    async def commit(
        self, draft: Draft, *, may: frozenset[str] = frozenset(), doomed: bool = False
    ) -> int | None:
        """Hand in; return the first position, or None after a refusal."""
        intent = self.ledger.intend(self.name, draft.done(), may=may, doomed=doomed)
        return await self.house.commit(intent)

    async def version(self, stream: str) -> int:
        """Read where a stream stands, as often as the disk makes necessary."""
        while True:
            try:
                return (await self.house.store.stream(StreamId(stream))).version
            except StreamNotFound:
                return 0
            except StoreUnavailable:
                await asyncio.sleep(0.2)

    def words(self) -> str:
        return f"{self.name} {self.dice.randrange(1_000_000)}"

    def noted(self, count: int) -> tuple[tuple[str, dict[str, str]], ...]:
        return tuple(("simulated_noted", {"words": self.words()}) for _ in range(count))

    def said(self, cause: Where = None) -> Said:
        kind = self.dice.choice(["bot", "channel"])
        return Said(
            self.name, kind, self.dice.choice(BOTS if kind == "bot" else CHANNELS), self.words(), cause
        )


Work = Callable[[Caller], Coroutine[Any, Any, None]]


async def writer(me: Caller) -> None:
    """Append to a stream that nobody else writes to, with snapshots; now and then end it for another."""
    ended = sum(
        intent.caller == me.name and any(_ends(op) for op in intent.ops) for intent in me.ledger.intents
    )
    stream = f"story:{me.name}:{ended}"
    version = await me.version(stream)
    for _ in range(ROUNDS):
        draft = me.draft()
        new = me.noted(me.dice.choice([1, 1, 2, 3, 25]))
        first = draft.put(Appended(stream, version, new))
        if me.dice.random() < 0.5:
            message = draft.put(me.said(cause=first))
            draft.put(Settled(me.name, message))
        if await me.commit(draft) is None:
            await me.pause()
            version = await me.version(stream)
            continue
        before, version = version, version + len(new)
        if await me.version(stream) < version:
            me.ledger.complain(f"{me.name} does not read what it was told is written to {stream}")
        if snapshot_due(before, version):
            await _snapshot(me, stream)
        if me.dice.random() < 0.1:
            await _end(me, stream, version)
            return
        await me.pause()


async def _snapshot(me: Caller, stream: str) -> None:
    try:
        state, version = await load(me.house.store, StreamId(stream), TALLY)
    except StoreUnavailable:
        return
    me.ledger.folds.append((stream, int(version), state.count, state.crc))
    draft = me.draft()
    draft.put(Snapped(stream, int(version), state.count, state.crc))
    await me.commit(draft)


async def _end(me: Caller, stream: str, version: int) -> None:
    draft = me.draft()
    draft.put(Appended(stream, version, (("simulated_ended", {"words": me.words()}),)))
    await me.commit(draft)


def _ends(op: Op) -> bool:
    return isinstance(op, Appended) and any(type_ == "simulated_ended" for type_, _ in op.facts)


async def racer(me: Caller) -> None:
    """Append to a stream that others append to as well: one of those who expect the same version wins."""
    stream = "race:1"
    for _ in range(ROUNDS):
        version = await me.version(stream)
        await me.pause()
        draft = me.draft()
        if me.dice.random() < 0.5:
            draft.put(me.said())
        draft.put(Appended(stream, version, me.noted(me.dice.choice([1, 2, 9]))))
        await me.commit(draft, may=CONFLICT)


async def bot(me: Caller) -> None:
    """Be declared, listen to channels, and handle messages: cursor, delivery and reply in one turn."""
    stream = f"bot:{me.name}"
    for _ in range(ROUNDS):
        version = await me.version(stream)
        draft = me.draft()
        if version == 0 or me.dice.random() < 0.3:
            draft.put(Appended(stream, version, (_membership(me, version),)))
            await me.commit(draft)
            await me.pause()
            continue
        message = _any_message(me)
        draft.put(me.said(cause=message))
        if message is not None:
            outcome = me.dice.choice(["handled", "handled", "retrying", "dead"])
            draft.put(Delivered(me.name, message, outcome, me.dice.randrange(1, 4)))
            draft.put(Settled(me.name, message))
        # It takes any message, also one that was needed by nobody and is pruned.
        await me.commit(draft, may=CONSTRAINT)
        await me.pause()


def _membership(me: Caller, version: int) -> tuple[str, dict[str, object]]:
    pattern = me.dice.choice(["news.*", "ops", "**"])
    roll = me.dice.random()
    if version == 0 or roll < 0.2:
        return "bot_declared", {"bot": me.name, "kind": "simulated", "description": me.words()}
    if roll < 0.65:
        since = me.dice.choice([None, 0])
        about: dict[str, object] = {
            "bot": me.name,
            "pattern": pattern,
            "since": since,
            "own": False,
            "declared": False,
        }
        return "subscribed", about
    if roll < 0.9:
        return "unsubscribed", {"bot": me.name, "pattern": pattern}
    return "bot_removed", {"bot": me.name}


def _any_message(me: Caller) -> int | None:
    """Return where a message stands that somebody was told is there."""
    told = [one for one in me.ledger.intents[-60:] if one.outcome == "acknowledged"]
    places = [place for intent in told for place in _messages(intent)]
    return me.dice.choice(places) if places else None


def _messages(intent: Intent) -> list[int]:
    places, at = [], intent.first
    for op in intent.ops:
        if isinstance(op, Said):
            places.append(at)
        at += facts_in(op)
    return places


async def board(me: Caller) -> None:
    """Make and delete channels."""
    for _ in range(ROUNDS // 2):
        channel = me.dice.choice(CHANNELS)
        version = await me.version(f"channel:{channel}")
        type_ = me.dice.choice(["channel_created", "channel_created", "channel_deleted"])
        draft = me.draft()
        draft.put(Appended(f"channel:{channel}", version, ((type_, {"channel": channel}),)))
        await me.commit(draft)
        await me.pause()


async def sleeper(me: Caller) -> None:
    """Sleep on disk: waits are opened, answered and closed, timers kept, moved and dropped."""
    stream = f"nap:{me.name}"
    waits: list[str] = []
    timers: list[str] = []
    version = await me.version(stream)
    for _ in range(ROUNDS):
        draft = me.draft()
        first = draft.put(Appended(stream, version, me.noted(1)))
        if waits and me.dice.random() < 0.6:
            wait = me.dice.choice(waits)
            draft.put(Woken(wait) if me.dice.random() < 0.4 else Answered(wait, first))
        else:
            waits.append(str(me.house.ids.new()))
            draft.put(Slept(waits[-1], stream, me.words()))
        if timers and me.dice.random() < 0.3:
            draft.put(Disarmed(me.dice.choice(timers)))
        else:
            timers.append(str(me.house.ids.new()))
            again = me.dice.choice(timers)
            draft.put(Armed(again, me.dice.randrange(1 << 50), me.words()))
        if await me.commit(draft) is None:
            waits, timers = [], []
        version = await me.version(stream)
        await me.pause()


async def quitter(me: Caller) -> None:
    """Hand in a turn and not wait for the answer: it is written all the same."""
    for _ in range(ROUNDS):
        draft = me.draft()
        message = draft.put(me.said())
        draft.put(Settled(me.name, message))
        going = asyncio.create_task(me.commit(draft))
        await asyncio.sleep(me.dice.choice([0, 0, 0.001, 0.03]))
        going.cancel()
        await asyncio.wait([going])
        await me.pause()


async def sinner(me: Caller) -> None:
    """Hand in what must be refused, alone, among turns of others."""
    for _ in range(ROUNDS):
        draft = me.draft()
        if me.dice.random() < 0.5:
            draft.put(me.said())
        may = _sin(me, draft)
        if me.dice.random() < 0.3:
            draft.put(me.said())
        await me.commit(draft, may=may, doomed=True)
        await me.pause()


def _sin(me: Caller, draft: Draft) -> frozenset[str]:
    """Put something into a turn that cannot be; return what it must be refused with."""
    match me.dice.randrange(7):
        case 0:
            draft.put(Appended("race:1", 1_000_000, me.noted(1)))
            return CONFLICT
        case 1:
            draft.put(Appended(f"story:{me.words()}", 3, me.noted(2)))
            return CONFLICT
        case 2:
            draft.put(Delivered(me.name, 9_999_999, "handled", 1))
        case 3:
            draft.put(Said(me.name, "bot", "ada", me.words(), cause=9_999_999))
        case 4:
            draft.put(Said(me.name, "nobody", "ada", me.words()))
        case 5:
            draft.put(Said("\ud800", "bot", "ada", me.words()))
            return frozenset({"UNENCODABLE"})
        case _:
            draft.put(Appended(f"large:{me.name}", 0, me.noted(61)))
            return frozenset({"TURN_TOO_LARGE"})
    return CONSTRAINT


async def reader(me: Caller) -> None:
    """Page through the log while it grows: nothing is missed, nothing moves, the head never goes back."""
    store, head = me.house.store, 0
    start = after = me.dice.choice([0, 0, me.dice.randrange(50)])
    seen: dict[int, tuple[str, str, str]] = {}
    me.ledger.seen.append(Seen(me.name, start, seen))
    for _ in range(ROUNDS * 2):
        try:
            now = (await store.head()).position
            page = await store.log(Position(after), me.dice.choice([1, 3, 20]))
        except StoreUnavailable:
            await asyncio.sleep(0.2)
            continue
        if now < head:
            me.ledger.complain(f"the head went back from {head} to {now}")
        head = now
        for entry in page:
            if entry.position <= after:
                me.ledger.complain(f"position {entry.position} was given after {after}")
            after = entry.position
            seen[after] = (entry.kind, entry.subject, entry.type)
        me.ledger.note(me.name, "reads", len(page), "up to", after)
        await me.pause()


async def pruner(me: Caller) -> None:
    """Take away what is old, by a clock that may be wrong."""
    for _ in range(me.dice.choice([0, 1, 3])):
        await asyncio.sleep(me.dice.random())
        ahead = timedelta(seconds=me.dice.choice([-1.0, 0.0, 3600.0]))
        before = me.house.clock.now() + ahead
        limit = (before - EPOCH) // timedelta(microseconds=1)
        number = me.ledger.note("prunes")
        me.ledger.prunings.append((number, limit, limit))
        try:
            await me.house.store.prune(Retention(messages_before=before, streams_ended_before=before))
        except StoreUnavailable:
            me.ledger.note("prunes in vain")


CAST: tuple[tuple[str, Work], ...] = (
    *((f"writer-{number}", writer) for number in range(3)),
    *((f"racer-{number}", racer) for number in range(3)),
    *((name, bot) for name in BOTS),
    ("board", board),
    ("sleeper", sleeper),
    *((f"quitter-{number}", quitter) for number in range(2)),
    ("sinner", sinner),
    *((f"reader-{number}", reader) for number in range(2)),
    ("pruner", pruner),
)
