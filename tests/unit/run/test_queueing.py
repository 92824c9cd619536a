"""A run that found no place under its concurrency key: nothing of it begins until it is admitted."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.errors import WrongState
from callboard.facts.crowd_events import Crowded
from callboard.outcome import Failure
from callboard.run import Admit, Cancel, Give, GoOn, JoinQueue, LeaveQueue, Pause, Recover, Reopen, Start
from callboard.run.commands import Timer, TimerDue
from tests.unit.run.player import A, B, Play, folded, play

QUEUED = Crowded("one", 1, queued=True)


def queued(*steps: Any, crowded: Crowded = QUEUED, **more: Any) -> Play:
    one = play(*(steps or (A, B)), **more)
    decision = one.say(Start("r", 1, None, {"kind": "manual"}, crowded=crowded))
    assert (JoinQueue(crowded) in decision.wants) == crowded.queued
    one.say(GoOn())
    return one


def test_nothing_of_it_begins_whatever_it_is_told() -> None:
    one = queued()
    one.say(GoOn())
    one.say(Recover())
    one.say(Give("go"))
    assert (one.state.status, one.flying, one.state.ready) == ("pending", {}, [])
    assert one.state.alive


def test_admitted_it_runs_as_if_it_had_started_then() -> None:
    one = queued()
    one.say(Admit())
    assert one.runs("a") == 1
    one.to_the_end()
    assert one.end == "completed"
    assert folded(one) == one.state


def test_a_turn_that_comes_twice_or_too_late_changes_nothing() -> None:
    one = queued()
    one.say(Admit())
    assert one.say(Admit()).stale
    one.to_the_end()
    assert one.say(Admit()).stale
    assert play(A).begin().say(Admit()).stale


@pytest.mark.parametrize("how", [Cancel("ann"), TimerDue(Timer("replaced", by="other"))])
def test_it_leaves_the_queue_when_it_is_cancelled_or_replaced(how: Any) -> None:
    one = queued()
    decision = one.say(how)
    assert LeaveQueue() in decision.wants
    assert one.end == "cancelled"
    assert one.history[-1].principal == ("ann" if isinstance(how, Cancel) else "run other")  # type: ignore[attr-defined]
    assert one.say(Admit()).stale


def test_it_cannot_be_paused() -> None:
    with pytest.raises(WrongState, match="waits for its turn"):
        queued().say(Pause("ann"))


def test_its_deadline_counts_and_opened_again_it_begins_anew() -> None:
    one = queued(deadline="1h")
    one.fire(Timer("deadline"))
    assert (one.end, one.state.error.code if one.state.error else "") == ("failed", "RUN_TIMEOUT")
    one.end = None
    one.say(Reopen("ann"))
    assert one.runs("a") == 1
    one.to_the_end()
    assert one.state.status == "completed"
    assert folded(one) == one.state


def test_a_run_that_is_replaced_while_it_runs_is_cancelled() -> None:
    one = queued(crowded=Crowded("one", 1))
    assert one.runs("a") == 1
    one.say(TimerDue(Timer("replaced", by="other")))
    assert (one.end, one.flying) == ("cancelled", {})
    assert one.say(TimerDue(Timer("replaced", by="other"))).stale


def test_a_run_that_was_refused_a_place_fails_before_it_begins() -> None:
    error = Failure("CONCURRENCY_LIMIT", "There is no place.")
    one = queued(crowded=Crowded("", 1, refused=error))
    assert (one.end, one.state.error, one.runs("a")) == ("failed", error, 0)
    with pytest.raises(WrongState):
        one.say(Reopen("ann"))
