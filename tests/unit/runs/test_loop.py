"""`loop`: rounds as runs of their own, when there is another, and what they hand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.checking import check
from callboard.ids import Position
from callboard.store.runrows import RunQuery
from tests.unit.runs.house import house
from tests.unit.runs.outcomes import failed, given

COUNT = """
name: w
vars: {{n: 0}}
steps:
  - id: rounds
    uses: loop
    with:
      {condition}
      max: {max}
      steps:
        - {{id: add, uses: core.set, with: {{n: "{{{{ vars.n + 1 }}}}"}}}}
        - {{id: say, uses: core.echo, with: {{message: "{{{{ index }}}}/{{{{ vars.n }}}}"}}}}
  - {{id: after, uses: core.echo, with: {{message: "{{{{ vars.n }}}}"}}}}
output: ["{{{{ steps.rounds.output }}}}", "{{{{ steps.after.output.echo }}}}"]
"""


@pytest.mark.parametrize(
    ("condition", "rounds", "last"),
    [
        ('until: "vars.n >= 3"', 3, "2/3"),
        ('while: "vars.n < 3"', 3, "2/3"),
        ('while: "index < 2"', 2, "1/2"),
        ('until: "index == 1"', 2, "1/2"),
        ("until: \"steps.say.output.echo == '0/1'\"", 1, "0/1"),
        ("while: \"index == 0 or steps.say.output.echo != '3/4'\"", 4, "3/4"),
    ],
)
async def test_a_loop_counts_and_says_how_often_it_went_round(
    tmp_path: Path, condition: str, rounds: int, last: str
) -> None:
    found = await given(tmp_path, COUNT.format(condition=condition, max=10))
    assert found == [{"rounds": rounds, "output": {"echo": last}}, rounds]


async def test_a_loop_whose_while_does_not_hold_goes_round_never(tmp_path: Path) -> None:
    found = await given(tmp_path, COUNT.format(condition='while: "vars.n > 0"', max=10))
    assert found == [{"rounds": 0, "output": None}, 0]


async def test_a_loop_that_would_go_on_past_its_limit_fails(tmp_path: Path) -> None:
    told = await failed(tmp_path, COUNT.format(condition='until: "vars.n > 100"', max=3))
    assert (told.code, "3 rounds" in told.message) == ("LOOP_LIMIT", True)


async def test_a_loop_may_use_all_its_rounds(tmp_path: Path) -> None:
    found = await given(tmp_path, COUNT.format(condition='until: "vars.n == 3"', max=3))
    assert found[0]["rounds"] == 3


async def test_a_round_that_fails_fails_the_loop(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - id: rounds
    uses: loop
    with: {until: "index == 5", steps: [{id: a, uses: core.fail, with: {code: NO, message: "No."}}]}
"""
    told = await failed(tmp_path, text)
    assert (told.code, told.details["index"], told.details["code"]) == ("ROUND_FAILED", 0, "NO")


async def test_what_a_condition_came_to_is_kept_as_a_decision(tmp_path: Path) -> None:
    async with house(tmp_path / "db", COUNT.format(condition='while: "vars.n < 1"', max=10)) as here:
        began = await here.start("w")
        await here.comes_to(began.run)
        (round_,) = await here.store.runs(RunQuery(parent=began.run))
        found = []
        for run in (began.run, round_.id):
            rows = await here.store.decisions(run, Position(0), 10)
            found += [(row.source, row.expression, row.result) for row in rows if row.about == "again"]
        assert found == [("rounds", "vars.n < 1", True), ("rounds", "vars.n < 1", False)]


async def test_a_counter_of_a_loop_in_a_loop_comes_out(tmp_path: Path) -> None:
    text = """
name: w
vars: {n: 0}
steps:
  - id: outer
    uses: loop
    with:
      while: "index < 2"
      steps:
        - id: inner
          uses: loop
          with:
            while: "index < 3"
            steps:
              - {id: add, uses: core.set, with: {n: "{{ vars.n + 1 }}"}}
output: "{{ vars.n }}"
"""
    assert await given(tmp_path, text) == 6


async def test_a_round_that_hands_on_too_much_fails(tmp_path: Path) -> None:
    big = "x" * 400_000
    sets = "\n".join(
        f"        - {{id: {x}, uses: core.set, with: {{{x}: '{{{{ trigger }}}}'}}}}" for x in "abc"
    )
    text = f"name: w\nsteps:\n  - id: l\n    uses: loop\n    with:\n      until: 'true'\n      steps:\n{sets}"
    told = await failed(tmp_path, text, big)
    assert (told.code, told.details["code"]) == ("ROUND_FAILED", "OUTPUT_TOO_LARGE")


LOOKS_AT_THE_ITEM = """
    uses: loop
    with: {while: "item == 1", steps: [{id: b, uses: core.echo, with: {message: "{{ item }}"}}]}
"""


def test_a_loop_finds_no_item_where_there_is_none() -> None:
    faults = check(f"name: w\nsteps:\n  - id: a{LOOKS_AT_THE_ITEM}")
    assert [(fault.code, fault.message) for fault in faults if fault.severity == "error"] == [
        ("LOOP_ONLY", "item is there only in the steps of each."),
        ("LOOP_ONLY", "item is there only in the steps of each."),
    ]


def test_a_loop_within_an_each_sees_its_item() -> None:
    inside = "\n".join(f"      {line}" for line in f"  - id: a{LOOKS_AT_THE_ITEM}".splitlines())
    text = (
        f"name: w\nsteps:\n  - id: all\n    uses: each\n    with:\n      items: [1]\n      steps:\n{inside}"
    )
    assert not [fault for fault in check(text) if fault.severity == "error"]
