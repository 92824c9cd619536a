"""Every database that a release has left behind opens in this version, and what waits in it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from callboard import facts
from callboard.ids import Position
from callboard.run import commands
from callboard.testing.crashing import MortalDisk
from callboard.testing.house import Cast, House
from callboard.testing.world import START, make_loop
from tests.replay import record
from tests.replay.company import ACTIONS, BOTS, WORKFLOWS, Clerk
from tests.replay.record import DATA, OPERATOR

RECORDED = sorted(DATA.glob("*.db.gz"))

YOUNGER: dict[str, frozenset[str]] = {}
"""Types of facts that came after a recording was made, by its name: it cannot hold them."""

pytestmark = pytest.mark.parametrize("recorded", RECORDED, ids=lambda file: file.name)


@pytest.fixture
def database(recorded: Path, tmp_path: Path) -> Path:
    file = tmp_path / "callboard.db"
    file.write_bytes(gzip.decompress(recorded.read_bytes()))
    return file


def visit(database: Path, look: Callable[[House], Awaitable[None]]) -> None:
    """Open the database with the people who worked in it, an hour after its server was killed."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        (last,) = db.execute("SELECT max(occurred_at) FROM workflow_events").fetchone()
    now = (datetime.fromtimestamp(last / 1_000_000, UTC) - START).total_seconds() + 3_600
    loop = make_loop(Random(1), starts_at=now)
    disk = MortalDisk(loop, Random(1))

    async def days() -> None:
        house = House(
            *(Cast(bots=BOTS, actions=ACTIONS), database.parent, disk, loop, Random(1)), unclean=True
        )
        await house.open()
        await look(house)
        await house.close()

    try:
        loop.run(days(), until=now + 100 * 86_400)
    finally:
        loop.die()
        disk.abandon()


async def _sound(house: House) -> None:
    wrong = [one for one in await house.store.check(full=True) if not one.ok]
    assert not wrong


def test_it_opens_and_the_doctor_finds_nothing(database: Path) -> None:
    visit(database, _sound)


def test_rows_that_are_made_anew_from_its_facts_are_the_same(database: Path) -> None:
    async def look(house: House) -> None:
        assert await house.store.rebuild() == []

    visit(database, look)


def _is_ours(module: str) -> bool:
    """Tell a fact of the product from those that tests, or what tests are built with, have declared."""
    return module.startswith("callboard.") and not module.startswith("callboard.testing.")


def test_its_facts_of_all_types_can_be_read(recorded: Path, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        found = db.execute("SELECT type, revision, data FROM workflow_events").fetchall()
    for type_, revision, data in found:
        facts.read(type_, revision, data)
    missing = set(facts._by_name) - {type_ for type_, _, _ in found}
    ours = {name for name in missing if _is_ours(facts._by_name[name].shape.__module__)}
    assert ours == YOUNGER.get(recorded.name, frozenset()), "record anew for the next release"


def test_runs_in_every_state_are_in_it(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        runs = dict(db.execute("SELECT status, count(*) FROM workflow_runs GROUP BY status").fetchall())
        steps = dict(db.execute("SELECT status, count(*) FROM workflow_steps GROUP BY status").fetchall())
        waits = {kind for (kind,) in db.execute("SELECT kind FROM waits")}
        timers = {kind for (kind,) in db.execute("SELECT kind FROM timers")}
    assert runs.keys() == {"pending", "running", "paused", "completed", "failed", "crashed", "cancelled"}
    assert steps.keys() >= {"running", "waiting", "waiting_approval", "interrupted", "failed", "cancelled"}
    assert waits >= {"approval", "ask", "child", "message", "signal", "turn"}
    assert timers >= {"every", "run", "send", "trigger"}


async def _do_what_only_people_do(house: House) -> None:
    for row in await house.store.unended(Position(0), 100):
        standing = house.run(row.id)
        if standing.status == "crashed" or standing.paused_by == "operator":
            await house._runs.do(row.id, commands.Resume(OPERATOR), principal=OPERATOR)
        if standing.paused_by == "hold":
            await house._runs.do(row.id, commands.Release("act", "retry", OPERATOR), principal=OPERATOR)
        if standing.paused_by == "approval":
            await house.decide(row.id, "allow", "approve", by="ann")
        if standing.workflow in {"signalled", "items"}:
            await house.signal(row.id, "go")
    await house.publish("bell", {"n": 1}, type="ring")


def test_what_waits_in_it_goes_on_to_its_end(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        before = dict(db.execute("SELECT run_id, workflow FROM workflow_runs WHERE ended_at IS NULL"))
    assert set(before.values()) == WORKFLOWS.keys() - NONE_GOES_ON

    async def look(house: House) -> None:
        for _ in range(2):  # the last item begins when another has ended
            await asyncio.sleep(60)
            await _do_what_only_people_do(house)
        for run in before:
            assert await house.ended(run) == "completed", house.run(run)
        await house.quiet()
        assert house.memory(Clerk).claims[-1] == 102, "what was sent for later has come"
        await _sound(house)

    visit(database, look)


NONE_GOES_ON = {"plain", "long", "failing", "handling", "hopeful", "filed", "past"}
"""Of these workflows every run has ended in the recording."""


def test_a_letter_that_was_given_up_can_be_redriven(database: Path) -> None:
    async def look(house: House) -> None:
        letter = next(one for one in house.dead_letters(Clerk) if one.redriven is None)
        before = len(house.memory(Clerk).claims)
        await house.bus.redrive(letter.letter, principal=OPERATOR)
        await house.quiet()
        assert len(house.memory(Clerk).claims) == before + 1

    visit(database, look)


def test_the_recording_can_be_made_again(recorded: Path, tmp_path: Path) -> None:
    """Of this version: whoever prepares a release needs it to work."""
    record.record(tmp_path)
    (made,) = tmp_path.glob("*.db.gz")
    if made.name == recorded.name:
        record.record(tmp_path / "again")
        assert (tmp_path / "again" / made.name).read_bytes() == made.read_bytes()
