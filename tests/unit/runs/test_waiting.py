"""What runs wait for: time, signals, people, operators; and what a restart makes of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from callboard.errors import Conflict, Denied, NotFound, WrongState
from callboard.facts.events import run_stream
from callboard.ids import Position
from callboard.planning.step import action, marked
from callboard.run import commands
from callboard.runs.runturn import Waited
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import ANN, House, house

DELAY = """
name: w
steps:
  - {id: a, uses: core.delay, with: {for: 1d}}
  - {id: b, uses: core.echo}
"""
SIGNAL = """
name: w
steps:
  - {id: a, uses: wait.signal, with: {signal: go, timeout: 2d}}
  - {id: b, uses: core.echo, with: {message: "{{ steps.a.output }}"}}
output: "{{ steps.b.output.echo }}"
"""
APPROVAL = """
name: w
steps:
  - {{id: a, uses: approval, with: {{approvers: [ann, ben, eve], message: "Pay {{{{ trigger }}}}?"{more}}}}}
  - {{id: b, uses: core.echo}}
output: "{{{{ steps.a.output }}}}"
"""


class Nothing(msgspec.Struct):
    """What the actions of these tests take."""


class Gate:
    """An action that waits until the test lets it go, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()

        @action("pass")
        async def pass_(_: Nothing) -> str:
            self.begun += 1
            await self.open.wait()
            return "through"

        found = marked(pass_)
        assert found is not None
        self.actions = {"pass": found}


GATED = """
name: w
steps:
  - {{id: a, uses: python, with: {{action: pass}}, on_interrupt: {then}}}
  - {{id: b, uses: core.echo}}
"""


async def do(here: House, run: str, command: commands.Command) -> str:
    return (await here.runs.do(run, command, principal=ANN)).status


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_delay_holds_no_actor_and_wakes_its_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DELAY) as here:
        began = await here.start()
        await here.asleep()
        assert here.clock.monotonic() < 60
        await here.comes_to(began.run)
        assert 86_400 <= here.clock.monotonic() < 86_500
        assert await here.store.timers(None, 10) == []


async def test_a_delay_that_ended_while_nobody_was_there_ends_once_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DELAY) as here:
        began = await here.start()
        await here.asleep()
        late = here.clock.now()
    clock = JumpClock(late + timedelta(days=3))
    async with house(tmp_path / "db", DELAY, clock=clock) as here:
        await here.comes_to(began.run)
        assert clock.monotonic() < 60
        assert (await here.kinds(began.run)).count("step_completed") == 2


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
async def test_a_time_that_no_clock_shows_fails_its_step_and_troubles_nobody_else(
    tmp_path: Path, until: str
) -> None:
    text = "name: w\nsteps:\n  - {id: a, uses: core.delay, with: {until: '{{ trigger }}'}}\n"
    async with house(tmp_path / "db", text) as here:
        began = await here.start(trigger=until)
        await here.comes_to(began.run, "failed")
        error = (await here.facts(began.run))[-1].error
        assert (error.code, "no clock shows this time" in error.message) == ("BAD_INPUT", True)


# ── signals ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("early", [False, True])
async def test_a_signal_lets_the_run_go_on(tmp_path: Path, early: bool) -> None:
    text = (
        SIGNAL
        if not early
        else SIGNAL.replace("steps:\n", "steps:\n  - {id: z, uses: core.delay, with: {for: 1h}}\n")
    )
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await here.asleep()
        await do(here, began.run, commands.Give("go", {"n": 7}, "ann"))
        await here.comes_to(began.run)
        assert (await here.facts(began.run))[-1].final_output == {"n": 7}
        assert await here.store.waits_of("signal", None, 10) == []


async def test_a_signal_that_does_not_come_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SIGNAL) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        assert (await here.facts(began.run))[-1].error.code == "WAIT_EXPIRED"
        with pytest.raises(WrongState):
            await do(here, began.run, commands.Give("go", None, "ann"))


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────


async def decide(here: House, word: str, by: str) -> str:
    (wait,) = await here.store.waits_of("approval", None, 10)
    waited = msgspec.json.decode(wait.data, type=Waited)
    standing = await here.runs.decide(waited, word, by=by, comment="so be it", principal=ANN)  # type: ignore[arg-type]
    return standing.status


