"""The bench: its raw limit is the same work, and its report has the names that others read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from callboard.bench import CROWDS, EXCHANGES, LEVELS, growth, messages, raw, recovery, run, sleeping, steps
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


def test_the_report_has_every_figure_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts read them, so a name does not change; and nothing stays in the folder."""
    monkeypatch.setitem(CROWDS, "runs_1000", steps.Crowd(10))  # the name counts here, and not the time
    report = msgspec.to_builtins(run(tmp_path, seconds=0.02, rounds=1, crowd=30, asleep=40))
    assert list(report["journal"]) == list(LEVELS)
    assert list(LEVELS) == ["callers_1", "callers_10", "callers_100", "callers_1000"]
    assert list(report["messages"]) == list(EXCHANGES)
    assert list(EXCHANGES) == ["pairs_1", "pairs_100", "window_100", "fanout_100"]
    assert list(report["steps"]) == list(CROWDS)
    assert list(CROWDS) == ["runs_1", "runs_100", "runs_1000", "runs_100_folded"]
    assert list(report["recovery"]) == ["runs_30_s"]
    assert list(report["sleeping"]) == ["runs_40"]
    assert report["growth"] == {}
    levels = [figures for kind in ("journal", "messages", "steps") for figures in report[kind].values()]
    assert {figures["unit"] for figures in levels} == {"turns/s", "messages/s", "deliveries/s", "steps/s"}
    for figures in levels:
        assert {"per_s", "p50_ms", "p99_ms", "raw_per_s", "raw_batch", "ratio", "rounds"} <= set(figures)
        assert figures["per_s"] > 0
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]
        assert figures["ratio"] > 0
    assert report["bare_commit_us"] > 0
    assert report["durability"]["synchronous"] == 2
    assert list(tmp_path.iterdir()) == []


def test_recovery_tells_seconds_and_how_far_the_rounds_lay_apart(tmp_path: Path) -> None:
    """Ten thousand runs unless told otherwise, and the name says how many it were."""
    report = run(tmp_path, only="recovery", rounds=2, crowd=20)
    one = report.recovery["runs_20_s"]
    assert (one.unit, one.rounds) == ("s", 2)
    assert 0 < one.spread.low <= one.median <= one.spread.high
    assert one.median <= one.median_ended
    assert 0 < one.raw <= one.spread_raw.high
    assert one.ratio > 0
    assert recovery.CROWD == 10_000


def test_what_sleeping_runs_cost_stands_beside_the_same_house_with_none(tmp_path: Path) -> None:
    """Ten thousand unless told otherwise; each file is opened by a process of its own."""
    one = run(tmp_path, only="sleeping", seconds=0.05, rounds=2, asleep=50).sleeping["runs_50"]
    assert (one.count, one.rounds) == (50, 2)
    assert 0 < one.spread_open_ms.low <= one.open_ms <= one.spread_open_ms.high
    assert one.open_empty_ms > 0
    assert one.file_bytes_each > 100, "the rows of the runs are there"
    assert 0 <= one.processor_percent <= one.spread_processor_percent.high < 100
    assert sleeping.ASLEEP == 10_000
    assert list(tmp_path.iterdir()) == []


async def test_runs_that_do_not_sleep_are_no_figure(tmp_path: Path) -> None:
    """A house of which some have ended would be smaller."""
    file = tmp_path / "asleep.db"
    await sleeping.fill(file, 3)
    sleeping.must_sleep(file, 3)
    with pytest.raises(RuntimeError, match="3 of 7 runs are asleep"):
        sleeping.must_sleep(file, 7)


