"""What `callboard runs why` says of a run that waits, from the facts of one that does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from callboard.cli.waiting import waits
from callboard.clock import SystemClock
from callboard.desk.story import event_row
from callboard.facts import registered
from callboard.facts.events import (
    Cancelled,
    HoldReleased,
    Interrupted,
    StepCancelled,
    StepWaiting,
    WorkflowRecovered,
)
from callboard.ids import Position
from callboard.outcome import Wait
from callboard.run import commands
from callboard.web.runs import EventRow
from tests.unit.runs.house import ANN, house

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TEXT = """
name: w
steps:
  - {id: s, uses: core.echo, next: [d, sig, app, msg, ch, ea, again]}
  - {id: d, uses: core.delay, with: {until: "2999-01-01T00:00:00Z"}}
  - {id: sig, uses: wait.signal, with: {signal: go, timeout: 2h}}
  - {id: app, uses: approval, with: {approvers: [ann, ben], needed: 2}}
  - {id: msg, uses: wait.message, with: {channel: a.b, type: x, if: item.body == 1}}
  - {id: ch, uses: workflow, with: {name: other}}
  - {id: ea, uses: each, with: {items: [1], steps: [{id: in, uses: wait.signal, with: {signal: go}}]}}
  - {id: again, uses: core.echo, with: {simulate: transient}, retry: {delay: 1h, max_delay: 1h, jitter: none}}
"""
OTHER = "name: other\nsteps:\n  - {id: z, uses: wait.signal, with: {signal: go}}\n"


def row(fact: msgspec.Struct) -> EventRow:
    data = msgspec.to_builtins(fact)
    return EventRow(
        position=Position(1), cause=None, version=1, type=registered(type(fact)).name, at=NOW, data=data
    )


async def test_each_step_that_waits_says_for_what(tmp_path: Path) -> None:
    async with house(tmp_path / "db", OTHER, TEXT, clock=SystemClock()) as here:
        began = await here.start()
        await here.asleep()
        facts = await here.facts(began.run)
        (child,) = [one for one in facts if type(one).__name__ == "ChildStarted" and one.step == "ch"]
        told = waits(began.run, [event_row(one) for one in await here.events(began.run)])
        assert told.pop("sig").startswith("waits for the signal go, until 2")
        assert told.pop("again").startswith("is tried again at 2")
        assert told == {
            "d": "waits until 2999-01-01T00:00:00Z",
            "app": "waits for 2 of ann, ben: callboard approvals",
            "msg": "waits for a message of the type x on a.b for which item.body == 1",
            "ch": f"waits for run {child.run} of other",
            "ea": "waits for its items: callboard runs tree",
        }
        await here.runs.do(began.run, commands.Give("go", 1, "ann"), principal=ANN)
        await here.asleep()
        assert "sig" not in waits(began.run, [event_row(one) for one in await here.events(began.run)])


def test_a_step_that_is_held_says_how_it_goes_on() -> None:
    both = (Interrupted("a", "hold"), Interrupted("b", "retry"))
    held = [row(WorkflowRecovered(NOW, both))]
    assert waits("RUN", held) == {"a": "is held: callboard runs release RUN a"}
    assert waits("RUN", [*held, row(HoldReleased("a", NOW, "ann"))]) == {}


def test_what_was_cancelled_waits_for_nothing() -> None:
    waiting = [row(StepWaiting("a", NOW, Wait("signal", "go")))]
    assert waits("RUN", waiting) == {"a": "waits for the signal go"}
    over = StepCancelled(NOW, (Cancelled("a"),), "enough")
    assert waits("RUN", [*waiting, row(over)]) == {}
