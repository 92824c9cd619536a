"""Runs that are taken up after a crash, and runs that are opened again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from callboard.errors import WrongState
from callboard.outcome import Done
from callboard.run import (
    Answered,
    GiveUp,
    GoOn,
    Pause,
    Recover,
    Release,
    Reopen,
    Resume,
    Timer,
    decide,
)
from tests.unit.run.player import NOON, A, B, C, Play, folded, play

# ── crashes ─────────────────────────────────────────────────────────────────────────────────────────────────


def interrupted(how: str, **more: Any) -> Play:
    one = play({**A, "on_interrupt": how, **more}, B, script={"a": "ok"}).begin()
    one.now += timedelta(minutes=1)
    one.crash()
    return one


def test_an_interrupted_attempt_is_tried_again_and_does_not_count() -> None:
    one = play({**A, "retry": {"attempts": 1}}).begin()
    for _ in range(5):
        one.crash()
    assert [want.attempt for want in one.started] == [1, 2, 3, 4, 5, 6]
    assert {want.key for want in one.started} == {"r:a:1"}
    one.finish("a")
    assert one.state.status == "completed"


def test_interrupted_attempts_leave_those_that_there_are_for_faults() -> None:
    one = play({**A, "retry": {"attempts": 2}}, script={"a": ["retry", "ok"]}).begin()
    one.crash()
    one.crash()
    one.finish("a")
    assert one.status("a") == "waiting"
    one.to_the_end()
    assert one.state.status == "completed"
    assert one.runs("a") == 4


def test_an_interrupted_attempt_fails_its_step_where_that_is_wanted() -> None:
    one = interrupted("fail")
    assert one.state.error is not None
    assert one.state.error.code == "INTERRUPTED"
    assert one.state.status == "failed"


def test_an_interrupted_attempt_is_held_for_an_operator() -> None:
    one = interrupted("hold")
    assert (one.state.status, one.state.paused_by) == ("paused", "hold")
    assert one.say(Answered("a", 1, 1, "x", "ann", Done())).stale
    one.crash()
    one.say(Release("a", "retry", "ann"))
    assert one.state.status == "running"
    assert [want.attempt for want in one.started] == [1, 2]
    with pytest.raises(WrongState, match="is not held"):
        one.say(Release("a", "retry", "ann"))


def test_an_operator_can_have_a_held_step_fail() -> None:
    one = interrupted("hold")
    one.say(Release("a", "fail", "ann"))
    assert one.state.status == "failed"


def test_while_the_server_was_down_no_attempt_ran() -> None:
    one = play(A, timeout="1h").begin()
    one.now += timedelta(days=2)
    one.crash()
    assert one.state.busy == 0
    assert one.timers[Timer("timeout")] == one.now + timedelta(hours=1)


def test_a_run_that_only_waits_is_taken_up_without_a_fact() -> None:
    one = play({"id": "s", "uses": "wait.signal", "with": {"signal": "go"}}).begin()
    one.finish("s")
    assert not one.crash().events


def test_two_interrupted_attempts_of_which_the_first_fails_the_run() -> None:
    one = play(
        {"id": "go", "uses": "core.echo", "next": ["a", "b"]},
        {**A, "on_interrupt": "fail"},
        {**B, "on_interrupt": "fail"},
    ).begin()
    one.finish("go")
    one.crash()
    assert one.state.status == "failed"
    assert (one.status("a"), one.status("b")) == ("failed", "cancelled")


def test_a_paused_run_is_taken_up_paused() -> None:
    one = play(A).begin()
    one.say(Pause("ann"))
    one.crash()
    assert not one.flying
    one.say(Resume("ann"))
    assert [want.attempt for want in one.started] == [1, 2]


def test_a_run_that_was_given_up_goes_on_when_somebody_resumes_it() -> None:
    one = play(A).begin()
    one.flying.clear()
    one.state = folded(one)
    decision = decide(one.state, one.plan, GiveUp("It died three times."), one.now)
    one.history += decision.events
    assert one.state.status == "crashed"
    with pytest.raises(WrongState, match="has crashed"):
        decide(one.state, one.plan, Pause("ann"), one.now)
    assert decide(one.state, one.plan, Recover(), one.now).stale
    assert decide(one.state, one.plan, GoOn(), one.now).events == []
    one.say(Resume("ann"))
    assert one.state.status == "running"
    assert [want.attempt for want in one.started] == [1, 2]


# ── opened again ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failed_run_is_reopened_from_where_it_failed() -> None:
    one = play(A, B, C, script={"b": ["fail", "ok"]}, deadline="1h").begin().to_the_end()
    assert one.state.status == "failed"
    one.end, one.now = None, NOON + timedelta(days=1)
    one.say(Reopen("ann"))
    assert one.timers[Timer("deadline")] == one.now + timedelta(hours=1)
    one.to_the_end()
    assert one.state.status == "completed"
    assert [(want.step, want.iteration, want.attempt) for want in one.started] == [
        ("a", 1, 1),
        ("b", 1, 1),
        ("b", 1, 2),
        ("c", 1, 1),
    ]
    assert folded(one) == one.state


def test_what_was_cancelled_with_the_failure_is_done_again_too() -> None:
    one = play(
        {"id": "go", "uses": "core.echo", "next": ["a", "b"]},
        {**A, "next": "c"},
        {**B, "next": "c"},
        C,
        script={"a": ["fail", "ok"]},
    ).begin()
    one.finish("go")
    one.finish("a")
    assert (one.status("b"), one.status("c")) == ("cancelled", "skipped")
    one.end = None
    one.say(Reopen("ann"))
    one.to_the_end()
    assert one.state.status == "completed"
    assert (one.runs("go"), one.runs("a"), one.runs("b"), one.runs("c")) == (1, 2, 2, 1)


def test_a_reopened_run_has_all_its_attempts_and_its_time_again() -> None:
    one = play(A, script={"a": "retry"}, timeout="1h").begin().to_the_end()
    assert one.runs("a") == 3
    one.end = None
    one.say(Reopen("ann"))
    assert one.state.busy == 0
    one.to_the_end()
    assert one.runs("a") == 6


def test_only_a_failed_run_that_can_be_mended_is_reopened() -> None:
    one = play(A).begin()
    with pytest.raises(WrongState, match="is running, so it cannot be tried again"):
        one.say(Reopen("ann"))
    one.finish("a")
    with pytest.raises(WrongState, match="is completed"):
        one.say(Reopen("ann"))
    two = play(A, output="{{ 1 / 0 }}").begin().to_the_end()
    with pytest.raises(WrongState, match="in a way that trying again cannot mend"):
        two.say(Reopen("ann"))
