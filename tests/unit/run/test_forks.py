"""Forks: a new run that is done again from one step, with what came before taken over."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import RequestInvalid, WrongState
from callboard.facts.events import WorkflowStarted
from callboard.facts.forked import Forked
from callboard.run import Cancel, GoOn, Limits, Start
from callboard.run.forking import Source, preceding
from tests.unit.run.player import A, B, C, Play, folded, play
from tests.unit.run.test_any_run import SCRIPTS, TRIES, a_person_acts, definitions, plan_of
from tests.unit.run.witness import again

D = {"id": "d", "uses": "core.echo"}
SETS = {"uses": "core.set"}


def taken_from(one: Play, step: str) -> Forked:
    """Return what a fork of a run takes over, read from the log as it stands there."""
    source = Source()
    for fact in one.history:
        source.see(again(fact))
    return source.fork(one.plan, step)


def fork(one: Play, step: str, *, script: Any = None, run: str = "f") -> Play:
    """Fork a run, and have the fork begin."""
    other = Play(one.plan, seed=None, script=script, trigger=one.trigger)
    other.say(Start(run, 1, other.trigger, {"kind": "manual"}, forked=taken_from(one, step)))
    other.say(GoOn())
    return other


def test_a_fork_takes_over_what_does_not_follow_and_does_the_rest_again() -> None:
    one = play(A, B, C, script={"a": "ok 1", "b": "ok 2", "c": "fail"}).begin().to_the_end()
    assert one.state.status == "failed"
    other = fork(one, "b", script={"b": "ok 5"}).to_the_end()
    assert other.state.status == "completed"
    assert [want.step for want in other.started] == ["b", "c"]
    assert other.state.seen["a"] == one.state.seen["a"]
    assert other.state.seen["b"]["output"] == {"echo": 5}
    assert folded(other) == other.state


def test_its_idempotency_keys_are_its_own() -> None:
    one = play(A, B).begin().to_the_end()
    other = fork(one, "b").to_the_end()
    assert [want.key for want in one.started + other.started] == ["r:a:1", "r:b:1", "f:b:1"]


def test_a_fork_from_the_first_step_is_a_run_from_the_beginning() -> None:
    other = fork(play(A, B).begin().to_the_end(), "a").to_the_end()
    assert [want.step for want in other.started] == ["a", "b"]


def test_a_run_that_goes_on_is_forked_and_left_alone() -> None:
    one = play(A, {**B, "needs": ["a"]}, {**C, "needs": ["a"]}, script={"c": "signal go"}).begin()
    one.finish("a")
    one.finish("c")
    before = len(one.history)
    other = fork(one, "b").to_the_end()
    assert len(one.history) == before
    assert sorted(want.step for want in other.started) == ["b", "c"], "what had not ended begins anew"


def test_a_step_that_nobody_has_is_refused_with_the_one_that_was_meant() -> None:
    one = play(A, {**B, "id": "fetch"}).begin().to_the_end()
    with pytest.raises(RequestInvalid, match=r"no step called 'fetsh'.*did you mean fetch"):
        taken_from(one, "fetsh")


def test_a_step_to_which_the_run_has_not_come_is_refused() -> None:
    one = play(A, B, C, script={"b": "signal go"}).begin()
    one.finish("a")
    with pytest.raises(WrongState, match=r"from c: b, which comes before it, has not been done"):
        taken_from(one, "c")
    assert [want.step for want in fork(one, "b").started] == ["b"]


def test_a_step_to_which_the_run_did_not_turn_is_refused() -> None:
    steps = (
        {**A, "next": [{"to": "b", "if": "trigger.n > 1"}, {"to": "c"}], "route": "first"},
        B,
        C,
    )
    one = play(*steps).begin().to_the_end()
    with pytest.raises(WrongState, match="from b: what came before it leads elsewhere"):
        taken_from(one, "b")
    other = fork(one, "c").to_the_end()
    assert [want.step for want in other.started] == ["c"]
    assert other.status("b") == "skipped", "what was skipped stays so"


def test_what_failed_and_was_handled_stays_failed() -> None:
    steps = ({**A, "next": [{"to": "b", "when": "failure"}]}, B, {**C, "needs": ["b"]})
    one = play(*steps, script={"a": "fail BROKEN"}).begin().to_the_end()
    other = fork(one, "c").to_the_end()
    assert [want.step for want in other.started] == ["c"]
    assert other.state.seen["a"]["error"]["code"] == "BROKEN"
    assert other.state.status == "completed"


def test_what_failed_and_was_not_handled_stays_failed_and_so_does_the_fork() -> None:
    steps = (A, {**B, "needs": ["a"]}, {**C, "needs": ["a"]})
    one = play(*steps, script={"b": "fail"}, on_failure="continue").begin().to_the_end()
    other = fork(one, "c").to_the_end()
    assert [want.step for want in other.started] == ["c"]
    assert (other.state.status, other.state.error) == ("failed", one.state.error)


def test_what_was_cut_off_begins_anew_with_all_that_follows() -> None:
    steps = (A, {**B, "needs": ["a"]}, {**C, "needs": ["a"]}, {**D, "needs": ["b", "c"]})
    one = play(*steps, script={"c": "signal go"}).begin()
    one.finish("a")
    one.finish("c")
    one.say(Cancel("ann"))
    assert one.state.status == "cancelled"
    other = fork(one, "b").to_the_end()
    assert sorted(want.step for want in other.started) == ["b", "c", "d"]


def test_what_followed_something_that_was_cut_off_begins_anew_though_it_has_ended() -> None:
    steps = (
        A,
        {**B, "needs": ["a"]},
        {**C, "needs": ["a"], "next": [{"to": "e", "when": "always"}]},
        {**D, "needs": ["b"]},
        {"id": "e", "uses": "core.echo"},
    )
    one = play(*steps, script={"b": "fail", "c": "signal go"}).begin()
    for step in ("a", "c", "b", "e"):
        one.finish(step)
    assert (one.status("c"), one.status("e"), one.state.status) == ("cancelled", "completed", "failed")
    other = fork(one, "b").to_the_end()
    assert sorted(want.step for want in other.started) == ["b", "c", "d", "e"]
    assert other.state.status == "completed"


def test_what_completed_as_the_run_was_ruined_begins_anew() -> None:
    steps = (A, {**B, "needs": ["a"]}, {**C, "needs": ["b"]}, {**D, "needs": ["a"]})
    one = play(*steps, limits=Limits(context=40)).begin()
    one.finish("a")
    one.finish("d")
    one.finish("b")
    assert (one.status("b"), one.state.error and one.state.error.code) == ("completed", "CONTEXT_TOO_LARGE")
    other = fork(one, "d").to_the_end()
    assert sorted(want.step for want in other.started) == ["b", "c", "d"]
    assert other.state.status == "completed"


def test_variables_are_as_the_steps_that_stay_had_put_them() -> None:
    steps = (
        {"id": "a", **SETS, "with": {"x": 1, "y": 1}},
        {"id": "b", **SETS, "with": {"x": 2, "z": 2}},
        {"id": "c", **SETS, "with": {"w": "{{ vars.x }}"}},
    )
    one = play(*steps, vars={"x": 0, "z": 0}).begin().to_the_end()
    assert one.state.vars == {"x": 2, "y": 1, "z": 2, "w": 2}
    other = fork(one, "b", script={"b": "ok"})
    assert other.state.vars == {"x": 1, "z": 0, "y": 1}
    other.to_the_end()
    assert other.state.vars["w"] == 1
    third = fork(other, "a", run="g", script={"a": "ok", "b": "ok"}).to_the_end()
    assert third.state.vars == {"x": 0, "z": 0, "w": 0}, "a fork of a fork keeps what a step put apart"


def test_rounds_are_taken_over_and_going_back_resets_what_was() -> None:
    steps = (
        A,
        {**B, "again": {"to": "a", "if": "steps.b.output.echo < 3", "max": 5}},
        {**C, "again": {"to": "b", "if": "steps.c.iteration < 2", "max": 5}},
    )
    one = play(*steps, script={"b": ["ok 1", "ok 2", "ok 3"]}).begin().to_the_end()
    assert one.state.steps["b"].iteration == 3
    other = fork(one, "c", script={"b": "ok 3"})
    assert (other.state.steps["b"].iteration, other.state.steps["c"].iteration) == (3, 1)
    assert other.state.previous["b"] == one.state.previous["b"]
    other.to_the_end()
    assert [want.step for want in other.started] == ["c", "b", "c"]
    assert other.state.status == "completed"
    assert folded(other) == other.state


def test_its_size_is_that_of_what_it_holds() -> None:
    one = play(A, B, C).begin().to_the_end()
    assert fork(one, "b").to_the_end().state.bytes == one.state.bytes


def test_a_branch_that_a_join_did_not_wait_for_is_done_anew_beside_it() -> None:
    steps = (A, B, {**C, "needs": ["a", "b"], "join": "any"}, {**D, "needs": ["c"]})
    one = play(*steps, script={"b": "signal go"}).begin()
    for step in ("b", "a", "c", "d"):
        one.finish(step)
    with pytest.raises(WrongState, match="from d: b, which comes before it"):
        taken_from(one, "d")
    other = fork(one, "b").to_the_end()
    assert [want.step for want in other.started] == ["b", "c", "d"], "c follows b, which it did not wait for"


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 1_000), st.integers(0, 40))
def test_any_run_at_any_moment_can_be_forked_from_any_step_to_which_it_came(
    written: dict[str, Any], script: dict[str, list[str]], seed: int, moments: int
) -> None:
    plan = plan_of(written)
    one = Play(plan, seed=seed, script=script, trigger={"n": 2}).begin()
    for _ in range(moments):
        if not one.step() and not a_person_acts(one, random.Random(seed)):
            break
    for step in plan.flow.order:
        came = one.state.steps.get(step)
        try:
            other = fork(one, step)
        except WrongState:
            assert came is None or came.status in {"pending", "skipped", "cancelled"} or _early(one, step)
            continue
        while other.step() or a_person_acts(other, random.Random(seed)):
            pass
        assert other.state.ended
        assert folded(other) == other.state


def _early(one: Play, step: str) -> bool:
    """Whether something that leads to a step is not over, or only because its run was."""
    before = preceding(one.plan.flow, step)
    return any(
        one.status(id_) not in {"completed", "failed", "skipped"} or one.state.steps[id_].cut
        for id_ in before
    )


def test_the_first_fact_says_all_of_it() -> None:
    one = play(A, B).begin().to_the_end()
    (first, *_) = fork(one, "b").history
    assert isinstance(first, WorkflowStarted)
    assert first.forked is not None
    assert (first.forked.run, first.forked.step, first.starts) == ("r", "b", ("b",))
    assert [(step.step, step.output) for step in first.forked.taken] == [("a", {"echo": "echo"})]
