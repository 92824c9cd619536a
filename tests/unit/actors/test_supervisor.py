"""Children that are started, restarted, set aside and ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from callboard.actors import (
    Child,
    ChildStatus,
    Describe,
    Directory,
    LoopActor,
    Policy,
    Ref,
    Restart,
    StartChild,
    State,
    StopChild,
    Supervisor,
)
from callboard.errors import ActorError, AlreadyExists, Conflict, NotFound
from callboard.testing.clock import JumpClock

CRASH = "crash"
STOP = "stop"


class Stage:
    """What the children of one test did, and a supervisor for them."""

    def __init__(self, *, autojump: bool = True) -> None:
        self.clock = JumpClock(autojump=autojump)
        self.directory: Directory[Any] = Directory()
        self.starts: list[tuple[str, float]] = []
        self.ended: list[str] = []
        self.seen: list[Any] = []
        self.broken: set[str] = set()
        self.vital_deaths: list[str] = []

    def child(self, name: str, policy: Policy = Policy.PERMANENT, *, vital: bool = False) -> Child:
        return Child(name, lambda: Player(name, self), policy, vital=vital)

    @asynccontextmanager
    async def supervisor(self, *children: Child, **options: Any) -> AsyncIterator[Ref[Any]]:
        ref = Supervisor(
            children,
            clock=self.clock,
            directory=self.directory,
            on_vital_death=lambda name, _: self.vital_deaths.append(name),
            **options,
        ).launch()
        try:
            await ref.ask(Describe())
            yield ref
        finally:
            await ref.aclose()

    def find(self, name: str) -> Ref[Any]:
        ref = self.directory.find(name)
        assert ref is not None, f"{name} is not alive"
        return ref

    async def status(self, ref: Ref[Any], name: str) -> ChildStatus:
        described: tuple[ChildStatus, ...] = await ref.ask(Describe())
        return next(status for status in described if status.name == name)


class Player(LoopActor[Any]):
    """Plays a part: crashes, stops, or notes what it is told."""

    def __init__(self, part: str, stage: Stage) -> None:
        super().__init__(name=part)
        self.stage = stage

    async def on_start(self) -> None:
        self.stage.starts.append((self.name, self.stage.clock.monotonic()))
        if self.name in self.stage.broken:
            raise LookupError(f"{self.name} is broken")

    async def on_receive(self, message: Any) -> Any:
        if message == CRASH:
            raise LookupError("crashed")
        if message == STOP:
            self.stop()
        if callable(message):
            await message()
        self.stage.seen.append(message)
        return message

    async def on_stop(self) -> None:
        self.stage.ended.append(self.name)


async def hang() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with structlog.testing.capture_logs():
        yield Stage()


async def test_restarts_a_crashed_child(stage: Stage) -> None:
    """A permanent child that crashed is back after a tenth of a second, under its name."""
    async with stage.supervisor(stage.child("a")) as house:
        first = stage.find("a")
        first.tell(CRASH)
        await stage.clock.sleep(1)
        assert stage.find("a") is not first
        assert await stage.find("a").ask("works") == "works"
        status = await stage.status(house, "a")
        assert (status.state, status.restarts) == (State.RUNNING, 1)
        assert status.last_error == "LookupError: crashed"
        assert "Traceback" in (status.last_traceback or "")
    assert stage.starts == [("a", 0), ("a", 0.1)]


@pytest.mark.parametrize(
    ("policy", "order", "starts"),
    [
        (Policy.PERMANENT, CRASH, 2),
        (Policy.PERMANENT, STOP, 2),
        (Policy.TRANSIENT, CRASH, 2),
        (Policy.TRANSIENT, STOP, 1),
        (Policy.TEMPORARY, CRASH, 1),
        (Policy.TEMPORARY, STOP, 1),
    ],
)
async def test_restarts_by_policy(stage: Stage, policy: Policy, order: str, starts: int) -> None:
    """Permanent children always come back, transient ones after a crash, temporary ones never."""
    async with stage.supervisor(stage.child("a", policy)) as house:
        stage.find("a").tell(order)
        await stage.clock.sleep(1)
        assert len(stage.starts) == starts
        assert len(await house.ask(Describe())) == starts - 1


async def test_restart_leaves_siblings_alone(stage: Stage) -> None:
    """While one child crashes again and again, its sibling answers and is never restarted."""
    stage.broken.add("b")
    async with stage.supervisor(stage.child("a"), stage.child("b")):
        for _ in range(20):
            assert await stage.find("a").ask("works") == "works"
            await stage.clock.sleep(0.5)
    assert [name for name, _ in stage.starts].count("a") == 1


async def test_backs_off_then_quarantines(stage: Stage) -> None:
    """Each restart waits twice as long; after five in a minute the child is left alone and shown."""
    stage.broken.add("a")
    async with stage.supervisor(stage.child("a")) as house:
        await stage.clock.sleep(600)
        assert [round(at, 6) for _, at in stage.starts] == [0, 0.1, 0.3, 0.7, 1.5, 3.1]
        status = await stage.status(house, "a")
        assert (status.state, status.restarts) == (State.QUARANTINED, 5)
        assert status.last_error == "LookupError: a is broken"
        assert stage.directory.find("a") is None


async def test_a_crash_now_and_then_is_forgiven(stage: Stage) -> None:
    """A child that crashes less than five times a minute is never quarantined, and never waits long."""
    async with stage.supervisor(stage.child("a")) as house:
        for _ in range(30):
            stage.find("a").tell(CRASH)
            await stage.clock.sleep(61)
        assert (await stage.status(house, "a")).state is State.RUNNING
    assert len(stage.starts) == 31


async def test_never_more_than_five_restarts_in_any_minute(stage: Stage) -> None:
    """However crashes are spread, no minute sees a sixth restart."""
    async with stage.supervisor(stage.child("a")) as house:
        while (await stage.status(house, "a")).state is not State.QUARANTINED:
            if (ref := stage.directory.find("a")) is not None:
                ref.tell(CRASH)
            await stage.clock.sleep(11.3)
    restarts = [at for _, at in stage.starts[1:]]
    assert all(later - earlier > 60 for earlier, later in zip(restarts, restarts[5:], strict=False))


async def test_operator_restarts_a_quarantined_child(stage: Stage) -> None:
    """A quarantined child starts at once when an operator says so, with a clean slate."""
    stage.broken.add("a")
    async with stage.supervisor(stage.child("a")) as house:
        await stage.clock.sleep(60)
        stage.broken.clear()
        await house.ask(Restart("a"))
        assert await stage.find("a").ask("works") == "works"
        with pytest.raises(Conflict):
            await house.ask(Restart("a"))
        with pytest.raises(NotFound):
            await house.ask(Restart("nobody"))
        stage.find("a").tell(CRASH)
        await stage.clock.sleep(1)
        assert (await stage.status(house, "a")).state is State.RUNNING


async def test_factory_that_fails_is_a_crash(stage: Stage) -> None:
    """A child that cannot be made is tried again, then quarantined, and an operator hears why."""

    def factory() -> LoopActor[Any]:
        raise OSError("no such file")

    async with stage.supervisor(Child("a", factory)) as house:
        await stage.clock.sleep(60)
        status = await stage.status(house, "a")
        assert (status.state, status.restarts) == (State.QUARANTINED, 5)
        with pytest.raises(ActorError, match="no such file"):
            await house.ask(Restart("a"))


async def test_leftovers_go_to_the_successor_first(stage: Stage) -> None:
    """Tells that a dead child had accepted are handled by its successor, in order, before newer ones."""
    async with stage.supervisor(stage.child("a")) as house:
        for message in ("1", CRASH, "2", CRASH, "3"):
            stage.find("a").tell(message)
        await stage.clock.sleep(0.15)
        stage.find("a").tell("4 is refused or late") if stage.directory.find("a") else None
        await stage.clock.sleep(1)
        stage.find("a").tell("5")
        await stage.find("a").ask("6")
        assert (await stage.status(house, "a")).leftovers == 0
        assert await house.ask(StopChild("a")) == []
    assert [seen for seen in stage.seen if len(seen) == 1] == ["1", "2", "3", "5", "6"]


async def test_leftovers_survive_a_failing_successor(stage: Stage) -> None:
    """While restarts fail, through quarantine, the leftovers are kept for the one that lives."""
    async with stage.supervisor(stage.child("a")) as house:
        for message in (CRASH, "1", "2"):
            stage.find("a").tell(message)
        stage.broken.add("a")
        await stage.clock.sleep(60)
        assert (await stage.status(house, "a")).leftovers == 2
        stage.broken.clear()
        await house.ask(Restart("a"))
        await stage.find("a").ask("3")
    assert stage.seen == ["1", "2", "3"]


async def test_many_deaths_at_once_are_all_acted_on(stage: Stage) -> None:
    """More children than the supervisor's mailbox holds may die in one instant; each is restarted."""
    names = [f"child {number}" for number in range(600)]
    async with stage.supervisor(*map(stage.child, names)):
        for name in names:
            stage.find(name).tell(CRASH)
        await stage.clock.sleep(1)
        for name in names:
            assert await stage.find(name).ask("works") == "works"


