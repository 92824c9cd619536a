"""Values go through as they are: their kinds, their quotes and braces, and what refers to what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import ExpressionFailed, ExpressionInvalid
from callboard.expressions import Limits, condition, template, value
from tests.proof import scaled

TEXTS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=30,
)


@settings(max_examples=scaled(100))
@given(JSON)
def test_any_value_comes_through_whole_and_equal(trigger: object) -> None:
    rendered = template("{{ trigger }}").render({"trigger": trigger})
    assert rendered == trigger
    assert type(rendered) is type(trigger)


@settings(max_examples=scaled(100))
@given(TEXTS)
def test_any_text_is_literal_inside_another(x: str) -> None:
    assert template("a{{ x }}b").render({"x": x}) == f"a{x}b"


@settings(max_examples=scaled(100))
@given(TEXTS, st.sampled_from(["{{ y }}", "{% if y %}", "{# y #}", '{{ secret("A") }}']))
def test_what_was_rendered_is_never_rendered_again(x: str, inner: str) -> None:
    scope = {"x": f"{x}{inner}", "y": "no"}
    assert template("{{ x }}").render(scope) == scope["x"]
    assert value({"a": "{{ x ~ x }}"}).render(scope) == {"a": scope["x"] * 2}


@settings(max_examples=scaled(100))
@given(JSON)
def test_any_value_goes_to_json_and_back(x: object) -> None:
    assert template("{{ x|tojson|fromjson == x }}").render({"x": x}) is True


@settings(max_examples=scaled(100))
@given(JSON, JSON)
def test_equality_is_that_of_python(x: object, y: object) -> None:
    scope = {"x": x, "y": y}
    assert condition("x == y").holds(scope).holds is (x == y)
    assert condition("[x] != [y]").holds(scope).holds is (x != y)
    assert condition("x in [y, x]").holds(scope).holds


@settings(max_examples=scaled(200))
@given(st.text("{}%#()[]'\"\\|.,~+-*/<>=! abix01\n", max_size=60))
def test_no_text_does_anything_but_render_or_say_what_is_wrong(text: str) -> None:
    for source in (text, f"{{{{ {text} }}}}", f"{{% if {text} %}}"):
        said = ""
        try:
            template(source).render({"a": [1, "x"], "b": {"x": 1}, "x": 3})
        except (ExpressionInvalid, ExpressionFailed) as error:
            said = error.message
        assert "cannot be evaluated" not in said


def test_a_whole_value_is_a_copy() -> None:
    trigger = {"a": [1]}
    rendered = template("{{ trigger }}").render({"trigger": trigger})
    assert isinstance(rendered, dict)
    rendered["a"].append(2)
    assert trigger == {"a": [1]}


def test_an_object_is_built_anew_each_time_with_its_keys_as_they_are_written() -> None:
    made = value({"b": 1, "a": "{{ x }}", "c": {"e": "text", "d": []}})
    first = made.render({"x": 2})
    assert isinstance(first, dict)
    first["b"] = first["c"]["e"] = 0
    first["c"]["d"].append(0)
    second = made.render({"x": 3})
    assert second == {"b": 1, "a": 3, "c": {"e": "text", "d": []}}
    assert (list(second), list(second["c"])) == (["b", "a", "c"], ["e", "d"])


def came_to(text: str, scope: object, limits: Limits) -> object:
    try:
        return template(text).render(scope, limits), template(text).lenient(scope, limits)  # type: ignore[arg-type]
    except ExpressionFailed as error:
        return error.message.partition(": ")[2], error.details


@settings(max_examples=scaled(100))
@given(JSON | st.dates() | st.just(1e999) | st.just({1: 2}), st.sampled_from([1, 100, 1 << 20]))
def test_a_bare_reference_gives_what_every_other_way_to_it_gives(x: object, most: int) -> None:
    limits = Limits(result=most, steps=most - 1)
    for scope in {"a": {"b": x}}, MappingProxyType({"a": MappingProxyType({"b": x})}):
        for bare, other in ("{{ a.b }}", '{{ a["b"] }}'), ("{{ a.b.c }}", '{{ a["b"]["c"] }}'):
            assert came_to(bare, scope, limits) == came_to(other, scope, limits)


def test_only_texts_of_a_value_are_templates_and_keys_are_literal() -> None:
    made = value({"{{ x }}": ["{{ x }}", 1, None, True, 2.5, {"a": "b"}, "x={{ x }}"]})
    assert made.render({"x": [1]}) == {"{{ x }}": [[1], 1, None, True, 2.5, {"a": "b"}, "x=[1]"]}
    assert made.render({"x": {}}) == {"{{ x }}": [{}, 1, None, True, 2.5, {"a": "b"}, "x={}"]}
    assert value("{{ x }}").render({"x": 1}) == 1
    assert value(5).render({}) == 5


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("given_", "seen"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05Z"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Colour.RED, "red"),
        ((1, 2), [1, 2]),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ],
)
def test_what_is_nearly_json_is_seen_as_json(given_: object, seen: object) -> None:
    for text, wanted in (("{{ x }}", seen), ("{{ [x] }}", [seen]), ("{{ x == x }}", True)):
        rendered = template(text).render({"x": given_})
        assert (type(rendered), rendered) == (type(wanted), wanted)
    assert template("{{ o.x }}").render({"o": {"x": given_}}) == seen
    assert template("{{ o }}").render({"o": {"x": given_}}) == {"x": seen}
    assert template("{{ o|tojson|fromjson }}").render({"o": {"x": given_}}) == {"x": seen}


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        ("\ud800", "half of a surrogate pair"),
        ({1: 2}, "a key of an object is no text"),
        ({"a": {2: 3}}, "a key of an object is no text"),
        (b"x", "type bytes is no plain JSON"),
        ({1, 2}, "type set is no plain JSON"),
    ],
)
def test_what_json_cannot_hold_is_an_error(given_: object, sentence: str) -> None:
    for text in ("{{ x }}", "a{{ x }}", "{{ x|tojson }}"):
        with pytest.raises(ExpressionFailed, match=sentence):
            template(text).render({"x": given_})


def test_a_huge_number_goes_through_but_is_not_reckoned_with() -> None:
    huge = 10**4000
    assert template("{{ x }}").render({"x": huge}) == huge
    with pytest.raises(ExpressionFailed, match="more than 64 bits"):
        template("{{ x + 1 }}").render({"x": huge})
    with pytest.raises(ExpressionFailed, match="too many digits"):
        template("a{{ x }}").render({"x": huge * huge})


def test_what_a_text_refers_to_is_known_before_it_is_rendered() -> None:
    made = template(
        "{{ steps.fetch.output['amount'] + vars.limit }}{% for x in trigger.lines[0].parts %}"
        "{{ x.name }}{{ item }}{{ loop.index }}{% endfor %}{{ steps[vars.which] }}{{ previous|d('') }}"
    )
    assert made.references == {
        ("steps", "fetch", "output", "amount"),
        ("vars", "limit"),
        ("trigger", "lines"),
        ("item",),
        ("steps",),
        ("vars", "which"),
        ("previous",),
    }
    assert made.roots == {"steps", "vars", "trigger", "item", "previous"}
    assert condition("a.b < c and not d['e']").references == {("a", "b"), ("c",), ("d", "e")}
    assert value({"x": ["{{ a.b }}", {"y": "{{ c }}"}], "z": "plain"}).references == {("a", "b"), ("c",)}
    assert condition("").roots == template("plain").roots == value(1).roots == frozenset()


def test_a_name_that_a_loop_gives_hides_the_one_outside_and_only_there() -> None:
    made = template("{% for steps in a %}{{ steps.x }}{% endfor %}")
    assert made.roots == {"a"}
    assert template("{% for a in a %}{{ a }}{% endfor %}{{ a }}").render({"a": [1, 2]}) == "12[1, 2]"
