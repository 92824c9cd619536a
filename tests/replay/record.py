"""Writes a database with some of everything in it, for later versions to open; the same bytes each time.

    python -m tests.replay.record           # tests/replay/data/schema-NN.db.gz

It is run once for a release, and its result is kept for ever: `test_upgrade.py` opens every one that there
is. It stands on the simulation of `callboard.testing`, so one seed decides all ids and times.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from callboard.errors import CallboardError
from callboard.ids import PrincipalId
from callboard.messages import To
from callboard.publish.drafting import Drafts
from callboard.publish.library import Library
from callboard.run import commands
from callboard.runs.forks import Wanted
from callboard.testing.crashing import MortalDisk
from callboard.testing.house import Cast, House
from callboard.testing.world import make_loop
from tests.replay.company import ACTIONS, LETTERS, WORKFLOWS, Claim, Clerk, World, text

DATA = Path(__file__).parent / "data"
DOWN = 2 * 86_400.0
"""Seconds from a death to the next start; long enough that a schedule is missed."""
OPERATOR = PrincipalId("operator")


def record(target: Path) -> None:
    """Write the database, as a server leaves it behind that was killed."""
    World.helps = False
    with tempfile.TemporaryDirectory() as folder:
        try:
            now = 0.0
            for day in (_first_day, _second_day, *(_idle,) * 3, _last_day):
                now = live(Path(folder), day, now, unclean=day is not _first_day)
        finally:
            World.helps = True
        plain = Path(folder) / "plain.db"
        with contextlib.closing(sqlite3.connect(Path(folder) / "callboard.db")) as db:
            db.execute("VACUUM INTO ?", (str(plain),))
            (number,) = db.execute("SELECT max(number) FROM schema_migrations").fetchone()
        target.mkdir(exist_ok=True)
        packed = gzip.compress(plain.read_bytes(), 9, mtime=0)
        (target / f"schema-{number:02}.db.gz").write_bytes(packed)


def live(
    folder: Path, day: Callable[[House], Awaitable[None]], now: float, *, unclean: bool = False
) -> float:
    """Let a house live for a day, and kill it; return when that was."""
    loop = make_loop(Random(1), starts_at=now)
    disk = MortalDisk(loop, Random(1))
    on = () if unclean else tuple(text(name) for name in _IN_ORDER)
    cast = Cast(bots=(Clerk,), actions=ACTIONS, workflows=on)

    async def days() -> None:
        house = House(cast, folder, disk, loop, Random(f"{now}"), unclean=unclean)
        await house.open()
        await day(house)
        loop.die()
        await asyncio.sleep(1e9)

    try:
        loop.run(days(), until=now + 1e7)
    finally:
        loop.die()
        disk.abandon()
    return loop.time() + DOWN


_IN_ORDER = sorted(WORKFLOWS, key=lambda name: name == "parent")
"""A workflow is published before those that start it."""


async def _first_day(house: House) -> None:
    for name in ("ann", "ben", "gone"):
        await house.bus.declare(name, "python", f"{name} is asked", {})
    await _publications(house)
    await _messages(house)
    await _runs(house)
    for name in ("flying", "holding"):
        await house.start(name)
    await asyncio.sleep(1)


async def _messages(house: House) -> None:
    for number, kind in enumerate(("good", "good", "later", "bad", "bad", "bad")):
        await house.send("#claims.new", Claim(number, kind), key=f"claim {number}")
    await house.send("gone", Claim(7), headers={"max-hops": "40"})
    await asyncio.sleep(60)
    one, other, _ = house.dead_letters(Clerk)
    await house.bus.redrive(one.letter, principal=OPERATOR)
    await house.bus.purge(other.letter, principal=OPERATOR)
    await house.bus.subscribe("clerk", "claims.**", since=None, principal=OPERATOR)
    await house.bus.subscribe("clerk", "told", principal=OPERATOR)
    await house.bus.unsubscribe("clerk", "claims.**", principal=OPERATOR)
    await house.bus.create_channel("short", principal=OPERATOR)
    await house.bus.delete_channel("short", force=False, principal=OPERATOR)
    await house.bus.remove("gone", principal=OPERATOR)
    with contextlib.suppress(CallboardError):
        await house.ask("ann", {"question": "?"}, Claim, type="ask", timeout="5s")
    await asyncio.sleep(60)


async def _publications(house: House) -> None:
    publisher = house._publisher
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "filed.yaml").write_text("name: filed\nsteps: [{id: go, uses: core.echo}]\n")
        await publisher.publish_folder(Path(folder))
    library = Library(house.store, house._company.services.journal)
    with tempfile.TemporaryDirectory() as folder:
        for words in ("Dear", "Hello", "Dear"):
            (Path(folder) / "letters.yaml").write_text(LETTERS.replace("Dear", words))
            await library.publish_folder(Path(folder))
    drafts = Drafts(house.store, publisher)
    await publisher.publish(text("past", "description: Once more\n"), principal=OPERATOR)
    await publisher.activate("past", 1, principal=OPERATOR)
    await publisher.archive("past", "it is past", principal=OPERATOR)
    await publisher.reactivate("past", principal=OPERATOR)
    await publisher.archive("past", principal=OPERATOR)
    first = await drafts.create("name: drafted\nsteps: []\n", principal=OPERATOR)
    await drafts.save("drafted", "name: drafted\nsteps: [\n", first.revision, principal=OPERATOR)
    beside = await drafts.save("plain", text("plain", "description: Next\n"), 0, principal=OPERATOR)
    await drafts.drop("plain", beside.revision, principal=OPERATOR)
    await drafts.save("plain", text("plain", "description: After\n"), 0, principal=OPERATOR)
    by_kind = {row.kind: row for row in await house.store.triggers()}
    for on in (False, True, False):
        await house._triggers.switch(by_kind["webhook"].id, on=on, principal=OPERATOR)
    await publisher.publish(text("filed", "on: [{webhook: filed, auth: {bearer: A}}]\n"), principal=OPERATOR)
    await publisher.publish(text("filed"), principal=OPERATOR)


async def _runs(house: House) -> None:
    for name in (
        "sleeping",
        "approving",
        "signalled",
        "hearing",
        "asking",
        "parent",
        "items",
        "rounds",
        "long",
    ):
        await house.start(name, key=name)
    for name in ("retrying", "handling", "crowded", "crowded", "replaced", "replaced", "alone", "hopeful"):
        await house.start(name)
    with contextlib.suppress(CallboardError):
        await house.start("alone")
    plain = await house.start("plain", {"number": 3})
    paused, ended = await house.start("signalled"), await house.start("signalled")
    failed, approved = await house.start("failing"), await house.start("approving")
    await house.signal(ended, "stray", {"n": 1})
    await asyncio.sleep(90)
    told: tuple[tuple[str, commands.Command], ...] = (
        (paused, commands.Pause(OPERATOR)),
        (ended, commands.Cancel(OPERATOR, "no more")),
        (failed, commands.Reopen(OPERATOR)),
    )
    for run, command in told:
        await house._runs.do(run, command, principal=OPERATOR)
    resumed = await house.start("signalled")
    await asyncio.sleep(1)
    await house._runs.do(resumed, commands.Pause(OPERATOR), principal=OPERATOR)
    await house._runs.do(resumed, commands.Resume(OPERATOR), principal=OPERATOR)
    await house.decide(approved, "allow", "approve", by="ann", comment="yes")
    await house._runs.fork_run(Wanted(plain, "few"), principal=OPERATOR)
    await asyncio.sleep(5)


async def _answers(house: House) -> None:
    """Have what can be answered answered, of one run each."""
    await house.start("asking")
    item = await house.start("items")
    await asyncio.sleep(5)
    for bot in ("ann", "ben"):
        question = house.said("workflow.asking", bot, type="ask")[-1]
        to = To.bot(question.sender)
        await house.bus.send(sender=bot, to=to, type="answer", json='"pay"', reply_to=question.id)
    first = (await house.store.descendants(item, 10))[0]
    await house.signal(first.run.id, "go")


async def _second_day(house: House) -> None:
    """Come back after the first death; what was in flight is taken up, and cut off once more."""
    await house.publish("claims.new", Claim(8))
    await _answers(house)
    (held,) = house.runs("holding")
    await asyncio.sleep(5)
    await house._runs.do(held.id, commands.Release("act", "retry", OPERATOR), principal=OPERATOR)
    await asyncio.sleep(5)


async def _idle(_house: House) -> None:
    """Die of what is in flight, once more."""
    await asyncio.sleep(30)


async def _last_day(house: House) -> None:
    """Let things come due, and leave some in flight."""
    await asyncio.sleep(3_700)
    for name in ("retrying", "flying", "holding"):
        await house.start(name)
    await asyncio.sleep(5)


if __name__ == "__main__":
    record(DATA)
    print(*(f"{one.name}: {one.stat().st_size:,} bytes" for one in sorted(DATA.iterdir())), sep="\n")
