"""Messages and ends of runs: each fires each trigger once, and no circle goes on for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard.errors import StoreUnavailable
from callboard.facts.triggering import TriggerFired, TriggerNotFired
from callboard.ids import DEFAULT_TENANT, Position, PrincipalId
from callboard.run.commands import Reopen
from callboard.store.changes import KeepKey
from callboard.store.runrows import Audible, TriggerRow
from callboard.stores.sqlite import SqliteStore
from callboard.stores.sqlite.connection import inline
from callboard.testing.clock import JumpClock
from callboard.triggers.delivery import deliver
from callboard.triggers.entries import Entry
from callboard.triggers.hearing import Hearing
from tests.unit.triggers.house import ANN, House, house

NOTES = """
name: w
on:
  - message: {channel: "intake.*", type: note}
    if: trigger.n != 3
steps:
  - {id: a, uses: core.echo}
"""
AFTER = """
name: after
on:
  - run: {workflow: first, status: STATUS}
steps:
  - {id: a, uses: core.echo}
"""
FIRST = """
name: first
steps:
  - {id: a, uses: core.fail}
"""
DONE = """
name: first
steps:
  - {id: a, uses: core.echo, with: {message: 7}}
output: "{{ steps.a.output.echo }}"
"""


async def start(h: House, workflow: str, trigger: Any = None) -> str:
    return (await h.runs.start_run(workflow, trigger, principal=ANN)).run


async def heard(h: House, workflow: str, count: int) -> None:
    async def there() -> bool:
        return len(await h.all_runs(workflow)) >= count

    await h.until(there)


async def recorded(h: House, trigger: str, count: int) -> list[Any]:
    async def there() -> bool:
        return len(await h.records(trigger)) >= count

    await h.until(there)
    return await h.records(trigger)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_message_on_the_channel_starts_one_run_that_it_is_the_cause_of(tmp_path: Path) -> None:
    async with house(tmp_path / "db", NOTES) as h:
        row = await h.trigger()
        for n in range(5):
            await h.say("intake.mail", {"n": n})
        await h.say("intake.mail", {"n": 9}, type_="other")
        await h.say("elsewhere", {"n": 9})
        await heard(h, "w", 4)
        records = await recorded(h, row.id, 6)
        assert await h.inputs() == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 4}]
        (refused,) = [one for one in records if isinstance(one, TriggerNotFired)]
        assert (refused.code, "3 != 3" in refused.reason) == ("CONDITION_FALSE", True)
        run = (await h.all_runs("w"))[0]
        cause = (await h.store.causes(run.started, 2))[1]
        assert (cause.kind, cause.subject, run.principal) == ("message", "channel:intake.mail", "ann")
        assert await h.store.rebuild() == []


async def test_what_was_said_before_the_workflow_was_published_starts_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db") as h:
        await h.say("intake.mail", {"n": 1})
        await h.publish(NOTES)
        await h.say("intake.mail", {"n": 2})
        await heard(h, "w", 1)
        h.triggers._hearing.rewind(Position(0), (await h.store.head()).position)
        await h.say("intake.mail", {"n": 4})
        await heard(h, "w", 2)
        assert await h.inputs() == [{"n": 2}, {"n": 4}]


async def test_what_is_said_between_the_publication_and_its_setting_starts_a_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db") as h:
        with h.clock.busy():
            witnesses, h.publisher.shelf.witnesses = h.publisher.shelf.witnesses, []
            await h.publisher.publish(NOTES)
            await h.say("intake.mail", {"n": 1})
            doing = witnesses[0]("w", DEFAULT_TENANT)
            assert doing is not None
            await doing
        await heard(h, "w", 1)
        assert await h.inputs() == [{"n": 1}]


async def test_what_was_said_while_a_trigger_was_off_starts_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", NOTES) as h:
        row = await h.trigger()
        await h.triggers.switch(row.id, on=False, principal=ANN)
        await h.say("intake.mail", {"n": 1})
        await h.triggers.switch(row.id, on=True, principal=ANN)
        await h.say("intake.mail", {"n": 2})
        await heard(h, "w", 1)
        assert await h.inputs() == [{"n": 2}]
        h.triggers._hearing.rewind(Position(0), (await h.store.head()).position)
        await h.say("intake.mail", {"n": 4})
        await heard(h, "w", 2)
        assert await h.inputs() == [{"n": 2}, {"n": 4}]


async def test_messages_that_nobody_heard_start_their_runs_at_the_next_start(tmp_path: Path) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", NOTES, clock=clock) as h:
        h.stage.company.board.witnesses.clear()
        for n in (5, 6):
            await h.say("intake.mail", {"n": n})
    async with house(tmp_path / "db", clock=clock) as h:
        await heard(h, "w", 2)
        assert await h.inputs() == [{"n": 5}, {"n": 6}]


async def test_hearing_the_log_twice_fires_nothing_twice(tmp_path: Path) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", NOTES, clock=clock) as h:
        row = await h.trigger()
        for n in (3, 4, 5):
            await h.say("intake.mail", {"n": n})
        await heard(h, "w", 2)
        before = await recorded(h, row.id, 4)
        h.triggers._hearing.rewind(Position(0), (await h.store.head()).position)
        await h.say("intake.mail", {"n": 6})
        await heard(h, "w", 3)
        assert await h.inputs() == [{"n": 4}, {"n": 5}, {"n": 6}]
        assert len(await h.records(row.id)) == len(before) + 1


async def test_a_thousand_messages_start_a_thousand_runs_in_their_order(tmp_path: Path) -> None:
    async with house(tmp_path / "db", NOTES.replace("    if: trigger.n != 3\n", "")) as h:
        for n in range(1_000):
            await h.say("intake.mail", {"n": n})
        await heard(h, "w", 1_000)
        assert [one["n"] for one in await h.inputs()] == list(range(1_000))
    async with house(tmp_path / "db") as h:
        assert await h.store.heard() is not None


# ── ends of runs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("first", "status", "event"),
    [
        (DONE, "completed", {"status": "completed", "output": 7}),
        (FIRST, "failed", {"status": "failed", "output": None}),
        (FIRST, "any", {"status": "failed", "output": None}),
    ],
)
async def test_the_end_of_a_run_starts_one_that_is_told_how_it_ended(
    tmp_path: Path, first: str, status: str, event: dict[str, Any]
) -> None:
    async with house(tmp_path / "db", first, AFTER.replace("STATUS", status)) as h:
        run = await start(h, "first")
        await heard(h, "after", 1)
        assert await h.inputs("after") == [{"run_id": run, **event}]
        (follower,) = await h.all_runs("after")
        chain = await h.store.causes(follower.started, 3)
        assert (chain[1].subject, chain[1].type) == (f"run:{run}", f"workflow_{event['status']}")
        assert follower.principal == "ann"


async def test_a_run_that_ends_otherwise_starts_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", FIRST, AFTER.replace("STATUS", "completed")) as h:
        run = await start(h, "first")

        async def over() -> bool:
            row = await h.store.run(run)
            return row is not None and row.status == "failed"

        await h.until(over)
        await h.clock.sleep(60)
        assert await h.all_runs("after") == []


async def test_a_run_that_is_reopened_and_ends_again_starts_another(tmp_path: Path) -> None:
    async with house(tmp_path / "db", FIRST, AFTER.replace("STATUS", "failed")) as h:
        run = await start(h, "first")
        await heard(h, "after", 1)
        await h.runs.do(run, Reopen("ann"), principal=ANN)
        await heard(h, "after", 2)
        assert [one["run_id"] for one in await h.inputs("after")] == [run, run]


async def test_the_items_and_rounds_of_a_run_are_no_ends_of_it(tmp_path: Path) -> None:
    items = """
