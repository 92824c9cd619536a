"""What holds of every run: any plan, any outcomes, any order, people and crashes at any moment."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard.errors import WrongState
from callboard.outcome import Done
from callboard.planning.catalogue import catalogue
from callboard.planning.plan import Plan, compile_plan
from callboard.run import (
    Answered,
    AttemptEnded,
    Cancel,
    ChildHasEnded,
    Command,
    Give,
    GoOn,
    Pause,
    Release,
    Reopen,
    Resume,
    RunState,
    Timer,
    TimerDue,
)
from callboard.workflow import Definition, built, described
from tests.proof import scaled
from tests.unit.run.player import Play, folded

OUTCOMES = ["ok", "ok", "ok", "ok 3", "fail", "retry", "approval", "signal go", "answer", "child"]
CONDITIONS = ["", "", "", "trigger.n > 2", "trigger.n < 2", "trigger.nothing > 1", "steps.a.output.echo == 3"]


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Any definition that the check would let pass, and some that it would not."""
    ids = "abcdefgh"[: draw(st.integers(1, 8))]
    steps: list[dict[str, Any]] = [{"id": id_, "uses": "core.echo"} for id_ in ids]
    for place, step in enumerate(steps):
        step.update(draw(st.sampled_from([{}, {}, {}, _each(step["id"]), _loop(step["id"])])))
        later = ids[place + 1 :]
        if later:
            edges = [
                {
                    "to": draw(st.sampled_from(later)),
                    "when": draw(st.sampled_from(["success", "success", "success", "failure", "always"])),
                    "if": draw(st.sampled_from(CONDITIONS)),
                }
                for _ in range(draw(st.integers(0, 3)))
            ]
            step["next"] = edges
            step["route"] = draw(st.sampled_from(["all", "all", "first"]))
        if place and draw(st.integers(0, 3)) == 0:
            step["needs"] = draw(st.lists(st.sampled_from(ids[:place]), max_size=3, unique=True))
        step["join"] = draw(st.sampled_from([None, None, "all", "settled", "any", 1, 2]))
        step["on_interrupt"] = draw(st.sampled_from(["retry", "retry", "fail", "hold"]))
        step["retry"] = {"attempts": draw(st.integers(1, 3)), "rerender": draw(st.booleans())}
    written = {
        "name": "any",
        "steps": steps,
        "on_failure": draw(st.sampled_from(["stop", "continue"])),
        "max_parallel": draw(st.integers(1, 4)),
        "deadline": draw(st.sampled_from([None, "7d"])),
        "output": {"a": "{{ steps.a.output.echo }}"},
    }
    plan = plan_of(written)
    for step in steps:
        if plan.flow.steps[step["id"]].join.count > len(plan.flow.steps[step["id"]].incoming):
            step["join"] = None  # the check refuses it
        leads = [one for one in ids if step["id"] in plan_following(plan, one)]
        if leads and draw(st.integers(0, 3)) == 0:
            step["again"] = {
                "to": draw(st.sampled_from(leads)),
                "if": draw(st.sampled_from(CONDITIONS)),
                "max": draw(st.integers(1, 2)),
            }
    return written


def _each(id_: str) -> dict[str, Any]:
    inside = [{"id": f"{id_}-inside", "uses": "core.echo"}]
    failure = "collect" if id_ in "aceg" else "stop"
    return {
        "uses": "each",
        "with": {"items": list(id_ * 4), "parallel": 3, "on_item_failure": failure, "steps": inside},
    }


def _loop(id_: str) -> dict[str, Any]:
    inside = [{"id": f"{id_}-inside", "uses": "core.echo"}]
    condition = {"while": "trigger.n > 0"} if id_ in "aceg" else {"until": "index == 1"}
    return {"uses": "loop", "with": {"max": 3, "steps": inside} | condition}


def plan_of(written: dict[str, Any]) -> Plan:
    definition: Definition = built(written, described(Definition))
    return compile_plan(definition, catalogue())


def plan_following(plan: Plan, id_: str) -> set[str]:
    found = {id_}
    for one in plan.flow.order:
        if one in found:
            found.update(edge.target for edge in plan.flow.steps[one].outgoing)
    return found


