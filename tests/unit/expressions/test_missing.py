"""A missing value is an error in a template, unknown in a condition, and null with a warning in an output."""

from __future__ import annotations

import pytest

from callboard.errors import ExpressionFailed
from callboard.expressions import condition, template, value

SCOPE = {"steps": {"fetch": {"output": {"amount": 5, "flag": False}}}, "nil": None, "words": ["a"]}

USES = [
    ("{{ steps.fitch.output.amount }}", "steps.fitch is missing"),
    ("{{ steps.fetch.output.total }}", "steps.fetch.output.total is missing"),
    ("{{ steps.fetch.output['a b'] }}", 'steps.fetch.output["a b"] is missing'),
    ("{{ steps.fetch.output.amount.x }}", "steps.fetch.output.amount.x is missing"),
    ("{{ words[1] }}", "words[1] is missing"),
    ("{{ words[nil] }}", "the item null is missing"),
    ("{{ nil.x }}", "nil.x is missing"),
    ("{{ trigger }}", "trigger is missing"),
    ("x {{ trigger.a }} y", "trigger is missing"),
    ("{{ gone + 1 }}", "gone is missing"),
    ("{{ 1 + gone }}", "gone is missing"),
    ("{{ -gone }}", "gone is missing"),
    ("{{ gone ~ 'a' }}", "gone is missing"),
    ("{{ gone == 1 }}", "gone is missing"),
    ("{{ 1 < gone }}", "gone is missing"),
    ("{{ 1 in gone }}", "gone is missing"),
    ("{{ gone in [1] }}", "gone is missing"),
    ("{{ not gone }}", "gone is missing"),
    ("{{ gone and true }}", "gone is missing"),
    ("{{ gone or true }}", "gone is missing"),
    ("{{ 1 if gone else 2 }}", "gone is missing"),
    ("{{ [gone] }}", "gone is missing"),
    ("{{ {'a': gone} }}", "gone is missing"),
    ("{{ {gone: 1} }}", "gone is missing"),
    ("{{ gone|upper }}", "gone is missing"),
    ("{{ 'a'|replace('a', gone) }}", "gone is missing"),
    ("{{ gone is none }}", "gone is missing"),
    ("{{ gone is eq 1 }}", "gone is missing"),
    ("{{ gone[1:] }}", "gone is missing"),
    ("{{ 'abc'[gone:] }}", "gone is missing"),
    ("{{ words[gone] }}", "gone is missing"),
    ("{{ range(gone) }}", "gone is missing"),
    ("{{ [{}]|map(attribute='a') }}", "a of an element is missing"),
    ("{{ [{}]|selectattr('a') }}", "a of an element is missing"),
    ("{{ [{}]|sum(attribute='a') }}", "a of an element is missing"),
    ("{{ []|first }}", "the first of nothing is missing"),
    ("{{ []|max }}", "the max of nothing is missing"),
    ("{% if gone %}{% endif %}", "gone is missing"),
    ("{% for x in gone %}{% endfor %}", "gone is missing"),
    ("{% for x in words if gone %}{% endfor %}", "gone is missing"),
    ("{% for x in words %}{{ x.y }}{% endfor %}", "x.y is missing"),
]


@pytest.mark.parametrize(("text", "sentence"), USES)
def test_a_missing_value_that_is_used_is_an_error_in_a_template(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        template(text).render(SCOPE)
    assert failed.value.message.endswith(f": {sentence}.")


@pytest.mark.parametrize(("text", "_sentence"), USES)
def test_no_missing_value_is_an_error_in_an_output(text: str, _sentence: str) -> None:
    output = template(text).lenient(SCOPE)
    assert len(output.warnings) == 1
    assert output.value in (None, "", "null", "x null y")


def test_an_output_warns_of_each_missing_value_by_name() -> None:
    output = value(
        {
            "a": "{{ gone }}",
            "b": ["{{ steps.fetch.output.amount }}", "n={{ gone.x }}"],
            "c": "{% for x in gone %}{{ x }}{% else %}none{% endfor %}",
        }
    ).lenient(SCOPE)
    assert output.value == {"a": None, "b": [5, "n=null"], "c": "none"}
    assert output.warnings == ("gone is missing, so it is null",) * 3


def test_any_other_fault_is_an_error_in_an_output_too() -> None:
    with pytest.raises(ExpressionFailed, match="divides by zero"):
        value("{{ 1 / 0 }}").lenient({})


UNKNOWN = [
    # the condition, whether it holds
    ("gone", False),
    ("not gone", False),
    ("not not gone", False),
    ("not steps.fetch.output.flagg", False),
    ("not steps.fetch.output.flag", True),
    ("gone == none", False),
    ("gone != 5", False),
    ("not (gone == 5)", False),
    ("gone < 5", False),
    ("gone >= 5", False),
    ("gone in [1]", False),
    ("gone not in [1]", False),
    ("gone or true", True),
    ("true or gone", True),
    ("gone or false", False),
    ("gone and true", False),
    ("gone and false", False),
    ("not (gone and false)", True),
    ("not (gone or true)", False),
    ("not (gone and true)", False),
    ("gone < 5 or steps.fetch.output.amount == 5", True),
    ("(gone or gone2) or 1", True),
    ("gone is defined", False),
    ("gone is not defined", True),
    ("gone is undefined or gone > 5", True),
    ("gone is defined and gone > 5", False),
    ("gone|default(6) > 5", True),
    ("1 if gone else 1", False),
    ("words|map(attribute='x')|list", False),
]


@pytest.mark.parametrize(("text", "holds"), UNKNOWN)
def test_a_missing_value_is_unknown_in_a_condition(text: str, holds: bool) -> None:
    assert condition(text).holds(SCOPE).holds is holds


def test_a_condition_that_hangs_on_a_missing_value_names_it() -> None:
    verdict = condition("not steps.x.output.flag").holds(SCOPE)
    assert verdict.reason == "not steps.x.output.flag: steps.x is missing"
    assert condition("gone or gone2").holds({}).reason == "gone or gone2: gone is missing"


@pytest.mark.parametrize(
    "text", ["1 / 0", "1 < 'a'", "9 ** 99", "range(9000000)", "true and 1 / 0", "1 / 0 or true"]
)
def test_a_condition_that_fails_does_not_hold_and_says_why(text: str) -> None:
    verdict = condition(text).holds({})
    assert not verdict.holds
    assert verdict.reason.startswith(f"{text}: ")
