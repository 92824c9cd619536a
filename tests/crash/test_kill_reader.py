"""`kill -9` of a bot outside, and of the server it reads from, between reading and acknowledging."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from callboard.folder import DataFolder
from callboard.web import talk
from callboard.web.client import Client
from callboard.web.inbox import DeclareRequest
from tests.e2e.server import Server, environment, up
from tests.proof import scaled

PROGRAM = Path(__file__).with_name("outsider.py")


class Outsider:
    """A bot outside, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, words: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def outsider(server: Server) -> Iterator[Outsider]:
    words = [sys.executable, str(PROGRAM), str(server.project / "data"), "printer"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            found = Outsider(process)
            assert found.hear() == "ready"
            yield found
        finally:
            process.kill()


def send(server: Server, count: int) -> list[int]:
    with Client.find(DataFolder(server.project / "data")) as client:
        client.declare(DeclareRequest(name="printer", kind="outside"))
        sent = [
            client.send(talk.SendRequest(to="printer", type="job", body=msgspec.Raw(b"%d" % number)))
            for number in range(count)
        ]
    return [int(one.position or 0) for one in sent]


def test_a_reader_that_is_killed_sees_again_what_it_had_not_acknowledged(tmp_path: Path) -> None:
    with up(tmp_path) as server:
        first, second, third = send(server, 3)
        with outsider(server) as reader:
            assert reader.say("read") == [first, second, third]
            assert reader.say(f"ack {first}") == [1, False]
            assert reader.say("read") == [second, third]
            reader.process.kill()
        with outsider(server) as reader:
            assert reader.say("read") == [second, third]
            assert reader.say(f"ack {first}") == [0, True]
            assert reader.say(f"ack {third}") == [2, False]


def test_what_was_read_before_the_server_was_killed_can_be_acknowledged_after(tmp_path: Path) -> None:
    with up(tmp_path) as server:
        positions = send(server, 3)
        with outsider(server) as reader:
            assert reader.say("read") == positions
            server.process.kill()
    with up(tmp_path) as server, outsider(server) as reader:
        assert reader.say(f"ack {positions[1]}") == [2, False]
        assert reader.say(f"ack {positions[1]}") == [0, True]
        assert reader.say("read") == positions[2:]


def test_each_message_is_acknowledged_once_whoever_is_killed_and_whenever(tmp_path: Path) -> None:
    """What each acknowledgement published is counted in the log: once for each message, in order."""
    dice = random.Random(5)
    sent: list[int] = []
    for _ in range(scaled(3)):
        with up(tmp_path) as server:
            sent += send(server, 6)
            for _ in range(2):
                with outsider(server) as reader:
                    for position in reader.say("read")[: dice.randrange(1, 4)]:
                        reader.say(f"ack {position}")
                    if dice.random() < 0.5:
                        assert reader.process.stdin is not None
                        reader.process.stdin.write(f"ack {sent[-1]}\n")
                        reader.process.stdin.flush()
                        reader.process.kill()
            server.process.kill()
    with up(tmp_path) as server, outsider(server) as reader:
        for position in reader.say("read"):
            reader.say(f"ack {position}")
        server.process.terminate()
        server.process.wait(30)
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "callboard.db")) as db:
        handled = db.execute(
            "SELECT message, count(*) FROM deliveries WHERE bot = 'printer' AND outcome = 'handled' "
            "GROUP BY message ORDER BY message"
        ).fetchall()
        published = [
            int(body)
            for (body,) in db.execute(
                "SELECT body FROM bot_messages WHERE recipient = 'acked' ORDER BY position"
            )
        ]
    assert handled == [(position, 1) for position in sent]
    assert published == sorted(set(published)), "an acknowledgement was carried out twice"
    assert set(published) <= set(sent)
