"""A run that has ended is deleted whole; one that goes on, or whose end is still to be read, is not."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from callboard import run as machine
from callboard.errors import ConcurrencyConflict, KeyReused, NotFound, WrongState
from callboard.facts.events import run_stream
from callboard.ids import Position
from callboard.run import commands
from callboard.stores.sqlite import SqliteStore, retention
from tests.unit.runs.house import ANN, house

TEXT = """
name: w
steps:
  - {id: a, uses: core.echo, with: {simulate: transient}, retry: {delay: 1h}}
  - {id: b, uses: message.publish, with: {channel: said, type: it}, next: [{to: c, if: "true"}]}
  - {id: c, uses: wait.signal, with: {signal: go}}
"""


def rows(database: Path) -> dict[str, int]:
    """Count all rows, but those of the migrations and of what no run owns."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


async def test_a_run_is_deleted_with_all_that_hangs_on_it_and_what_it_said_stays(tmp_path: Path) -> None:
    database = tmp_path / "db"
    async with house(database, TEXT) as here:
        await here.start(request="kept")  # another one, that goes on
        await here.stage.until(lambda: here.clock.monotonic() > 8_000, within=20_000)
        await here.asleep()
        before = rows(database)
        began = await here.start(request="gone")
        await here.stage.until(lambda: here.clock.monotonic() > 20_000, within=20_000)
        await here.asleep()
        with pytest.raises(WrongState, match="Cancel it first"):
            await here.runs.delete(began.run, principal=ANN)
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        await here.asleep()
        await here.runs.delete(began.run, principal=ANN)
        assert await here.store.run(began.run) is None
        assert await here.store.attempts(began.run, Position(0), 10) == []
        with pytest.raises(NotFound):
            await here.runs.delete(began.run, principal=ANN)
        with pytest.raises(NotFound):
            await here.runs.do(began.run, commands.Reopen("ann"), principal=ANN)
        with pytest.raises(KeyReused):
            await here.start(request="gone")
        assert len(await here.stage.said(conversation=f"run:{began.run}")) == 1
        (action,) = [one for one in await here.store.log(Position(0), 1_000) if one.kind == "action"]
        assert (action.type, action.subject, action.principal) == ("runs.delete", run_stream(began.run), ANN)
        more = {name: count - before[name] for name, count in rows(database).items() if count != before[name]}
        assert more == {"bot_messages": 1, "operator_actions": 1, "idempotency_keys": 1}
        assert await here.store.rebuild() == []


async def test_a_run_whose_end_somebody_has_still_to_read_is_not_deleted(tmp_path: Path) -> None:
    from callboard.runs.runturn import wait_id  # noqa: PLC0415 - only this test
    from callboard.store.changes import AnswerWait, CloseWait, OpenWait  # noqa: PLC0415 - only this test

    async with house(tmp_path / "db", TEXT) as here:
        parent, child = await here.start(), await here.start()
        await here.asleep()
        await here.runs.do(child.run, commands.Cancel("ann"), principal=ANN)
        end = (await here.events(child.run))[-1].position
        journal, wait = here.stage.company.services.journal, wait_id(parent.run, "x", 1, 1)
        turn = journal.turn()
        turn.change(OpenWait(wait, run_stream(parent.run), "signal", child.run, None, None, "{}"))
        turn.change(AnswerWait(wait, end))
        await journal.commit(turn)
        with pytest.raises(WrongState, match="has not read it"):
            await here.runs.delete(child.run, principal=ANN)
        assert not [one for one in await here.store.log(Position(0), 1_000) if one.kind == "action"]
        turn = journal.turn()
        turn.change(CloseWait(wait))
        await journal.commit(turn)
        await here.runs.delete(child.run, principal=ANN)


async def test_a_run_that_is_deleted_while_it_decides_is_gone_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, database = machine.decide, tmp_path / "db"

    async def delete(run: str) -> None:
        other = SqliteStore(database)
        await other.open()
        await other.remove_stream(run_stream(run))
        await other.close()

    async with house(database, "name: w\nsteps:\n  - {id: a, uses: core.fail}\n") as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        await here.asleep()

        def meanwhile(*args: Any) -> Any:
            monkeypatch.setattr(machine, "decide", real)
            thread = threading.Thread(target=lambda: asyncio.run(delete(began.run)))
            thread.start()
            thread.join()
            return real(*args)

        monkeypatch.setattr(machine, "decide", meanwhile)
        retries = [here.runs.do(began.run, commands.Reopen("ann"), principal=ANN) for _ in range(3)]
        first, *others = await asyncio.gather(*retries, return_exceptions=True)
        assert isinstance(first, ConcurrencyConflict)
        assert all(isinstance(one, NotFound) for one in others)
        await here.asleep()


async def test_a_death_before_a_run_is_gone_leaves_a_record_and_a_run_that_can_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> bool:
        raise SystemError("killed")

    async with house(tmp_path / "db", "name: w\nsteps:\n  - {id: a, uses: core.fail}\n") as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        with monkeypatch.context() as patch:
            patch.setattr(retention, "take_stream", dies)
            with pytest.raises(SystemError):
                await here.runs.delete(began.run, principal=ANN)
        entries = await here.store.log(Position(0), 1_000)
        assert [one.type for one in entries if one.kind == "action"] == ["runs.delete"]
        assert await here.status(began.run) == "failed"
        await here.runs.delete(began.run, principal=ANN)
        assert await here.store.run(began.run) is None
