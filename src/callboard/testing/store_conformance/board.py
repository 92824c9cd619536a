"""A board for the cases of retention: what happened on it, and what of that must be left.

A case of retention has two sides: what somebody still needs must stay, and its twin that nobody needs must
go, or keeping everything would pass. So each message and each ended stream is put on the board as one that
`stays` or `goes`, and `judge` lets retention come by and compares:

    await board.declare(CLERK)
    reached = await board.goes(TO_CLERK)
    await board.stays(TO_CLERK)
    await board.settle(CLERK, reached)
    await board.judge()

It happens at noon, and what is from before LATER is old enough to go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from callboard.errors import StreamNotFound
from callboard.facts.membership import BotDeclared, BotRemoved, Subscribed, Unsubscribed, bot_stream
from callboard.ids import DEFAULT_TENANT, BotName, Position, StreamId, SystemIds, Tenant, Version, WaitId
from callboard.messages import To
from callboard.store.changes import Change, MoveCursor
from callboard.store.port import Pruned, Retention, Store
from callboard.store.turn import Turn
from callboard.testing.store_conformance.material import (
    CLERK,
    NOON,
    Closed,
    Noted,
    changing,
    commit,
    new_turn,
    saying,
)

Facts = Sequence[msgspec.Struct]

LATER = NOON + timedelta(hours=1)
ALL_THAT_IS_OLD = Retention(messages_before=LATER, streams_ended_before=LATER)
OURS, THEIRS = DEFAULT_TENANT, Tenant("theirs")
PORTER = BotName("porter")
TO_CLERK, TO_PORTER = To("bot", CLERK), To("bot", PORTER)
PAGE = 500
BOTH_WAYS = pytest.mark.parametrize(
    ("tenant", "other"),
    [pytest.param(OURS, THEIRS, id="needed-by-ours"), pytest.param(THEIRS, OURS, id="needed-by-theirs")],
)


def new_wait() -> WaitId:
    """Name a wait."""
    return WaitId(SystemIds().new())


def on(channel: str) -> To:
    """Address whoever listens to a channel."""
    return To("channel", channel)


class Board:
    """Tells a store what happened, and keeps what retention must leave of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._versions: dict[tuple[Tenant, StreamId], int] = {}
        self._stay: set[str] = set()
        self._go: set[str] = set()
        self._events_to_go = 0

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────

    async def append(
        self, stream: StreamId, *facts: msgspec.Struct, at: datetime = NOON, tenant: Tenant = OURS
    ) -> Position:
        """Append facts to a stream, wherever it stands; return the position of the last."""
        (receipt,) = await commit(self.store, self._appending(stream, facts, at, tenant))
        return Position(receipt.first + receipt.count - 1)

    async def change(self, *changes: Change, tenant: Tenant = OURS) -> None:
        """Change rows."""
        await commit(self.store, changing(*changes, tenant=tenant))

    async def declare(self, bot: BotName, description: str = "", *, tenant: Tenant = OURS) -> Position:
        """Put a bot on the board, or say again what it is."""
        return await self.append(bot_stream(bot), BotDeclared(bot, "python", description), tenant=tenant)

    async def remove(self, bot: BotName, *, tenant: Tenant = OURS) -> Position:
        """Take a bot off the board."""
        return await self.append(bot_stream(bot), BotRemoved(bot), tenant=tenant)

    async def subscribe(
        self, bot: BotName, pattern: str, since: Position | None = None, *, tenant: Tenant = OURS
    ) -> Position:
        """Let a bot listen; the position names the subscription."""
        return await self.append(bot_stream(bot), Subscribed(bot, pattern, since), tenant=tenant)

    async def unsubscribe(self, bot: BotName, pattern: str, *, tenant: Tenant = OURS) -> Position:
        """Let a bot listen no longer."""
        return await self.append(bot_stream(bot), Unsubscribed(bot, pattern), tenant=tenant)

    async def settle(
        self, bot: BotName, position: Position, *, catch_up: Position | None = None, tenant: Tenant = OURS
    ) -> None:
        """Let a bot, or one catch-up of it, have handled everything up to a position."""
        await self.change(MoveCursor(bot, position, catch_up), tenant=tenant)

    # ── what becomes of it ───────────────────────────────────────────────────────────────────────────────

    async def stays(self, to: To, *, at: datetime = NOON, tenant: Tenant = OURS, times: int = 1) -> Position:
        """Send a message that retention must leave; return the position of the last, if there are several."""
        return await self._send(self._stay, [to] * times, at, tenant)

    async def goes(self, to: To, *, at: datetime = NOON, tenant: Tenant = OURS, times: int = 1) -> Position:
        """Send a message that retention must take; return the position of the last, if there are several."""
        return await self._send(self._go, [to] * times, at, tenant)

    async def ended_stays(
        self, *streams: StreamId, at: datetime = NOON, tenant: Tenant = OURS, more: Facts = ()
    ) -> Position:
        """Let streams end that retention must leave; return the position of the last event."""
        return await self._end(self._stay, streams, at, tenant, more)

    async def ended_goes(
        self, *streams: StreamId, at: datetime = NOON, tenant: Tenant = OURS, more: Facts = ()
    ) -> Position:
        """Let streams end that retention must take; return the position of the last event."""
        self._events_to_go += len(streams) * (2 + len(more))
        return await self._end(self._go, streams, at, tenant, more)

    async def judge(self, wanted: Retention = ALL_THAT_IS_OLD) -> Pruned:
        """Let retention come by, and see that it takes what goes, all of that, and nothing else."""
        trial = await self.store.prune(wanted, dry_run=True)
        left = await self._left()
        assert left == self._stay | self._go, "a trial took something"
        done = await self.store.prune(wanted)
        left = await self._left()
        lost, kept = sorted(self._stay - left), sorted(left - self._stay)
        assert (lost, kept) == ([], []), f"gone, and must stay: {lost}; there, and must go: {kept}"
        counts = (done.messages, done.streams, done.events)
        assert counts == (trial.messages, trial.streams, trial.events), f"{trial} was announced, {done} done"
        assert counts[0] + counts[1] == len(self._go)
        assert done.events == self._events_to_go
        for tenant, stream in self._versions:
            if f"{tenant}: {stream}" in self._go:
                with pytest.raises(StreamNotFound):
                    await self.store.stream(stream, tenant=tenant)
        damage = [finding for finding in await self.store.check(full=True) if not finding.ok]
        assert damage == []
        self._go.clear()
        self._events_to_go = 0
        return done

    async def _send(self, fate: set[str], to: Sequence[To], at: datetime, tenant: Tenant) -> Position:
        receipts = await commit(self.store, *(saying("hi", to=one, at=at, tenant=tenant) for one in to))
        for one, receipt in zip(to, receipts, strict=True):
            fate.add(f"{tenant}: message {receipt.first} to {one.kind}:{one.name}")
        return receipts[-1].first

    async def _end(
        self, fate: set[str], streams: Sequence[StreamId], at: datetime, tenant: Tenant, more: Facts
    ) -> Position:
        fate |= {f"{tenant}: {stream}" for stream in streams}
        facts = (Noted("a"), Closed(), *more)
        receipts = await commit(
            self.store, *(self._appending(stream, facts, at, tenant) for stream in streams)
        )
        return Position(receipts[-1].first + receipts[-1].count - 1)

    def _appending(self, stream: StreamId, facts: Facts, at: datetime, tenant: Tenant) -> Turn:
        turn = new_turn(at, tenant=tenant)
        version = self._versions.get((tenant, stream), 0)
        turn.append(stream, "story", facts, expected=Version(version))
        self._versions[tenant, stream] = version + len(facts)
        return turn

    async def _left(self) -> set[str]:
        """Return what the log still holds of all that was put here as one that stays or goes."""
        left: set[str] = set()
        for tenant in (OURS, THEIRS):
            page = await self.store.log(Position(0), PAGE, tenant=tenant)
            while page:
                left |= {
                    f"{tenant}: message {entry.position} to {entry.subject}"
                    if entry.kind == "message"
                    else f"{tenant}: {entry.subject}"
                    for entry in page
                }
                page = await self.store.log(page[-1].position, PAGE, tenant=tenant)
        return left & (self._stay | self._go)


class CasesOnABoard:
    """What the cases of retention share: a board of their own on the store under test."""

    @pytest.fixture
    def board(self, store: Store) -> Board:
        return Board(store)
