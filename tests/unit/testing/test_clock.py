"""The clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop

from callboard.clock import Clock
from callboard.testing.clock import JumpClock

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Run a coroutine on each kind of loop."""

    def run_on(coroutine: Any) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run_on


def test_is_a_clock(run: Callable[[Any], Any]) -> None:
    """Sleeping through it takes virtual time only, and both clocks agree on how much."""

    async def main() -> None:
        clock: Clock = JumpClock()
        wall, before = clock.now(), clock.monotonic()
        await clock.sleep(86_400)
        assert clock.monotonic() - before == 86_400
        assert clock.now() - wall == timedelta(days=1)

    run(main())


def test_rings_in_order(run: Callable[[Any], Any]) -> None:
    """Alarms ring by time, those of one instant in the order of setting, cancelled ones never."""

    async def main() -> None:
        clock = JumpClock()
        rung: list[str] = []
        clock.call_at(2, rung.append, "c")
        clock.call_at(1, rung.append, "a")
        clock.call_at(1, rung.append, "b")
        clock.call_at(1, rung.append, "never").cancel()
        clock.call_at(1, lambda: twin.cancel())  # noqa: PLW0108  it is not set yet
        twin = clock.call_at(1, rung.append, "cancelled by its twin")
        await clock.sleep(3)
        assert rung == ["a", "b", "c"]

    run(main())


def test_waits_for_long_chains_of_work(run: Callable[[Any], Any]) -> None:
    """Time does not move while anybody has something to do, however long the chain of tasks is."""

    async def main() -> None:
        clock = JumpClock()
        rung: list[float] = []
        clock.call_at(1, rung.append, 1)
        for _ in range(500):
            await asyncio.sleep(0)
        assert rung == []
        assert clock.monotonic() == 0
        await clock.sleep(1)
        assert rung == [1]

    run(main())


def test_finishes_one_instant_before_the_next(run: Callable[[Any], Any]) -> None:
    """What an alarm sets off is done before time moves on."""

    async def main() -> None:
        clock = JumpClock()
        times: list[float] = []

        async def sleeper(naps: list[float]) -> None:
            for nap in naps:
                await clock.sleep(nap)
                for _ in range(20):
                    await asyncio.sleep(0)
                times.append(clock.monotonic())

        await asyncio.gather(sleeper([1, 2]), sleeper([2, 2]), sleeper([0.5]))
        assert times == [0.5, 1, 2, 3, 4]

    run(main())


def test_stands_still_while_a_thread_works(run: Callable[[Any], Any]) -> None:
    """Work that was announced as pending elsewhere holds time until it is done."""

    async def main() -> None:
        clock = JumpClock()
        loop = asyncio.get_running_loop()
        rung: list[float] = []
        clock.call_at(1, rung.append, 1)

        def many_round_trips() -> list[float]:
            for _ in range(50):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
            return list(rung)

        with clock.busy():
            assert await asyncio.to_thread(many_round_trips) == []
        assert clock.monotonic() == 0
        await clock.sleep(2)
        assert rung == [1]

    run(main())


async def test_costs_nothing_while_nobody_waits() -> None:
    """With no alarm set the clock leaves the loop alone."""
    clock = JumpClock()
    await clock.sleep(1)
    await clock.settle()
    assert clock.armed == 0
    handed: list[object] = []
    loop = asyncio.get_running_loop()
    real = loop.call_soon

    def note(*args: Any, **kwargs: Any) -> asyncio.Handle:
        handed.append(args[0])
        return real(*args, **kwargs)

    loop.call_soon = note  # type: ignore[assignment,method-assign]
    try:
        await asyncio.to_thread(lambda: None)
    finally:
        loop.call_soon = real  # type: ignore[method-assign]
    assert not [call for call in handed if getattr(call, "__self__", None) is clock]


async def test_moves_by_hand() -> None:
    """Without autojump time moves only when it is told to, and rings on the way what is due."""
    clock = JumpClock(autojump=False)
    rung: list[float] = []

    def ring() -> None:
        rung.append(clock.monotonic())
        clock.call_at(clock.monotonic() + 2, ring)

    clock.call_at(1, ring)
    await clock.settle()
    assert rung == []
    await clock.advance(6)
    assert rung == [1, 3, 5]
    assert clock.monotonic() == 6


async def test_wall_is_set_apart_from_durations() -> None:
    """Setting the wall back or forward changes what now() says and no duration."""
    clock = JumpClock()
    sleeping = asyncio.ensure_future(clock.sleep(10))
    await asyncio.sleep(0)
    clock.set_wall(datetime(2020, 1, 1, tzinfo=UTC))
    assert clock.now() == datetime(2020, 1, 1, tzinfo=UTC)
    await sleeping
    assert clock.monotonic() == 10
    assert clock.now() == datetime(2020, 1, 1, 0, 0, 10, tzinfo=UTC)


async def test_cancelled_sleep_leaves_no_alarm() -> None:
    """A sleeper that is cancelled does not hold time to its alarm."""
    clock = JumpClock(autojump=False)
    sleeping = asyncio.ensure_future(clock.sleep(10))
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    assert clock.armed == 0
