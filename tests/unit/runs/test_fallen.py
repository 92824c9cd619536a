"""A run whose actor dies of a bug: it looks again for what is due, or is `crashed` until it is resumed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callboard import run as machine
from callboard.actors.children import State
from callboard.errors import ActorStopped, CallboardError, StoreUnavailable, WrongState
from callboard.facts.events import WorkflowCrashed
from callboard.run import commands
from callboard.runs import course
from callboard.runs.fallen import LONGEST_ERROR, reason_for
from callboard.store.runrows import RunQuery
from tests.faulty import Disk, faulty_store
from tests.unit.runs.house import ANN, House, house

DELAYED = """
name: w
steps:
  - {id: a, uses: core.delay, with: {for: 60s}}
  - {id: b, uses: core.echo}
"""
PARALLEL = """
name: w
steps:
  - {id: a, uses: core.delay, with: {for: 60s}}
  - {id: b, uses: core.delay, with: {for: 60s}, next: [c]}
  - {id: c, uses: core.echo}
"""
AGENT = """
name: w
steps:
  - {id: a, uses: wait.signal, with: {signal: go}}
"""


class Bug:
    """A fault in the machine that meets commands of one kind."""

    def __init__(self, patch: pytest.MonkeyPatch, kind: type, *, times: int = 1_000_000) -> None:
        self.met = 0
        self._real, self._kind, self._times = machine.decide, kind, times
        patch.setattr(machine, "decide", self._decide)

    def _decide(self, state: Any, plan: Any, command: Any, *more: Any) -> machine.Decision:
        if isinstance(command, self._kind) and self.met < self._times:
            self.met += 1
            raise RuntimeError("a bug")
        return self._real(state, plan, command, *more)

    def mend(self) -> None:
        self._times = 0


@pytest.mark.parametrize("text", [DELAYED, PARALLEL])
async def test_a_timer_in_the_hand_of_an_actor_that_dies_rings_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await here.asleep()
        bug = Bug(monkeypatch, commands.TimerDue, times=2)
        await _comes_to(here, began.run)
        assert bug.met == 2
        await here.asleep()
        assert await here.store.timers(None, 10) == []


async def test_a_run_whose_actor_dies_again_and_again_is_set_aside_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", DELAYED) as here:
        began, other = await here.start(), await here.start()
        await here.asleep()
        bug = Bug(monkeypatch, commands.TimerDue)
        await _comes_to(here, began.run, "crashed")
        await _comes_to(here, other.run, "crashed")
        await here.asleep()
        row = await here.store.run(began.run)
        assert row is not None
        assert row.ended_at is None
        assert "RuntimeError: a bug" in row.reason
        assert "then resume it" in row.reason
        assert {one.id for one in await here.store.runs(RunQuery(status="crashed"))} == {began.run, other.run}
        assert here.runs.status() == ()  # so the doctor has nothing to say of its actor
        assert len(await here.store.timers(None, 10)) == 2  # which stand for what is due
        with pytest.raises(WrongState, match="has crashed"):
            await here.runs.do(began.run, commands.Pause("ann"), principal=ANN)
        bug.mend()
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await _comes_to(here, began.run)
        assert await here.status(other.run) == "crashed"
        assert await here.store.rebuild() == []


async def test_a_run_that_is_resumed_with_its_fault_unmended_is_set_aside_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", DELAYED) as here:
        began = await here.start()
        await here.asleep()
        bug = Bug(monkeypatch, commands.TimerDue)
        await _comes_to(here, began.run, "crashed")
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await here.stage.until(partial(_crashes, here, began.run, 2), within=1_000)
        bug.mend()
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await _comes_to(here, began.run)


async def _comes_to(here: House, run: str, status: str = "completed") -> None:
    async def there() -> bool:
        return await here.status(run) == status

    await here.stage.until(there, within=1_000)


async def _crashes(here: House, run: str, count: int) -> bool:
    return sum(isinstance(one, WorkflowCrashed) for one in await here.facts(run)) == count


async def test_a_run_that_cannot_be_folded_is_set_aside_and_can_be_resumed_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the actor is needed for that."""
    async with house(tmp_path / "db", AGENT) as here:
        began = await here.start()
        await here.asleep()

        def broken(*_: object) -> object:
            raise TypeError("the fold is broken")

        with monkeypatch.context() as patch:
            patch.setattr(course.FOLD, "evolve", broken)
            with pytest.raises(ActorStopped):
                await here.runs.do(began.run, commands.Give("go", 1, "ann"), principal=ANN)
            await _comes_to(here, began.run, "crashed")
            await here.asleep()
    async with house(tmp_path / "db", AGENT) as here:
        assert await here.status(began.run) == "crashed"
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await here.runs.do(began.run, commands.Give("go", 1, "ann"), principal=ANN)
        await _comes_to(here, began.run)


async def test_a_run_that_cannot_be_set_aside_stays_where_the_doctor_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    store = faulty_store(tmp_path / "db", disk)
    async with house(tmp_path / "db", DELAYED, store=store) as here:
        began = await here.start()
        await here.asleep()
        bug = Bug(monkeypatch, commands.TimerDue)
        disk.break_at("BEGIN")
        await here.stage.until(lambda: _named(here, began.run), within=1_000)
        await here.stage.until(lambda: disk.tried > 4, within=1_000)
        assert await here.status(began.run) == "running"
        disk.mend()
        bug.mend()
        await here.stage.until(partial(_takes, here, began.run), within=1_000)
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await _comes_to(here, began.run)


def _named(here: House, run: str) -> bool:
    return [(one.name, one.state, one.last_error) for one in here.runs.status()] == [
        (run, State.QUARANTINED, "RuntimeError: a bug")
    ]


async def _takes(here: House, run: str) -> bool:
    try:
        await here.runs.do(run, commands.Pause("ann"), principal=ANN)
    except StoreUnavailable:
        return False
    except CallboardError:
        return await here.status(run) == "crashed"
    return True


async def test_a_start_that_meets_a_bug_leaves_no_actor_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", DELAYED) as here:
        Bug(monkeypatch, commands.Start)
        with pytest.raises(ActorStopped):
            await here.start()
        await here.stage.until(lambda: here.runs.status() == ())
        await here.asleep()
        assert await here.store.runs(RunQuery()) == []


def test_a_reason_is_short_and_can_be_written() -> None:
    assert len(reason_for("x" * 10_000)) < LONGEST_ERROR + 200
    reason_for("a lone \ud800 surrogate").encode()
