"""A process dies before and after each commit of a conversation of bots, and each effect is there once.

Which commits there are is found by a run that is left alone; `talkers.py` names each turn by what it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callboard.stores.sqlite import SqliteStore
from tests.crash import talkers
from tests.proof import scaled

PROGRAM = Path(__file__).with_name("talkers.py")


class Death(NamedTuple):
    """Where a life ends."""

    when: str
    point: str
    number: int


def live(database: Path, death: Death | None = None) -> subprocess.CompletedProcess[str]:
    """Let the bots talk in a process of its own, until it dies or they are done."""
    where = [death.when, death.point, str(death.number)] if death else []
    return subprocess.run(
        [sys.executable, PROGRAM, database, *where], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Death]:
    """Every point of a whole conversation, before and after."""
    done = live(tmp_path_factory.mktemp("whole") / "callboard.db")
    assert done.returncode == 0, done.stderr
    points = Counter(done.stdout.split("\n"))
    del points[""]
    return [
        Death(when, point, number + 1)
        for point, count in points.items()
        for number in range(count)
        for when in ("before", "after")
    ]


def test_the_points_are_those_that_a_conversation_has(deaths: list[Death]) -> None:
    """Else the deaths below would be of something else than what they are meant to interrupt."""
    held = Counter(part for _, point, _ in deaths for part in point.rpartition(":")[2].split("+"))
    for part in ("declare", "subscribed", "key", "question", "wait", "answer", "waited", "handled", "memory"):
        assert held[part] >= 2, f"no commit holds a {part}"


def test_a_death_at_any_commit_leaves_each_effect_once(tmp_path: Path, deaths: list[Death]) -> None:
    def tries(death: Death) -> None:
        database = tmp_path / f"{deaths.index(death)}.db"
        died = live(database, death).returncode
        # A second turn of one name may be part of the first, where both messages were handled at once.
        assert died == -signal.SIGKILL or (died, death.number) == (0, 2), f"{death} did not come: {died}"
        finish(database, death)

    side_by_side(tries, deaths)


def test_two_deaths_in_a_row_leave_each_effect_once(tmp_path: Path, deaths: list[Death]) -> None:
    """The second life may have less to do than the first, and reach its end."""
    pairs = list(itertools.product(deaths, repeat=2))
    if len(pairs) > (wanted := scaled(8)):
        pairs = random.Random(5).sample(pairs, wanted)

    def tries(pair: tuple[Death, Death]) -> None:
        database = tmp_path / f"{pairs.index(pair)}.db"
        for death in pair:
            assert live(database, death).returncode in {0, -signal.SIGKILL}, pair
        finish(database, *pair)

    side_by_side(tries, pairs)


def side_by_side(tries: Callable[[Any], None], cases: Iterable[Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tries, cases))


def finish(database: Path, *deaths: Death) -> None:
    """Let what is left of the conversation come to its end, and look."""
    asyncio.run(asyncio.wait_for(talkers.talk(SqliteStore(database)), 60))
    with contextlib.closing(sqlite3.connect(database)) as db:
        check(db, deaths)


def check(db: sqlite3.Connection, deaths: Sequence[Death]) -> None:
    """Look with SQLite alone, and none of our code."""
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    first, second = talkers.NUMBERS
    totals = [first, first + second]
    memory = {bot: json.loads(data)["values"] for bot, data in db.execute("SELECT bot, data FROM bot_memory")}
    said: dict[str, list[tuple[int, int | None, int]]] = {}
    for sender, to, *message in db.execute(
        "SELECT sender, recipient, position, cause, body ->> '$.value' FROM bot_messages ORDER BY position"
    ):
        said.setdefault(f"{sender} {to}", []).append(tuple(message))
    values = {way: [value for _, _, value in messages] for way, messages in said.items()}
    assert memory == {
        "front": [first, second],
        "adder": [first, second],
        "left": totals,
        "right": totals,
    }, deaths
    assert values == {
        "local front": [first, second],
        "front adder": [first, second],
        "adder front": [2 * first, 2 * second],
        "front local": [2 * first, 2 * second],
        "front left": totals,
        "front totals": totals,
    }, deaths
    places = {way: [position for position, _, _ in messages] for way, messages in said.items()}
    causes = {way: [cause for _, cause, _ in messages] for way, messages in said.items()}
    for way in ("front adder", "front local", "front left", "front totals"):
        assert causes[way] == places["local front"], (way, deaths)
    assert causes["adder front"] == places["front adder"], deaths
    cursors = dict(db.execute("SELECT bot, position FROM bot_cursors"))
    handles = {"front": "local front", "adder": "front adder", "left": "front left", "right": "front totals"}
    assert cursors == {bot: places[way][-1] for bot, way in handles.items()}, deaths
    handled = {(bot, position) for bot, way in handles.items() for position in places[way]}
    handled |= {("front", position) for position in places["adder front"]}
    deliveries = db.execute("SELECT bot, message FROM deliveries WHERE outcome = 'handled'").fetchall()
    assert set(deliveries) == handled, deaths
    for table in ("waits", "timers", "dead_letters", "deliveries WHERE outcome <> 'handled'"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), (table, deaths)
