"""Graphs as users write them, each with what must come of it, in whatever order its attempts end."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from callboard.checking import accept
from callboard.planning.plan import Plan
from callboard.run import Limits
from tests.proof import scaled
from tests.unit.run.player import Play, folded

FILES = sorted((Path(__file__).parent / "graphs").glob("*.yaml"))
OF_THE_WORKFLOW = {"steps", "on_failure", "vars", "output", "max_parallel", "timeout", "deadline"}
EXPECTED = {
    *("case", "script", "trigger", "limits", "ran", "failed", "cancelled", "skipped", "waiting", "pending"),
    *("status", "error", "gives", "warnings", "order", "iterations", "rulings", "not_looked_at", "most"),
    "skipped_before",
}


def cases() -> list[Any]:
    found = []
    for file in FILES:
        for case in yaml.safe_load(file.read_text(encoding="utf-8")):
            assert set(case) <= OF_THE_WORKFLOW | EXPECTED, case
            found.append(pytest.param(case, id=f"{file.stem}: {case['case']}"))
    return found


def plan_of(case: dict[str, Any]) -> Plan:
    written = {"name": "case"} | {key: case[key] for key in OF_THE_WORKFLOW if key in case}
    return accept(json.dumps(written)).plan


def counted(text: str) -> Counter[str]:
    """Read `a b*2` as one of a and two of b."""
    return Counter({one.partition("*")[0]: int(one.partition("*")[2] or 1) for one in text.split()})


def test_there_are_enough_graphs() -> None:
    assert len(cases()) >= 60


@pytest.mark.parametrize("case", cases())
def test_a_graph_does_what_it_says(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    for seed in [None, *range(scaled(8))]:
        play = Play(
            plan,
            seed=seed,
            script=case.get("script"),
            trigger=case.get("trigger", {"n": 1}),
            limits=Limits(**case.get("limits", {})),
        )
        play.begin()
        play.to_the_end()
        came_out(play, case)
        assert folded(play) == play.state


def came_out(play: Play, case: dict[str, Any]) -> None:
    assert play.state.status == case.get("status", "completed"), play.history[-1]
    assert Counter(want.step for want in play.started) == counted(case["ran"])
    steps_came_out(play, case)
    for text in case.get("order", []):
        first, then = text.split(" < ")
        last = max(place for place, told in enumerate(play.told) if told == f"-{first}")
        assert last < play.told.index(f"+{then}"), f"{text}: {play.told}"
    for id_, iteration in case.get("iterations", {}).items():
        assert play.state.steps[id_].iteration == iteration
    looked = {f"{one.source} {one.to}": one for one in play.rulings}
    for edge, (result, part) in case.get("rulings", {}).items():
        assert looked[edge].result is result
        assert part in looked[edge].reason
    assert not set(case.get("not_looked_at", [])) & set(looked)
    assert play.most <= case.get("most", play.most)
    end_came_out(play, case)


def steps_came_out(play: Play, case: dict[str, Any]) -> None:
    ended = {id_: play.status(id_).replace("_approval", "") for id_ in play.plan.flow.steps}
    skipped = case.get("skipped", {})
    told = dict.fromkeys(skipped, "skipped")
    for status in ("failed", "cancelled", "waiting", "pending"):
        told |= dict.fromkeys(case.get(status, "").split(), status)
    assert ended == dict.fromkeys(ended, "completed") | told
    before = case.get("skipped_before", {})  # in an iteration that was left behind
    reasons = play.reasons()
    assert set(reasons) == set(skipped) | set(before)
    for id_, part in (skipped | before).items():
        assert part in reasons[id_]


def end_came_out(play: Play, case: dict[str, Any]) -> None:
    error = play.state.error
    assert (None if error is None else error.code) == case.get("error", error and error.code)
    assert play.state.output == case.get("gives", play.state.output)
    if "warnings" in case:
        (warning,) = play.history[-1].warnings  # type: ignore[attr-defined]  # it is workflow_completed
        assert case["warnings"] in warning
