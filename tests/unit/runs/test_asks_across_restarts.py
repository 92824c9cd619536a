"""Asks across restarts and crashes: an answer counts once, whoever was there when it came."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from callboard.ids import Position
from callboard.messages import To
from callboard.store.changes import AnswerAsk
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import stage
from tests.unit.runs.house import house
from tests.unit.runs.panel import error, output, panel, people, questions, reply
from tests.unit.runs.test_waiting import Gate


async def reply_meanwhile(file: Path, now: datetime, *names: str) -> list[str]:
    """Have some answer where there are no runs, as before a crash; return the runs that should look."""
    async with stage(file, clock=JumpClock(now)) as bare:
        asked = {one.message.to.name: one.message.id for one in await bare.said(type="ask")}
        for name in names or ("ben",):
            await bare.bus.send(
                sender=name, to=To.bot("workflow.w"), type="answer", json='"refuse"', reply_to=asked[name]
            )
        return [one.id for one in await bare.store.unended(Position(0), 10, stirring=True)]


async def test_an_ask_survives_a_restart_and_nobody_is_asked_twice(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await reply(here, "ann", "refuse")
        await here.asleep()
        assert await here.status(began.run) == "running"
    async with house(tmp_path / "db", panel(), clock=JumpClock(here.clock.now())) as here:
        await reply(here, "ben", "pay")
        await reply(here, "eve", "refuse")
        await here.comes_to(began.run)
        found = await output(here, began.run)
        assert found["answers"] == {"ann": "refuse", "ben": "pay", "eve": "refuse"}
        assert found["result"] == "refuse"
        assert len(await here.stage.said(type="ask")) == 3


async def test_an_answer_that_came_while_the_run_was_not_there_is_used_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(answers=1)) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await here.asleep()
        now = here.clock.now()
    stirring = await reply_meanwhile(tmp_path / "db", now)
    assert stirring == [began.run]
    clock = JumpClock(now)
    async with house(tmp_path / "db", panel(answers=1), clock=clock) as here:
        await here.comes_to(began.run)
        assert clock.monotonic() < 60
        assert (await output(here, began.run))["answers"] == {"ben": "refuse"}


async def test_of_a_deadline_and_an_answer_while_nobody_was_there_the_answer_counts(tmp_path: Path) -> None:
    text = panel(deadline="10m")
    async with house(tmp_path / "db", text) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await here.asleep()
        now = here.clock.now()
    await reply_meanwhile(tmp_path / "db", now)
    clock = JumpClock(now + timedelta(days=1))
    async with house(tmp_path / "db", text, clock=clock) as here:
        await here.comes_to(began.run)
        found = await output(here, began.run)
        assert found["answers"] == {"ben": "refuse"}
        assert set(found["missing"]) == {"ann", "eve"}


async def test_an_answer_after_the_deadline_is_too_late_though_nobody_was_there(tmp_path: Path) -> None:
    text = panel(deadline="10m")
    async with house(tmp_path / "db", text) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await here.asleep()
        now = here.clock.now()
    await reply_meanwhile(tmp_path / "db", now + timedelta(minutes=11))
    async with house(tmp_path / "db", text, clock=JumpClock(now + timedelta(minutes=12))) as here:
        await here.comes_to(began.run, "failed")
        assert (await error(here, began.run)).code == "ASK_UNANSWERED"


async def test_an_answer_of_which_the_run_was_not_told_counts_at_the_deadline(tmp_path: Path) -> None:
    gate = Gate()
    lines = panel(deadline="5m").splitlines(keepends=True)
    lines.insert(-1, "  - {id: other, uses: python, with: {action: pass}, timeout: 1h}\n")
    lines.insert(-1, "  - {id: end, uses: core.echo, needs: [panel, other]}\n")
    async with house(tmp_path / "db", "".join(lines), actions=gate.actions) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await here.stage.until(lambda: gate.begun)  # so the run stays awake, and reads nothing anew
        ann = (await questions(here))["ann"]
        turn = here.stage.company.services.journal.turn()
        place, _ = turn.send(sender="ann", to=To.channel("aside"), type="answer", body="refuse")
        turn.change(AnswerAsk(ann.id, "ann", place))
        await here.stage.company.services.journal.commit(turn)
        await here.stage.until(lambda: here.clock.monotonic() > 301)
        gate.open.set()
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {"ann": "refuse"}


async def test_an_answer_to_a_question_that_is_no_longer_open_is_passed_over(tmp_path: Path) -> None:
    text = panel("metric: krippendorff, resolve: more, raters: [joe], fallback: majority", answers=1)
    async with house(tmp_path / "db", text) as here:
        await people(here, "ann", "ben", "eve", "joe")
        began = await here.start()
        await here.asleep()
        now = here.clock.now()
    await reply_meanwhile(tmp_path / "db", now, "ann", "ben")
    async with house(tmp_path / "db", text, clock=JumpClock(now)) as here:

        async def joe() -> bool:
            return "joe" in await questions(here)

        await here.stage.until(joe)
        await reply(here, "joe", "pay")
        await here.comes_to(began.run)
        assert set((await output(here, began.run))["answers"]) == {"ann", "joe"}
