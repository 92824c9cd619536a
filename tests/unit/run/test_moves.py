"""The tables of states, and the pictures that are made from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callboard.errors import FactUnreadable
from callboard.facts.events import StepCompleted, WorkflowResumed
from callboard.facts.membership import BotDeclared
from callboard.ids import BotName
from callboard.run import RunState, evolve, moves
from tests.unit.run.player import NOON

PAGE = Path(__file__).parents[3] / "docs" / "state_machine.md"
ONE_WAY = frozenset(moves.BEGINS_ANEW)


def test_the_page_shows_the_tables() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert drawn == [moves.diagram(moves.RUN), moves.diagram(moves.STEP, without=ONE_WAY)]


def test_the_file_itself_shows_the_tables() -> None:
    assert moves.drawing(moves.RUN) in (moves.__doc__ or "")
    assert moves.drawing(moves.STEP, without=ONE_WAY) in (moves.__doc__ or "")


def test_every_state_is_reached_and_leads_somewhere_known() -> None:
    for table, first in ((moves.RUN, "new"), (moves.STEP, "pending")):
        reached = {target for facts in table.values() for target in facts.values()}
        assert reached | {first} == set(table)


def test_a_run_that_has_ended_moves_no_more_unless_it_is_reopened() -> None:
    assert {status: set(moves.RUN[status]) for status in moves.ENDED} == {
        "completed": set(),
        "failed": {"reopened"},
        "cancelled": set(),
    }


def test_a_fact_that_does_not_belong_is_refused() -> None:
    with pytest.raises(FactUnreadable, match="is new, where 'workflow_resumed' does not belong"):
        evolve(RunState(), WorkflowResumed(NOON))
    with pytest.raises(FactUnreadable, match="Step a is pending, where 'step_completed' does not belong"):
        evolve(RunState(), StepCompleted("a", NOON))
    with pytest.raises(FactUnreadable, match="'bot_declared' stands in the history of a run"):
        evolve(RunState(), BotDeclared(BotName("b"), "python"))