async def test_vital_death_is_reported_upward(stage: Stage) -> None:
    """The death of a vital child is not mended but reported, once."""
    async with stage.supervisor(stage.child("journal", vital=True), stage.child("b")):
        stage.find("journal").tell(CRASH)
        await stage.clock.sleep(60)
        assert stage.vital_deaths == ["journal"]
        assert stage.directory.find("journal") is None
        assert await stage.find("b").ask("works") == "works"


async def test_ends_children_in_reverse(stage: Stage) -> None:
    """Children end in the reverse order of their start, each after it handled what it had accepted."""
    async with stage.supervisor(*map(stage.child, "abc")):
        stage.find("a").tell("accepted")
    assert stage.ended == ["c", "b", "a"]
    assert stage.seen == ["accepted"]
    assert len(stage.directory) == 0


async def test_ends_a_hanging_child_after_its_grace(stage: Stage) -> None:
    """A child that hangs is cancelled after its grace, and those before it still end in order."""
    async with stage.supervisor(*map(stage.child, "abc"), grace=3):
        stage.find("b").tell(hang)
    assert stage.ended == ["c", "a"]
    assert stage.clock.monotonic() == 3


async def test_ends_a_crowd_within_one_grace(stage: Stage) -> None:
    """Children that end together share one grace, however many of them hang."""
    async with stage.supervisor(*map(stage.child, "abcdef"), grace=3, together=True):
        for name in "abcde":
            stage.find(name).tell(hang)
    assert stage.ended == ["f"]
    assert stage.clock.monotonic() == 3