SCRIPTS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4)
)
TRIES = settings(
    max_examples=scaled(100), deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def a_person_acts(play: Play, luck: random.Random) -> bool:
    """Do what only a person can, so that the run goes on; say whether there was anything."""
    state = play.state
    if state.paused_by == "operator":
        play.say(Resume("ann"))
        return True
    for id_, step in state.steps.items():
        if step.status == "waiting_approval":
            play.answer(id_, luck.choice(["approve", "reject"]))
            return True
        if step.wait is not None and step.wait.what == "hold":
            play.say(Release(id_, luck.choice(["retry", "fail"]), "ann"))
            return True
        if step.wait is not None and step.wait.what == "signal":
            play.say(Give("go", {"x": 1}))
            return True
    return False


def anything(play: Play, luck: random.Random) -> None:
    """Say something that may not fit: nothing comes of it, or it is refused in so many words."""
    id_, number = luck.choice("abcdefghz"), luck.randint(0, 3)
    step = play.state.steps.get(id_)
    iteration = luck.randint(0, 2) if step is None else step.iteration
    late = step is None or step.status in {"pending", "completed", "failed", "skipped", "cancelled"}
    commands: list[Command] = [
        Resume("eve"),
        Release("z", "retry", "eve"),
        Reopen("eve"),
        GoOn(),
        TimerDue(Timer("deadline")),
        TimerDue(Timer("timeout")),
        AttemptEnded("z", 1, 1, Done()),
        AttemptEnded(id_, iteration, 99, Done()),
        Answered(id_, iteration, 99, "?", "eve", Done()),
        ChildHasEnded(id_, iteration, "nobody's", "completed"),
        TimerDue(Timer("wait", id_, iteration, 99)),
        TimerDue(Timer("retry", id_, iteration, 99)),
    ]
    if late:
        commands += [
            AttemptEnded(id_, iteration, number, Done()),
            Answered(id_, iteration, number, "?", "eve", Done()),
            TimerDue(Timer("wait", id_, iteration, number)),
        ]
    command = luck.choice(commands)
    if isinstance(command, Resume) and play.state.paused_by == "operator":
        return
    before = msgspec.json.encode(play.state)
    with contextlib.suppress(WrongState):
        assert not play.say(command).events
    assert msgspec.json.encode(play.state) == before


def play_on(play: Play, luck: random.Random, *, disturbed: bool) -> None:
    """Play to the end, with people and crashes in between."""
    play.mishaps = 0.2 if play.script else 0.0
    for _ in range(5_000):
        if play.state.ended:
            return
        what = luck.random() if disturbed else 1.0
        if what < 0.03 and play.state.paused_by != "operator":
            play.say(Pause("ann"))
        elif what < 0.06:
            play.crash()
        elif what < 0.09:
            play.state = msgspec.json.decode(msgspec.json.encode(play.state), type=RunState)
        elif what < 0.10:
            play.say(Give("go", {"early": True}))
        elif what < 0.16:
            anything(play, luck)
        elif not play.step() and not a_person_acts(play, luck):
            raise AssertionError(f"The run is stranded: {play.state}")
    raise AssertionError("The run does not end.")


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_a_run_ends_and_keeps_every_rule(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    play = Play(plan_of(written), seed=seed, script=script, trigger={"n": seed % 4})
    play.begin()
    play_on(play, random.Random(seed), disturbed=False)
    assert play.state.status in {"completed", "failed"}
    assert (play.state.status == "failed") == bool(play.state.failures)
    assert folded(play) == play.state


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_pauses_crashes_and_snapshots_at_any_moment_change_none_of_that(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    play = Play(plan_of(written), seed=seed, script=script, trigger={"n": seed % 4})
    play.begin()
    play_on(play, random.Random(seed), disturbed=True)
    assert folded(play) == play.state


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32), st.integers(0, 40))
def test_a_run_can_be_cancelled_at_any_moment(
    written: dict[str, Any], script: dict[str, list[str]], seed: int, when: int
) -> None:
    play = Play(plan_of(written), seed=seed, script=script, trigger={"n": seed % 4})
    play.begin()
    for _ in range(when):
        if not play.step():
            break
    if play.state.ended:
        return
    started = len(play.started)
    play.say(Cancel("ann", "enough"))
    assert play.state.status == "cancelled"
    assert len(play.started) == started
    assert not play.step()
    assert folded(play) == play.state


@TRIES
@given(definitions(), SCRIPTS, st.integers(0, 2**32))
def test_a_failed_run_can_be_reopened_until_it_completes(
    written: dict[str, Any], script: dict[str, list[str]], seed: int
) -> None:
    luck = random.Random(seed)
    play = Play(plan_of(written), seed=seed, script=script, trigger={"n": seed % 4})
    play.begin()
    play_on(play, luck, disturbed=True)
    if play.state.status != "failed" or not play.state.recoverable:
        return
    failed = set(play.state.failures)
    play.script, play.end = {}, None  # from here on all goes well
    play.say(Reopen("ann"))
    kept = {id_ for id_ in play.plan.flow.steps if play.status(id_) == "completed"}
    assert not kept & set().union(*(plan_following(play.plan, id_) for id_ in failed))
    begun = len(play.started)
    play_on(play, luck, disturbed=False)
    assert play.state.status == "completed"
    if all(step.again is None for step in play.plan.flow.steps.values()):
        assert not kept & {want.step for want in play.started[begun:]}
    assert folded(play) == play.state
