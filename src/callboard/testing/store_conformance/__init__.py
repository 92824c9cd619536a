"""What every adapter of the store must do: a suite that an adapter passes by naming its factory.

    class TestSqliteInAFile(DurableStoreConformance):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: SqliteStore(tmp_path / "callboard.db")

`make_store` is called again to open the same store anew, as after a restart; an adapter that forgets when it
is closed takes `StoreConformance`, which has no such cases. All speak to the port alone, so they hold
for every database. They are written by subject, one file each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from callboard.facts.membership import BotDeclared, bot_stream
from callboard.ids import Position, SystemIds, TimerId, Version, WaitId
from callboard.messages import To
from callboard.store.changes import KeepTimer, MoveCursor, OpenWait, RecordDelivery, SaveSnapshot
from callboard.store.port import Store
from callboard.testing.store_conformance.asks import AskCases
from callboard.testing.store_conformance.audit import AuditCases
from callboard.testing.store_conformance.crowds import CrowdCases
from callboard.testing.store_conformance.dead_letters import DeadLetterCases
from callboard.testing.store_conformance.inbox_retention import InboxRetentionCases
from callboard.testing.store_conformance.inboxes import InboxCases
from callboard.testing.store_conformance.log import LogCases, StreamCases
from callboard.testing.store_conformance.material import (
    CLERK,
    NOON,
    STREAM,
    Closed,
    Noted,
    Reopened,
    changing,
    commit,
    new_turn,
    noting,
    refused,
    saying,
)
from callboard.testing.store_conformance.message_retention import MessageRetentionCases
from callboard.testing.store_conformance.overhearing import OverhearingCases
from callboard.testing.store_conformance.runs import RunCases
from callboard.testing.store_conformance.state import DerivedCases, StateCases
from callboard.testing.store_conformance.story import StoryCases
from callboard.testing.store_conformance.stream_retention import StreamRetentionCases
from callboard.testing.store_conformance.templates import TemplateCases
from callboard.testing.store_conformance.triggers import TriggerCases
from callboard.testing.store_conformance.workflows import WorkflowCases

__all__ = [
    "CLERK",
    "NOON",
    "STREAM",
    "Closed",
    "DurableStoreConformance",
    "Noted",
    "Reopened",
    "StoreConformance",
    "changing",
    "commit",
    "new_turn",
    "noting",
    "refused",
    "saying",
]


class StoreConformance(
    LogCases,
    StreamCases,
    StateCases,
    DerivedCases,
    InboxCases,
    AskCases,
    DeadLetterCases,
    AuditCases,
    InboxRetentionCases,
    MessageRetentionCases,
    StreamRetentionCases,
    RunCases,
    OverhearingCases,
    CrowdCases,
    StoryCases,
    WorkflowCases,
    TriggerCases,
    TemplateCases,
):
    """The cases for every adapter; subclass it and give the fixture `make_store`."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        """Return a factory that opens the same store each time it is called."""
        raise NotImplementedError

    @pytest.fixture
    async def store(self, make_store: Callable[[], Store]) -> AsyncIterator[Store]:
        async with opened(make_store) as store:
            yield store


class DurableStoreConformance(StoreConformance):
    """The cases for an adapter that remembers: all of the others, and those that need a restart."""

    async def test_no_position_is_given_twice_after_a_restart(
        self, store: Store, make_store: Callable[[], Store]
    ) -> None:
        """Where the log stands is kept with the log, and taken up from there."""
        await commit(store, noting("a", 0), noting("b", 1))
        before = await store.head()
        await store.close()
        async with opened(make_store) as again:
            assert await again.head() == before
            (receipt,) = await commit(again, noting("c", 2))
            assert receipt.first == before.position + 1

    async def test_everything_is_there_after_a_restart(
        self, store: Store, make_store: Callable[[], Store]
    ) -> None:
        """Facts of each kind, and each row beside them, come back as they were."""
        turn = new_turn()
        turn.append(bot_stream(CLERK), "bot", [BotDeclared(CLERK, "python")], expected=Version(0))
        turn.append(STREAM, "story", [Noted("a")], expected=Version(0))
        sent, message = turn.send(sender="desk", to=To("bot", "clerk"), type="ticket", body=1)
        turn.act("looked", "at it")
        turn.change(MoveCursor(CLERK, sent))
        turn.change(RecordDelivery(CLERK, sent, "handled"))
        turn.change(SaveSnapshot(STREAM, Version(1), 1, "{}", NOON))
        turn.change(OpenWait(WaitId(SystemIds().new()), STREAM, "signal", "go", since=sent))
        turn.change(KeepTimer(TimerId(SystemIds().new()), NOON, STREAM, "retry"))
        (receipt,) = await commit(store, turn)

        async def told(by: Store) -> list[object]:
            return [
                await by.log(Position(0), 10),
                await by.stream(STREAM),
                await by.events(STREAM, Version(0), 10),
                await by.message(message),
                await by.cursor(CLERK),
                await by.deliveries(receipt.position(sent)),
                await by.snapshot(STREAM),
                await by.waits(STREAM),
                await by.timers(None, 10),
            ]

        before = await told(store)
        assert all(before)
        await store.close()
        async with opened(make_store) as again:
            assert await told(again) == before
            assert await again.rebuild() == []


@asynccontextmanager
async def opened(make_store: Callable[[], Store]) -> AsyncIterator[Store]:
    """Open the store, and close it whatever happens."""
    store = make_store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()
