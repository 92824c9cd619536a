"""The beginning of a run, pauses, and people: who may do what, and when."""

from __future__ import annotations

import pytest

from callboard.errors import Unencodable, WrongState
from callboard.outcome import Agreement, Done, Fail, Failure, Wait
from callboard.run import (
    Answered,
    AttemptEnded,
    Cancel,
    CancelAttempt,
    CancelChild,
    ChildHasEnded,
    CloseWait,
    Give,
    GiveUp,
    GoOn,
    Limits,
    Pause,
    Recover,
    Release,
    Resume,
    Start,
    Timer,
    TimerDue,
)
from tests.unit.run.player import A, B, C, Play, folded, play


def names(play: Play) -> list[str]:
    """Return the facts so far, without those that are there each time."""
    return [name for name in play.kinds() if name not in {"workflow_started", "step_activated"}]


# ── the beginning ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_was_started_is_pending_until_it_goes_on() -> None:
    one = play(A)
    one.say(Start("r", 1))
    assert one.state.status == "pending"
    assert one.kinds() == ["workflow_started"]
    one.say(GoOn())
    assert one.state.status == "running"


def test_a_run_is_started_once() -> None:
    one = play(A).begin()
    with pytest.raises(WrongState, match="has been started before"):
        one.say(Start("r", 1))


def test_a_step_that_goes_well_writes_two_facts() -> None:
    one = play(A, B).begin().to_the_end()
    assert one.kinds() == [
        "workflow_started",
        *("step_activated", "step_completed", "step_activated", "step_completed"),
        "workflow_completed",
    ]


def test_what_expressions_see() -> None:
    seen = {
        "trigger": "{{ trigger.n }}",
        "run": "{{ run.id }} {{ run.trigger.kind }} {{ run.attempt }}",
        "workflow": "{{ workflow.name }} {{ workflow.version }}",
        "now": "{{ now }}",
        "vars": "{{ vars.limit }}",
        "steps": "{{ steps.a }}",
    }
    one = play(A, {**B, "with": {"message": seen}}, vars={"limit": 5}).begin()
    one.finish("a", Done({"x": 1}))
    assert one.started[-1].input.value == {
        "message": {
            "trigger": 1,
            "run": "r manual 1",
            "workflow": "moments 1",
            "now": "2030-01-01T12:00:00Z",
            "vars": 5,
            "steps": {
                "status": "completed",
                "output": {"x": 1},
                "error": None,
                "iteration": 1,
                "attempts": 1,
            },
        }
    }


def test_a_secret_is_kept_as_its_name() -> None:
    step = {
        "id": "a",
        "uses": "http.request",
        "with": {
            "url": "https://intake.example/",
            "headers": {"Authorization": "Bearer {{ secret('TOKEN') }}"},
        },
    }
    one = play(step).begin()
    told = one.started[0].input
    assert told.value == {"url": "https://intake.example/", "headers": {"Authorization": None}}
    assert [placed.at for placed in told.secrets] == [("headers", "Authorization")]
    assert folded(one) == one.state


# ── pause and resume ────────────────────────────────────────────────────────────────────────────────────────


def test_while_a_run_is_paused_attempts_end_and_nothing_starts() -> None:
    one = play(A, B).begin()
    one.say(Pause("ann"))
    one.finish("a")
    assert one.status("a") == "completed"
    assert one.runs("b") == 0
    assert one.state.paused_by == "operator"
    one.say(Resume("ann"))
    assert one.runs("b") == 1


def test_a_run_of_which_nothing_is_left_ends_although_it_is_paused() -> None:
    one = play(A).begin()
    one.say(Pause("ann"))
    one.finish("a")
    assert one.state.status == "completed"


def test_a_run_can_be_paused_before_it_begins() -> None:
    one = play(A)
    one.say(Start("r", 1))
    one.say(Pause("ann"))
    one.say(GoOn())
    assert not one.started
    one.say(Resume("ann"))
    assert one.runs("a") == 1


def test_a_retry_that_comes_due_while_paused_is_remembered() -> None:
    one = play(A, script={"a": ["retry", "ok"]}).begin()
    one.finish("a")
    one.say(Pause("ann"))
    one.fire(Timer("retry", "a", 1, 1))
    assert one.runs("a") == 1
    one.say(Resume("ann"))
    assert one.runs("a") == 2


