"""The guard against runs that kill the process: seen over several lives of one database.

A life ends here by cutting off everything in the middle of an attempt, which leaves on disk what a kill
leaves. The kill of a real process is in tests/crash.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from callboard import deaths
from callboard.clock import SystemClock
from callboard.deaths import Deaths
from callboard.planning.step import action, marked
from callboard.run import commands
from tests.unit.runs.house import ANN, House, house

TEXT = """
name: w
steps:
  - {id: a, uses: python, with: {action: work, input: {who: "{{ trigger }}"}}}
  - {id: b, uses: python, with: {action: work, input: {who: "{{ trigger }} again"}}}
"""
WIDE = """
name: wide
steps:
  - {id: first, uses: core.echo, next: [a, b]}
  - {id: a, uses: python, with: {action: work, input: {who: "left"}}}
  - {id: b, uses: python, with: {action: work, input: {who: "deadly"}}}
"""


class Who(msgspec.Struct):
    who: str


class Life:
    """What attempts of one life are to do, and what they began."""

    deadly: ClassVar[set[str]] = set()
    began: ClassVar[list[str]] = []
    at_once: ClassVar[int] = 0
    most_at_once: ClassVar[int] = 0


@action("work")
async def work(given: Who) -> str:
    Life.began.append(given.who)
    Life.at_once += 1
    Life.most_at_once = max(Life.most_at_once, Life.at_once)
    try:
        await asyncio.sleep(0.01)
        if given.who in Life.deadly:
            await asyncio.Event().wait()  # the process ends here
    finally:
        Life.at_once -= 1
    return given.who


@pytest.fixture(autouse=True)
def new_world() -> None:
    Life.deadly = {"deadly"}
    forget()


def forget() -> None:
    Life.began = []
    Life.at_once = Life.most_at_once = 0


def life(folder: Path, *, left_open: bool = True, text: str = TEXT) -> AbstractAsyncContextManager[House]:
    forget()
    found = marked(work)
    assert found is not None
    return house(
        folder / "db",
        text,
        actions={"work": found},
        clock=SystemClock(),
        grace=0.05,
        deaths=Deaths(folder, left_open=left_open),
    )


async def began(here: House, *who: str) -> None:
    await here.stage.until(lambda: set(who) <= set(Life.began), within=10)


async def ends(here: House, run: str, status: str = "completed") -> None:
    async def there() -> bool:
        return await here.status(run) == status

    await here.stage.until(there, within=10)


async def two_deaths(folder: Path, *who: str) -> list[str]:
    """Start runs, all in flight when the process ends twice; return their ids."""
    Life.deadly |= set(who)
    async with life(folder, left_open=False) as here:
        runs = [(await here.start("w", one)).run for one in who]
        await began(here, *who)
        assert not (folder / deaths.FILE).exists()
    async with life(folder) as here:
        await began(here, *who)
        assert Life.most_at_once == len(who), "one unclean stop is bad luck: all are taken up at once"
    Life.deadly = {"deadly"}
    return runs


async def test_a_run_that_was_alone_at_three_deaths_is_left_crashed_and_all_others_end(
    tmp_path: Path,
) -> None:
    guilty, *innocent = await two_deaths(tmp_path, "deadly", "one", "two")
    for count in range(3):
        async with life(tmp_path) as here:
            new = await here.start("w", f"new {count}")
            innocent.append(new.run)
            await began(here, "deadly")
            assert Life.began == ["deadly"], "nobody else attempts anything meanwhile"
            assert await here.attempts(new.run) == [], "and nothing is begun that a death could cut off"
        assert Life.began == ["deadly"], "nor while the server stops"
    async with life(tmp_path) as here:
        for run in innocent:
            await ends(here, run)
        assert "deadly" not in Life.began
        row = await here.store.run(guilty)
        assert row is not None
        assert row.status == "crashed"
        assert "died 3 times" in row.reason
        await here.stage.until(lambda: not (tmp_path / deaths.FILE).exists(), within=10)
    async with life(tmp_path) as here:
        await here.stage.until(lambda: not (tmp_path / deaths.FILE).exists(), within=10)
        assert await here.status(guilty) == "crashed", "it is not taken up again"
        Life.deadly = set()
        await here.runs.do(guilty, commands.Resume("ann"), principal=ANN)
        await ends(here, guilty)


async def test_suspects_that_are_innocent_end_one_after_the_other(tmp_path: Path) -> None:
    runs = await two_deaths(tmp_path, "one", "two", "three")
    async with life(tmp_path) as here:
        await here.stage.until(lambda: len(Life.began) >= 3, within=10)
        assert Life.began[:3] == ["one", "two", "three"], "what follows in a run waits for the last of them"
        for run in runs:
            await ends(here, run)
        assert not (tmp_path / deaths.FILE).exists()


async def test_a_run_with_a_deadly_attempt_beside_another_keeps_its_turn(tmp_path: Path) -> None:
    """That one of its attempts has ended does not show that the process survives the other."""
    async with life(tmp_path, left_open=False, text=WIDE) as here:
        Life.deadly = {"left", "deadly"}
        guilty = (await here.start("wide")).run
        other = (await here.start("wide")).run
        await here.stage.until(lambda: len(Life.began) == 4, within=10)
    async with life(tmp_path, text=WIDE) as here:
        await here.stage.until(lambda: len(Life.began) == 4, within=10)
    Life.deadly = {"deadly"}
    async with life(tmp_path, text=WIDE) as here:

        async def half() -> bool:
            return ("a", 1, "completed") in {
                (step, min(attempt, 1), status) for step, attempt, status in await here.attempts(guilty)
            }

        await here.stage.until(half, within=10)
        assert sorted(Life.began) == ["deadly", "left"]
        assert await here.status(other) == "running"
    assert Deaths(tmp_path, left_open=True).of(guilty) == 1


async def test_after_a_clean_stop_counting_begins_anew(tmp_path: Path) -> None:
    await two_deaths(tmp_path, "deadly", "one")
    async with life(tmp_path) as here:
        await began(here, "deadly")
    async with life(tmp_path, left_open=False) as here:
        await began(here, "deadly", "one")
        assert not (tmp_path / deaths.FILE).exists()


async def test_once_all_that_was_in_flight_has_committed_the_next_death_is_the_first(tmp_path: Path) -> None:
    Life.deadly = {"one"}
    async with life(tmp_path, left_open=False) as here:
        run = (await here.start("w", "one")).run
        await began(here, "one")
    Life.deadly = set()
    async with life(tmp_path) as here:
        await ends(here, run)
        assert not (tmp_path / deaths.FILE).exists()


async def test_a_run_that_is_cancelled_while_it_is_alone_gives_its_turn_up(tmp_path: Path) -> None:
    guilty, other = await two_deaths(tmp_path, "deadly", "one")
    async with life(tmp_path) as here:
        await began(here, "deadly")
        await here.runs.do(guilty, commands.Cancel("ann"), principal=ANN)
        await ends(here, other)
        assert await here.status(guilty) == "cancelled"


async def test_a_suspect_that_is_held_for_an_operator_keeps_nobody_waiting(tmp_path: Path) -> None:
    text = TEXT.replace("id: a,", "id: a, on_interrupt: hold,")
    Life.deadly |= {"one"}
    async with life(tmp_path, left_open=False, text=text) as here:
        held = (await here.start("w", "one")).run
        await began(here, "one")
    Deaths(tmp_path, left_open=True)  # a life that ended before it took anything up
    async with life(tmp_path, text=text) as here:
        await ends(here, held, "paused")
        new = (await here.start("w", "new")).run
        await ends(here, new)
        assert not (tmp_path / deaths.FILE).exists()


def test_a_record_that_cannot_be_read_counts_anew(tmp_path: Path) -> None:
    (tmp_path / deaths.FILE).write_text("{half")
    assert Deaths(tmp_path, left_open=True).stops == 1
    assert Deaths(tmp_path, left_open=True).stops == 2
    assert Deaths(tmp_path, left_open=False).stops == 0
