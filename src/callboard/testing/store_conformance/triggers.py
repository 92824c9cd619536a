"""The cases of triggers: rows that follow from facts, and how far the log was heard."""

from __future__ import annotations

from callboard.errors import ConstraintViolated
from callboard.facts.events import WorkflowCancelled, run_stream
from callboard.facts.triggering import (
    TriggerDisabled,
    TriggerEnabled,
    TriggerFired,
    TriggerRetired,
    TriggerSet,
    trigger_stream,
)
from callboard.ids import Position, SystemIds, TimerId
from callboard.messages import To
from callboard.store.changes import KeepTimer
from callboard.store.port import Store
from callboard.store.runrows import Audible
from callboard.store.trigger_changes import MoveHearing
from callboard.testing.store_conformance.board import LATER, THEIRS, TO_CLERK, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON, changing, commit, new_turn, refused, saying

TRIGGER = "tidy.0a1b2c3d"
STORY = trigger_stream(TRIGGER)


def a_trigger(since: int = 3, about: str = "@daily") -> TriggerSet:
    """Say that a workflow has a trigger."""
    return TriggerSet(TRIGGER, "tidy", "schedule", about, Position(since))


class TriggerCases(CasesOnABoard):
    """What starts runs by itself."""

    async def test_a_trigger_is_as_its_facts_say(self, store: Store, board: Board) -> None:
        """Set, fired, turned off, put to sleep and set again: whether it is on outlives its sleep."""
        await board.append(STORY, a_trigger())
        (row,) = await store.triggers()
        assert (row.id, row.workflow, row.kind, row.about) == (TRIGGER, "tidy", "schedule", "@daily")
        assert (row.live, row.enabled, row.since, row.fired, row.due_at) == (True, True, 3, None, None)
        fired = await board.append(STORY, TriggerFired(TRIGGER, "a-run", 1, NOON), at=LATER)
        off = await board.append(STORY, TriggerDisabled(TRIGGER))
        (row,) = await store.triggers(trigger=TRIGGER)
        assert (row.enabled, row.since, row.fired, row.fired_at, row.run) == (
            False,
            off,
            fired,
            LATER,
            "a-run",
        )
        await board.append(STORY, TriggerRetired(TRIGGER))
        await board.append(STORY, a_trigger(since=1, about="@weekly"))
        (row,) = await store.triggers(workflow="tidy")
        assert (row.live, row.enabled, row.about, row.since) == (True, False, "@weekly", 1)
        on = await board.append(STORY, TriggerEnabled(TRIGGER))
        (row,) = await store.triggers()
        assert (row.enabled, row.since) == (True, on)
        assert await store.rebuild() == []

    async def test_a_schedule_tells_the_time_that_its_timer_waits_for(
        self, store: Store, board: Board
    ) -> None:
        """The timer is known by its target."""
        await board.append(STORY, a_trigger())
        await commit(store, changing(KeepTimer(TimerId(SystemIds().new()), LATER, STORY, "trigger")))
        (row,) = await store.triggers()
        assert row.due_at == LATER

    async def test_triggers_are_found_by_what_is_asked_for_and_by_tenant(
        self, store: Store, board: Board
    ) -> None:
        """Nobody sees those of others."""
        await board.append(STORY, a_trigger())
        assert await store.triggers(workflow="other") == []
        assert await store.triggers(trigger="tidy.00000000") == []
        assert await store.triggers(tenant=THEIRS) == []

    async def test_messages_on_channels_and_ends_of_runs_are_audible_in_the_order_of_the_log(
        self, store: Store, board: Board
    ) -> None:
        """And nothing else is: no message to a bot, no step, and nothing of another tenant."""
        (receipt,) = await commit(store, saying("a", to=To("channel", "intake")))
        await commit(store, saying("b", to=TO_CLERK))
        end = await board.append(run_stream("a"), WorkflowCancelled(NOON))
        await board.append(STORY, a_trigger())
        await board.append(run_stream("b"), WorkflowCancelled(NOON), tenant=THEIRS)
        head = (await store.head()).position
        heard = [
            Audible(receipt.first, "message", "intake", "ticket"),
            Audible(end, "event", "run:a", "workflow_cancelled"),
        ]
        assert await store.audible(Position(0), head, 10) == heard
        assert await store.audible(Position(0), head, 1) == heard[:1]
        assert await store.audible(receipt.first, end, 10) == heard[1:]
        assert await store.audible(receipt.first, Position(end - 1), 10) == []

    async def test_what_was_heard_never_becomes_less(self, store: Store, board: Board) -> None:
        """And a place that is not in the log yet is refused."""
        assert await store.heard() is None
        await board.append(STORY, a_trigger())
        await board.append(STORY, TriggerRetired(TRIGGER))
        await commit(store, changing(MoveHearing(Position(2))))
        await commit(store, changing(MoveHearing(Position(1))))
        assert await store.heard() == 2
        assert await store.heard(tenant=THEIRS) is None
        turn = new_turn()
        turn.change(MoveHearing(Position(99)))
        assert isinstance(await refused(store, turn), ConstraintViolated)
