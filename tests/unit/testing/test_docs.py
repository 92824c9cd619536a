"""The example of docs/testing.md is played as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from callboard.testing import simulation

PAGE = (Path(__file__).parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.delenv(simulation.VARIABLE, raising=False)
    words: dict[str, Any] = {"__name__": __name__}
    exec(compile(code, "docs/testing.md", "exec", dont_inherit=True), words)  # noqa: S102 - it is our own page
    tests = [value for name, value in words.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()


def test_every_word_that_the_page_has_for_simulate_is_one_of_its_own() -> None:
    table = PAGE[PAGE.index("| what you say |") : PAGE.index("Before the seeds")]
    said = {word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)[`=]", row)}
    named = set(simulation.simulate.__annotations__) - {"bots", "return"}
    assert said >= named
