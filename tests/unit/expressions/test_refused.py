"""What the language does not have is refused by name; what would escape a sandbox leads nowhere."""

from __future__ import annotations

import pytest

from callboard.errors import ExpressionFailed, ExpressionInvalid
from callboard.expressions import condition, template, value

INVALID = [
    ("{% macro m() %}{% endmacro %}", "macros are not available here"),
    ("{% call m() %}{% endcall %}", "call blocks are not available here"),
    ("{% include 'x' %}", "includes are not available here"),
    ("{% import 'x' as y %}", "imports are not available here"),
    ("{% from 'x' import y %}", "imports are not available here"),
    ("{% extends 'x' %}", "inheritance is not available here"),
    ("{% block b %}{% endblock %}", "inheritance is not available here"),
    ("{% set x = 1 %}", "assignments are not available here"),
    ("{% set x %}1{% endset %}", "assignments are not available here"),
    ("{% with x = 1 %}{% endwith %}", "assignments are not available here"),
    ("{% filter upper %}a{% endfilter %}", "filter blocks are not available here"),
    ("{% autoescape true %}{% endautoescape %}", "autoescape is not available here"),
    ("{% for x in y recursive %}{% endfor %}", "recursive loops are not available here"),
    ("{% break %}", "unknown tag 'break'"),
    ("{% for a.b in c %}{% endfor %}", "expected token 'in'"),
    ("{% for loop in c %}{% endfor %}", "a loop gives plain names"),
    ("{{ x|uper }}", "there is no filter 'uper'; did you mean upper?"),
    ("{{ x|attr('y') }}", "there is no filter 'attr'"),
    ("{{ x|safe }}", "there is no filter 'safe'"),
    ("{{ '%s'|format(1) }}", "there is no filter 'format'"),
    ("{{ x is defned }}", "there is no test 'defned'; did you mean defined?"),
    ("{{ x is callable }}", "there is no test 'callable'"),
    ("{{ rnge(3) }}", "there is no function 'rnge'; did you mean range?"),
    ("{{ dict(a=1) }}", "there is no function 'dict'"),
    ("{{ lipsum() }}", "there is no function 'lipsum'"),
    ("{{ cycler(1, 2) }}", "there is no function 'cycler'"),
    ("{{ namespace() }}", "there is no function 'namespace'"),
    ("{{ range }}", "range is a function, so it is called"),
    ("{{ range() }}", "range takes (stop)"),
    ("{{ range(*x) }}", "one by one, without * and **"),
    ("{{ x|join(**y) }}", "one by one, without * and **"),
    ("{{ x.upper() }}", "methods cannot be called"),
    ("{{ 'a'.format(1) }}", "methods cannot be called"),
    ("{{ x()() }}", "methods cannot be called"),
    ("{{ x|replace('a') }}", "replace takes old, new, count"),
    ("{{ x|upper(1) }}", "upper takes nothing"),
    ("{{ x|join(sep='-') }}", "join takes d, attribute"),
    ("{{ x|map }}", "map takes attribute, default"),
    ("{{ x|map(y) }}", "map takes the name of a filter in quotes"),
    ("{{ x|map('nope') }}", "there is no filter 'nope'"),
    ("{{ x|map('map', 'upper') }}", "there is no filter 'map'"),
    ("{{ x|select('nope') }}", "there is no test 'nope'"),
    ("{{ x|selectattr }}", "selectattr needs the name of an attribute"),
    ("{{ x is divisibleby }}", "is divisibleby takes num"),
    ("{{ 'a' if x }}", "needs its `else`"),
    ("{{ loop.index }}", "loop is known inside {% for %} only"),
    ("{% for x in y %}{{ loop }}{% endfor %}", "loop has index"),
    ("{% for x in y %}{{ loop.indx }}{% endfor %}", "did you mean index?"),
    ("{% for x in y %}{{ loop.cycle('a') }}{% endfor %}", "methods cannot be called"),
    ("{{ a[1:2, 3] }}", "not available here"),
    ("{{ '\\ud800' }}", "half of a surrogate pair"),
    ("{{ 99999999999999999999 }}", "more than 64 bits"),
    ("{{ x|upper }} {{ x|truncat }}", "there is no filter 'truncat'; did you mean truncate?"),
    ("{{ }}", "Expected an expression"),
    ("{{ 1 +", "unexpected"),
    ("{% if %}", "Expected an expression"),
    ("{% if 1 %}", "end of template"),
    ("{{ a b }}", "expected token"),
    ("{{ 'a }}", "unexpected char"),
    ("{{ a ? b }}", "unexpected char"),
    ("{# a", "Missing end of comment"),
    ("{{ a", "unexpected end of template"),
    ("{{ (a] }}", "unexpected"),
]