name: first
steps:
  - id: all
    uses: each
    with: {items: [1, 2, 3], steps: [{id: one, uses: core.echo}]}
"""
    async with house(tmp_path / "db", items, AFTER.replace("STATUS", "any")) as h:
        run = await start(h, "first")
        await heard(h, "after", 1)
        await h.clock.sleep(60)
        assert [one["run_id"] for one in await h.inputs("after")] == [run]


async def test_an_end_that_nobody_heard_starts_its_run_at_the_next_start(tmp_path: Path) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", DONE, AFTER.replace("STATUS", "completed"), clock=clock) as h:
        h.stage.company.board.listeners.clear()
        run = await start(h, "first")

        async def over() -> bool:
            row = await h.store.run(run)
            return row is not None and row.status == "completed"

        await h.until(over)
        assert await h.all_runs("after") == []
    async with house(tmp_path / "db", clock=clock) as h:
        await heard(h, "after", 1)
        assert len(await h.all_runs("after")) == 1


class Unread(SqliteStore):
    """A store that cannot tell which triggers one workflow has."""

    left = 0
    """How often it still cannot."""

    async def triggers(self, *, workflow: str | None = None, **more: Any) -> list[TriggerRow]:
        if workflow == "after" and self.left:
            self.left -= 1
            raise StoreUnavailable("The disk did not read.")
        return await super().triggers(workflow=workflow, **more)


async def test_a_trigger_that_cannot_be_read_for_a_while_hears_later_what_passed_meanwhile(
    tmp_path: Path,
) -> None:
    """In the same life or, if it cannot be read in all of it, in the next, though others heard on."""
    clock = JumpClock()
    async with house(tmp_path / "db", NOTES, DONE, AFTER.replace("STATUS", "any"), clock=clock) as h:
        h.stage.company.board.listeners.clear()
        run = await start(h, "first")

        async def over() -> bool:
            row = await h.store.run(run)
            return row is not None and row.status == "completed"

        await h.until(over)
    store = Unread(tmp_path / "db", clock=clock, connect=inline)
    for life, store.left in ((1, 1_000), (2, 1)):
        async with house(tmp_path / "db", clock=clock, store=store) as h:
            await h.say("intake.a", {"n": 10 * life})
            await heard(h, "w", life)
            await heard(h, "after", life - 1)
            assert len(await h.all_runs("after")) == life - 1
            assert len(await h.all_runs("w")) == life, "it was fired twice"


async def test_an_end_that_comes_while_triggers_are_being_set_at_a_start_is_heard(tmp_path: Path) -> None:
    """The head was read before it, and nobody listened yet; what comes next must not pass for the first."""
    heard_: list[int] = []

    async def note(one: Audible) -> list[Entry]:
        heard_.append(one.position)
        return []

    async with house(tmp_path / "db", DONE) as h:
        before = (await h.store.head()).position
        await start(h, "first")

        async def ended() -> bool:
            return bool(await h.store.audible(before, (await h.store.head()).position, 10))

        await h.until(ended)
        (end,) = await h.store.audible(before, (await h.store.head()).position, 10)
        hearing = Hearing(h.stage.company.services, h.triggers.firing, note)
        hearing.stir(end.position)
        hearing.open(Position(before), Position(end.position - 1))
        await h.clock.sleep(1)
        await h.say("intake.a", {"n": 1})
        hearing.stir((await h.store.head()).position)
        await h.until(lambda: len(heard_) > 1)
        await hearing.close()
        assert heard_[0] == end.position


# ── circles ──────────────────────────────────────────────────────────────────────────────────────────────


def circle(name: str, after: str) -> str:
    return f"""
