"""Following a run from inside the house: bells, signs of life, and runs that are taken away meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callboard.company.onlookers import Onlookers
from callboard.desk import following
from callboard.desk.following import FollowingDesk
from callboard.errors import NotFound
from callboard.facts.events import run_stream
from callboard.ids import DEFAULT_TENANT, SystemIds, Version
from callboard.run import commands
from callboard.store.port import Retention
from callboard.store.turn import Turn
from callboard.testing.store_conformance import NOON, Noted
from tests.unit.runs.house import ANN, House, house

WAITS = "name: w\nsteps:\n  - {id: a, uses: wait.signal, with: {signal: go}}\n"


def onlookers_of(there: House) -> Onlookers:
    return there.stage.company.board.onlookers


async def test_a_quiet_stream_shows_that_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STILL_HERE", 0.01)
    async with house(tmp_path / "db", WAITS) as there:
        run = (await there.start()).run
        pages = FollowingDesk(there.store, onlookers_of(there)).run(run, None)
        assert [event.answer.type for event in await anext(pages)][-1] == "step_waiting"
        assert [await anext(pages), await anext(pages)] == [[], []]
        assert len(onlookers_of(there)) == 1
        await pages.aclose()
        assert len(onlookers_of(there)) == 0


async def test_nothing_that_is_committed_between_reading_and_waiting_is_missed(tmp_path: Path) -> None:
    async with house(tmp_path / "db", WAITS) as there:
        run = (await there.start()).run
        pages = FollowingDesk(there.store, onlookers_of(there)).run(run, None)
        await anext(pages)
        await there.runs.do(run, commands.Give("go"), principal=ANN)
        found = [event async for page in pages for event in page]
        assert [event.name for event in found][-1] == "end"
        assert len(onlookers_of(there)) == 0


async def test_a_run_that_is_taken_away_while_it_is_read_ends_the_stream_with_that_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "AT_ONCE", 2)
    async with house(tmp_path / "db", WAITS) as there:
        run = (await there.start()).run
        pages = FollowingDesk(there.store, onlookers_of(there)).run(run, None)
        await anext(pages)
        await there.runs.do(run, commands.Cancel("ann"), principal=ANN)
        await there.store.prune(Retention(streams_kept=0))
        assert await there.store.run(run) is None
        with pytest.raises(NotFound):
            await anext(pages)
        assert len(onlookers_of(there)) == 0


async def test_the_log_is_followed_from_a_position_on(tmp_path: Path) -> None:
    async with house(tmp_path / "db", WAITS) as there:
        head = await there.store.head()
        pages = FollowingDesk(there.store, onlookers_of(there)).log(str(head.position), DEFAULT_TENANT)
        assert await anext(pages) == []
        coming = asyncio.ensure_future(anext(pages))
        run = (await there.start()).run
        first = (await coming)[0]
        assert (first.answer.type, first.answer.subject) == ("workflow_started", run_stream(run))
        assert first.id == head.cursor(first.answer.position)
        await pages.aclose()


def test_a_bell_is_rung_by_its_own_stream_alone_and_leaves_nothing_behind() -> None:
    onlookers = Onlookers()
    turn = Turn(at=NOON, ids=SystemIds())
    turn.append(run_stream("1"), "run", [Noted("a")], expected=Version(0))
    onlookers.committed(turn)
    with onlookers.watch(run_stream("1")) as one, onlookers.watch(run_stream("1")) as again:
        with onlookers.watch(run_stream("2")) as other, onlookers.watch(None) as log:
            onlookers.committed(turn)
            assert [bell.is_set() for bell in (one, again, other, log)] == [True, True, False, True]
        assert len(onlookers) == 2
    assert len(onlookers) == 0
