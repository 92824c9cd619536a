"""The bench: its raw limit is the same work, and its report has the names that others read."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import msgspec
import pytest

from callboard.bench import EXCHANGES, LEVELS, messages, raw, run
from callboard.errors import BadInput
from callboard.ids import Position


def test_the_raw_limit_writes_the_same_rows(tmp_path: Path) -> None:
    """What was recorded and said again leaves the messages, deliveries, cursors and head that ours would."""
    turns, statements = raw._record([3, 2], callers=2)
    assert turns == 5
    with raw._writer(tmp_path / "raw.db") as db:
        for statement, parameters in statements:
            db.execute(statement, parameters)
        counts = [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("bot_messages", "deliveries", "bot_cursors")
        ]
        assert counts == [5, 5, 2]
        assert db.execute("SELECT next_position, commits FROM log_head").fetchone() == (6, 2)
        assert db.execute("SELECT max(position) FROM bot_cursors").fetchone() == (5,)


def test_the_report_has_every_figure_by_its_name(tmp_path: Path) -> None:
    """Scripts read them, so a name does not change; and nothing stays in the folder."""
    report = msgspec.to_builtins(run(tmp_path, seconds=0.02, rounds=1))
    assert list(report["journal"]) == list(LEVELS)
    assert list(LEVELS) == ["callers_1", "callers_10", "callers_100", "callers_1000"]
    assert list(report["messages"]) == list(EXCHANGES)
    assert list(EXCHANGES) == ["pairs_1", "pairs_100", "window_100", "fanout_100"]
    for figures in [*report["journal"].values(), *report["messages"].values()]:
        assert {"per_s", "p50_ms", "p99_ms", "raw_per_s", "raw_batch", "ratio"} <= set(figures)
        assert figures["per_s"] > 0
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]
        assert figures["ratio"] > 0
    assert report["bare_commit_us"] > 0
    assert report["durability"]["synchronous"] == 2
    assert list(tmp_path.iterdir()) == []


def test_one_measure_can_be_named_alone(tmp_path: Path) -> None:
    """An exchange of messages with the word before it, so that no name means two things."""
    report = run(tmp_path, only="messages.pairs_1", seconds=0.02, rounds=1)
    assert list(report.messages) == ["pairs_1"]
    assert report.journal == {}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_each_message_that_counts_is_on_disk_and_said_again(tmp_path: Path, name: str) -> None:
    """The deliveries of a round are in its file, and the raw limit leaves the same rows behind."""
    exchange = EXCHANGES[name]
    one = await messages.measure(tmp_path, exchange, 0.02)
    kept = [turn for turns in one.kept.counted for turn in turns]
    due = len(one.latencies) * exchange.deliveries
    assert due > 0
    assert sum(one.batches) == len(kept)
    assert sum(1 for turn in kept for _ in messages.handled(turn)) == due
    assert raw.replay(tmp_path, one.kept.before, one.kept.counted) > 0
    ours, theirs = (_rows(tmp_path / file) for file in ("messages.db", "raw.db"))
    assert ours == theirs
    assert len(ours["deliveries"]) >= due


async def test_a_delivery_may_be_on_disk_before_its_sender_knows_the_position(tmp_path: Path) -> None:
    """Nobody waits then, and nothing of it is left over."""
    store = messages.WatchedStore(tmp_path / "messages.db")
    store._saw(7)
    await store.until_handled(Position(7), 1)
    store._saw(8)
    waiting = asyncio.ensure_future(store.until_handled(Position(8), 2))
    await asyncio.sleep(0)
    assert not waiting.done()
    store._saw(8)
    await waiting
    assert store.handled == 3
    assert not store._early
    assert not store._open


def _rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
            for table in ("bot_messages", "deliveries", "bot_cursors", "bot_memory", "bot_subscriptions")
        }


def test_an_unknown_measure_or_no_time_at_all_is_refused(tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(BadInput, match="callers_100"):
        run(tmp_path, only="callers_7")
    with pytest.raises(BadInput, match=r"messages\.pairs_100"):
        run(tmp_path, only="pairs_100")
    with pytest.raises(BadInput, match="longer"):
        run(tmp_path, seconds=0)
