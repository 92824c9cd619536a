"""The one place where time is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors import CancelTimer, DescribeTimers, LoopActor, Ref, SetTimer, Timers, TimersStatus
from callboard.testing.clock import JumpClock


class Sink(LoopActor[Any]):
    """Notes what it is told."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[Any] = []

    async def on_receive(self, message: Any) -> None:
        if isinstance(message, asyncio.Future):
            await message
        self.seen.append(message)


class Bench:
    """Timers on a clock, and a list of what rang and when."""

    def __init__(self, *, autojump: bool = True) -> None:
        self.clock = JumpClock(autojump=autojump)
        self.timers: Ref[Any] = Timers(clock=self.clock).launch()
        self.rung: list[tuple[str, float]] = []

    def ring(self, message: str) -> None:
        self.rung.append((message, self.clock.monotonic()))

    async def set(self, timer_id: str, due: float | datetime) -> bool:
        replaced: bool = await self.timers.ask(SetTimer(timer_id, due, self.ring, timer_id))
        return replaced

    async def status(self) -> TimersStatus:
        status: TimersStatus = await self.timers.ask(DescribeTimers())
        return status

    def wall(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(autojump=False)
    yield bench
    await bench.timers.aclose()


async def test_rings_when_due(bench: Bench) -> None:
    """Timers ring once, at their time, durations and instants alike, in the order of their times."""
    await bench.set("late", 7)
    await bench.set("early", 2.5)
    await bench.set("instant", bench.wall(5))
    await bench.clock.advance(100)
    assert bench.rung == [("early", 2.5), ("instant", 5), ("late", 7)]


async def test_tells_an_actor(bench: Bench) -> None:
    """A timer can tell a ref."""
    sink = Sink(clock=bench.clock)
    ref = sink.launch()
    await bench.timers.ask(SetTimer("t", 1, ref.tell, "wake up"))
    await bench.clock.advance(1)
    assert sink.seen == ["wake up"]
    await ref.aclose()


async def test_cancelled_timer_never_rings(bench: Bench) -> None:
    """Cancelling says whether the timer was still to come, and then it does not come."""
    await bench.set("a", 1)
    await bench.set("b", bench.wall(1))
    assert await bench.timers.ask(CancelTimer("a")) is True
    assert await bench.timers.ask(CancelTimer("b")) is True
    assert await bench.timers.ask(CancelTimer("a")) is False
    await bench.clock.advance(100)
    assert bench.rung == []


async def test_setting_an_id_again_replaces_it(bench: Bench) -> None:
    """Loading the same timers twice rings each once, at the time that was set last, of whichever kind."""
    assert await bench.set("a", 1) is False
    assert await bench.set("a", bench.wall(5)) is True
    assert await bench.set("a", 3) is True
    await bench.clock.advance(100)
    assert bench.rung == [("a", 3)]


async def test_overdue_rings_at_once(bench: Bench) -> None:
    """What became due while the house was down rings as soon as it is set."""
    await bench.set("a", bench.wall(-3600))
    await bench.set("b", -1)
    await bench.clock.advance(0)
    assert bench.rung == [("a", 0), ("b", 0)]


async def test_idle_costs_nothing(bench: Bench) -> None:
    """One alarm is armed however many timers wait, and none when no timer waits."""
    assert bench.clock.armed == 0
    for number in range(100):
        await bench.set(f"d{number}", 10 + number)
        await bench.set(f"i{number}", bench.wall(10 + number))
    assert bench.clock.armed == 1
    for number in range(100):
        await bench.timers.ask(CancelTimer(f"d{number}"))
        await bench.timers.ask(CancelTimer(f"i{number}"))
    assert bench.clock.armed == 0
    assert (await bench.status()).armed is False


async def test_cancelled_timers_do_not_pile_up(bench: Bench) -> None:
    """Setting and cancelling without end keeps the heap small."""
    await bench.set("stays", 1000)
    for number in range(5_000):
        await bench.set("moves", 500 + number)
        await bench.set(f"goes {number}", bench.wall(500))
        await bench.timers.ask(CancelTimer(f"goes {number}"))
    status = await bench.status()
    assert status.waiting == 2
    assert status.entries < 300


async def test_wall_set_back_rings_nothing_twice(bench: Bench) -> None:
    """An instant that was rung is not rung again when the wall passes it a second time."""
    await bench.set("a", bench.wall(10))
    await bench.set("b", bench.wall(30))
    await bench.clock.advance(11)
    bench.clock.set_wall(bench.wall(-3600))
    await bench.clock.advance(2 * 3600)
    assert [name for name, _ in bench.rung] == ["a", "b"]


async def test_wall_set_forward_is_noticed_within_a_minute(bench: Bench) -> None:
    """An instant that the wall jumped over rings within a minute."""
    await bench.set("tomorrow", bench.wall(86_400))
    await bench.clock.advance(100)
    bench.clock.set_wall(bench.wall(2 * 86_400))
    await bench.clock.advance(60)
    assert [name for name, _ in bench.rung] == ["tomorrow"]


@pytest.mark.parametrize("shift", [-7200, 7200])
async def test_durations_do_not_notice_the_wall(bench: Bench, shift: float) -> None:
    """A duration takes as long as it says, wherever the wall is set meanwhile."""
    await bench.set("a", 10)
    await bench.clock.advance(4)
    bench.clock.set_wall(bench.wall(shift))
    await bench.clock.advance(5.9)
    assert bench.rung == []
    await bench.clock.advance(0.2)
    assert bench.rung == [("a", 10)]


async def test_instant_without_zone_is_refused(bench: Bench) -> None:
    """An instant that names no time zone is an error of whoever set it, and nothing is set."""
    with pytest.raises(ValueError, match="no time zone"):
        await bench.set("a", bench.clock.now().replace(tzinfo=None))
    assert (await bench.status()).waiting == 0


async def test_refused_timer_leaves_the_old_one(bench: Bench) -> None:
    """Setting an id to something impossible does not lose the timer that had it."""
    await bench.set("a", 5)
    with pytest.raises(ValueError, match="no time zone"):
        await bench.set("a", bench.clock.now().replace(tzinfo=None))
    await bench.clock.advance(5)
    assert bench.rung == [("a", 5)]


async def test_full_mailbox_is_tried_again(bench: Bench) -> None:
    """A timer that finds a full mailbox comes later; it is neither lost nor doubled."""
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sink = Sink(capacity=1, clock=bench.clock)
    ref = sink.launch()
    ref.tell(gate)
    await bench.clock.settle()
    ref.tell("fills it")
    await bench.timers.ask(SetTimer("t", 1, ref.tell, "late"))
    await bench.clock.advance(5)
    gate.set_result(None)
    await bench.clock.advance(1)
    assert sink.seen[1:] == ["fills it", "late"]
    assert bench.clock.armed == 0
    await ref.aclose()


async def test_faulty_listeners_do_not_stop_the_others(bench: Bench) -> None:
    """A ring that raises, or an actor that is gone, does not keep other timers from ringing."""
    gone = Sink.start()
    await gone.aclose()

    def fail(message: Any) -> None:
        raise LookupError(message)

    await bench.timers.ask(SetTimer("faulty", 1, fail))
    await bench.timers.ask(SetTimer("gone", 1, gone.tell))
    await bench.set("good", 1)
    await bench.clock.advance(1)
    assert bench.rung == [("good", 1)]
    assert (await bench.status()).waiting == 0


async def test_ring_may_set_the_same_id_again(bench: Bench) -> None:
    """What a timer rings may set the next one under the same id, as a schedule does."""

    def again(_: Any) -> None:
        bench.ring("tick")
        bench.timers.tell(SetTimer("tick", 10, again))

    await bench.timers.ask(SetTimer("tick", 10, again))
    await bench.clock.advance(35)
    assert bench.rung == [("tick", 10), ("tick", 20), ("tick", 30)]


async def test_a_thousand_of_a_hundred_thousand(bench: Bench) -> None:
    """Of 100,000 timers, the 1,000 that are due at one instant ring once each, the others wait."""
    for number in range(100_000):
        due = 5.0 if number % 100 == 0 else 1_000.0 + number
        await bench.set(str(number), bench.wall(due) if number % 2 else due)
    await bench.clock.advance(10)
    assert sorted(int(name) for name, _ in bench.rung) == list(range(0, 100_000, 100))
    assert {at for _, at in bench.rung} == {5.0}
    assert (await bench.status()).waiting == 99_000
    assert bench.clock.armed == 1


async def test_many_at_once_let_others_work(bench: Bench) -> None:
    """Between the portions of a great many due timers, others get their turn."""
    progress: list[int] = []

    def look() -> None:
        progress.append(len(bench.rung))
        if len(bench.rung) < 5_000:
            asyncio.get_running_loop().call_soon(look)

    for number in range(5_000):
        await bench.set(str(number), 1)
    bench.clock.call_at(1, look)
    await bench.clock.advance(1)
    assert len(bench.rung) == 5_000
    assert any(0 < rung < 5_000 for rung in progress)


async def test_ends_without_leaving_an_alarm() -> None:
    """When the timers end, or are killed, no alarm of theirs is left."""
    for kill in (False, True):
        bench = Bench(autojump=False)
        await bench.set("a", 10)
        if kill:
            bench.timers.cancel()
        await bench.timers.aclose()
        assert bench.clock.armed == 0


Steps = st.lists(
    st.one_of(
        # In eighths of a second, which both clocks hold exactly.
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(1, 800)),
        st.tuples(st.just("wall"), st.integers(0, 5), st.integers(1, 800)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.integers(0, 240)),
    ),
    max_size=30,
)


@given(Steps)
def test_rings_what_a_simple_model_rings(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is set, replaced and cancelled, exactly those ring that a plain dictionary says are due."""

    async def main() -> None:
        bench = Bench(autojump=False)
        model: dict[str, float] = {}
        expected: list[str] = []
        for kind, number, eighths in steps:
            name, value = str(number), eighths / 8
            if kind == "pass":
                await bench.clock.advance(value)
                now = bench.clock.monotonic()
                due = [key for key, at in model.items() if at <= now]
                expected += due
                model = {key: at for key, at in model.items() if key not in due}
            elif kind == "cancel":
                assert await bench.timers.ask(CancelTimer(name)) is (model.pop(name, None) is not None)
            else:
                await bench.set(name, value if kind == "set" else bench.wall(value))
                model[name] = bench.clock.monotonic() + value
        assert sorted(name for name, _ in bench.rung) == sorted(expected)
        assert (await bench.status()).waiting == len(model)
        await bench.timers.aclose()

    asyncio.run(main())
