"""Everything is bounded: each bound at its edge."""

from __future__ import annotations

import json

import pytest

from callboard.checking import accept
from callboard.errors import WrongState
from callboard.facts import events
from callboard.outcome import Done, Fail, Failure, Retry
from callboard.run import (
    Answered,
    AttemptEnded,
    GoOn,
    Limits,
    RunState,
    Start,
    Timer,
    decide,
)
from tests.unit.run.player import NOON, A, B, play


@pytest.mark.parametrize(("most", "status"), [(14, "completed"), (13, "failed")])
def test_an_output_may_be_as_large_as_it_may(most: int, status: str) -> None:
    one = play(A, limits=Limits(output=most)).begin()
    one.finish("a", Done({"x": "abcdef"}))  # 14 bytes
    assert one.state.status == status


@pytest.mark.parametrize(("most", "status"), [(7 + 2 + 14, "completed"), (7 + 2 + 13, "failed")])
def test_a_context_may_be_as_large_as_it_may(most: int, status: str) -> None:
    one = play(A, limits=Limits(context=most)).begin()  # {"n":1} and {}
    one.finish("a", Done({"x": "abcdef"}))
    assert one.state.status == status
    assert one.state.seen["a"]["output"] == {"x": "abcdef"}
    assert not one.state.recoverable


def test_variables_count_once_however_often_they_are_set() -> None:
    step = {"id": "a", "uses": "core.set", "with": {"x": "0123456789"}, "again": {"to": "a", "max": 5}}
    one = play(step).begin().to_the_end()
    assert one.state.bytes == len('{"n":1}') + len("{}") + len('{"x":"0123456789"}') - len("{}") + 4 + 4


def test_the_context_forgets_all_iterations_but_the_last_two() -> None:
    one = play({**A, "with": {"message": "x" * 100}, "again": {"to": "a", "max": 50}}).begin().to_the_end()
    assert one.state.bytes < 300


@pytest.mark.parametrize(("most", "status"), [(3, "completed"), (2, "failed")])
def test_a_step_is_done_again_as_often_as_it_may_be(most: int, status: str) -> None:
    back = {**A, "again": {"to": "a", "max": 3}}
    one = play(back, B, limits=Limits(iterations=most)).begin().to_the_end()
    assert one.state.status == status
    assert one.state.step("a").iteration == most + 1
    if status == "failed":
        assert one.state.error is not None
        assert one.state.error.code == "TOO_MANY_ITERATIONS"


@pytest.mark.parametrize(("most", "status"), [(5, "completed"), (4, "failed")])
def test_a_run_may_have_as_many_events_as_it_may(most: int, status: str) -> None:
    one = play(A, B, limits=Limits(events=most)).begin().to_the_end()  # the start, and two for each step
    assert one.state.status == status
    if status == "failed":
        assert one.state.error is not None
        assert one.state.error.code == "RUN_TOO_LONG"
        assert not one.state.recoverable


def test_a_fan_is_started_in_portions_that_fit_a_turn() -> None:
    fan = [{"id": f"s{number}", "uses": "core.echo"} for number in range(30)]
    plan = accept(
        json.dumps(
            {"name": "fan", "steps": [{**A, "next": [one["id"] for one in fan]}, *fan], "max_parallel": 100}
        )
    ).plan
    state, more, started = RunState(), 0, 0
    for command in (Start("r", 1), GoOn()):
        decide(state, plan, command, NOON)
    decision = decide(state, plan, AttemptEnded("a", 1, 1, Done()), NOON, Limits(facts_at_once=10))
    assert (len(decision.events), decision.more) == (10, True)
    while decision.more:
        decision = decide(state, plan, GoOn(), NOON, Limits(facts_at_once=10))
        more += 1
        started += len(decision.events)
    assert state.active == 30
    assert (more, started) == (3, 21)


def test_inputs_that_are_large_together_are_started_in_portions() -> None:
    large = {"uses": "core.echo", "with": {"message": "{{ trigger.text }}"}}
    one = play(
        *({"id": id_, **large, "next": "z"} for id_ in "abcd"),
        {"id": "z", "uses": "core.echo"},
        limits=Limits(bytes_at_once=1_500),
    )
    one.trigger = {"text": "x" * 1_000}
    one.say(Start("r", 1, one.trigger))
    told = decide(one.state, one.plan, GoOn(), NOON, one.limits)
    assert (len(told.events), told.more) == (2, True)


def test_a_thousand_steps_are_skipped_by_one_fact() -> None:
    fan = [{"id": f"s{number}", "uses": "core.echo"} for number in range(998)]
    one = play(
        {**A, "next": [one["id"] for one in fan]},
        *fan,
        {"id": "z", "uses": "core.echo", "needs": [one["id"] for one in fan]},
    ).begin()
    told = one.finish("a", Fail(Failure("NO", "No.")))
    assert [type(fact) for fact in told.events] == [
        events.StepFailed,
        events.StepSkipped,
        events.WorkflowStopping,
        events.WorkflowFailed,
    ]
    assert len(one.reasons()) == 999


def test_retrying_from_an_answer_counts_like_any_attempt() -> None:
    one = play(A, script={"a": "answer q"}).begin()
    one.finish("a")
    one.say(Answered("a", 1, 1, "?", "ann", Retry(Failure("BUSY", "Later."))))
    assert one.state.steps["a"].faults == 1
    one.fire(Timer("retry", "a", 1, 1))
    assert one.runs("a") == 2


def test_answers_to_one_wait_are_bounded() -> None:
    one = play(A, script={"a": "answer q"}, limits=Limits(answers=2, output=100)).begin()
    one.finish("a")
    one.say(Answered("a", 1, 1, "x" * 98, "ann"))
    with pytest.raises(WrongState, match="an answer of 101 bytes after 1 others"):
        one.say(Answered("a", 1, 1, "x" * 99, "ben"))
    one.say(Answered("a", 1, 1, "x", "ben"))
    with pytest.raises(WrongState, match="after 2 others"):
        one.say(Answered("a", 1, 1, "x", "eve"))


def test_a_child_is_not_answered() -> None:
    one = play(A, script={"a": "child"}).begin()
    one.finish("a")
    assert one.say(Answered("a", 1, 1, "x", "eve", Done())).stale
