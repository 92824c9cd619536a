"""The bench: its raw limit is the same work, and its report has the names that others read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callboard.bench import LEVELS, raw, run
from callboard.errors import BadInput


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
    for figures in report["journal"].values():
        assert {"per_s", "p50_ms", "p99_ms", "raw_per_s", "raw_batch", "ratio"} <= set(figures)
        assert figures["per_s"] > 0
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]
        assert figures["ratio"] > 0
    assert report["bare_commit_us"] > 0
    assert report["durability"]["synchronous"] == 2
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_measure_or_no_time_at_all_is_refused(tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(BadInput, match="callers_100"):
        run(tmp_path, only="callers_7")
    with pytest.raises(BadInput, match="longer"):
        run(tmp_path, seconds=0)
