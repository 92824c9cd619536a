"""`kill -9` in the middle of heavy appends: nothing acknowledged is lost, no turn is half there."""

from __future__ import annotations

import contextlib
import random
import select
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.proof import scaled

APPENDER = Path(__file__).with_name("appender.py")


def test_whatever_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    """At random moments, again and again on one and the same database."""
    dice = random.Random(20)
    for round_ in range(scaled(20)):
        acknowledged = _run_and_kill(tmp_path, after=dice.expovariate(1 / 0.05))
        assert acknowledged, "the process was killed before it had done anything"
        _check(tmp_path / "callboard.db", acknowledged, round_)


def _run_and_kill(folder: Path, *, after: float) -> list[tuple[int, int, int]]:
    """Let the appender work for a while after its first receipt; kill it; return what it was promised."""
    with subprocess.Popen([sys.executable, APPENDER, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 60)[0], "the appender did not start"
            time.sleep(after)
        finally:
            process.kill()
        lines = process.stdout.read().decode().splitlines()
    return [tuple(int(part) for part in line.split()) for line in lines]  # type: ignore[misc]


def _check(database: Path, acknowledged: list[tuple[int, int, int]], round_: int) -> None:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        events = {
            (stream, version): (position, words)
            for stream, version, position, words in db.execute(
                "SELECT stream_id, version, position, json_extract(data, '$.words') FROM workflow_events"
            )
        }
        for caller, version, position in acknowledged:
            kept = events.get((f"story:{caller}", version))
            assert kept == (position, f"{caller}/{version}"), f"round {round_}: acknowledged and lost"
        messages = {
            words: (position, cause)
            for words, position, cause in db.execute(
                "SELECT json_extract(body, '$'), position, cause FROM bot_messages"
            )
        }
        assert messages == {words: (at + 1, at) for at, words in events.values()}, "half a turn is there"
        for bot, cursor in db.execute("SELECT bot, position FROM bot_cursors"):
            last = max(at for (stream, _), (at, _) in events.items() if stream == f"story:{bot[4:]}")
            assert cursor == last + 1, "a cursor does not stand where its turn left it"
        for stream, count, least, most in db.execute(
            "SELECT stream_id, count(*), min(version), max(version) FROM workflow_events GROUP BY stream_id"
        ):
            assert (least, most) == (1, count), f"{stream} has a gap"
        (next_position,) = db.execute("SELECT next_position FROM log_head").fetchone()
        taken = sorted([at for at, _ in events.values()] + [at for at, _ in messages.values()])
        assert taken == list(range(1, next_position)), "positions have a gap or a double"
