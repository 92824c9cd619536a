"""Runs that somebody or time stops, wherever they stand: nothing starts after it, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from callboard.errors import WrongState
from callboard.planning.step import Action, action, marked
from callboard.run import commands
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import ANN, House, house

STAYS = "{id: a, uses: python, with: {action: stay}, timeout: 1d, retry: {attempts: 1}}"
PLACES = {
    "in an attempt": STAYS,
    "in a delay": "{id: a, uses: core.delay, with: {for: 1d}}",
    "before a retry": (
        "{id: a, uses: core.echo, with: {simulate: transient}, retry: {delay: 1d, max_delay: 1d}}"
    ),
    "waiting for a signal": "{id: a, uses: wait.signal, with: {signal: go, timeout: 1d}}",
    "waiting for people": "{id: a, uses: approval, with: {approvers: [ann], expires: 1d}}",
}


def text(place: str, more: str = "") -> str:
    return (
        f"name: w\n{more}steps:\n  - {PLACES[place]}\n  - {{id: b, uses: python, with: {{action: count}}}}\n"
    )


class Nothing(msgspec.Struct):
    """What the actions of these tests take."""


class Hands:
    """One action that stays until it is stopped, and one that counts how often it was begun."""

    def __init__(self) -> None:
        self.staying = self.stopped = self.counted = 0
        self.open = asyncio.Event()

        @action("stay")
        async def stay(_: Nothing) -> None:
            self.staying += 1
            try:
                await self.open.wait()
            except asyncio.CancelledError:
                self.stopped += 1
                raise

        @action("count")
        async def count(_: Nothing) -> None:
            self.counted += 1

        found = [marked(stay), marked(count)]
        self.actions: Mapping[str, Action] = {one.name: one for one in found if one is not None}


async def there(here: House, hands: Hands, place: str) -> str:
    """Start a run, and wait until it stands where it is to be stopped."""
    began = await here.start()
    if place == "in an attempt":
        await here.stage.until(lambda: hands.staying == 1)
    else:
        await here.asleep()
    return began.run


async def nothing_is_left(here: House) -> None:
    assert await here.store.timers(None, 10) == []
    for kind in ("signal", "approval"):
        assert await here.store.waits_of(kind, None, 10) == []
    await here.asleep()


# ── cancelled ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", PLACES)
async def test_after_a_cancel_no_later_step_starts_whatever_the_run_waited_for(
    tmp_path: Path, place: str
) -> None:
    hands = Hands()
    async with house(tmp_path / "db", text(place), actions=hands.actions) as here:
        run = await there(here, hands, place)
        standing = await here.runs.do(run, commands.Cancel("ann", "no more"), principal=ANN)
        assert standing.status == "cancelled"
        await nothing_is_left(here)
        await here.clock.sleep(200_000)
        assert hands.counted == 0
        assert hands.stopped == hands.staying
        row = await here.store.run(run)
        assert row is not None
        assert (row.status, row.reason) == ("cancelled", "no more")
    async with house(tmp_path / "db", text(place), actions=hands.actions) as here:
        await here.clock.sleep(200_000)
        assert (hands.counted, await here.status(run)) == (0, "cancelled")


async def test_a_run_that_has_not_begun_anything_is_cancelled_before_it_does(tmp_path: Path) -> None:
    hands = Hands()
    first = f"name: first\nsteps:\n  - {STAYS}\n"
    pending = "name: w\nsteps:\n  - {id: b, uses: python, with: {action: count}}\n"
    async with house(tmp_path / "db", first, pending, actions=hands.actions, most=1) as here:
        busy = await here.start("first")
        await here.stage.until(lambda: hands.staying == 1)
        run = (await here.start()).run
        assert await here.status(run) == "pending"
        assert (await here.runs.do(run, commands.Cancel("ann"), principal=ANN)).status == "cancelled"
        hands.open.set()
        await here.comes_to(busy.run)
        assert hands.counted == 0


@pytest.mark.parametrize("place", [place for place in PLACES if place != "waiting for people"])
async def test_a_paused_run_starts_nothing_until_it_is_resumed(tmp_path: Path, place: str) -> None:
    hands = Hands()
    async with house(tmp_path / "db", text(place, "timeout: 10d\n"), actions=hands.actions) as here:
        run = await there(here, hands, place)
        assert (await here.runs.do(run, commands.Pause("ann"), principal=ANN)).status == "paused"
        hands.open.set()
        if place == "waiting for a signal":
            await here.runs.do(run, commands.Give("go", None, "ann"), principal=ANN)
        await here.clock.sleep(200_000)
        assert hands.counted == 0
        assert await here.status(run) == "paused"
        await here.runs.do(run, commands.Resume("ann"), principal=ANN)
        await here.comes_to(run)
        assert hands.counted == 1
        await nothing_is_left(here)


async def test_only_what_can_be_stopped_can_be(tmp_path: Path) -> None:
    hands = Hands()
    async with house(tmp_path / "db", text("in a delay"), actions=hands.actions) as here:
        run = await there(here, hands, "in a delay")
        with pytest.raises(WrongState, match="nobody has paused it"):
            await here.runs.do(run, commands.Resume("ann"), principal=ANN)
        await here.comes_to(run)
        for command in (commands.Pause("ann"), commands.Resume("ann"), commands.Cancel("ann")):
            with pytest.raises(WrongState, match="has ended"):
                await here.runs.do(run, command, principal=ANN)


# ── out of time ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_whose_attempts_take_too_long_fails_and_its_attempts_are_stopped(tmp_path: Path) -> None:
    hands = Hands()
    async with house(tmp_path / "db", text("in an attempt", "timeout: 2h\n"), actions=hands.actions) as here:
        run = await there(here, hands, "in an attempt")
        await here.comes_to(run, "failed")
        assert 7_200 <= here.clock.monotonic() < 7_300
        assert (hands.stopped, hands.counted) == (1, 0)
        assert (await here.facts(run))[-1].error.code == "RUN_TIMEOUT"
        assert await here.attempts(run) == [("a", 1, "cancelled")]
        await nothing_is_left(here)


async def test_waiting_takes_none_of_a_runs_time_but_of_its_deadline(tmp_path: Path) -> None:
    hands = Hands()
    async with house(tmp_path / "db", text("in a delay", "timeout: 1m\n"), actions=hands.actions) as here:
        run = await there(here, hands, "in a delay")
        await here.comes_to(run)
    async with house(tmp_path / "other", text("in a delay", "deadline: 2h\n"), actions=hands.actions) as here:
        run = await there(here, hands, "in a delay")
        await here.comes_to(run, "failed")
        assert (await here.facts(run))[-1].error.code == "RUN_TIMEOUT"
        assert here.clock.monotonic() < 7_300
        await nothing_is_left(here)


@pytest.mark.parametrize("paused", [False, True])
async def test_a_deadline_that_passed_while_nobody_was_there_ends_the_run_at_the_start(
    tmp_path: Path, paused: bool
) -> None:
    hands = Hands()
    late = text("in a delay", "deadline: 2h\n")
    async with house(tmp_path / "db", late, actions=hands.actions) as here:
        run = await there(here, hands, "in a delay")
        if paused:
            await here.runs.do(run, commands.Pause("ann"), principal=ANN)
            await here.asleep()
        now = here.clock.now()
    clock = JumpClock(now + timedelta(days=3))
    async with house(tmp_path / "db", late, actions=hands.actions, clock=clock) as here:
        await here.comes_to(run, "failed")
        assert (await here.facts(run))[-1].error.code == "RUN_TIMEOUT"
        assert hands.counted == 0


# ── held ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("how", "status"), [("retry", "completed"), ("fail", "failed")])
async def test_a_step_that_is_held_is_held_across_another_crash_until_it_is_released(
    tmp_path: Path, how: Literal["retry", "fail"], status: str
) -> None:
    hands = Hands()
    held = text("in an attempt").replace("timeout: 1d", "timeout: 1d, on_interrupt: hold")
    async with house(tmp_path / "db", held, actions=hands.actions, grace=0.1) as here:
        run = await there(here, hands, "in an attempt")
    for _ in range(2):
        async with house(tmp_path / "db", held, actions=hands.actions) as here:
            await here.comes_to(run, "paused")
            row = await here.store.run(run)
            assert row is not None
            assert row.paused_by == "hold"
            with pytest.raises(WrongState, match="nobody has paused it"):
                await here.runs.do(run, commands.Resume("ann"), principal=ANN)
            assert hands.staying == 1
    hands.open.set()
    async with house(tmp_path / "db", held, actions=hands.actions) as here:
        await here.runs.do(run, commands.Release("a", how, "ann"), principal=ANN)
        await here.comes_to(run, status)
        kinds = await here.kinds(run)
        assert kinds.count("workflow_recovered") == 1
        assert hands.counted == (1 if how == "retry" else 0)
        with pytest.raises(WrongState):
            await here.runs.do(run, commands.Release("a", how, "ann"), principal=ANN)