def test_answers_and_expiries_are_recorded_while_paused() -> None:
    one = play(
        {"id": "s", "uses": "wait.signal", "with": {"signal": "go"}, "next": "b"},
        {"id": "d", "uses": "core.delay", "with": {"for": "5m"}, "next": "c"},
        B,
        C,
    ).begin()
    one.finish("s")
    one.finish("d")
    one.say(Pause("ann"))
    one.say(Give("go", {"x": 1}))
    one.fire(Timer("wait", "d", 1, 1))
    assert (one.status("s"), one.status("d")) == ("completed", "completed")
    assert not one.runs("b") + one.runs("c")
    one.say(Resume("ann"))
    assert one.runs("b") + one.runs("c") == 2


def test_a_step_goes_back_while_paused_and_begins_after() -> None:
    one = play({**A, "again": {"to": "a", "max": 1}}).begin()
    one.say(Pause("ann"))
    one.finish("a")
    assert one.runs("a") == 1
    one.say(Resume("ann"))
    assert one.started[-1].iteration == 2


def test_a_failure_while_paused_stops_the_run_and_tidying_begins_after() -> None:
    one = play(
        {"id": "go", "uses": "core.echo", "next": ["a", "b"]},
        {**A, "next": [{"to": "c", "when": "always"}]},
        B,
        C,
    ).begin()
    one.finish("go")
    one.say(Pause("ann"))
    one.finish("a", Fail(Failure("NO", "No.")))
    assert one.status("b") == "cancelled"
    assert not one.runs("c")
    one.say(Resume("ann"))
    one.finish("c")
    assert one.state.status == "failed"


def test_resume_answers_an_operators_pause_only() -> None:
    one = play({"id": "p", "uses": "approval", "with": {"approvers": ["ann"]}}).begin()
    with pytest.raises(WrongState, match="is running: nobody has paused it"):
        one.say(Resume("ann"))
    one.finish("p")
    assert one.state.paused_by == "approval"
    with pytest.raises(WrongState, match=r"waits for a person \(approval\)"):
        one.say(Resume("ann"))
    one.say(Pause("ann"))
    with pytest.raises(WrongState, match="is paused already"):
        one.say(Pause("ann"))
    one.say(Resume("ann"))
    assert one.state.paused_by == "approval"


def test_a_decision_while_an_operator_pauses_does_not_lift_the_pause() -> None:
    one = play({"id": "p", "uses": "approval", "with": {"approvers": ["ann"]}}, B).begin()
    one.finish("p")
    one.say(Pause("bob"))
    one.answer("p", {"decision": "approve"})
    assert one.state.paused_by == "operator"
    assert not one.runs("b")


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_exactly_one_decision_wins() -> None:
    one = play({"id": "p", "uses": "approval", "with": {"approvers": ["ann"]}}, B).begin()
    one.finish("p")
    number = one.state.steps["p"].waits
    first = one.say(Answered("p", 1, number, "approve", "ann", Done({"decision": "approve"})))
    second = one.say(Answered("p", 1, number, "reject", "eve", Done({"decision": "reject"})))
    assert (first.stale, second.stale, second.events) == (False, True, [])
    assert one.state.seen["p"]["output"] == {"decision": "approve"}
    assert "approval_decided" in one.kinds()
    assert one.runs("b") == 1


def test_answers_gather_until_they_are_enough() -> None:
    step = {
        "id": "q",
        "uses": "ask",
        "with": {"bots": ["ann", "ben"], "question": "?", "answer": {"choices": ["y", "n"]}},
    }
    one = play(step).begin()
    one.finish("q")
    one.say(Answered("q", 1, 1, "y", "ann"))
    assert one.status("q") == "waiting"
    assert one.state.steps["q"].answers == [{"by": "ann", "answer": "y"}]
    agreed = Done({"answer": "y"}, agreement=Agreement(1.0, "percent", "majority"))
    one.say(Answered("q", 1, 1, "y", "ben", agreed))
    assert names(one) == [
        *("step_waiting", "wait_answered", "wait_answered"),
        *("consensus_calculated", "step_completed", "workflow_completed"),
    ]


def test_more_may_be_asked_and_the_old_wait_is_closed() -> None:
    one = play(A, script={"a": "answer q1"}).begin()
    one.finish("a")
    told = one.say(Answered("a", 1, 1, "y", "ann", Wait("answer", key="q2")))
    assert CloseWait("a", 1, 1, Wait("answer", key="q1")) in told.wants
    assert one.state.steps["a"].answers == [], "what the next wait needs of it is in that wait"
    assert one.say(Answered("a", 1, 1, "late", "ben", Done())).stale
    one.say(Answered("a", 1, 2, "y", "ben", Done()))
    assert one.state.status == "completed"