async def test_an_approval_pauses_the_run_until_somebody_decides(tmp_path: Path) -> None:
    async with house(tmp_path / "db", APPROVAL.format(more="")) as here:
        began = await here.start(trigger=7)
        await here.asleep()
        row = await here.store.run(began.run)
        assert row is not None
        assert (row.status, row.paused_by) == ("paused", "approval")
        with pytest.raises(Denied):
            await decide(here, "approve", "mallory")
        assert await decide(here, "approve", "ben") == "completed"
        assert (await here.facts(began.run))[-1].final_output["by"] == ["ben"]


async def test_a_rejection_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", APPROVAL.format(more="")) as here:
        began = await here.start(trigger=7)
        assert await decide(here, "reject", "ben") == "failed"
        assert (await here.facts(began.run))[-1].error.code == "REJECTED"


async def test_as_many_must_approve_as_are_needed(tmp_path: Path) -> None:
    async with house(tmp_path / "db", APPROVAL.format(more=", needed: 2")) as here:
        began = await here.start(trigger=7)
        assert await decide(here, "approve", "ann") == "paused"
        with pytest.raises(Conflict):
            await decide(here, "approve", "ann")
        assert await decide(here, "approve", "eve") == "completed"
        assert (await here.facts(began.run))[-1].final_output["by"] == ["ann", "eve"]


async def test_of_decisions_at_the_same_instant_exactly_one_wins(tmp_path: Path) -> None:
    async with house(tmp_path / "db", APPROVAL.format(more="")) as here:
        began = await here.start(trigger=7)
        await here.asleep()
        outcomes = await asyncio.gather(
            *(decide(here, "approve" if n % 2 else "reject", ["ann", "ben", "eve"][n % 3]) for n in range(9)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, str) for one in outcomes) == 1
        assert all(isinstance(one, str | Conflict) for one in outcomes)
        assert (await here.kinds(began.run)).count("approval_decided") == 1


@pytest.mark.parametrize(
    ("default", "status"),
    [("", "failed"), (", default: approve", "completed"), (", default: reject", "failed")],
)
async def test_an_approval_that_nobody_gives_in_time_expires(
    tmp_path: Path, default: str, status: str
) -> None:
    async with house(tmp_path / "db", APPROVAL.format(more=f", expires: 2h{default}")) as here:
        began = await here.start(trigger=7)
        await here.comes_to(began.run, status)
        assert await here.store.waits_of("approval", None, 10) == []
        assert await here.store.timers(None, 10) == []


# ── operators ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_while_a_run_is_paused_attempts_end_and_nothing_starts(tmp_path: Path) -> None:
    gate = Gate()
    async with house(tmp_path / "db", GATED.format(then="retry"), actions=gate.actions) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        assert await do(here, began.run, commands.Pause("ann")) == "paused"
        gate.open.set()
        await here.asleep()
        assert [step for step, _, _ in await here.attempts(began.run)] == ["a"]
        with pytest.raises(WrongState):
            await do(here, began.run, commands.Pause("ann"))
        await do(here, began.run, commands.Resume("ann"))
        await here.comes_to(began.run)


async def test_a_cancelled_run_stops_its_attempts_and_starts_no_more(tmp_path: Path) -> None:
    gate = Gate()
    async with house(tmp_path / "db", GATED.format(then="retry"), actions=gate.actions) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        assert await do(here, began.run, commands.Cancel("ann", "no more")) == "cancelled"
        await here.asleep()
        assert await here.attempts(began.run) == [("a", 1, "cancelled")]
        with pytest.raises(WrongState):
            await do(here, began.run, commands.Cancel("ann"))


async def test_a_sleeping_run_can_be_cancelled_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with house(tmp_path / "db", SIGNAL) as here:
        began = await here.start()
        await here.asleep()
        assert await do(here, began.run, commands.Cancel("ann")) == "cancelled"
        assert await here.store.timers(None, 10) == []
        assert await here.store.waits_of("signal", None, 10) == []


