"""Steps that fill documents in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.runs.house import ANN, House, house
from tests.unit.templates.material import LETTERS, WATCH

NOTE = "name: note\ndocuments: {d: {body: 'one {{ answers.x }}', fields: {x: {}}}}\n"


def workflow(given: str, more: str = "") -> str:
    return f"name: w\nsteps:\n  - {{id: a, uses: template.render, with: {{{given}}}{more}}}\n"


async def came_to(here: House, trigger: Any = None) -> Any:
    """Return the output or the error of the one step."""
    began = await here.start(trigger=trigger)

    async def ended() -> bool:
        return await here.status(began.run) in {"completed", "failed"}

    await here.stage.until(ended)
    (row,) = await here.store.attempts(began.run, after=0, limit=9)  # type: ignore[arg-type]  # the beginning
    return row.output if row.error is None else row.error


async def test_a_step_fills_a_document_in(tmp_path: Path) -> None:
    """Answers keep their types, and what they hold is not rendered again."""
    given = "template: letters, document: welcome, answers: '{{ trigger }}'"
    async with house(tmp_path / "db", workflow(given)) as here:
        await here.library.publish(LETTERS, principal=ANN)
        found = await came_to(here, {"customer": "{{ 7*7 }} é", "amount": 2, "lines": [{"n": 1}]})
        assert found["body"] == "Dear {{ 7*7 }} é, 2.\n- 1\n\n"
        assert found["metadata"] == {
            "template": "letters",
            "document": "welcome",
            "version": 1,
            "subject": "To {{ 7*7 }} é",
            "amount": 2,
            "tags": ["plain", 1],
        }


async def test_answers_that_do_not_fit_fail_the_step_with_all_their_faults(tmp_path: Path) -> None:
    """At once: they would fit no better another time."""
    given = "template: letters, document: welcome, answers: {amount: -1, other: 2}"
    async with house(tmp_path / "db", workflow(given)) as here:
        await here.library.publish(LETTERS, principal=ANN)
        error = await came_to(here)
        assert error.code == "TEMPLATE_ANSWERS"
        assert [fault["path"] for fault in error.details["faults"]] == [
            "answers.customer",
            "answers.amount",
            "answers.other",
        ]


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("template: letter", "NOT_FOUND", "did you mean letters"),
        ("template: letters", "BAD_INPUT", "name one of welcome, bare"),
        ("template: letters, document: welcom", "NOT_FOUND", "did you mean welcome"),
        ("template: letters, document: bare, version: 2", "NOT_FOUND", "there are 1 to 1"),
        ("template: watch", "BAD_INPUT", "instantiate it"),
        ("template: '{{ trigger }}'", "BAD_INPUT", "with.template"),
    ],
)
async def test_what_is_not_there_fails_the_step(tmp_path: Path, given: str, code: str, said: str) -> None:
    async with house(tmp_path / "db", workflow(given)) as here:
        await here.library.publish(LETTERS, principal=ANN)
        await here.library.publish(WATCH, principal=ANN)
        error = await came_to(here, "Not A Name")
        assert error.code == code
        assert said in error.message


async def test_a_step_keeps_to_the_version_that_it_names(tmp_path: Path) -> None:
    pinned = workflow("template: note, version: 1, answers: {x: 1}")
    free = workflow("template: note, answers: {x: 1}").replace("name: w", "name: free")
    async with house(tmp_path / "db", pinned, free) as here:
        await here.library.publish(NOTE, principal=ANN)
        await here.library.publish(NOTE.replace("one", "two"), principal=ANN)
        assert (await came_to(here))["body"] == "one 1"
        began = await here.start("free")
        await here.comes_to(began.run)
        (row,) = await here.store.attempts(began.run, after=0, limit=9)  # type: ignore[arg-type]  # as above
        assert row.output["body"] == "two 1"
        assert row.output["metadata"]["version"] == 2


async def test_a_bomb_fails_its_step_and_nothing_else(tmp_path: Path) -> None:
    bomb = (
        "name: bomb\ndocuments: {d: {body: '{% for a in answers.x %}{% for b in answers.x %}{{ a }}"
        "{% endfor %}{% endfor %}', fields: {x: {}}}}"
    )
    async with house(tmp_path / "db", workflow("template: bomb, answers: '{{ trigger }}'")) as here:
        await here.library.publish(bomb, principal=ANN)
        assert (await came_to(here, {"x": [1] * 5_000})).code == "EXPRESSION_FAILED"
        assert (await came_to(here, {"x": [1, 2]}))["body"] == "1122"
