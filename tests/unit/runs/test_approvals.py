"""Approvals: who may, who did, and that exactly one decision wins."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from callboard.desk.runs import RunsDesk
from callboard.errors import Conflict, Denied, NotFound
from callboard.ids import PrincipalId
from callboard.run import commands
from callboard.runs.runturn import Waited
from callboard.store.boardrows import Wait
from callboard.web import runs
from tests.unit.runs.house import ANN, House, house

Word = Literal["approve", "reject"]

ONE = """
name: w
steps:
  - {{id: a, uses: approval, with: {{approvers: [ann, ben, eve], message: "Pay?"{more}}}}}
  - {{id: b, uses: core.echo}}
output: "{{{{ steps.a.output }}}}"
"""
BESIDE = """
name: w
steps:
  - {id: first, uses: core.echo, next: [a, other]}
  - {id: a, uses: approval, with: {approvers: [ann]}}
  - {id: other, uses: core.delay, with: {for: 1h}}
  - {id: after, uses: core.echo, needs: [other]}
"""
TWO = """
name: w
steps:
  - {id: first, uses: core.echo, next: [a, b]}
  - {id: a, uses: approval, with: {approvers: [ann], message: one}}
  - {id: b, uses: approval, with: {approvers: [ann], message: two}}
"""
AGAIN = """
name: w
steps:
  - id: a
    uses: approval
    with: {approvers: [ann]}
  - id: b
    uses: core.echo
    again: {to: a, if: "true", max: 1}