name: {name}
on:
  - run: {{workflow: {after}, status: any}}
steps:
  - {{id: a, uses: core.echo}}
"""


async def test_a_circle_of_workflows_stops_at_the_hop_limit_and_says_so(tmp_path: Path) -> None:
    async with house(tmp_path / "db", circle("a", "b"), circle("b", "a")) as h:
        await start(h, "a")
        await heard(h, "b", 16)
        await heard(h, "a", 17)
        row = await h.trigger("b")
        records = await recorded(h, row.id, 18)
        last = records[-1]
        assert isinstance(last, TriggerNotFired)
        assert last.code == "HOP_LIMIT"
        assert len(await h.all_runs()) == 33


async def test_a_circle_of_a_message_and_a_workflow_stops_at_the_hop_limit(tmp_path: Path) -> None:
    text = """
name: w
on:
  - message: {channel: echoes}
steps:
  - {id: a, uses: message.publish, with: {channel: echoes, type: echo, body: {}}}
"""
    async with house(tmp_path / "db", text) as h:
        row = await h.trigger()
        await h.say("echoes", {})

        async def stopped() -> bool:
            return any(isinstance(one, TriggerNotFired) for one in await h.records(row.id))

        await h.until(stopped)
        last = (await h.records(row.id))[-1]
        assert last.code == "HOP_LIMIT"
        assert len([one for one in await h.records(row.id) if isinstance(one, TriggerFired)]) == 33


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_operator_fires_a_trigger_now_with_what_he_says(tmp_path: Path) -> None:
    async with house(tmp_path / "db", NOTES) as h:
        row = await h.trigger()
        fired = await h.triggers.fire(row.id, {"n": 1}, principal=ANN)
        assert fired.run is not None
        again = await h.triggers.fire(row.id, {"n": 1}, principal=ANN, key="k")
        assert again.run not in {None, fired.run}
        repeated = await h.triggers.fire(row.id, {"n": 1}, principal=ANN, key="k")
        assert (repeated.run, repeated.repeated) == (again.run, True)
        refused = await h.triggers.fire(row.id, {"n": 3}, principal=PrincipalId("bob"))
        assert (refused.run, refused.code) == (None, "CONDITION_FALSE")
        assert (await h.records(row.id))[-1].by == "bob"


CROWDED = """
name: w
on:
  - webhook: in
  - message: {channel: in}
