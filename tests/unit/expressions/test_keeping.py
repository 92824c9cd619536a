"""What a condition sees is kept, no more and no less, so that it comes to the same later."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.expressions import condition, seen_by

SCOPE: dict[str, Any] = {
    "trigger": {"claim": 7, "lines": [{"n": 1}, {"n": 2}], "by": "ann"},
    "vars": {"least": 6, "unused": "x" * 1000},
    "steps": {"fetch": {"output": {"text": "a", "more": "b"}, "status": "completed"}},
    "now": "soon",
    "word": "plain",
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("item.body == trigger.claim", {"trigger": {"claim": 7}}),
        ("item.n > vars.least and now", {"vars": {"least": 6}}),
        ("trigger.lines[0].n == 1", {"trigger": {"lines": SCOPE["trigger"]["lines"]}}),
        ("trigger.claim in trigger", {"trigger": SCOPE["trigger"]}),
        ("steps.fetch.output.text == item.type", {"steps": {"fetch": {"output": {"text": "a"}}}}),
        ("steps.gone.output == 1 or steps.fetch.status", {"steps": {"fetch": {"status": "completed"}}}),
        ("trigger[item.type] == 1", {"trigger": SCOPE["trigger"]}),
        ("word.length == 3", {"word": "plain"}),
        ("gone.x == 1", {}),
        ("item.body", {}),
        ("", {}),
    ],
)
def test_what_it_refers_to_is_kept(text: str, kept: dict[str, Any]) -> None:
    seen = seen_by(condition(text), SCOPE, apart={"item", "now"})
    assert seen == kept or {name: part for name, part in seen.items() if part != {}} == kept


@pytest.mark.parametrize(
    "text",
    [
        "item.n == trigger.claim",
        "item.n == trigger.lines[1].n",
        "steps.gone is undefined and item.n == 7",
        "steps.gone.output is undefined",
        "trigger.gone is defined or item.n == 7",
        "trigger[item.name] == 7",
        "steps.fetch.output|length == 2",
        "gone is defined",
        "vars.least < item.n and steps.fetch.status == 'completed'",
    ],
)
def test_it_comes_to_the_same_with_what_was_kept(text: str) -> None:
    item = {"n": 7, "name": "claim"}
    whole = condition(text).holds({**SCOPE, "item": item})
    later = condition(text).holds({**seen_by(condition(text), SCOPE, apart={"item"}), "item": item})
    assert later == whole