"""


def desk(here: House) -> RunsDesk:
    """Return what answers at the door; none of these tests publishes."""
    return RunsDesk(here.store, here.runs, None)  # type: ignore[arg-type]


async def waiting(here: House) -> list[Wait]:
    return await here.store.waits_of("approval", None, 10)


async def decide(here: House, word: Word, by: str, *, wait: Wait | None = None) -> str:
    one = wait or (await waiting(here))[0]
    waited = msgspec.json.decode(one.data, type=Waited)
    standing = await here.runs.decide(waited, word, by=by, comment="so be it", principal=PrincipalId(by))
    return standing.status


async def row(here: House, run: str) -> tuple[str, str]:
    found = await here.store.run(run)
    assert found is not None
    return found.status, found.paused_by


# ── paused, or not ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_in_which_something_else_can_move_is_not_paused_by_an_approval(tmp_path: Path) -> None:
    async with house(tmp_path / "db", BESIDE) as here:
        began = await here.start()
        await here.asleep()
        assert await row(here, began.run) == ("running", "")
        await here.comes_to(began.run, "paused")
        assert here.clock.monotonic() >= 3600
        assert await row(here, began.run) == ("paused", "approval")
        assert await decide(here, "approve", "ann") == "completed"


async def test_an_operators_pause_keeps_a_decision_and_starts_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        began = await here.start()
        await here.asleep()
        await here.runs.do(began.run, commands.Pause("ann"), principal=ANN)
        assert await row(here, began.run) == ("paused", "operator")
        assert await decide(here, "approve", "ben") == "paused"
        assert [step for step, _, _ in await here.attempts(began.run)] == ["a"]
        await here.runs.do(began.run, commands.Resume("ann"), principal=ANN)
        await here.comes_to(began.run)


async def test_of_two_that_wait_one_decision_leaves_the_run_paused_by_the_other(tmp_path: Path) -> None:
    async with house(tmp_path / "db", TWO) as here:
        began = await here.start()
        await here.asleep()
        first, second = await waiting(here)
        assert await decide(here, "approve", "ann", wait=first) == "paused"
        assert await row(here, began.run) == ("paused", "approval")
        assert await decide(here, "approve", "ann", wait=second) == "completed"


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("word", "status"), [("approve", "completed"), ("reject", "failed")])
async def test_who_decided_and_under_which_name_is_in_the_log(
    tmp_path: Path, word: Word, status: str
) -> None:
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        began = await here.start()
        await here.asleep()
        assert await decide(here, word, "eve") == status
        (event,) = [one for one in await here.events(began.run) if one.type == "approval_decided"]
        fact: Any = event.fact
        assert fact.by == "eve"
        assert fact.answer == {"decision": word, "comment": "so be it"}
        entry = await here.store.entry(event.position)
        assert entry is not None
        assert entry.principal == "eve"


async def test_whoever_comes_late_is_told_who_decided_also_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        await here.start()
        await here.asleep()
        (wait,) = await waiting(here)
        asked = runs.DecisionRequest(decision="reject", by="ben")
        await desk(here).decide(str(wait.id), asked, ANN)
        with pytest.raises(Conflict, match="ben rejected it"):
            await decide_late(here, wait)
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        with pytest.raises(Conflict, match="ben rejected it"):
            await decide_late(here, wait)


async def decide_late(here: House, wait: Wait) -> None:
    await desk(here).decide(str(wait.id), runs.DecisionRequest(decision="approve", by="eve"), ANN)


async def test_an_approval_that_nobody_decided_is_not_said_to_be(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more=", needed: 2, expires: 1h")) as here:
        began = await here.start()
        await here.asleep()
        (wait,) = await waiting(here)
        await decide(here, "approve", "ann")
        with pytest.raises(Conflict, match="ann has decided this already"):
            await desk(here).decide(str(wait.id), runs.DecisionRequest(decision="approve", by="ann"), ANN)
        await here.comes_to(began.run, "failed")
        with pytest.raises(NotFound):
            await decide_late(here, wait)


async def test_of_several_who_must_approve_one_who_may_not_counts_for_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more=", needed: 2")) as here:
        began = await here.start()
        await here.asleep()
        with pytest.raises(Denied):
            await decide(here, "approve", "mallory")
        assert await decide(here, "approve", "ann") == "paused"
    async with house(tmp_path / "db", ONE.format(more=", needed: 2")) as here:
        with pytest.raises(Conflict):
            await decide(here, "approve", "ann")
        assert await decide(here, "approve", "ben") == "completed"
        assert (await here.facts(began.run))[-1].final_output["by"] == ["ann", "ben"]


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_approved_run_goes_on_exactly_once_however_many_approve(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        began = await here.start()
        await here.asleep()
        (wait,) = await waiting(here)
        told = await asyncio.gather(
            *(decide(here, "approve", name, wait=wait) for name in ["ann", "ben", "eve"] * 7),
            return_exceptions=True,
        )
        assert sum(isinstance(one, str) for one in told) == 1
        assert all(isinstance(one, str | Conflict) for one in told)
        kinds = await here.kinds(began.run)
        assert kinds.count("approval_decided") == kinds.count("workflow_completed") == 1
        assert [step for step, _, _ in await here.attempts(began.run)] == ["a", "b"]


async def test_a_decision_upon_the_last_round_decides_nothing_of_this_one(tmp_path: Path) -> None:
    async with house(tmp_path / "db", AGAIN) as here:
        began = await here.start()
        await here.asleep()
        (first,) = await waiting(here)
        assert await decide(here, "approve", "ann", wait=first) == "paused"
        with pytest.raises(Conflict):
            await decide(here, "approve", "ann", wait=first)
        (second,) = await waiting(here)
        assert second.id != first.id
        assert await decide(here, "approve", "ann", wait=second) == "completed"
        assert await here.status(began.run) == "completed"


async def test_an_approval_of_a_cancelled_run_cannot_be_given(tmp_path: Path) -> None:
    async with house(tmp_path / "db", ONE.format(more="")) as here:
        began = await here.start()
        await here.asleep()
        (wait,) = await waiting(here)
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        with pytest.raises(Conflict):
            await decide(here, "approve", "ann", wait=wait)
        assert await waiting(here) == []
        assert await here.status(began.run) == "cancelled"