async def test_a_failed_run_is_tried_again_from_where_it_failed(tmp_path: Path) -> None:
    tries = []

    @action("second")
    async def second(_: Nothing) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return len(tries)

    found = marked(second)
    assert found is not None
    text = (
        "name: w\nsteps:\n  - {id: z, uses: core.echo}\n  - {id: a, uses: python, with: {action: second}}\n"
    )
    async with house(tmp_path / "db", text, actions={"second": found}) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        await here.asleep()
        await do(here, began.run, commands.Reopen("ann"))
        await here.comes_to(began.run)
        assert [one for one in await here.attempts(began.run) if one[0] == "z"] == [("z", 1, "completed")]


async def test_nothing_can_be_wanted_of_a_run_that_is_not_there(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DELAY) as here:
        with pytest.raises(NotFound):
            await do(here, "01920000-0000-7000-8000-000000000000", commands.Pause("ann"))


# ── restarts ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("then", "status"), [("retry", "completed"), ("fail", "failed"), ("hold", "paused")])
async def test_an_attempt_that_was_cut_off_is_taken_up_as_the_step_says(
    tmp_path: Path, then: str, status: str
) -> None:
    gate = Gate()
    async with house(tmp_path / "db", GATED.format(then=then), actions=gate.actions, grace=0.1) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
    gate.open.set()
    async with house(tmp_path / "db", GATED.format(then=then), actions=gate.actions) as here:
        await here.comes_to(began.run, status)
        assert gate.begun == (2 if then == "retry" else 1)
        assert (await here.attempts(began.run))[0] == ("a", 1, "interrupted")


async def test_in_an_orderly_end_attempts_finish_and_nothing_new_begins(tmp_path: Path) -> None:
    gate = Gate()
    text = GATED.format(then="fail") + "  - {id: c, uses: python, with: {action: pass}, on_interrupt: fail}\n"
    async with house(tmp_path / "db", text, actions=gate.actions, grace=60) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
        actor = here.runs.find_child(began.run)[0]
        assert actor is not None

        async def open_once_it_closes() -> None:
            while actor.is_alive():
                await asyncio.sleep(0)
            gate.open.set()

        opening = asyncio.create_task(open_once_it_closes())
    await opening
    assert gate.begun == 1
    async with house(tmp_path / "db", text, actions=gate.actions) as here:
        await here.comes_to(began.run)
        assert [status for _, _, status in await here.attempts(began.run)] == ["completed"] * 3


@pytest.mark.parametrize(("how", "status"), [("retry", "completed"), ("fail", "failed")])
async def test_a_step_that_is_held_after_a_crash_waits_for_an_operator(
    tmp_path: Path, how: Literal["retry", "fail"], status: str
) -> None:
    gate = Gate()
    text = GATED.format(then="hold")
    async with house(tmp_path / "db", text, actions=gate.actions, grace=0.1) as here:
        began = await here.start()
        await here.stage.until(lambda: gate.begun == 1)
    gate.open.set()
    async with house(tmp_path / "db", text, actions=gate.actions) as here:
        await here.comes_to(began.run, "paused")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.paused_by == "hold"
        with pytest.raises(WrongState):
            await do(here, began.run, commands.Release("b", how, "ann"))
        await do(here, began.run, commands.Release("a", how, "ann"))
        await here.comes_to(began.run, status)


@pytest.mark.parametrize("text", [DELAY, SIGNAL, APPROVAL.format(more="")])
async def test_a_run_that_only_waits_is_not_loaded_at_the_start(tmp_path: Path, text: str) -> None:
    async with house(tmp_path / "db", text) as here:
        began = await here.start(trigger=7)
        await here.asleep()
        before = await here.kinds(began.run)
    async with house(tmp_path / "db", text) as here:
        assert await here.store.unended(Position(0), 10, stirring=True) == []
        assert await here.kinds(began.run) == before
        assert here.runs.awake == 0


async def test_a_long_run_is_rebuilt_from_its_snapshot(tmp_path: Path) -> None:
    steps = "\n".join(f"  - {{id: s{n}, uses: core.echo}}" for n in range(150))
    text = f"name: w\nsteps:\n{steps}\n  - {{id: a, uses: wait.signal, with: {{signal: go}}}}\n"
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await here.asleep()
        assert await here.store.snapshot(run_stream(began.run)) is not None
        await do(here, began.run, commands.Give("go", None, "ann"))
        assert await here.status(began.run) == "completed"
