"""The stagehands: operators of runs, who start them and meddle with them, and write down what they were told.

Each acts under a name of his own for each thing that he asks for, so the log says by itself what came of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from callboard.errors import CallboardError
from callboard.ids import PrincipalId
from callboard.messages import To
from callboard.publish.publisher import Publisher
from callboard.run import commands
from callboard.runs.forks import Wanted
from callboard.runs.runturn import Waited
from callboard.store.runrows import RunQuery, RunRow, RunStatus
from tests.simulation.operators import Operator
from tests.simulation.playhouse import Playhouse
from tests.simulation.scripts import APPROVERS
from tests.simulation.witness import Said

ROUNDS = 6
NAMES = ("leaf", "branch", "trunk", "trunk", "trunk", "trunk")
MEDDLING = {"pause": 3, "resume": 4, "cancel": 1, "retry": 4, "release": 2, "signal": 5, "fork": 2}


class Stagehand(Operator):
    """An operator of runs."""

    theatre: Playhouse

    def principal(self, said: Said) -> PrincipalId:
        return PrincipalId(f"op-{said.number}")

    async def wants(self, do: str, to: str, work: Callable[[PrincipalId], Coroutine[Any, Any, Any]]) -> Any:
        """Do something under a name of its own, and write down what was told."""
        said = self.witness.asks_for(do, to)
        return await self.hear(said, work(self.principal(said)))

    async def rows(self, status: RunStatus | None = None) -> list[RunRow]:
        """Return the newest runs, of a status or those that have not ended; none if the disk fails."""
        query = RunQuery(status=status, limit=40, newest_first=True)
        try:
            return [row for row in await self.theatre.store.runs(query) if status or row.ended_at is None]
        except CallboardError:
            return []

    async def do(self, do: str, run: str, command: Callable[[str], commands.Command]) -> Any:
        """Have a run do something."""
        runs = self.theatre.runs
        return await self.wants(do, run, lambda me: runs.do(run, command(me), principal=me))

    async def decide(self, words: tuple[str, ...] = ("approve", "approve", "reject")) -> None:
        """Decide about one approval that is asked for, in the name of one who may."""
        try:
            asked = await self.theatre.store.waits_of("approval", None, 20)
        except CallboardError:
            return
        if not asked:
            return
        wait = self.dice.choice(asked)
        waited, by = msgspec.json.decode(wait.data, type=Waited), self.dice.choice(APPROVERS)
        word: Any = self.dice.choice(words)
        runs = self.theatre.runs
        await self.wants(
            "decide", waited.run, lambda me: runs.decide(waited, word, by=by, comment="", principal=me)
        )


async def starter(me: Stagehand) -> None:
    """Start runs, some by a request id and then again."""
    runs = me.theatre.runs
    for _ in range(ROUNDS):
        name, given = me.dice.choice(NAMES), {"n": me.dice.randrange(6)}
        key = f"start-{me.witness.number()}" if me.dice.random() < 0.4 else None
        for _ in range(me.dice.choice([1, 2, 3]) if key else 1):
            said = me.witness.asks_for("start", name, key or "")
            began = await me.hear(
                said, runs.start_run(name, given, principal=me.principal(said), request=key)
            )
            if began is not None:
                said.id = began.run
        await me.pause()


async def caller(me: Stagehand) -> None:
    """Say what triggers and waits listen to."""
    for _ in range(ROUNDS):
        job = me.dice.random() < 0.5
        channel, type_ = ("jobs", "job") if job else (f"bell.{me.dice.choice('ab')}", "ring")
        said = me.witness.asks_for("say", f"#{channel}")
        json = msgspec.json.encode({"n": said.number % 6, "number": said.number}).decode()
        sending = me.bus.send(sender="local", to=To.channel(channel), type=type_, json=json)
        await me.hear(said, sending)
        await me.pause()


async def meddler(me: Stagehand) -> None:
    """Pause runs, let them go on, cancel, retry, release, signal and fork them."""
    for _ in range(2 * ROUNDS):
        await me.pause()
        await asyncio.sleep(me.dice.random())
        do = me.dice.choices([*MEDDLING], [*MEDDLING.values()])[0]
        rows = await me.rows("failed" if do == "retry" or (do == "fork" and me.dice.random() < 0.5) else None)
        if rows:
            await _meddle(me, do, me.dice.choice(rows))


async def _meddle(me: Stagehand, do: str, row: RunRow) -> None:
    runs = me.theatre.runs
    match do:
        case "pause":
            await me.do(do, row.id, commands.Pause)
        case "resume":
            await me.do(do, row.id, commands.Resume)
        case "cancel":
            await me.do(do, row.id, commands.Cancel)
        case "retry":
            await me.do(do, row.id, commands.Reopen)
        case "signal":
            await me.do(do, row.id, lambda by: commands.Give("go", {"n": me.dice.randrange(6)}, by))
        case "release":
            step, how = f"s{me.dice.randrange(4)}", me.dice.choice(["retry", "fail"])
            await me.do(do, row.id, lambda by: commands.Release(step, how, by))  # type: ignore[arg-type]
        case "fork":
            wanted = Wanted(row.id, f"s{me.dice.randrange(3)}")
            said = me.witness.asks_for(do, row.id)
            began = await me.hear(said, runs.fork_run(wanted, principal=me.principal(said)))
            if began is not None:
                said.id = began.run


async def approver(me: Stagehand) -> None:
    """Decide what is asked."""
    for _ in range(ROUNDS):
        await asyncio.sleep(me.dice.random() * 3)
        await me.decide()


async def _publish(publisher: Publisher, text: str, who: PrincipalId) -> None:
    await publisher.publish(text, principal=who)


async def producer(me: Stagehand) -> None:
    """Publish other versions of a workflow, archive it, and have it run again."""
    publisher = me.theatre.publisher
    for _ in range(3):
        await asyncio.sleep(me.dice.random() * 3)
        match me.dice.choice(["publish", "publish", "archive", "reactivate"]):
            case "publish":
                text = me.dice.choice([one.text for one in me.theatre.scripts if one.name == "trunk"])
                await me.wants("publish", "trunk", partial(_publish, publisher, text))
            case "archive":
                await me.wants("archive", "trunk", lambda who: publisher.archive("trunk", principal=who))
            case _:
                await me.wants(
                    "reactivate", "trunk", lambda who: publisher.reactivate("trunk", principal=who)
                )


CREW: tuple[tuple[str, Callable[[Stagehand], Coroutine[Any, Any, None]]], ...] = (
    ("starter", starter),
    ("caller", caller),
    ("meddler", meddler),
    ("meddler 2", meddler),
    ("approver", approver),
    ("approver 2", approver),
    ("producer", producer),
)


# ── at the end ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Left:
    """What has not ended, as plain SQLite shows it."""

    runs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Status, and by what it is paused."""
    waits: list[tuple[str, str]] = field(default_factory=list)
    """Owner and kind."""
    held: list[tuple[str, str]] = field(default_factory=list)