async def test_does_not_restart_while_it_ends(stage: Stage) -> None:
    """A child that crashes while the house closes stays down, and no back-off outlives the house."""
    async with stage.supervisor(*map(stage.child, "ab")):
        stage.find("a").tell(CRASH)
        await stage.clock.settle()
        stage.find("b").tell(CRASH)
    assert stage.clock.armed == 0
    assert [name for name, _ in stage.starts] == ["a", "b"]


@pytest.mark.parametrize("order", ["cancel", "crash"])
async def test_a_dying_supervisor_leaves_no_orphans(stage: Stage, order: str) -> None:
    """When the supervisor itself is killed, its children end too and nothing restarts."""
    async with stage.supervisor(*map(stage.child, "abc")) as house:
        stage.find("b").tell(hang)
        if order == "cancel":
            house.cancel()
        else:
            house.tell(Restart("nobody"))
        await house.aclose()
        await stage.clock.settle()
        assert len(stage.directory) == 0
        assert stage.clock.armed == 0
        assert stage.clock.monotonic() == 0


async def test_starts_and_stops_children_on_request(stage: Stage) -> None:
    """Children can be added and taken out while the house runs; a name is used once."""
    async with stage.supervisor(stage.child("a")) as house:
        ref = await house.ask(StartChild(stage.child("b")))
        with pytest.raises(AlreadyExists):
            await house.ask(StartChild(stage.child("b")))
        ref.tell("accepted")
        assert await house.ask(StopChild("b")) == []
        assert stage.seen == ["accepted"]
        await stage.clock.sleep(60)
        assert [status.name for status in await house.ask(Describe())] == ["a"]


async def test_children_share_the_supervisors_clock(stage: Stage) -> None:
    """A child that was made without a clock waits on its supervisor's."""
    async with stage.supervisor(stage.child("a")):
        with pytest.raises(ActorError):
            await stage.find("a").ask(hang, timeout=3600)
        stage.find("a").cancel()
        await stage.clock.sleep(1)
    assert stage.clock.monotonic() > 3600
