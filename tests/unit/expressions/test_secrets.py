"""A secret is named in a template, kept as a name in what is stored, and put in at the attempt."""

from __future__ import annotations

import msgspec
import pytest

from callboard.errors import ExpressionInvalid
from callboard.expressions import (
    Secret,
    Segments,
    Stored,
    condition,
    resolve,
    restored,
    stored,
    template,
    value,
)

VAULT = {"TOKEN": "s3cret-{{ x }}", "OTHER": "0ther"}


def test_a_text_with_a_secret_renders_to_segments() -> None:
    made = template('Bearer {{ secret("TOKEN") }}, {{ x }}{{ y }}!{{ secret("OTHER") }}')
    assert made.secrets == {"TOKEN", "OTHER"}
    rendered = made.render({"x": "a", "y": 1})
    assert rendered == Segments(("Bearer ", Secret("TOKEN"), ", a1!", Secret("OTHER")))
    assert resolve(rendered, VAULT.__getitem__) == "Bearer s3cret-{{ x }}, a1!0ther"


def test_a_whole_secret_is_one_segment() -> None:
    assert template('{{ secret("TOKEN") }}').render({}) == Segments((Secret("TOKEN"),))


def test_a_secret_may_be_chosen_and_what_was_not_chosen_is_text() -> None:
    made = template('{{ secret("TOKEN") if x else "none" }}')
    assert made.render({"x": 1}) == Segments((Secret("TOKEN"),))
    assert made.render({"x": 0}) == "none"
    inner = template('{% if x %}a {{ secret("TOKEN") }}{% else %}no{% endif %}')
    assert inner.render({"x": 1}) == Segments(("a ", Secret("TOKEN")))
    assert inner.render({"x": 0}) == "no"


def test_a_payload_that_looks_like_a_secret_stays_a_payload() -> None:
    lookalike = {"pieces": [{"name": "TOKEN"}], "t": '{{ secret("TOKEN") }}', "at": [], "secrets": []}
    made = value({"mine": '{{ secret("TOKEN") }}', "theirs": "{{ x }}", "text": "{{ x.t }}"})
    assert made.secrets == {"TOKEN"}
    rendered = made.render({"x": lookalike})
    wire = msgspec.json.encode(stored(rendered))
    kept = restored(msgspec.json.decode(wire, type=Stored))
    assert kept == rendered
    assert resolve(kept, VAULT.__getitem__) == {
        "mine": VAULT["TOKEN"],
        "theirs": lookalike,
        "text": '{{ secret("TOKEN") }}',
    }
    assert VAULT["TOKEN"].encode() not in wire


def test_what_is_stored_holds_names_and_places() -> None:
    rendered = value({"a": [1, 'x {{ secret("OTHER") }}'], "b": "plain"}).render({})
    assert msgspec.json.decode(msgspec.json.encode(stored(rendered))) == {
        "value": {"a": [1, None], "b": "plain"},
        "secrets": [{"at": ["a", 1], "segments": {"pieces": ["x ", {"name": "OTHER"}]}}],
    }
    assert stored({"a": 1}) == Stored({"a": 1})
    assert restored(Stored({"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "{{ secret(x) }}",
        "{{ secret('A' ~ 'B') }}",
        "{{ secret() }}",
        "{{ secret('A', 'B') }}",
        "{{ secret(name='A') }}",
        "{{ secret('') }}",
        "{{ secret(5) }}",
        "{{ secret(*x) }}",
        "{{ secret('A\\n') }}",
        "{{ secret }}",
        "{{ secret('A')|upper }}",
        "{{ secret('A') ~ 'x' }}",
        "{{ secret('A')[0] }}",
        "{{ [secret('A')] }}",
        "{{ secret('A') == 'x' }}",
        "{{ 'x' if secret('A') else 'y' }}",
        "{{ x|default(secret('A')) }}",
        "{% if secret('A') %}{% endif %}",
        "{% for x in secret('A') %}{% endfor %}",
        "{{ ['A']|map('secret') }}",
    ],
)
def test_a_secret_cannot_be_looked_at_or_named_by_a_value(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        template(text)


def test_a_condition_has_no_secrets() -> None:
    with pytest.raises(ExpressionInvalid):
        condition("secret('A')")
