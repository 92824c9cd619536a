"""System calls that fail under SQLite in a real process: an error, perhaps a stop, never a wrong answer.

strace makes the Nth call on the database's files fail, once or for a while, then the process is killed and
started again. A failed fsync is the hard case: the rows are in the file all the same and come back at the
next start, so a turn that was refused too soon would be there after all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.crash.failing import FOREVER, OURS, Fault, tracer
from tests.proof import scaled

REPORTER = Path(__file__).with_name("reporter.py")
ROUNDS = 40
TROUBLE = {"STORE_UNAVAILABLE", "DISK_FULL", "STORE_READ_ONLY", "STORE_LOCKED", "STORE_CORRUPT"}


FAULTS = {
    "an fsync fails": Fault("fsync,fdatasync", "EIO", 1, 50),
    "fsync fails for a while": Fault("fsync,fdatasync", "EIO", 3, 50),
    "fsync fails for ever": Fault("fsync,fdatasync", "EIO", FOREVER, 50),
    "a write fails": Fault("pwrite64,write", "EIO", 1, 400),
    "the disk is full for a while": Fault("pwrite64,write", "ENOSPC", 4, 400),
    "the disk is full for ever": Fault("pwrite64,write", "ENOSPC", FOREVER, 400),
    "a read fails": Fault("pread64,read", "EIO", 1, 250),
    "reads fail for a while": Fault("pread64,read", "EIO", 10, 250),
    "a file cannot be cut or grown": Fault("ftruncate,fallocate", "EIO", 1, 4),
}


@pytest.fixture(scope="module")
def strace() -> str:
    """Return strace, if it is here and may trace."""
    return tracer()


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_call_never_makes_a_wrong_answer(name: str, strace: str, tmp_path: Path) -> None:
    """What was acknowledged is there after a kill and a restart; what was refused is not; no half turns."""
    fault = FAULTS[name]
    numbers = Random(name).sample(range(1, fault.within), min(scaled(4), fault.within - 1))

    def try_out(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        limit = 1.5 if fault.lasts == FOREVER else 8.0
        lines = _run(folder, "broken", _inject(strace, folder, fault, number), limit)
        again = _run(folder, "whole", [], 8.0)
        about = f"{name}, from call {number} on"
        _check_course(lines, again, fault, about)
        _check_answers(folder / "callboard.db", lines + again, about)

    with ThreadPoolExecutor(4) as side_by_side:  # they mostly wait: for pauses, and to be killed
        for _ in side_by_side.map(try_out, sorted(numbers)):
            pass
    traces = [trace.read_text() for trace in tmp_path.glob("*/trace")]
    assert any("(INJECTED)" in trace for trace in traces), "no call failed: the numbers are too high"


def _inject(strace: str, folder: Path, fault: Fault, number: int) -> list[str]:
    """Return the command that lets only calls on the database's own files fail."""
    files = [flag for suffix in OURS for flag in ("-P", f"{folder}/callboard.db{suffix}")]
    when = f"{number}+" if fault.lasts == FOREVER else f"{number}..{number + fault.lasts - 1}"
    rule = f"inject={fault.calls}:error={fault.error}:when={when}"
    return [
        strace,
        "-f",
        "-qq",
        "-o",
        str(folder / "trace"),
        *files,
        "-e",
        f"trace={fault.calls}",
        "-e",
        rule,
    ]


def _run(folder: Path, run: str, under: list[str], limit: float) -> list[list[str]]:
    """Let the reporter work until it is done or some seconds are over; kill it; return what it said."""
    command = [*under, sys.executable, str(REPORTER), str(folder), run, str(ROUNDS)]
    lines: list[list[str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pid = int(process.stdout.readline().split()[1])
        watchdog = threading.Timer(limit, _kill, [pid])
        watchdog.start()
        try:
            for line in process.stdout:
                lines.append(line.split())
                if lines[-1] == ["done"]:
                    break
        finally:
            watchdog.cancel()
            _kill(pid)
        lines += [line.split() for line in process.stdout]
        errors = process.stderr.read()
    assert "Traceback" not in errors, errors
    return lines


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _check_course(lines: list[list[str]], again: list[list[str]], fault: Fault, about: str) -> None:
    """It goes on once the fault is gone, or says why it cannot start; the next start is as if nothing was."""
    words = [line[0] for line in lines]
    codes = {line[-1] for line in lines if line[0] in {"no", "unread", "failed"}}
    # A start that could not switch to the write-ahead log says so, and not why: SQLite does not tell.
    assert codes <= TROUBLE | ({"START_REFUSED"} if "failed" in words else set()), f"{about}: {codes}"
    assert "wrong" not in words, f"{about}: something else was read than was written"
    if fault.lasts != FOREVER and "failed" not in words:
        assert words[-1] == "done", f"{about}: it did not go on, after {lines[-3:]}"
        assert "no" not in words or "yes" in words[words.index("no") :], f"{about}: it never recovered"
    assert [line[0] for line in again].count("yes") == 4 * ROUNDS, f"{about}: the next start {again[-3:]}"


def _check_answers(database: Path, lines: list[list[str]], about: str) -> None:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), about
        events = dict(db.execute("SELECT json_extract(data, '$.words'), position FROM workflow_events"))
        messages = {
            words: (position, cause)
            for words, position, cause in db.execute(
                "SELECT json_extract(body, '$'), position, cause FROM bot_messages"
            )
        }
        assert messages == {words: (at + 1, at) for words, at in events.items()}, f"{about}: half a turn"
        cursors = dict(db.execute("SELECT bot, position FROM bot_cursors"))
        (next_position,) = db.execute("SELECT next_position FROM log_head").fetchone()
    for answer, words, *rest in (line for line in lines if line[0] in {"yes", "no"}):
        if answer == "yes":
            assert events.get(words) == int(rest[0]), f"{about}: {words} was acknowledged and is lost"
        else:
            assert words not in events, f"{about}: {words} was refused and is there"
    last: dict[str, int] = {}
    for words, (at, _) in messages.items():
        bot = "-".join(words.split("/")[:2])
        last[bot] = max(at, last.get(bot, 0))
    assert cursors == last, f"{about}: a cursor does not stand where its turn left it"
    taken = sorted([*events.values(), *(at for at, _ in messages.values())])
    assert taken == list(range(1, next_position)), f"{about}: positions have a gap or a double"
