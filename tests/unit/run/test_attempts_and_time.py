"""Attempts, time-outs and children."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from callboard.outcome import Child, Done, Fail, Failure, Wait
from callboard.planning.plan import Retrying
from callboard.run import (
    AttemptEnded,
    Give,
    Release,
    SetTimer,
    StartChild,
    Timer,
    TimerDue,
)
from callboard.run.attempts import pause
from tests.unit.run.player import NOON, A, B, Play, play


def names(play: Play) -> list[str]:
    """Return the facts so far, without those that are there each time."""
    return [name for name in play.kinds() if name not in {"workflow_started", "step_activated"}]


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_time_out_counts_only_time_in_which_an_attempt_runs() -> None:
    one = play(
        A,
        {"id": "s", "uses": "wait.signal", "with": {"signal": "go"}},
        B,
        timeout="1h",
    ).begin()
    assert one.timers[Timer("timeout")] == NOON + timedelta(hours=1)
    one.now += timedelta(minutes=20)
    one.finish("a")
    one.finish("s")
    assert Timer("timeout") not in one.timers
    one.now += timedelta(days=3)
    one.say(Give("go"))
    assert one.timers[Timer("timeout")] == one.now + timedelta(minutes=40)
    one.now += timedelta(minutes=10)
    early = one.say(TimerDue(Timer("timeout")))
    assert not early.events
    one.fire(Timer("timeout"))
    assert one.state.error == Failure(
        "RUN_TIMEOUT", "Attempts of the run have taken more than its 3600 seconds."
    )
    assert (one.status("b"), one.runs("b")) == ("cancelled", 1)


def test_a_chain_does_not_set_the_timer_anew_for_each_step() -> None:
    one = play(A, B).begin()
    one.now += timedelta(seconds=1)
    assert not [want for want in one.finish("a").wants if isinstance(want, SetTimer)]


def test_the_deadline_counts_everything() -> None:
    one = play({"id": "s", "uses": "wait.signal", "with": {"signal": "go"}}, B, deadline="2h").begin()
    one.finish("s")
    one.fire(Timer("deadline"))
    assert one.state.error is not None
    assert one.state.error.code == "RUN_TIMEOUT"
    assert (one.status("s"), one.status("b")) == ("cancelled", "skipped")


def test_a_time_out_starts_nothing_not_even_what_always_edges_lead_to() -> None:
    one = play({**A, "next": [{"to": "b", "when": "always"}]}, B, timeout="1m").begin()
    one.fire(Timer("timeout"))
    assert one.state.status == "failed"
    assert not one.runs("b")


def test_a_wall_clock_that_is_set_back_takes_nothing_off() -> None:
    one = play(A, B).begin()
    one.now -= timedelta(hours=5)
    one.finish("a")
    assert one.state.busy == 0
    one.finish("b")
    assert one.state.status == "completed"


def test_a_timer_for_what_is_over_does_nothing() -> None:
    one = play(A, B, script={"a": ["retry", "ok"]}).begin()
    one.finish("a")
    one.fire(Timer("retry", "a", 1, 1))
    for timer in (
        Timer("retry", "a", 1, 1),
        Timer("retry", "a", 2, 1),
        Timer("retry", "nobody", 1, 1),
        Timer("wait", "a", 1, 1),
        Timer("deadline"),
    ):
        assert one.say(TimerDue(timer)).stale


# ── attempts ────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_attempts_of_an_iteration_have_one_key_and_the_next_iteration_another() -> None:
    one = (
        play({**A, "again": {"to": "a", "max": 1}}, script={"a": ["retry", "ok", "ok"]}).begin().to_the_end()
    )
    assert [want.key for want in one.started] == ["r:a:1", "r:a:1", "r:a:2"]


@pytest.mark.parametrize(("rerender", "second"), [(False, 1), (True, 2)])
def test_another_attempt_has_the_same_input_unless_it_is_rendered_anew(rerender: bool, second: int) -> None:
    step = {**A, "with": {"message": "{{ run.attempt }}"}, "retry": {"rerender": rerender}}
    one = play(step, script={"a": ["retry", "ok"]}).begin()
    one.finish("a")
    one.crash()
    one.fire(Timer("retry", "a", 1, 1))
    assert [want.input.value for want in one.started] == [{"message": 1}, {"message": second}]


def test_pauses_between_attempts() -> None:
    policy = Retrying(attempts=9, delay=0.2, factor=2, max_delay=30, jitter=False, rerender=False)
    assert [pause(policy, faults, None, 0.5) for faults in (1, 2, 3, 9, 5_000)] == [0.2, 0.4, 0.8, 30, 30]
    jitter = msgspec.structs.replace(policy, jitter=True)
    assert pause(jitter, 2, None, 0.5) == 0.2
    assert pause(policy, 1, 7.5, 0.5) == 7.5
    assert pause(policy, 1, -1.0, 0.5) == 0
    assert pause(policy, 1, float("inf"), 0.5) == 0.2
    assert pause(msgspec.structs.replace(policy, delay=0), 3, None, 1.0) == 0
    assert pause(msgspec.structs.replace(policy, factor=1), 3, None, 1.0) == 0.2
    assert pause(policy, 1, 1e300, 1.0) == 36_500 * 86_400


def test_what_a_late_attempt_comes_to_is_not_wanted() -> None:
    one = play(A, {**B, "again": {"to": "a", "max": 1}}).begin()
    one.finish("a")
    one.finish("b")
    assert one.say(AttemptEnded("a", 1, 1, Done())).stale
    assert one.say(AttemptEnded("a", 2, 7, Done())).stale
    assert one.say(AttemptEnded("nobody", 1, 1, Done())).stale


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_an_output_may_be_nested_as_deep_as_it_may() -> None:
    for depth, status in ((64, "completed"), (65, "failed"), (2_000, "failed"), (100_000, "failed")):
        one = play(A).begin()
        one.finish("a", Done(nested(depth)))
        assert one.state.status == status


@pytest.mark.parametrize("output", [float("nan"), object(), {("a",): 1}, chr(0xD800)])
def test_an_output_that_json_cannot_hold_fails_its_step(output: object) -> None:
    one = play(A).begin()
    one.finish("a", Done({"x": output}))
    assert one.state.error is not None
    assert one.state.error.code == "UNENCODABLE"


def test_an_error_that_json_cannot_hold_loses_its_details() -> None:
    one = play(A).begin()
    one.finish("a", Fail(Failure("X", "x" * 20_000, {"of": object()})))
    assert one.state.error == Failure("X", "x" * 10_000)


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (Wait("timer"), "must say which"),
        (Wait("child"), "waits for a child run"),
        (Wait("answer", child=Child("k", "other")), "waits for a child run"),
        (Wait("answer", until=NOON.replace(tzinfo=None)), "has no zone"),
        (Wait("timer", until=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=10)))), "no clock shows"),
    ],
)
def test_a_wait_that_could_not_end_fails_its_step(wait: Wait, said: str) -> None:
    one = play(A).begin()
    one.finish("a", wait)
    assert one.state.error is not None
    assert one.state.error.code == "WAIT_INVALID"
    assert said in one.state.error.message


def test_a_step_may_ask_to_be_held() -> None:
    one = play(A).begin()
    one.finish("a", Wait("hold"))
    assert one.state.paused_by == "hold"
    one.say(Release("a", "retry", "ann"))
    one.finish("a")
    assert one.state.status == "completed"


def test_a_wait_that_json_cannot_hold_fails_its_step() -> None:
    one = play(A).begin()
    one.finish("a", Wait("answer", data=object()))
    assert one.state.error is not None
    assert one.state.error.code == "UNENCODABLE"


# ── children ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_child_that_ends_badly_fails_its_step(status: str) -> None:
    one = play({"id": "k", "uses": "workflow", "with": {"name": "other", "input": {}}}).begin()
    one.finish("k")
    one.child_ends("k-1-1", status)
    assert one.state.error is not None
    assert one.state.error.code == f"CHILD_{status.upper()}"
    assert names(one)[:3] == ["step_waiting", "child_started", "child_ended"]


def test_a_child_that_nobody_waits_for_outlives_its_step() -> None:
    one = play(A).begin()
    told = one.finish("a", Done({"run": "k"}, child=Child("k", "other")))
    assert [want.waited for want in told.wants if isinstance(want, StartChild)] == [False]
    assert one.state.status == "completed"
