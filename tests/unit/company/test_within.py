"""Waiting for something so long and no longer, on our clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from callboard.company.asking import within
from callboard.errors import HandlerTimeout
from callboard.testing.clock import JumpClock

LATE = "It took too long."


class Counting(JumpClock):
    """Counts the alarms that are set."""

    def __init__(self) -> None:
        super().__init__()
        self.alarms = 0

    def call_at(self, when: float, ring: Callable[..., Any], *args: Any) -> Any:
        self.alarms += 1
        return super().call_at(when, ring, *args)


async def test_what_waits_for_nothing_needs_no_alarm() -> None:
    clock = Counting()

    async def at_once() -> int:
        return 7

    assert await within(clock, 10, at_once(), HandlerTimeout(LATE)) == 7
    assert clock.alarms == 0


async def test_what_waits_is_awaited_to_its_end_and_leaves_no_alarm() -> None:
    clock = Counting()

    async def later() -> list[float]:
        seen = []
        for _ in range(3):
            await clock.sleep(2)
            seen.append(clock.monotonic() - began)
        return seen

    began = clock.monotonic()
    assert await within(clock, 10, later(), HandlerTimeout(LATE)) == pytest.approx([2, 4, 6])
    await clock.sleep(20)  # an alarm that was left would cancel this task
    assert clock.monotonic() - began == pytest.approx(26)


async def test_it_is_cut_off_in_time_also_at_its_first_wait() -> None:
    clock = JumpClock()
    began = clock.monotonic()
    ends: list[float] = []

    async def too_long() -> None:
        try:
            await clock.sleep(60)
        finally:
            await clock.sleep(1)  # it may tidy up
            ends.append(clock.monotonic() - began)

    late = HandlerTimeout(LATE)
    with pytest.raises(HandlerTimeout) as told:
        await within(clock, 10, too_long(), late)
    assert told.value is late
    assert ends == pytest.approx([11])


async def test_what_it_makes_of_being_cancelled_counts() -> None:
    clock = JumpClock()

    async def stubborn() -> str:
        try:
            await clock.sleep(60)
        except asyncio.CancelledError:
            return "enough"
        return "all of it"

    task = asyncio.create_task(within(clock, 1_000, stubborn(), HandlerTimeout(LATE)))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "enough"


@pytest.mark.parametrize("waits", [False, True])
async def test_its_error_is_told(waits: bool) -> None:
    clock = JumpClock()

    async def fails() -> None:
        if waits:
            await clock.sleep(1)
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        await within(clock, 10, fails(), HandlerTimeout(LATE))


async def test_a_future_is_waited_for_too() -> None:
    clock = JumpClock()
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    clock.call_at(clock.monotonic() + 3, future.set_result, 7)
    assert await within(clock, 10, asyncio.shield(future), HandlerTimeout(LATE)) == 7