def test_who_tells_of_a_deadline_may_say_what_it_makes_of_the_step() -> None:
    one = play(A, script={"a": "answer q1"}).begin()
    one.finish("a")
    told = one.say(TimerDue(Timer("wait", "a", 1, 1), Wait("answer", key="q2")))
    assert CloseWait("a", 1, 1, Wait("answer", key="q1")) in told.wants
    one.say(TimerDue(Timer("wait", "a", 1, 2), Done("enough")))
    assert one.state.seen["a"]["output"] == "enough"


def test_a_signal_that_came_early_is_used_once_and_in_order() -> None:
    wait = {"uses": "wait.signal", "with": {"signal": "go"}}
    one = play({"id": "s", **wait}, {"id": "t", **wait}, {"id": "u", **wait}).begin()
    one.say(Give("go", 1))
    one.say(Give("go", 2))
    one.say(Give("other", 3))
    one.finish("s")
    one.finish("t")
    one.finish("u")
    assert (one.state.seen["s"]["output"], one.state.seen["t"]["output"]) == (1, 2)
    assert one.status("u") == "waiting"
    one.say(Give("go", 4))
    assert one.state.seen["u"]["output"] == 4
    assert list(one.state.signals) == ["other"]


def test_signals_that_nobody_uses_are_bounded() -> None:
    one = play(A, limits=Limits(signals=2)).begin()
    one.say(Give("x"))
    one.say(Give("x"))
    with pytest.raises(WrongState, match="keeps 2 signals"):
        one.say(Give("x"))
    with pytest.raises(Unencodable):
        one.say(Give("x", float("nan")))


def test_a_signal_that_a_step_waits_for_comes_through_however_many_are_kept() -> None:
    wait = {"uses": "wait.signal", "with": {"signal": "go"}}
    one = play({"id": "s", **wait}, {"id": "t", **wait}, limits=Limits(signals=1)).begin()
    one.finish("s")
    one.say(Give("x"))
    one.say(Give("go", 7))
    assert one.state.seen["s"]["output"] == 7
    with pytest.raises(WrongState, match="keeps 1 signals"):
        one.say(Give("go"))  # the next step does not wait yet


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_cancel_stops_everything_and_starts_nothing() -> None:
    one = play(
        {"id": "go", "uses": "core.echo", "next": ["a", "s", "k", "t"]},
        {**A, "next": [{"to": "b", "when": "always"}]},
        {"id": "s", "uses": "wait.signal", "with": {"signal": "go"}, "next": "c"},
        {"id": "k", "uses": "workflow", "with": {"name": "other", "input": {}}},
        {"id": "t", "uses": "core.echo"},
        B,
        C,
        script={"t": "retry"},
        deadline="1d",
    ).begin()
    for id_ in ("go", "s", "k", "t"):
        one.finish(id_)
    told = one.say(Cancel("ann", "enough"))
    assert one.state.status == "cancelled"
    assert {one.status(id_) for id_ in "askt"} == {"cancelled"}
    assert {one.status(id_) for id_ in "bc"} == {"skipped"}
    assert CancelAttempt("a", 1, 1) in told.wants
    assert CancelChild("k", "k-1-1") in told.wants
    assert one.end == "cancelled"
    assert one.say(AttemptEnded("a", 1, 1, Done())).stale
    assert one.say(ChildHasEnded("k", 1, "k-1-1", "completed")).stale
    with pytest.raises(WrongState, match=r"has ended \(cancelled\)"):
        one.say(Cancel("ann"))


def test_a_pending_run_can_be_cancelled() -> None:
    one = play(A, deadline="1d")
    one.say(Start("r", 1))
    one.say(Cancel("ann"))
    assert one.state.status == "cancelled"
    assert not one.started


def test_a_run_that_was_not_started_can_be_nothing() -> None:
    for command in (
        Cancel("ann"),
        Pause("ann"),
        Resume("ann"),
        Give("x"),
        GiveUp("x"),
        Release("a", "fail", "x"),
    ):
        with pytest.raises(WrongState, match="has not been started"):
            play(A).say(command)
    assert play(A).say(Recover()).stale
