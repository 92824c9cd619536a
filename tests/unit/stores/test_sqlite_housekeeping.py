"""Retention gives room back while work goes on; what is derived can be made anew; damage is found."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from callboard.facts.membership import BotDeclared, Subscribed, bot_stream
from callboard.ids import BotName, Position, StreamId, Version
from callboard.messages import To
from callboard.store.changes import MoveCursor
from callboard.store.port import Receipt, Retention
from callboard.stores.sqlite import SqliteStore
from callboard.testing.store_conformance import NOON, changing, commit, new_turn, noting, saying
from tests.unit.stores.conftest import plain


async def test_the_file_really_shrinks(store: SqliteStore, database: Path) -> None:
    """Retention gives the room back to the disk, the write-ahead log included."""
    for _ in range(20):
        await commit(store, *(saying("x" * 5_000, to=To("bot", "nobody")) for _ in range(50)))
    pruned = await store.prune(Retention(messages_before=NOON + timedelta(days=1)))
    assert pruned.messages == 1_000
    assert pruned.bytes_before > 5_000_000
    assert pruned.bytes_after < 500_000
    on_disk = database.stat().st_size + database.with_name("callboard.db-wal").stat().st_size
    assert on_disk < 500_000


async def test_commits_go_on_while_retention_works(store: SqliteStore) -> None:
    """It takes little at a time, so a turn gets in between."""
    await commit(store, *(saying("x", to=To("bot", "nobody")) for _ in range(3_000)))
    pruning = asyncio.create_task(store.prune(Retention(messages_before=NOON + timedelta(days=1))))
    before = 0
    while not pruning.done():
        (outcome,) = await store.commit([noting("x", before, StreamId("story:meanwhile"))])
        assert isinstance(outcome, Receipt)
        before += 1
    assert (await pruning).messages == 3_000
    assert before > 5


async def test_a_derived_table_that_was_tampered_with_is_found_and_mended(
    store: SqliteStore, database: Path
) -> None:
    """A full check says which, and a rebuild makes it what the log says."""
    clerk = BotName("clerk")
    turn = new_turn()
    turn.append(
        bot_stream(clerk),
        "bot",
        [BotDeclared(clerk, "python"), Subscribed(clerk, "news")],
        expected=Version(0),
    )
    await commit(store, turn)
    with plain(database) as other:
        other.execute("UPDATE bots SET description = 'an impostor'")
        other.execute("DELETE FROM bot_subscriptions")
    (finding,) = [finding for finding in await store.check(full=True) if not finding.ok]
    assert finding.name == "projections"
    assert "bots" in finding.detail
    assert "bot_subscriptions" in finding.detail
    assert await store.rebuild() == ["bots", "bot_subscriptions"]
    assert [finding for finding in await store.check(full=True) if not finding.ok] == []


async def test_a_gap_in_a_stream_is_found(store: SqliteStore, database: Path) -> None:
    """As are a shared position and a cursor past the head."""
    await commit(
        store, *(noting(str(n), n) for n in range(5)), changing(MoveCursor(BotName("b"), Position(1)))
    )
    with plain(database) as other:
        other.execute("DELETE FROM workflow_events WHERE version = 3")
        other.execute("UPDATE bot_cursors SET position = 99")
        other.execute(
            "INSERT INTO operator_actions VALUES (2, NULL, 'default', 'local', 'forged', 'x', '{}', 0)"
        )
    wrong = {finding.name for finding in await store.check(full=True) if not finding.ok}
    assert wrong == {"streams", "cursors", "one order"}


async def test_positions_of_rows_that_somebody_deleted_are_not_given_again(database: Path) -> None:
    """Not by this process, nor by the next one that opens the file."""
    store = SqliteStore(database)
    await store.open()
    await commit(store, *(noting(str(n), n) for n in range(5)))
    await store.close()
    with plain(database) as other:
        other.execute("DELETE FROM workflow_events WHERE position > 2")
    for expected in (6, 7):
        store = SqliteStore(database)
        await store.open()
        (receipt,) = await commit(store, saying("after", to=To("bot", "nobody")))
        assert receipt.first == expected
        await store.close()
        with plain(database) as other:
            other.execute("DELETE FROM bot_messages")