def left(database: Path) -> Left:
    """Look what has not ended."""
    found = Left()
    with closing(sqlite3.connect(database)) as db:
        for run, status, paused in db.execute(
            "SELECT run_id, status, paused_by FROM workflow_runs WHERE ended_at IS NULL ORDER BY started"
        ):
            found.runs[run] = (status, paused)
        for owner, kind in db.execute("SELECT owner, kind FROM waits WHERE answer IS NULL ORDER BY wait_id"):
            found.waits.append((owner.removeprefix("run:"), kind))
        found.held = db.execute(
            "SELECT run_id, step FROM workflow_steps WHERE status = 'interrupted' AND open = 1 ORDER BY began"
        ).fetchall()
    return found


async def finish(me: Stagehand, found: Left) -> None:
    """Do what only a person can do, for all that has not ended."""
    for run, (status, paused) in found.runs.items():
        if paused == "operator" or status == "crashed":
            await me.do("resume", run, commands.Resume)
    for run, step in found.held:
        if found.runs.get(run, ("", ""))[1] != "operator":
            await me.do("release", run, lambda by, step=step: commands.Release(step, "retry", by))  # type: ignore[misc]
    kinds = {kind for _, kind in found.waits}
    for run in dict.fromkeys(run for run, kind in found.waits if kind == "signal"):
        await me.do("signal", run, lambda by: commands.Give("go", {"n": 1}, by))
    for _ in [one for one in found.waits if one[1] == "approval"]:
        await me.decide(("approve",))
    if "message" in kinds:
        said = me.witness.asks_for("say", "#bell.a")
        json = msgspec.json.encode({"number": said.number}).decode()
        await me.hear(said, me.bus.send(sender="local", to=To.channel("bell.a"), type="ring", json=json))


def hand(name: str, theatre: Playhouse, seed: str) -> Stagehand:
    """Return one of them."""
    return Stagehand(name, theatre, Random(f"{seed}/{name}"))
