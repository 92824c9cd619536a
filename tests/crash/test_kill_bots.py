"""`kill -9` of a real server whose bots talk: what was acknowledged is handled once, in the log's order."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
import time
from pathlib import Path

import msgspec

from callboard.errors import CallboardError
from callboard.folder import DataFolder
from callboard.web import talk
from callboard.web.client import Client
from tests.e2e.server import Server, up
from tests.proof import scaled

BOTS = '''
from callboard import Body, Bot, Memory, Turn, on


class Number(Body):
    value: int


class Double(Body):
    value: int


class Seen(Memory):
    values: list[int] = []


class Front(Bot):
    """Asks another bot about each number, and tells a third what it was told."""

    memory: Seen

    @on(Number)
    async def take(self, number: Number, turn: Turn) -> None:
        self.memory.values.append(number.value)
        answer = await turn.ask("adder", number, Double)
        turn.publish("sums", answer)


class Adder(Bot):
    memory: Seen

    @on(Number)
    async def add(self, number: Number, turn: Turn) -> Double:
        self.memory.values.append(number.value)
        return Double(number.value * 2)


class Keeper(Bot):
    subscribes = ("sums",)
    memory: Seen

    @on(Double)
    async def keep(self, double: Double, turn: Turn) -> None:
        self.memory.values.append(double.value)
'''


def test_every_message_is_handled_once_whenever_the_server_is_killed(tmp_path: Path) -> None:
    """Kills at random moments while numbers come in; what each bot remembers is what was acknowledged."""
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "sums.py").write_text(BOTS)
    dice = random.Random(11)
    acknowledged: list[int] = []
    for round_ in range(scaled(4)):
        with up(tmp_path) as server:
            killer = threading.Timer(dice.uniform(0.05, 0.8), server.process.kill)
            killer.start()
            _send(server, round_ * 10_000, acknowledged)
            killer.join()
    with up(tmp_path) as server:
        _wait_until_quiet(tmp_path, server)
        server.process.terminate()
        server.process.wait(30)
    _check(tmp_path / "data" / "callboard.db", acknowledged)


def _send(server: Server, first: int, acknowledged: list[int]) -> None:
    """Send until the server is gone; each number has a key, and the first that failed is of no account."""
    with contextlib.suppress(CallboardError), Client.find(DataFolder(server.project / "data")) as client:
        for value in range(first, first + 10_000):
            request = talk.SendRequest(to="front", type="number", body=msgspec.Raw(b'{"value":%d}' % value))
            client.send(request, key=str(value))
            acknowledged.append(value)


def _wait_until_quiet(project: Path, server: Server) -> None:
    """Wait until the third bot has heard of everything that the first was sent."""
    ends = time.monotonic() + 60
    database = project / "data" / "callboard.db"
    while True:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            sent = db.execute("SELECT count(*) FROM bot_messages WHERE sender = 'local'").fetchone()[0]
            kept = db.execute(
                "SELECT count(*) FROM deliveries WHERE bot = 'keeper' AND outcome = 'handled'"
            ).fetchone()[0]
        if kept == sent:
            return
        assert time.monotonic() < ends, f"{kept} of {sent} came through: {server.events()[-10:]}"
        time.sleep(0.05)


def _check(database: Path, acknowledged: list[int]) -> None:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        sent = [
            value
            for (value,) in db.execute(
                "SELECT json_extract(body, '$.value') FROM bot_messages "
                "WHERE sender = 'local' ORDER BY position"
            )
        ]
        assert acknowledged, "nothing was ever acknowledged"
        assert set(acknowledged) <= set(sent), "acknowledged and lost"
        assert len(sent) == len(set(sent)), "one key, two messages"
        memory = {
            bot: json.loads(data)["values"] for bot, data in db.execute("SELECT bot, data FROM bot_memory")
        }
        assert memory["front"] == sent, "the first bot did not handle each once, in order"
        assert memory["adder"] == sent, "a question was asked twice, or never"
        assert memory["keeper"] == [2 * value for value in sent]
        assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,), "an ask was left behind"
        assert db.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
