"""The rows of a run follow from its facts: any run, its facts appended in any portions.

What the rows must say is told by the fold, which knows nothing of rows: the state of the run, the steps that
are ready, the attempts under way. A rebuild takes the same facts one by one and must come to the same rows.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import WrongState
from callboard.facts.crossings import Crossing
from callboard.facts.events import (
    AttemptDue,
    AttemptRetried,
    Cancelled,
    StepActivated,
    StepCancelled,
    StepCompleted,
    StepFailed,
    WorkflowRecovered,
    WorkflowStarted,
    run_stream,
)
from callboard.ids import LogId, SystemIds, Version
from callboard.outcome import Failure
from callboard.run import Cancel, GoOn, Reopen, RunState, Start, evolve
from callboard.run.forking import Source
from callboard.store.port import Receipt
from callboard.store.turn import Limits, Turn
from callboard.stores.sqlite.opening import open_writer
from callboard.stores.sqlite.rebuilding import rebuild
from callboard.stores.sqlite.writing import commit
from tests.unit.run.player import NOON, Play
from tests.unit.run.test_any_run import SCRIPTS, TRIES, definitions, plan_of, play_on

ANY = Limits(facts=100_000, bytes=1 << 30)


@contextlib.contextmanager
def a_database() -> Any:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        open_writer(db, NOON, LogId("log"), in_memory=True)
        yield db


def append(db: sqlite3.Connection, facts: list[msgspec.Struct], version: int) -> None:
    turn = Turn(at=NOON, ids=SystemIds(), limits=ANY)
    turn.append(run_stream("r"), "run", facts, expected=Version(version))
    (outcome,) = commit(db, [turn])
    assert isinstance(outcome, Receipt), outcome


def rows_say_what_the_fold_says(db: sqlite3.Connection, state: RunState) -> None:
    [(status, paused_by, ended)] = db.execute(
        "SELECT status, paused_by, ended_at IS NOT NULL FROM workflow_runs"
    )
    assert (status, paused_by, bool(ended)) == (state.status, state.paused_by, state.ended)
    queued = {step for (step,) in db.execute("SELECT step FROM workflow_queue")}
    assert queued == set(state.ready)
    live = {
        (id_, step.iteration, step.attempt, step.status)
        for id_, step in state.steps.items()
        if step.status == "running" or (step.wait is not None and step.wait.what != "hold")
    }
    told = db.execute(
        "SELECT step, iteration, attempt, status FROM workflow_steps"
        " WHERE status IN ('running', 'waiting', 'waiting_approval')"
    )
    assert set(told) == live
    ended = {
        id_
        for id_, step in state.steps.items()
        if step.status in {"completed", "failed", "cancelled", "skipped"}
    }
    assert not ended & {step for (step,) in db.execute("SELECT step FROM workflow_steps WHERE open = 1")}


def a_run(written: dict[str, Any], script: dict[str, list[str]], seed: int) -> Play:
    luck = random.Random(seed)
    play = Play(plan_of(written), seed=seed, script=script, trigger={"n": seed % 4}).begin()
    if luck.random() < 0.2:
        for _ in range(luck.randint(0, 20)):
            if not play.step():
                break
        if not play.state.ended:
            play.say(Cancel("ann", "enough"))
        return play
    play_on(play, luck, disturbed=True)
    play.end = None
    with contextlib.suppress(WrongState):
        play.say(Reopen("ann"))
    return play


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_the_rows_of_a_run_are_those_that_its_facts_make(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    history = a_run(written, script, seed).history
    luck = random.Random(seed)
    longest = luck.choice([1, 1, 2, 7])
    state, version = RunState(), 0
    with a_database() as db:
        while version < len(history):
            portion = history[version : version + luck.randint(1, longest)]
            append(db, portion, version)
            version += len(portion)
            for fact in portion:
                state = evolve(state, fact)
            rows_say_what_the_fold_says(db, state)
        assert rebuild(db) == []


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_the_rows_of_a_fork_are_those_of_what_it_does_itself(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    one, luck = a_run(written, script, seed), random.Random(seed)
    source = Source()
    for fact in one.history:
        source.see(fact)
    try:
        forked = source.fork(one.plan, luck.choice(one.plan.flow.order))
    except WrongState:
        return
    other = Play(one.plan, seed=seed, script=script, trigger=one.trigger)
    other.say(Start("r", 1, other.trigger, {"kind": "manual"}, forked=forked))
    other.say(GoOn())
    play_on(other, luck, disturbed=True)
    state = RunState()
    with a_database() as db:
        for version, fact in enumerate(other.history):
            append(db, [fact], version)
            state = evolve(state, fact)
            rows_say_what_the_fold_says(db, state)
        assert rebuild(db) == []


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_every_attempt_has_a_row(written: dict[str, Any], script: dict[str, list[str]], seed: int) -> None:
    history = a_run(written, script, seed).history
    with a_database() as db:
        append(db, history, 0)
        rows_of = {
            (step, iteration, attempt): status
            for step, iteration, attempt, status in db.execute(
                "SELECT step, iteration, attempt, status FROM workflow_steps"
            )
        }
    for fact in history:
        if isinstance(fact, StepActivated | StepFailed):
            assert (fact.step, fact.iteration, fact.attempt) in rows_of
        elif isinstance(fact, WorkflowRecovered):
            for one in fact.interrupted:
                assert rows_of[one.step, one.iteration, one.attempt] == "interrupted"


def test_what_is_to_be_tried_again_after_a_crash_is_ready() -> None:
    """Until it begins: a second crash in between finds it so."""
    written = {"name": "any", "steps": [{"id": "a", "uses": "core.echo"}]}
    play = Play(plan_of(written), seed=None).begin()
    play.crash()
    *before, again = play.history
    with a_database() as db:
        append(db, before, 0)
        assert db.execute("SELECT step FROM workflow_queue").fetchall() == [("a",)]
        append(db, [again], len(before))
        assert db.execute("SELECT step FROM workflow_queue").fetchall() == []


@pytest.mark.parametrize(
    ("starts", "opens", "left"),
    [
        (("a",), ("b",), []),
        (("a",), ("b", "c"), ["c"]),
        (("a",), ("c", "b"), ["c"]),
        (("a", "b"), (), []),
        (("a", "b"), ("c",), ["c"]),
    ],
)
def test_of_a_step_that_ends_and_one_that_begins_the_others_stay_ready(
    starts: tuple[str, ...], opens: tuple[str, ...], left: list[str]
) -> None:
    """The short way of `handed_on` is for the first case, and not for those like it."""
    edges = tuple(Crossing(number, to, opens=True) for number, to in enumerate(opens))
    with a_database() as db:
        append(
            db,
            [WorkflowStarted("r", "any", 1, NOON, starts=starts), StepActivated("a", NOON, "core.echo")],
            0,
        )
        append(db, [StepCompleted("a", NOON, edges=edges), StepActivated("b", NOON, "core.echo")], 2)
        assert [step for (step,) in db.execute("SELECT step FROM workflow_queue")] == left
        assert set(db.execute("SELECT step, status FROM workflow_steps")) == {
            ("a", "completed"),
            ("b", "running"),
        }
        assert rebuild(db) == []


def test_a_step_that_was_ready_for_its_next_attempt_is_not_after_it_was_cancelled() -> None:
    """It waited for room, and the run stopped meanwhile."""
    history = [
        WorkflowStarted("r", "any", 1, NOON, starts=("a",)),
        StepActivated("a", NOON, "core.echo"),
        AttemptRetried("a", NOON, Failure("TIMEOUT", "No answer."), NOON),
        AttemptDue("a", NOON),
        StepCancelled(NOON, (Cancelled("a"),), "enough"),
    ]
    for portion in (1, 2, 5):
        with a_database() as db:
            for version in range(0, len(history), portion):
                append(db, list(history[version : version + portion]), version)
            assert db.execute("SELECT step FROM workflow_queue").fetchall() == []
            assert db.execute("SELECT status, open FROM workflow_steps").fetchall() == [("failed", 0)]


def test_an_interrupted_attempt_stays_so_when_its_step_fails() -> None:
    """`on_interrupt: fail`: the attempt was cut off, and it is the step that failed."""
    written = {"name": "any", "steps": [{"id": "a", "uses": "core.echo", "on_interrupt": "fail"}]}
    play = Play(plan_of(written), seed=None).begin()
    play.crash()
    with a_database() as db:
        append(db, play.history, 0)
        assert db.execute("SELECT status, open FROM workflow_steps").fetchall() == [("interrupted", 0)]