def test_growth_is_measured_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each mark, of runs and of messages."""
    monkeypatch.setattr(growth, "MARKS", (3, 200))
    report = run(tmp_path, only="growth", rounds=1)
    assert list(report.growth) == ["runs", "messages"]
    for rows in report.growth.values():
        assert [row.count for row in rows] == [3, 200]
        assert rows[0].file_bytes < rows[1].file_bytes
        assert rows[1].bytes_each == pytest.approx(rows[1].file_bytes / 200, abs=0.1)
        assert all(row.per_s > 0 and row.open_ms > 0 for row in rows)
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
    due = len(one.latencies) * exchange.deliveries
    assert due > 0
    assert sum(one.batches) == one.kept.turns
    assert one.kept.done == due
    assert raw.replay(tmp_path, one.kept.before, one.kept.counted) > 0
    ours, theirs = (_rows(tmp_path / file) for file in ("messages.db", "raw.db"))
    assert ours == theirs
    assert len(ours["deliveries"]) >= due


@pytest.mark.parametrize("name", CROWDS)
async def test_each_step_that_counts_is_on_disk_and_said_again(tmp_path: Path, name: str) -> None:
    """The steps of a round are in its file, and the raw limit leaves the same rows behind."""
    crowd = msgspec.structs.replace(CROWDS[name], runs=min(CROWDS[name].runs, 20))
    one = await steps.measure(tmp_path, crowd, 0.02)
    assert len(one.runs) >= crowd.runs
    assert len(one.latencies) == len(one.runs) * steps.STEPS == one.kept.done
    assert sum(one.batches) == one.kept.turns
    assert crowd.folded or one.kept.turns > len(one.latencies)  # a commit for each step
    assert raw.replay(tmp_path, one.kept.before, one.kept.counted) > 0
    tables = ("workflow_events", "workflow_runs", "workflow_steps", "streams")
    ours, theirs = (_rows(tmp_path / file, tables) for file in ("steps.db", "raw.db"))
    assert ours == theirs
    assert sum(1 for row in ours["workflow_runs"] if "completed" in row) >= len(one.runs)


async def test_a_run_that_does_not_count_to_ten_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is fast because it does less than it should is refused."""
    step = {"id": "s1", "uses": "core.fail", "with": {"code": "OUT", "message": "out"}}
    broken = json.dumps({"name": "bench", "steps": [step]})
    monkeypatch.setattr(steps, "flow", lambda _: broken)
    with pytest.raises(RuntimeError, match="each add 1 came to"):
        await steps.measure(tmp_path, CROWDS["runs_1"], 0.02)


async def test_what_a_killed_process_left_is_taken_up_and_ended(tmp_path: Path) -> None:
    """Nothing was ended by it, everything is ended afterwards, and the raw limit leaves the same rows."""
    made, ours, theirs = tmp_path / "made", tmp_path / "ours", tmp_path / "theirs"
    for folder in (made, ours, theirs):
        folder.mkdir()
    left = await asyncio.to_thread(recovery.interrupt, made, 12)
    found = _rows(recovery.copy(left, theirs, "left.db"), ("workflow_runs", "workflow_steps"))
    assert [len(rows) for rows in found.values()] == [12, 12]
    assert not any("completed" in row for row in found["workflow_runs"])
    one = await recovery.measure(ours, left, 12)
    assert 0 < one.begun_s <= one.ended_s
    assert raw.replay_on(recovery.copy(left, theirs, "raw.db"), one.kept.counted) > 0
    tables = ("workflow_events", "workflow_runs", "workflow_steps")
    ended = _rows(ours / recovery.FILE, tables)
    assert ended == _rows(theirs / "raw.db", tables)
    assert sum(1 for row in ended["workflow_runs"] if "completed" in row) == 12


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


TALKED = ("bot_messages", "deliveries", "bot_cursors", "bot_memory", "bot_subscriptions")


def _rows(file: Path, tables: tuple[str, ...] = TALKED) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() for table in tables}


def test_an_unknown_measure_or_no_time_at_all_is_refused(tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(BadInput, match="callers_100"):
        run(tmp_path, only="callers_7")
    with pytest.raises(BadInput, match=r"messages\.pairs_100"):
        run(tmp_path, only="pairs_100")
    with pytest.raises(BadInput, match="longer"):
        run(tmp_path, seconds=0)