@pytest.mark.parametrize(("text", "sentence"), INVALID)
def test_what_is_not_in_the_language_is_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        template(text)
    assert sentence in refused.value.message
    assert refused.value.code == "EXPRESSION_INVALID"
    assert refused.value.line == 1


def test_half_a_character_is_refused_in_the_source_too() -> None:
    with pytest.raises(ExpressionInvalid, match="half of a surrogate pair"):
        template("\ud800{{ x }}")
    with pytest.raises(ExpressionInvalid, match="half of a surrogate pair"):
        condition("x == '\ud800'")


def test_a_fault_names_its_line() -> None:
    with pytest.raises(ExpressionInvalid, match=r"^Line 3 of .*: there is no filter 'nope'\.$") as refused:
        template("one\n{{ two }}\n{{ three|nope }}\n")
    assert refused.value.line == 3
    with pytest.raises(ExpressionFailed, match=r"^Line 2 of .*: two is missing\.$") as failed:
        template("one\n{{ two }}\n").render({})
    assert failed.value.details["line"] == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ a }}", "a condition is written bare"),
        ("{% if a %}", "a condition is written bare"),
        ("a b", "'b' was not expected there"),
        ("a <", "unexpected"),
        ("a = 1", "was not expected there"),
        ("a and", "unexpected"),
        ("a }} {{ b", "'}}' was not expected there"),
        ("a if b", "needs its `else`"),
        ('secret("X") == "y"', "stands alone"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        condition(text)
    assert sentence in refused.value.message


def test_a_fault_in_a_value_names_its_place() -> None:
    with pytest.raises(ExpressionInvalid, match=r"^body\.lines\[1\]: .*no filter") as refused:
        value({"body": {"lines": ["ok", "{{ x|nope }}"]}})
    assert refused.value.details["at"] == ["body", "lines", 1]
    with pytest.raises(ExpressionFailed, match=r"^body\.lines\[1\]: .*x is missing") as failed:
        value({"body": {"lines": ["ok", "{{ x }}"]}}).render({})
    assert failed.value.details["at"] == ["body", "lines", 1]
    with pytest.raises(ExpressionInvalid, match=r"^a is no JSON: "):
        value({"a": object()})


class Treasure:
    """A thing of Python's that has no business in a template."""

    password = "hunter2"

    def __str__(self) -> str:
        return self.password


ESCAPES = [
    "''.__class__",
    "''['__class__']",
    "[].__class__.__mro__",
    "{}.__init__.__globals__",
    "x.__init__",
    "x['__init__']",
    "x.items",
    "x.get",
    "(1).__class__",
    "1.5.real",
    "true.__class__",
    "none.__class__",
    "self",
    "self.__dict__",
    "loop_",
    "cycler.__init__",
    "lipsum.__globals__",
    "joiner",
    "namespace",
    "request.application",
    "config",
    "get_flashed_messages",
    "__builtins__",
    "__import__",
    "caller",
    "varargs",
    "''|list|first",
    "[x]|map(attribute='__class__')|list",
    "[x]|map(attribute='__init__.__globals__')|list",
    "[x]|groupby('__class__')|list",
    "[x]|sort(attribute='__class__')",
    "[x]|sum(attribute='__class__')",
    "[x]|join(attribute='__class__')",
    "x|items|map(attribute='__class__')|list",
    "range(3).__class__",
    "(x|tojson).__class__",
    "('%s' % x)",
    "'{0.__class__}' % x",
]


@pytest.mark.parametrize("expression", ESCAPES)
def test_nothing_is_reached_but_keys_and_places(expression: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        template(f"{{{{ {expression} }}}}").render({"x": {"a": 1}})
    assert "cannot be evaluated" not in failed.value.message
    assert not condition(expression).holds({"x": {"a": 1}}).holds


@pytest.mark.parametrize(
    "text",
    [
        "{{ t }}",
        "a{{ t }}",
        "{{ t.password }}",
        "{{ t['password'] }}",
        "{{ [t] }}",
        "{{ o }}",
        "{{ o|tojson }}",
        "{{ o.t }}",
        "{{ t == t }}",
        "{{ o == o2 }}",
        "{{ t ~ '' }}",
        "{{ t|string }}",
        "{{ t|upper }}",
        "{{ [t]|join }}",
        "{{ l|join }}",
        "{{ l|first }}",
        "{{ l|unique }}",
        "{{ l|sort }}",
        "{{ l|sum }}",
        "{{ l|map('string') }}",
        "{{ 1 in l }}",
        "{% for x in l %}{% endfor %}",
        "{% for x in t %}{% endfor %}",
        "{% if t %}{% endif %}",
        "{{ t is none }}",
        "{{ not t }}",
        "{{ -t }}",
        "{{ 1 < t }}",
        "{{ f }}",
    ],
)
def test_a_value_that_is_no_json_is_refused_wherever_it_turns_up(text: str) -> None:
    scope = {
        "t": Treasure(),
        "o": {"t": Treasure()},
        "o2": {"t": Treasure()},
        "l": [Treasure()],
        "f": Treasure.__str__,
    }
    with pytest.raises(ExpressionFailed, match="is no plain JSON"):
        template(text).render(scope)


WRONG = [
    ("'a' + 1", '`+` cannot take text and a number: "a" + 1'),
    ("[1] + 'a'", "`+` cannot take a list and text"),
    ("'a' * 'b'", "`*` cannot take text and text"),
    ("none - 1", "`-` cannot take null and a number"),
    ("'%s' % 'a'", "`%` cannot take text and text"),
    ("'a' < 1", "`<` cannot take text and a number"),
    ("none > 1", "`>` cannot take null and a number"),
    ("[1] < [2]", "`<` cannot take a list and a list"),
    ("1 in 5", "`in` needs a list, and this is a number: 5"),
    ("1 in 'a'", "`in` looks for text in text"),
    ("1 / 0", "it divides by zero"),
    ("1 // 0", "it divides by zero"),
    ("1 % 0", "it divides by zero"),
    ("0 ** -1", "it divides by zero"),
    ("5 is divisibleby 0", "it divides by zero"),
    ("2 ** 63 * 2", "more than 64 bits"),
    ("10.0 ** 400", "no finite number"),
    ("1e300 * 1e300", "no finite number"),
    ("-'a'", "`-` cannot take"),
    ("5[1:]", "a slice is of a list or of text"),
    ("'abc'[::0]", "the step of a slice cannot be 0"),
    ("'abc'['a':]", "a slice is bounded by whole numbers"),
    ("range(0, 5, 0)", "the step of a range cannot be 0"),
    ("range('a')", "range takes a whole number"),
    ("range(1000000)", "range(1000000) has 1,000,000 numbers, which is too many"),
    ("{1: 2}", "a key of an object is text, and this is a number: 1"),
    ("5|length", "length takes a list, an object or text, and this is a number: 5"),
    ("5|join", "join needs a list, and this is a number: 5"),
    ("[1, 'a']|sort", "sort takes numbers or texts, not both or other, and found a number"),
    ("['a', none]|max", "found null"),
    ("['a']|sum", "sum takes numbers, and found text"),
    ("5|items", "items takes an object"),
    ("5|abs|split", "split takes text, and this is a number: 5"),
    ("'a'|split('')", "a separator that is not empty"),
    ("'{'|fromjson", "text that is no JSON"),
    ("'NaN'|fromjson", "NaN is no number of JSON"),
    ("5|urlencode|urlencode|fromjson|urlencode + [1]", "`+` cannot take text and a list"),
    ("[1]|urlencode", "urlencode takes text, an object or a list of pairs"),
    ("{}|dictsort(by='x')", "dictsort(by) is key or value"),
    ("1|round(method='x')", "round(method) is common, ceil or floor"),
    ("1e300|round(20, 'ceil')", "no finite number"),
    ("'a'|round", "`round` cannot take text"),
    ("'a'|truncate(1)|truncate(1, end='...')", "truncate(length) takes a whole number from 3"),
    ("[1]|batch(0)", "batch(linecount) takes a whole number from 1"),
    ("5 is lower", "is lower takes text"),
    ("'a' is odd", "`%` cannot take text"),
]


@pytest.mark.parametrize(("expression", "sentence"), WRONG)
def test_a_wrong_value_is_named_with_what_was_wanted(expression: str, sentence: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        template(f"{{{{ {expression} }}}}").render({})
    assert sentence in failed.value.message
    assert failed.value.code == "EXPRESSION_FAILED"
    verdict = condition(expression).holds({})
    assert not verdict.holds
    assert sentence in verdict.reason


def test_a_loop_over_what_does_not_fit_its_names_is_named() -> None:
    with pytest.raises(ExpressionFailed, match="the loop wants lists of 2, and found a number: 1"):
        template("{% for a, b in [1] %}{% endfor %}").render({})
    with pytest.raises(ExpressionFailed, match="a loop needs a list, and this is a number: 1"):
        template("{% for a in 1 %}{% endfor %}").render({})