concurrency: {key: one, limit: 1, on_limit: reject}
steps:
  - {id: a, uses: core.delay, with: {for: 1h}}
"""


async def test_what_is_rejected_since_too_many_go_on_is_written_down_and_may_be_sent_again(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "db", CROWDED) as h:
        by_message = next(row for row in await h.store.triggers() if row.kind == "message")
        first = await deliver(h.triggers, "in", {"callboard-delivery": "1"}, b"{}")
        refused = await deliver(h.triggers, "in", {"callboard-delivery": "2"}, b"{}")
        assert (refused.run, refused.code) == (None, "CONCURRENCY_LIMIT")
        await h.say("in", {})
        records = await recorded(h, by_message.id, 2)
        assert records[1].code == "CONCURRENCY_LIMIT"

        async def over() -> bool:
            row = await h.store.run(str(first.run))
            return row is not None and row.status == "completed"

        await h.until(over)
        again = await deliver(h.triggers, "in", {"callboard-delivery": "2"}, b"{}")
        assert again.run not in {None, first.run}
        assert len(await h.all_runs()) == 2


async def test_a_key_that_another_turn_took_first_is_found_and_nothing_is_started(tmp_path: Path) -> None:
    """As if two asked at one moment: the second finds what the first has done."""
    async with house(tmp_path / "db", NOTES) as h:
        row = await h.trigger()
        fired = await h.triggers.fire(row.id, {"n": 1}, principal=ANN)
        (run,) = await h.all_runs()
        turn = h.stage.company.services.journal.turn()
        turn.change(KeepKey("trigger", f"{row.id}/by:k", "", run.started))
        await h.stage.company.services.journal.commit(turn)
        known = h.triggers.firing.known

        async def blind(_shot: Any) -> None:
            h.triggers.firing.known = known  # type: ignore[method-assign]

        h.triggers.firing.known = blind  # type: ignore[method-assign,assignment]
        again = await h.triggers.fire(row.id, {"n": 1}, principal=ANN, key="k")
        assert (again.run, again.repeated) == (fired.run, True)
        assert len(await h.all_runs()) == 1


async def test_what_fires_past_the_limit_of_a_key_is_written_down_with_the_run_that_is_there(
    tmp_path: Path,
) -> None:
    text = """
name: w
on: [{message: {channel: intake}}]
concurrency: {key: "{{ trigger.k }}", limit: 1, on_limit: reject}
steps: [{id: a, uses: wait.signal, with: {signal: go}}]
"""
    async with house(tmp_path / "db", text) as h:
        row = await h.trigger()
        for _ in range(3):
            await h.say("intake", {"k": 1})

        async def three() -> bool:
            return len(await h.records(row.id)) == 4

        await h.until(three)
        (run,) = await h.all_runs()
        _, fired, *refused = await h.records(row.id)
        assert fired.run == run.id
        assert {one.code for one in refused} == {"CONCURRENCY_LIMIT"}
        assert all(f"run {run.id} has not ended" in one.reason for one in refused)
