"""Items and rounds, as the machine sees them: which begin, which end, and what fits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from callboard.facts.child_events import Given
from callboard.run import Cancel, CancelChild, ChildHasEnded, GoOn, Limits, Pause, Resume, decide
from tests.unit.run.player import NOON, B, Play, folded, play

INSIDE = [{"id": "inside", "uses": "core.echo"}]


def each(items: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": "a", "uses": "each", "with": {"items": items, "steps": INSIDE} | more}


def loop(**more: Any) -> dict[str, Any]:
    return {"id": "a", "uses": "loop", "with": {"steps": INSIDE} | more}


def under_way(one: Play) -> list[int]:
    return [want.origin.index for want in one.children.values() if want.origin.index is not None]


def begun(one: Play) -> Play:
    """Have step a say that it waits for its items or rounds."""
    one.begin().finish("a")
    return one


# ── each ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_items_begin_in_order_and_no_more_at_once_than_may() -> None:
    one = begun(play(each([7, 8, 9], parallel=2), B))
    assert under_way(one) == [0, 1]
    one.child_ends(one.item("a", 1))
    assert under_way(one) == [0, 2]
    assert [want.origin.item for want in one.children.values()] == [7, 9]


def test_the_output_is_in_the_order_of_the_items_however_they_ended() -> None:
    one = begun(play(each([7, 8, 9], parallel=3), B))
    for index in (2, 0, 1):
        one.child_ends(one.item("a", index))
    assert one.state.seen["a"]["output"] == [{"of": 0}, {"of": 1}, {"of": 2}]
    assert one.status("b") == "running"


def test_an_item_that_fails_has_the_others_cancelled_and_no_more_begun() -> None:
    one = begun(play(each([7, 8, 9], parallel=2), B))
    other = one.item("a", 1)
    told = one.child_ends(one.item("a", 0), "failed")
    assert CancelChild("a", other) in told.wants
    assert one.children == {}
    assert one.state.error is not None
    assert one.state.error.code == "ITEM_FAILED"


def test_the_end_of_an_item_that_is_not_under_way_any_more_changes_nothing() -> None:
    one = begun(play(each([7], on_item_failure="collect"), B))
    run = one.item("a", 0)
    want = one.children[run]
    one.child_ends(run)
    one.children[run] = want
    assert one.child_ends(run).stale


def test_nothing_begins_while_the_run_is_paused() -> None:
    one = begun(play(each([7, 8], parallel=1), B))
    one.say(Pause("ann"))
    one.child_ends(one.item("a", 0))
    assert under_way(one) == []
    one.say(Resume("ann"))
    assert under_way(one) == [1]


def test_no_item_begins_beside_others_where_nothing_may_begin_any_more() -> None:
    """So it is while the server closes."""
    one = begun(play(each([7, 8, 9], parallel=2), B))
    one.limits = Limits(facts_at_once=0)
    before = len(one.history)
    decision = _ends_quietly(one, one.item("a", 0))
    assert decision.more
    assert [type(fact).__name__ for fact in one.history[before:]] == ["ChildEnded"]
    one.limits = Limits()
    one.say(GoOn())
    assert under_way(one) == [1, 2]


def test_one_item_is_always_under_way_as_long_as_there_are_more() -> None:
    """Nothing else would bring the run back, should the process end before the next turn."""
    one = begun(play(each([7, 8], parallel=1), B))
    one.limits = Limits(facts_at_once=0)
    before = len(one.history)
    _ends_quietly(one, one.item("a", 0))
    assert [type(fact).__name__ for fact in one.history[before:]] == ["ChildEnded", "ChildStarted"]


def _ends_quietly(one: Play, run: str) -> Any:
    """Let an item end, and leave what there is more to do undone."""
    want = one.children.pop(run)
    command = ChildHasEnded(want.step, want.iteration, run, "completed")
    decision = decide(one.state, one.plan, command, one.now, one.limits)
    one.history += decision.events
    return decision


def test_a_hundred_at_once_fit_a_turn_with_their_first_facts() -> None:
    one = begun(play(each(list(range(150)), parallel=100), B))
    assert len(under_way(one)) == 100


def test_ten_thousand_items_fit_the_events_of_a_run() -> None:
    one = begun(play(each(list(range(10_000)), parallel=100)))
    while one.children:
        one.child_ends(next(iter(one.children)))
    assert one.state.status == "completed"
    assert one.state.events < 50_000


def test_a_run_that_is_too_long_ends_with_its_items() -> None:
    one = begun(play(each(list(range(100)), parallel=3), limits=Limits(events=30)))
    while one.children:
        one.child_ends(next(iter(one.children)))
    assert one.state.error is not None
    assert one.state.error.code == "RUN_TOO_LONG"


def test_the_ids_of_items_are_theirs_however_often_they_are_decided() -> None:
    ids = []
    for _ in range(2):
        one = begun(play(each([7, 8], parallel=2)))
        ids.append(list(one.children))
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
    for run in ids[0]:
        assert UUID(run).version == 7
        assert UUID(run).int >> 80 == int(NOON.timestamp() * 1000)


def test_a_run_that_is_cancelled_ends_its_items() -> None:
    one = begun(play(each([7, 8], parallel=2)))
    told = one.say(Cancel("ann"))
    assert sum(isinstance(want, CancelChild) for want in told.wants) == 2
    assert folded(one) == one.state


def test_results_past_what_a_step_may_give_end_the_others() -> None:
    one = begun(play(each([7, 8, 9, 10], parallel=1), limits=Limits(output=100)))
    while one.children:
        _gives(one, next(iter(one.children)), "x" * 60)
    assert one.state.error is not None
    assert one.state.error.code == "OUTPUT_TOO_LARGE"
    assert one.state.events < 12


def _gives(one: Play, run: str, output: object) -> None:
    want = one.children.pop(run)
    one.say(ChildHasEnded(want.step, want.iteration, run, "completed", output))


# ── loop ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_round_begins_when_the_one_before_it_says_so() -> None:
    one = begun(play(loop(until="false"), B))
    assert under_way(one) == [0]
    one.child_ends(one.item("a", 0), given=Given(goes_on=True))
    assert under_way(one) == [1]
    one.child_ends(one.item("a", 1), given=Given(goes_on=False))
    assert one.state.seen["a"]["output"] == {"rounds": 2, "output": {"of": 1}}


def test_what_a_round_sets_is_the_runs_and_the_next_one_begins_with_it_alone() -> None:
    one = begun(play(loop(until="false"), B, vars={"kept": 1, "n": 0}))
    one.child_ends(one.item("a", 0), given=Given(goes_on=True, vars={"n": 5}))
    assert one.state.vars == {"kept": 1, "n": 5}
    (second,) = one.children.values()
    assert second.vars == {"n": 5}


def test_a_loop_whose_while_does_not_hold_starts_nothing() -> None:
    one = begun(play(loop(**{"while": "trigger.n > 1"}), B))
    assert one.children == {}
    assert one.state.seen["a"]["output"] == {"rounds": 0, "output": None}


def test_rounds_that_hand_on_more_than_a_step_may_give_fail_the_loop() -> None:
    one = begun(play(loop(until="false"), B, limits=Limits(output=100)))
    one.child_ends(one.item("a", 0), given=Given(goes_on=True, vars={"m": "x" * 60}))
    one.child_ends(one.item("a", 1), given=Given(goes_on=True, vars={"n": "x" * 60}))
    assert one.children == {}
    assert one.state.error is not None
    assert one.state.error.details["code"] == "OUTPUT_TOO_LARGE"


def test_rounds_that_fill_the_context_end_the_run() -> None:
    one = begun(play(loop(until="false"), B, limits=Limits(context=100)))
    one.child_ends(one.item("a", 0), given=Given(goes_on=True, vars={"m": "x" * 120}))
    assert one.children == {}
    assert one.state.error is not None
    assert one.state.error.code == "CONTEXT_TOO_LARGE"
