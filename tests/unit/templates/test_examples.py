"""The templates of the project itself: they are what a newcomer reads first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard import checking
from callboard.steps import here
from callboard.templates import Documents, Instantiable, accept, check

FOLDER = Path(__file__).parents[3] / "config" / "templates"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_no_faults(file: Path) -> None:
    assert check(file.read_text("utf-8")) == []


def test_there_is_an_example_of_each_kind() -> None:
    assert {accept(file.read_text("utf-8")).definition.kind for file in FILES} == {"document", "workflow"}


@pytest.mark.parametrize(
    ("document", "answers", "subject"),
    [
        ("welcome", {"customer": "Ann"}, "Welcome, Ann"),
        ("refund", {"customer": "Ann", "lines": [{"what": "a", "amount": 7}]}, "Your refund: 1 items"),
    ],
)
def test_the_letters_can_be_written(document: str, answers: dict[str, Any], subject: str) -> None:
    definition = accept((FOLDER / "letters.yaml").read_text("utf-8")).definition
    made = Documents("letters", 1, definition).render(document, answers)
    assert made.metadata["subject"] == subject
    assert made.body.startswith("Dear Ann,")


def test_the_workflow_can_be_made_and_has_no_faults() -> None:
    definition = accept((FOLDER / "watch-a-page.yaml").read_text("utf-8")).definition
    text = Instantiable("watch-a-page", 1, definition).instantiate({"address": "https://example.com"})
    assert checking.check(text, catalogue=here()) == []
