"""`kill -9` of a real server whose bots listen: subscriptions stay, ended ones end, a catch-up goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.errors import CallboardError
from callboard.folder import DataFolder
from callboard.messages import Body
from callboard.web import talk
from callboard.web.client import Client
from tests.e2e.server import Server, up
from tests.proof import scaled
from tests.unit.company.stage import Stage, stage

BOTS = '''
import asyncio

from callboard import Body, Bot, Memory, Turn, on


class Note(Body):
    text: str


class Heard(Memory):
    positions: list[int] = []


class Late(Bot):
    """Keeps the position of all that it hears, and now and then takes its time."""

    memory: Heard

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        self.memory.positions.append(turn.message.position)
        if len(self.memory.positions) % 7 == 0:
            await asyncio.sleep(0)
        if note.text == "listen":
            turn.subscribe("told")
            turn.subscribe("hushed")
        if note.text == "hush":
            turn.unsubscribe("hushed")
'''


class Note(Body):
    text: str


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "late.py").write_text(BOTS)
    return tmp_path


def until(true: Callable[[], bool], within: float = 60.0) -> None:
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def rows(project: Path, statement: str) -> list[Any]:
    """Look with SQLite alone, and none of our code."""
    with contextlib.closing(sqlite3.connect(f"file:{project}/data/callboard.db?mode=ro", uri=True)) as db:
        return db.execute(statement).fetchall()


def note(text: str, *, to: str | None = None, channel: str | None = None) -> talk.SendRequest:
    body = msgspec.Raw(msgspec.json.encode(Note(text)))
    return talk.SendRequest(to=to, channel=channel, type="note", body=body)


def heard(project: Path) -> list[int]:
    memory = rows(project, "SELECT data FROM bot_memory WHERE bot = 'late'")
    found: list[int] = json.loads(memory[0][0])["positions"] if memory else []
    return found


def handled(project: Path, position: int | None) -> bool:
    """Tell whether the bot has handled what stands at a position."""
    done = "SELECT count(*) FROM deliveries WHERE bot = 'late' AND outcome = 'handled' AND message ="
    return rows(project, f"{done} {position}") == [(1,)]


def client_of(server: Server) -> Client:
    return Client.find(DataFolder(server.project / "data"))


def test_what_a_bot_listened_to_before_a_kill_it_hears_after_it_and_nothing_else(project: Path) -> None:
    with up(project) as server, client_of(server) as client:
        for pattern in ("news", "tickets.*", "ended", "all.**"):
            client.subscribe("late", pattern)
        client.unsubscribe("late", "ended")
        client.unsubscribe("late", "all.**")
        client.send(note("listen", to="late"))
        last = client.send(note("hush", to="late")).position
        until(lambda: handled(project, last))
        server.process.kill()
    with up(project) as server, client_of(server) as client:
        said = {
            channel: client.send(note(channel, channel=channel)).position
            for channel in ("ended", "news", "all.that", "tickets.new", "hushed", "told", "tickets", "news.x")
        }
        last = client.send(note("last", to="late")).position
        until(lambda: handled(project, last))
        assert heard(project)[2:] == [said["news"], said["tickets.new"], said["told"], last]
        server.process.kill()
    with up(project) as server, client_of(server) as client:
        client.subscribe("late", "ended")
        again = client.send(note("again", channel="ended")).position
        until(lambda: handled(project, again))
        assert heard(project)[-1] == again, "a second interval begins where it was opened"
        assert said["ended"] not in heard(project)


LONG = 5_000
SINCE = 100
PATTERNS = ("a.*", "a.b", "**")


async def _fill(here: Stage) -> None:
    """Make a log of so many positions, half of it on channels that the bot will want to hear."""
    await here.bus.declare("late", "python", "", {})
    dice = random.Random(3)
    while (head := (await here.store.head()).position) < LONG:
        channels = (dice.choice(("a.b", "a.c", "b", "c.d.e")) for _ in range(min(500, LONG - head)))
        await asyncio.gather(*(here.send(f"#{channel}", Note(channel)) for channel in channels))


async def _prepare(project: Path) -> None:
    (project / "data").mkdir()
    async with stage(project / "data" / "callboard.db") as here:
        await _fill(here)


def test_a_bot_far_on_catches_up_once_however_often_the_server_is_killed(project: Path) -> None:
    """It stands at 5,000 and wants to hear all since 100, thrice over, while it is spoken to."""
    asyncio.run(_prepare(project))
    with up(project) as server, client_of(server) as client:
        last = client.send(note("there", to="late")).position
        until(lambda: handled(project, last))
        assert last is not None
        assert last > LONG
    acknowledged: list[int] = [last]
    dice = random.Random(17)
    for round_ in range(scaled(5)):
        with up(project) as server:
            killer = threading.Timer(dice.uniform(0.02, 0.5), server.process.kill)
            killer.start()
            with contextlib.suppress(CallboardError), client_of(server) as client:
                for pattern in PATTERNS[: round_ + 1]:
                    client.subscribe("late", pattern, since=SINCE)
                while True:
                    sent = client.send(note("direct", to="late"))
                    assert sent.position is not None
                    acknowledged.append(sent.position)
            killer.join()
    with up(project) as server, client_of(server) as client:
        for pattern in PATTERNS:
            client.subscribe("late", pattern, since=SINCE)
        last = client.send(note("last", to="late")).position
        until(lambda: handled(project, last) and not _behind(project))
        server.process.terminate()
        server.process.wait(30)
    _check(project, acknowledged)


def _behind(project: Path) -> list[Any]:
    """Return the catch-ups that are not over: one is when its own cursor stands where it was opened."""
    return rows(
        project,
        "SELECT opened FROM bot_subscriptions WHERE opened NOT IN "
        "(SELECT subscription FROM bot_cursors WHERE position >= subscription)",
    )


def _check(project: Path, acknowledged: list[int]) -> None:
    handled_in_order = heard(project)
    direct = [at for (at,) in rows(project, "SELECT position FROM bot_messages WHERE recipient = 'late'")]
    spoken = rows(
        project,
        "SELECT position, recipient FROM bot_messages "
        f"WHERE recipient_kind = 'channel' AND position > {SINCE}",
    )
    assert set(acknowledged) <= set(direct), "acknowledged and lost"
    assert len(handled_in_order) == len(set(handled_in_order)), "handled twice"
    assert set(handled_in_order) == {*direct, *(at for at, _ in spoken)}
    opened = dict(rows(project, "SELECT pattern, opened FROM bot_subscriptions"))
    assert set(opened) == set(PATTERNS)
    fits = {"a.*": ("a.b", "a.c"), "a.b": ("a.b",), "**": ("a.b", "a.c", "b", "c.d.e")}
    sections: dict[str, list[int]] = {pattern: [] for pattern in PATTERNS}
    for at, channel in spoken:
        first = min((one for one in PATTERNS if channel in fits[one]), key=opened.__getitem__)
        sections[first].append(at)
    of_each = {at: name for name, section in sections.items() for at in section}
    for name, section in sections.items():
        assert [at for at in handled_in_order if of_each.get(at) == name] == section, f"{name}: out of order"
    assert [at for at in handled_in_order if at not in of_each] == direct, "direct messages: out of order"
    # Nobody spoke on a channel since, so the first catch-up is over before the next begins.
    place = {at: index for index, at in enumerate(handled_in_order)}
    in_turn = [at for name in sorted(PATTERNS, key=opened.__getitem__) for at in sections[name]]
    assert sorted(of_each, key=place.__getitem__) == in_turn
    counted = rows(project, "SELECT outcome, count(*) FROM deliveries WHERE bot = 'late' GROUP BY outcome")
    assert counted == [("handled", len(handled_in_order))]
    cursor = rows(project, "SELECT position FROM bot_cursors WHERE bot = 'late' AND subscription = 0")
    assert cursor == [(direct[-1],)]
