"""`kill -9` of a real server under all that it does: bots that talk, runs, triggers, and callers over HTTP.

What was acknowledged is noted by those who were told. The deaths come at random, in rounds (`lives.py`).
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import msgspec
import pytest

from callboard.errors import ServerUnreachable
from callboard.folder import DataFolder
from callboard.web import talk
from callboard.web.client import Client
from tests.crash.aftermath import look_at
from tests.crash.lives import ROUND, end_the_day, let_all_pass, mortal
from tests.crash.test_kill_bots import BOTS
from tests.crash.workday import SECRET, People, lay_out
from tests.e2e.server import Server
from tests.proof import shares

Record = Callable[[str, object], None]
ROUNDS = 2
WEB = 1_000_000
"""The first number of a claim that comes by the webhook."""


class Callers:
    """Two who call until the server is gone: one speaks to a bot, and one delivers claims to the webhook."""

    def __init__(self, project: Path) -> None:
        self._folder = DataFolder(project / "data")
        self.said: list[int] = []
        self.delivered: dict[int, str] = {}
        """Claim, to the run that it was told to have started."""
        self._said = 0
        self._delivered = WEB

    def call(self, server: Server) -> list[threading.Thread]:
        """Begin to call."""
        threads = [threading.Thread(target=work, args=(server,)) for work in (self._speak, self._deliver)]
        for thread in threads:
            thread.start()
        return threads

    def _speak(self, server: Server) -> None:
        """Say one number after the other, each under its key until it is acknowledged."""
        with contextlib.suppress(ServerUnreachable), Client.find(self._folder) as client:
            while server.process.poll() is None:
                value = self._said
                request = talk.SendRequest(
                    to="front", type="number", body=msgspec.Raw(b'{"value":%d}' % value)
                )
                client.send(request, key=str(value))
                self.said.append(value)
                self._said += 1

    def _deliver(self, server: Server) -> None:
        """Deliver one claim after the other, each under its id until it is acknowledged."""
        with contextlib.suppress(OSError, HTTPException, urllib.error.URLError):
            while server.process.poll() is None:
                number = self._delivered
                request = urllib.request.Request(  # noqa: S310 - the address is the server's own
                    f"{server.url}/webhooks/incoming",
                    json.dumps({"kind": "claim", "claim": number, "amount": 40}).encode(),
                    {"Authorization": f"Bearer {SECRET}", "Callboard-Delivery": str(number)},
                )
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                    self.delivered[number] = json.load(answer)["run_id"]
                self._delivered += 1


@pytest.mark.parametrize(("seed", "kills"), shares(ROUND * ROUNDS))
def test_nothing_that_was_acknowledged_is_lost_whatever_goes_on(
    tmp_path: Path, record_property: Record, seed: int, kills: int
) -> None:
    """0 facts lost, 0 completed steps repeated, 0 runs stranded."""
    lay_out(tmp_path)
    (tmp_path / "bots" / "sums.py").write_text(BOTS)
    dice = random.Random(seed)
    people, callers = People(tmp_path, dice), Callers(tmp_path)
    for number in range(kills):
        with mortal(tmp_path) as server:
            assert server is not None
            if number % ROUND == ROUND - 1:
                let_all_pass(server, people)
            threads = callers.call(server)
            killer = threading.Timer(dice.uniform(0.05, 0.8), server.process.kill)
            killer.start()
            people.live(server, dice.randint(1, 4))
            assert server.process.wait(30) == -signal.SIGKILL
            for thread in threads:
                thread.join()
    end_the_day(tmp_path, people)
    record_property("happened", dict(look_at(tmp_path, people)))
    record_property("acknowledged", [len(people.started), len(callers.said), len(callers.delivered)])
    _check(tmp_path / "data" / "callboard.db", callers)


def _check(database: Path, callers: Callers) -> None:
    """What the callers were told is so, and the bots have handled each number once."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        memory = {
            bot: json.loads(data)["values"] for bot, data in db.execute("SELECT bot, data FROM bot_memory")
        }
        said = memory["front"]
        assert said == list(range(len(said)))
        assert set(callers.said) <= set(said), "acknowledged and lost"
        assert memory["adder"] == said
        assert memory["keeper"] == [2 * value for value in said]
        runs = {
            run: json.loads(data)["trigger"]["claim"]
            for run, data in db.execute(
                "SELECT r.run_id, e.data FROM workflow_runs AS r JOIN workflow_events AS e "
                "ON e.position = r.started WHERE r.workflow = 'incoming'"
            )
        }
        assert {claim: run for run, claim in runs.items() if claim in callers.delivered} == callers.delivered
        assert len(runs) == len(set(runs.values())), "one delivery, two runs"
        sorted_ = [
            json.loads(body)["claim"]
            for (body,) in db.execute("SELECT body FROM bot_messages WHERE recipient = 'sorted'")
        ]
        assert sorted(claim for claim in sorted_ if claim >= WEB) == sorted(runs.values())
