"""System calls that fail under a real server at work: bots, runs of all examples, triggers, and callers.

`test_system_faults.py` asks the same of the journal alone, from the making of the file on. Here one life of
the server after the other stands on the same data folder, and in each the Nth call of a kind fails, once or
for a moment: at the start, while it mends what the last death left, or in the midst of work. It says why it
does not start, or goes on when the fault is gone; then it is killed or stopped. After each life the files are
looked at, and after the last all that was acknowledged must have come to its end, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from callboard.errors import CallboardError
from callboard.folder import DataFolder
from callboard.stores.sqlite import SqliteStore
from callboard.web import talk
from callboard.web.client import Client
from tests.crash.aftermath import look_at
from tests.crash.failing import FOREVER, Fault, heal, struck, tracer, under
from tests.crash.lives import end_the_day
from tests.crash.test_kill_bots import BOTS
from tests.crash.workday import SECRET, People, lay_out
from tests.e2e.server import Server, up
from tests.proof import scaled, shares

Record = Callable[[str, object], None]
CALLS = 200
"""Each of the first so many calls fails in some life, where the tests try hard enough."""
MOST = 40
"""How many lives a test has, so that none takes longer than it may."""
PATIENCE = 30.0
TROUBLE = {"STORE_UNAVAILABLE", "DISK_FULL", "STORE_READ_ONLY", "STORE_LOCKED", "STORE_CORRUPT"}
EXCUSED = {"StoreUnavailable", "DiskFull", "StoreReadOnly", "StoreLocked", "StoreCorrupt"}
"""What an actor, and with a vital one the server, may die of while the disk fails."""
GONE = {"SERVER_UNREACHABLE", "SHUTTING_DOWN", "OUTCOME_UNKNOWN"}
FAULTS = {
    "an fsync fails": Fault("fsync,fdatasync", "EIO", 1, CALLS),
    "a write fails": Fault("pwrite64,ftruncate,fallocate", "EIO", 1, CALLS),
    "the disk is full for a while": Fault("pwrite64,ftruncate,fallocate", "ENOSPC", 3, CALLS),
    "a read fails": Fault("pread64", "EIO", 1, CALLS),
}
LASTING = {
    "no fsync comes through": Fault("fsync,fdatasync", "EIO", FOREVER, 60),
    "nothing is written": Fault("pwrite64,ftruncate,fallocate", "EIO", FOREVER, 400),
    "the disk is full": Fault("pwrite64,ftruncate,fallocate", "ENOSPC", FOREVER, 400),
    "nothing is read": Fault("pread64", "EIO", FOREVER, 600),
}
SECONDS = 6.0
"""How long these last: longer than an actor has that is started again and again until it is set aside."""


@pytest.mark.parametrize(("share", "lives"), shares(1, MOST)[: CALLS // MOST])
@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_call_costs_a_server_at_work_nothing_that_it_promised(
    tmp_path: Path, record_property: Record, name: str, share: int, lives: int
) -> None:
    """0 acknowledged facts lost, 0 steps or messages repeated, 0 runs stranded, 0 answers that are wrong."""
    strace, day = tracer(), Day(tmp_path, FAULTS[name], random.Random(f"{name} {share}"))
    numbers = random.Random(name).sample(range(1, CALLS + 1), CALLS)[share * MOST :][:lives]
    for number in numbers:
        day.live(strace, number)
        if number == numbers[0]:  # the file is new until a start has come through
            day.live_well()
    assert day.happened["struck"], "no call failed: the numbers are too high"
    day.end()
    record_property("happened", dict(day.happened))


@pytest.mark.parametrize("name", [*LASTING][: scaled(1)])
def test_a_server_at_work_outlives_a_disk_that_fails_for_seconds(
    tmp_path: Path, record_property: Record, name: str
) -> None:
    """It is not ready meanwhile; when the disk is well nobody is set aside, and all goes on by itself."""
    dice = random.Random(f"{name} 0")
    strace, day = tracer(), Day(tmp_path, LASTING[name], dice)
    day.live_well()
    day.live_through(strace, LASTING[name].within - dice.randrange(50), ready="read" in name)
    day.end()
    record_property("happened", dict(day.happened))


class Day:
    """The lives of one data folder, and what those outside were told in them."""

    def __init__(self, project: Path, fault: Fault, dice: random.Random) -> None:
        lay_out(project)
        (project / "bots" / "sums.py").write_text(BOTS)
        self.people = People(project, dice)
        self.happened: Counter[str] = Counter()
        self._project = project
        self._fault = fault
        self._said: list[int] = []
        self._lives = 0

    def live(self, strace: str, number: int) -> None:
        """Have one life in which call `number` fails, and look at what it leaves."""
        self._lives += 1
        about = f"life {self._lives}, call {number}"
        trace = self._project / f"trace-{self._lives}"
        wrap = under(strace, self._project / "data", self._fault, number, trace)
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(up(self._project, wrap=wrap, INCOMING_SECRET=SECRET))
            except AssertionError as refused:
                self._has_a_reason(str(refused), about)
                self.happened["refused to start"] += 1
            else:
                self._work(server, trace, about)
                self._end(server, about)
        self.happened["struck"] += bool(struck(trace))
        self.happened["never reached"] += not struck(trace)
        self._look(about)

    def live_well(self) -> None:
        """Have one life in which nothing fails."""
        with up(self._project, INCOMING_SECRET=SECRET) as server:
            for _ in range(6):
                assert self._was_told_all_is_well(server, 1)
            self._end(server, "a good life")

    def live_through(self, strace: str, number: int, *, ready: bool) -> None:
        """Have one life in which from call `number` on all calls fail for some seconds."""
        self._lives += 1
        about = f"life {self._lives}, from call {number}"
        trace = self._project / f"trace-{self._lives}"
        wrap = under(strace, self._project / "data", self._fault, number, trace)
        with up(self._project, wrap=wrap, INCOMING_SECRET=SECRET) as server:
            ends = time.monotonic() + 2 * PATIENCE
            # What waits for the disk is answered when it is well: so it heals whoever waits meanwhile.
            healing = threading.Thread(target=self._heal, args=(server, trace))
            healing.start()
            told = False
            while healing.is_alive() or not told:
                told = self._was_told_all_is_well(server, 0)
                assert server.process.poll() is None, f"{about}: it ended by itself: {server.lines()[-3:]}"
                assert time.monotonic() < ends, f"{about}: it did not go on: {server.lines()[-9:]}"
            assert self.happened["healed"], f"{about}: it was never reached"
            assert ready or self.happened["not ready"] == self.happened["healed"], about
            self._end(server, about)
        self._look(about)

    def _heal(self, server: Server, trace: Path) -> None:
        """Let the disk be well again some seconds after the first call has failed."""
        ends = time.monotonic() + PATIENCE
        while not struck(trace):
            if time.monotonic() > ends or server.process.poll() is not None:
                return
            time.sleep(0.02)
        time.sleep(SECONDS)
        with Client.find(DataFolder(self._project / "data")) as client:
            self.happened["not ready"] += not client.health().ready
        heal(server.process.pid)
        self.happened["healed"] += 1

    def _work(self, server: Server, trace: Path, about: str) -> None:
        """Want things until the call has failed and something was acknowledged after it."""
        ends, turns = time.monotonic() + PATIENCE, 0
        while server.process.poll() is None:
            failed = struck(trace)
            wanted = turns % 5 == 0 and turns < 50
            if self._was_told_all_is_well(server, int(wanted)) and failed:
                self.happened["went on"] += 1
                return
            turns += 1
            if time.monotonic() > ends:
                assert not failed, f"{about}: it did not go on: {server.lines()[-10:]}"
                return
        self.happened["ended by itself"] += 1

    def _was_told_all_is_well(self, server: Server, runs: int) -> bool:
        """Say numbers, want runs, act where one waits, and look at a run, until something is refused."""
        began = time.monotonic()
        try:
            with Client.find(DataFolder(self._project / "data")) as client:
                for value in range(len(self._said), len(self._said) + 4):
                    body = msgspec.Raw(b'{"value":%d}' % value)
                    client.send(talk.SendRequest(to="front", type="number", body=body), key=str(value))
                    self._said.append(value)
                self.people.live(server, runs, within=0.05)
                for run, (workflow, _) in list(self.people.started.items())[-3:]:
                    assert client.read_run(run).workflow == workflow, "a wrong answer"
                states = {bot.name: bot.state for bot in client.bots().data}
                assert "quarantined" not in states.values(), f"{states}: it stays so when the fault is gone"
        except CallboardError as error:
            if error.code not in TROUBLE | GONE:
                raise
            self.happened[error.code] += 1
            return False
        finally:
            assert time.monotonic() - began < PATIENCE, "an answer took too long"
        return True

    def _end(self, server: Server, about: str) -> None:
        """Kill it or stop it; who ended by himself has said why."""
        if server.process.poll() is not None:
            said = [line["error"] for line in server.lines() if line["event"] == "callboard.part_died"]
            assert server.process.returncode == 1, about
            assert any(error in said[0] for error in EXCUSED), f"{about}: {said}"
        else:
            kill = self._lives % 2 == 1
            server.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            code = server.process.wait(PATIENCE)
            if kill:
                assert code == -signal.SIGKILL, about
            else:
                self.happened[f"stopped with {code}"] += 1
        self._nothing_else_broke(about)

    def _has_a_reason(self, text: str, about: str) -> None:
        """It did not start, and said why in a sentence."""
        said = text.splitlines()[-1].removeprefix("The server did not come up: ")
        assert re.fullmatch(r"callboard: .*\.", said), f"{about}: {text[-5000:]}"
        self.happened[said] += 1
        self._nothing_else_broke(about)

    def _nothing_else_broke(self, about: str) -> None:
        """No defect came to light: what broke, in the log or beside it, broke for the fault alone."""
        for file in self._project.glob("stderr-*.log"):
            for line in file.read_text().splitlines():
                told = json.loads(line) if line.startswith("{") else {"event": line}
                assert "Traceback" not in told["event"], f"{about}: {line}"
                if trace := told.get("exception"):
                    last = trace.splitlines()[-1].partition(":")[0].rpartition(".")[2]
                    assert last in EXCUSED, f"{about}: {told['event']}\n{trace[-3000:]}"
                    self.happened[f"{told['event']} of {last}"] += 1
            file.unlink()

    def _look(self, about: str) -> None:
        """Look at a copy of the files as they are: what was acknowledged is there, and all is sound."""
        copy = self._project / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in (self._project / "data").glob("callboard.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        with contextlib.closing(sqlite3.connect(copy / "callboard.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), about
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'bot_messages'").fetchone():
                assert not self._said, f"{about}: acknowledged and lost"
                return
            query = "SELECT json_extract(body, '$.value') FROM bot_messages WHERE recipient = 'front'"
            said = [value for (value,) in db.execute(f"{query} AND sender = 'local' ORDER BY position")]
            assert said == list(range(len(said))), f"{about}: one key, two messages, or none"
            assert len(said) >= len(self._said), f"{about}: acknowledged and lost"
            runs = {run for (run,) in db.execute("SELECT run_id FROM workflow_runs")}
            assert set(self.people.started) <= runs, f"{about}: acknowledged and lost"
        asyncio.run(_examine(copy / "callboard.db", about))

    def end(self) -> None:
        """Let all that was begun come to its end, and see that it is what was promised."""
        end_the_day(self._project, self.people)
        look_at(self._project, self.people)
        self._check_bots()

    def _check_bots(self) -> None:
        """Each number was handled once by each bot, in order."""
        with contextlib.closing(sqlite3.connect(self._project / "data" / "callboard.db")) as db:
            rows = db.execute("SELECT bot, data FROM bot_memory")
            memory = {bot: json.loads(data)["values"] for bot, data in rows}
        said = list(range(len(memory["front"])))
        assert len(self._said) <= len(said), "acknowledged and lost"
        assert memory["front"] == memory["adder"] == said
        assert memory["keeper"] == [2 * value for value in said]


async def _examine(database: Path, about: str) -> None:
    """Ask what `callboard doctor --full` asks of the file."""
    store = SqliteStore(database)
    await store.open()
    try:
        wrong = [finding for finding in await store.check(full=True) if not finding.ok]
    finally:
        await store.close()
    assert not wrong, f"{about}: {wrong}"
