"""Templates and answers that try to eat the time or the memory of the process."""

from __future__ import annotations

import time
from typing import Any

import pytest

from callboard.errors import BadInput, ExpressionFailed, TemplateInvalid
from callboard.templates import check
from tests.unit.templates.material import documents, instantiable

SECONDS = 3.0
"""Generous: each takes a fraction of it, also on a slow machine."""

LOOP = "".join(f"{{% for {name} in answers.x %}}" for name in "abc") + "{{ a }}" + "{% endfor %}" * 3


def one(body: str, metadata: str = "{}") -> str:
    return f"name: a\ndocuments: {{d: {{body: '{body}', fields: {{x: {{}}}}, metadata: {metadata}}}}}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (LOOP, [1] * 1_000),
        (LOOP, "y" * 100_000),
        ("{{ answers.x * 900000000 }} {{ answers.x }}", "boom"),
        ("{% for a in answers.x %}{{ answers.x }}{% endfor %}", "z" * 30_000),
        ("{{ answers.x | join(answers.x) }} ", ["w" * 10_000] * 2_000),
        ('{{ answers.x | replace("a", answers.x) }}', "a" * 60_000),
    ],
)
def test_a_bomb_ends_in_an_error(body: str, told: Any) -> None:
    began = time.monotonic()
    with pytest.raises(ExpressionFailed):
        documents(one(body)).render("d", {"x": told})
    assert time.monotonic() - began < SECONDS


def test_body_and_metadata_share_what_they_may_use() -> None:
    """Each alone would be let through."""
    body = "{% for a in answers.x %}{{ a }}{% endfor %}"
    documents(one(body)).render("d", {"x": [1] * 10_000})
    with pytest.raises(ExpressionFailed, match="steps"):
        documents(one(body, f'{{a: "{body}"}}')).render("d", {"x": [1] * 10_000})


def test_the_places_of_a_workflow_share_what_they_may_use() -> None:
    lines = "".join(f"    v{n}: {{$: \"{{{{ config.x | join(',') }}}}\"}}\n" for n in range(2_000))
    text = f"name: a\nconfig: {{x: {{}}}}\nworkflow:\n  steps: [{{id: a, uses: core.echo}}]\n  vars:\n{lines}"
    began = time.monotonic()
    with pytest.raises(BadInput, match=r"steps|bytes"):
        instantiable(text).instantiate({"x": ["y"] * 20_000})
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "name: a\ndocuments: {d: {body: '" + "{{ (" * 500 + "'}}",
        "name: a\ndocuments: {d: {body: x, metadata: " + "[" * 40 + "]" * 40 + "}}",
        "name: a\nworkflow: " + "{$: " * 60 + "x" + "}" * 60,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: [" + "*c, " * 20_000 + "]",
        "x" * ((1 << 20) + 1),
        "name: a\ndocuments:\n" + "".join(f"  d{n}: {{body: x}}\n" for n in range(101)),
        "name: a\ndocuments: {d: {body: x, fields: {" + ", ".join(f"f{n}: {{}}" for n in range(201)) + "}}}",
        "name: a\ndocuments: {d: {body: x, fields: {a: {schema: "
        + "{items: " * 50
        + "{}"
        + "}" * 50
        + "}}}}",
    ],
)
def test_a_hostile_file_is_refused_soon(text: str) -> None:
    began = time.monotonic()
    found = [fault for fault in check(text) if fault.severity == "error"]
    assert found
    assert len(found) <= 101
    assert time.monotonic() - began < SECONDS
    with pytest.raises(TemplateInvalid):
        documents(text)
