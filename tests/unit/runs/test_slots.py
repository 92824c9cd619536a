"""Slots: attempts side by side up to both limits, and nothing counts as begun before there is one for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from callboard.clock import Clock
from callboard.planning.step import Action, action, marked, this_attempt
from callboard.run import commands
from callboard.runs.slots import Slots
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import ANN, House, house


class Given(msgspec.Struct):
    """What the actions of these tests take."""

    seconds: float = 2.0


class Floor:
    """Actions that count who is at work, in all and in each run."""

    def __init__(self, clock: Clock, *, meet: int = 1) -> None:
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.began: list[tuple[str, str]] = []
        self.together = asyncio.Barrier(meet)
        self.open = asyncio.Event()

        @action("work")
        async def work(given: Given) -> None:
            with self:
                await clock.sleep(given.seconds)

        @action("meet")
        async def meet_(_: Given) -> None:
            with self:
                await self.together.wait()

        @action("stay")
        async def stay(_: Given) -> None:
            with self:
                await self.open.wait()

        found = [marked(one) for one in (work, meet_, stay)]
        self.actions: Mapping[str, Action] = {one.name: one for one in found if one is not None}

    def __enter__(self) -> None:
        attempt = this_attempt()
        self.began.append((attempt.run, attempt.step))
        for name in ("all", attempt.run):
            self.now[name] = self.now.get(name, 0) + 1
            self.most[name] = max(self.most.get(name, 0), self.now[name])

    def __exit__(self, *_: object) -> None:
        for name in ("all", this_attempt().run):
            self.now[name] -= 1


def fan(name: str, width: int, *, most: int = 10, action: str = "work", more: str = "") -> str:
    steps = "\n".join(
        f"  - {{id: s{n}, uses: python, with: {{action: {action}}}{more}}}" for n in range(width)
    )
    names = ", ".join(f"s{n}" for n in range(width))
    return (
        f"name: {name}\nmax_parallel: {most}\nsteps:\n"
        f"  - {{id: first, uses: core.echo, next: [{names}]}}\n{steps}\n"
    )


async def held(here: House, floor: Floor, count: int) -> None:
    """Wait until so many attempts are at work, and nobody else has anything to do."""
    await here.stage.until(lambda: floor.now.get("all", 0) == count)
    await here.clock.sleep(1)
    assert floor.now["all"] == count


# ── side by side ─────────────────────────────────────────────────────────────────────────────────────────


async def test_steps_that_wait_for_each_other_all_run_at_once(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock, meet=10)
    async with house(
        tmp_path / "db", fan("w", 10, action="meet"), actions=floor.actions, clock=clock, most=10
    ) as here:
        began = await here.start()
        await here.comes_to(began.run)
        assert floor.most == {"all": 10, began.run: 10}


async def test_neither_limit_is_ever_passed_by_two_runs_at_once(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    texts = [fan("one", 30, most=3), fan("two", 30, most=4)]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=5) as here:
        one, two = await here.start("one"), await here.start("two")
        await here.comes_to(one.run)
        await here.comes_to(two.run)
        assert floor.most == {"all": 5, one.run: 3, two.run: 4}
        assert len(floor.began) == len(set(floor.began)) == 60


async def test_a_run_with_many_ready_steps_does_not_keep_another_out(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    texts = [fan("many", 50, most=50), fan("few", 1)]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=2) as here:
        many = await here.start("many")
        await here.stage.until(lambda: len(floor.began) >= 2)
        few = await here.start("few")
        await here.comes_to(few.run)
        assert [run for run, _ in floor.began].index(few.run) <= 5
        await here.comes_to(many.run)
        assert floor.most["all"] == 2


@pytest.mark.parametrize(
    "waits",
    [
        "uses: core.delay, with: {for: 1h}",
        "uses: wait.signal, with: {signal: go}",
        "uses: approval, with: {approvers: [ann]}",
        "uses: core.echo, with: {simulate: transient}, retry: {delay: 1h, max_delay: 1h, jitter: none}",
    ],
)
async def test_what_waits_holds_no_slot_so_a_quick_step_passes_it(tmp_path: Path, waits: str) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    text = (
        f"name: w\nmax_parallel: 1\nsteps:\n  - {{id: first, uses: core.echo, next: [slow, quick]}}\n"
        f"  - {{id: slow, {waits}}}\n  - {{id: quick, uses: python, with: {{action: work}}}}\n"
    )
    async with house(tmp_path / "db", text, actions=floor.actions, clock=clock, most=1) as here:
        began = await here.start()
        await here.stage.until(lambda: floor.began == [(began.run, "quick")])
        await here.clock.sleep(10)
        assert ("quick", 1, "completed") in await here.attempts(began.run)
        assert ("slow", 1, "completed") not in await here.attempts(began.run)


# ── before there is a slot nothing has begun ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("then", ["fail", "hold"])
async def test_a_step_that_only_waited_for_a_slot_is_not_cut_off_by_a_crash(
    tmp_path: Path, then: str
) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    texts = [fan("busy", 1, action="stay"), fan("late", 1, more=f", on_interrupt: {then}")]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=1, grace=0.1) as here:
        busy = await here.start("busy")
        await held(here, floor, 1)
        late = await here.start("late")
        await here.clock.sleep(60)
        assert await here.attempts(late.run) == [("first", 1, "completed")]
    floor = Floor(clock)
    floor.open.set()
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=1) as here:
        await here.comes_to(late.run)
        await here.comes_to(busy.run)
        assert [one for one in await here.attempts(late.run) if one[0] == "s0"] == [("s0", 1, "completed")]


async def test_a_run_that_waits_for_a_slot_spends_none_of_its_time(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    texts = [fan("busy", 1, action="stay"), "timeout: 10s\n" + fan("late", 2)]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=1) as here:
        await here.start("busy")
        await held(here, floor, 1)
        late = await here.start("late")
        await here.clock.sleep(3_000)
        floor.open.set()
        await here.comes_to(late.run)


async def test_what_waits_for_a_slot_can_be_paused_and_cancelled_and_is_never_begun(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock)
    texts = [fan("busy", 1, action="stay"), fan("late", 3)]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=1) as here:
        busy = await here.start("busy")
        await held(here, floor, 1)
        paused, ended = await here.start("late"), await here.start("late")
        await here.runs.do(paused.run, commands.Pause("ann"), principal=ANN)
        await here.runs.do(ended.run, commands.Cancel("ann"), principal=ANN)
        floor.open.set()
        await here.comes_to(busy.run)
        await here.asleep()
        assert [run for run, _ in floor.began] == [busy.run]
        await here.runs.do(paused.run, commands.Resume("ann"), principal=ANN)
        await here.comes_to(paused.run)
        assert len(floor.began) == 4


async def test_every_slot_comes_back_whatever_ends_the_attempts(tmp_path: Path) -> None:
    clock = JumpClock()
    floor = Floor(clock, meet=4)
    texts = [
        fan("stays", 4, action="stay"),
        fan("late", 4, action="stay", more=", timeout: 5s, retry: {attempts: 1}"),
        fan("meets", 4, action="meet"),
    ]
    async with house(tmp_path / "db", *texts, actions=floor.actions, clock=clock, most=4) as here:
        for _ in range(5):
            stays = await here.start("stays")
            late = await here.start("late")
            await held(here, floor, 4)
            await here.runs.do(stays.run, commands.Cancel("ann"), principal=ANN)
            await here.comes_to(late.run, "failed")
        meets = await here.start("meets")
        await here.comes_to(meets.run)
        assert floor.most["all"] == 4


# ── the queue itself ─────────────────────────────────────────────────────────────────────────────────────


async def test_slots_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    slots, got = Slots(1), []

    async def ask(name: str) -> None:
        await slots.wait()
        got.append(name)
        slots.release()

    assert slots.take()
    tasks = [asyncio.create_task(ask(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert slots.wanted
    assert not slots.take()
    tasks[1].cancel()
    slots.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert got == ["a", "c", "d"]
    assert slots.take()
    assert not slots.take()


async def test_a_slot_that_comes_in_the_moment_in_which_one_gives_up_goes_to_the_next() -> None:
    slots = Slots(1)
    assert slots.take()
    gives_up, next_ = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await asyncio.sleep(0)
    slots.release()
    gives_up.cancel()
    await next_
    assert gives_up.cancelled()
    assert not slots.take()
