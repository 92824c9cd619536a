"""What each construct, filter and test of the language comes to."""

from __future__ import annotations

import pytest

from callboard.expressions import CHECKS, FILTERS, condition, template

SCOPE = {
    "n": 7,
    "f": 2.5,
    "t": "Hello World",
    "yes": True,
    "no": False,
    "nil": None,
    "empty": [],
    "words": ["b", "A", "c"],
    "numbers": [3, 1, 2],
    "o": {"b": 2, "a": 1, "items": "mine", "has space": 5},
    "rows": [
        {"name": "Ann", "age": 30, "team": "red", "tags": ["x"]},
        {"name": "ben", "age": 25, "team": "blue", "tags": []},
        {"name": "Cy", "age": 30, "team": "red"},
    ],
}

VALUES = [
    # literals
    ("{{ 1 }}", 1),
    ("{{ 1.5 }}", 1.5),
    ("{{ 1_000 }}", 1000),
    ("{{ 'a' }}", "a"),
    ('{{ "a" }}', "a"),
    ("{{ 'it\\'s' }}", "it's"),
    ("{{ true }}", True),
    ("{{ False }}", False),
    ("{{ none }}", None),
    ("{{ [1, 'a', [2]] }}", [1, "a", [2]]),
    ("{{ (1, 2) }}", [1, 2]),
    ("{{ 1, 2 }}", [1, 2]),
    ("{{ {'a': 1, 'b': {'c': n}} }}", {"a": 1, "b": {"c": 7}}),
    ("{{ 'a' 'b' }}", "ab"),
    # names, attributes, items, slices
    ("{{ n }}", 7),
    ("{{ o.b }}", 2),
    ("{{ o['b'] }}", 2),
    ("{{ o['has space'] }}", 5),
    ("{{ o.items }}", "mine"),
    ("{{ rows[0].name }}", "Ann"),
    ("{{ rows.1.name }}", "ben"),
    ("{{ rows[-1].name }}", "Cy"),
    ("{{ rows[n - 6].name }}", "ben"),
    ("{{ o[t[0]|lower|replace('h', 'b')] }}", 2),
    ("{{ t[0] }}", "H"),
    ("{{ t[:5] }}", "Hello"),
    ("{{ numbers[1:] }}", [1, 2]),
    ("{{ numbers[::-1] }}", [2, 1, 3]),
    ("{{ numbers[-2:n] }}", [1, 2]),
    # arithmetic
    ("{{ 1 + 2 * 3 }}", 7),
    ("{{ (1 + 2) * 3 }}", 9),
    ("{{ 7 / 2 }}", 3.5),
    ("{{ 7 // 2 }}", 3),
    ("{{ 7 % 4 }}", 3),
    ("{{ 2 ** 10 }}", 1024),
    ("{{ -n + +1 }}", -6),
    ("{{ 'a' + 'b' }}", "ab"),
    ("{{ [1] + [2] }}", [1, 2]),
    ("{{ 'ab' * 2 }}", "abab"),
    ("{{ [0] * 3 }}", [0, 0, 0]),
    ("{{ n ~ '-' ~ f ~ yes ~ nil }}", "7-2.5truenull"),
    # comparisons and logic
    ("{{ n == 7 and f < 3 }}", True),
    ("{{ n != 7 or n >= 7 }}", True),
    ("{{ 0 < n < 10 }}", True),
    ("{{ 0 < n < 5 }}", False),
    ("{{ not n }}", False),
    ("{{ 'ell' in t }}", True),
    ("{{ 'b' in o }}", True),
    ("{{ 2 in numbers }}", True),
    ("{{ {'name': 'x'} not in rows }}", True),
    ("{{ [1, {'a': [2]}] == [1, {'a': [2]}] }}", True),
    ("{{ {'a': 1} == {'b': 1} }}", False),
    ("{{ '' or 'x' }}", "x"),
    ("{{ 0 and 'x' }}", 0),
    ("{{ 'big' if n > 5 else 'small' }}", "big"),
    # missing values
    ("{{ gone is defined }}", False),
    ("{{ o.gone.deeper is undefined }}", True),
    ("{{ nil is defined }}", True),
    ("{{ gone|default('x') }}", "x"),
    ("{{ o.gone|d }}", ""),
    ("{{ rows[9].name|default(none) }}", None),
    ("{{ ''|default('x') }}", ""),
    ("{{ ''|default('x', true) }}", "x"),
    ("{{ gone|default(gone)|default(3) }}", 3),
    ("{{ empty|first|default('none') }}", "none"),
    # filters of text
    ("{{ t|lower }}", "hello world"),
    ("{{ t|upper }}", "HELLO WORLD"),
    ("{{ 'hello big-world'|title }}", "Hello Big-World"),
    ("{{ 'hELLO'|capitalize }}", "Hello"),
    ("{{ '  a '|trim }}", "a"),
    ("{{ '--a-'|trim('-') }}", "a"),
    ("{{ t|replace('l', 'L', 2) }}", "HeLLo World"),
    ("{{ 'a, b'|split(', ') }}", ["a", "b"]),
    ("{{ ' a  b '|split }}", ["a", "b"]),
    ("{{ 'foo bar baz qux'|truncate(9) }}", "foo..."),
    ("{{ 'foo bar baz qux'|truncate(9, true) }}", "foo ba..."),
    ("{{ 'foo bar baz qux'|truncate(11) }}", "foo bar baz qux"),
    ("{{ 'a\n\nb'|indent }}", "a\n\n    b"),
    ("{{ 'a\nb'|indent('> ', first=true) }}", "> a\n> b"),
    ("{{ 'a b, c'|wordcount }}", 3),
    ("{{ n|string }}", "7"),
    ("{{ o|tojson }}", '{"b": 2, "a": 1, "items": "mine", "has space": 5}'),
    ("{{ '{\"a\": [1]}'|fromjson }}", {"a": [1]}),
    ("{{ 'a b/ü'|urlencode }}", "a%20b/%C3%BC"),
    ("{{ {'q': 'a b', 'n': 1}|urlencode }}", "q=a+b&n=1"),
    # filters of numbers
    ("{{ -5|abs }}", 5),
    ("{{ 2.567|round(1) }}", 2.6),
    ("{{ 2.1|round(method='ceil') }}", 3.0),
    ("{{ 2.19|round(1, 'floor') }}", 2.1),
    ("{{ '42'|int }}", 42),
    ("{{ '42.9'|int }}", 42),
    ("{{ 'x'|int(-1) }}", -1),
    ("{{ 'ff'|int(base=16) }}", 255),
    ("{{ '2.5'|float }}", 2.5),
    ("{{ 'nan'|float(1.0) }}", 1.0),
    # filters of lists and objects
    ("{{ words|length }}", 3),
    ("{{ o|count }}", 4),
    ("{{ words|join('-') }}", "b-A-c"),
    ("{{ rows|join(', ', attribute='name') }}", "Ann, ben, Cy"),
    ("{{ words|first }}", "b"),
    ("{{ words|last }}", "c"),
    ("{{ 'ab'|list }}", ["a", "b"]),
    ("{{ o|list }}", ["b", "a", "items", "has space"]),
    ("{{ words|reverse }}", ["c", "A", "b"]),
    ("{{ 'abc'|reverse }}", "cba"),
    ("{{ words|sort }}", ["A", "b", "c"]),
    ("{{ words|sort(case_sensitive=true, reverse=true) }}", ["c", "b", "A"]),
    ("{{ rows|sort(attribute='age,name')|map(attribute='name')|list }}", ["ben", "Ann", "Cy"]),
    ("{{ ['a', 'A', 'b', 'a']|unique }}", ["a", "b"]),
    ("{{ [1, [1], [1], 1]|unique }}", [1, [1]]),
    ("{{ numbers|sum }}", 6),
    ("{{ rows|sum(attribute='age', start=1) }}", 86),
    ("{{ numbers|min }}", 1),
    ("{{ numbers|max }}", 3),
    ("{{ (rows|max(attribute='name')).name }}", "Cy"),
    ("{{ {'a': 1}|items }}", [["a", 1]]),
    ("{{ {'b': 1, 'A': 2}|dictsort }}", [["A", 2], ["b", 1]]),
    ("{{ {'b': 1, 'A': 2}|dictsort(by='value', reverse=true) }}", [["A", 2], ["b", 1]]),
    ("{{ rows|map(attribute='name')|map('upper')|list }}", ["ANN", "BEN", "CY"]),
    ("{{ rows|map(attribute='tags', default=[]) }}", [["x"], [], []]),
    ("{{ [1, 2, 3, 4]|select('even') }}", [2, 4]),
    ("{{ [0, 1, '']|select }}", [1]),
    ("{{ [1, 2, 3]|reject('ge', 2) }}", [1]),
    ("{{ rows|selectattr('age', 'gt', 26)|map(attribute='name')|list }}", ["Ann", "Cy"]),
    ("{{ rows|rejectattr('tags', 'defined')|map(attribute='name')|list }}", ["Cy"]),
    ("{{ rows|groupby('team')|map('first')|list }}", ["blue", "red"]),
    ("{{ numbers|batch(2, 0) }}", [[3, 1], [2, 0]]),
    # functions
    ("{{ range(3) }}", [0, 1, 2]),
    ("{{ range(5, 0, -2) }}", [5, 3, 1]),
    # tests
    ("{{ nil is none }}", True),
    ("{{ t is string and n is number and n is integer and f is float }}", True),
    ("{{ o is mapping and words is sequence and words is iterable }}", True),
    ("{{ yes is boolean and yes is true and no is false }}", True),
    ("{{ n is odd and n is not even and 9 is divisibleby 3 }}", True),
    ("{{ n is eq 7 and n is ne 8 and n is lt 8 and n is le 7 and n is gt 6 and n is ge 7 }}", True),
    ("{{ n is in [7] and 'a' is lower and 'A' is upper }}", True),
    # text
    ("plain", "plain"),
    ("", ""),
    ("{ not } a %} template", "{ not } a %} template"),
    ("n={{ n }}", "n=7"),
    ("{{ n }}{{ n }}", "77"),
    ("{{ n }}\n", "7\n"),
    ("[{{ o.b }}] {{ words }} {{ nil }} {{ yes }}", '[2] ["b", "A", "c"] null true'),
    ("{% if n > 9 %}a{% elif n > 5 %}b{% else %}c{% endif %}", "b"),
    ("{% if empty %}a{% endif %}", ""),
    ("{% for w in words %}{{ loop.index }}{{ w }}{% if not loop.last %},{% endif %}{% endfor %}", "1b,2A,3c"),
    (
        "{% for w in numbers if w > 1 %}{{ loop.index0 }}{{ w }}{{ loop.first }};{% endfor %}",
        "03true;12false;",
    ),
    (
        "{% for w in words %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }} {% endfor %}",
        "323 213 103 ",
    ),
    ("{% for w in empty %}a{% else %}none{% endfor %}", "none"),
    ("{% for k, v in {'a': 1}|items %}{{ k }}={{ v }}{% endfor %}", "a=1"),
    ("{% for k in o %}{{ k }} {% endfor %}", "b a items has space "),
    ("{% for r in rows %}{% for x in r.tags|d([]) %}{{ r.name }}{{ x }}{% endfor %}{% endfor %}", "Annx"),
    ("{% for n in words %}{{ n }}{% endfor %}{{ n }}", "bAc7"),
    (
        "{% for team, members in rows|groupby('team') %}{{ team }}{{ members|length }}{% endfor %}",
        "blue1red2",
    ),
    ("a  {{- n -}}  b", "a7b"),
    ("a {# nothing #} b", "a  b"),
    ("{# nothing #}", ""),
    ("{% raw %}{{ n }}{% endraw %}", "{{ n }}"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_a_text_renders_to_its_value(text: str, expected: object) -> None:
    rendered = template(text).render(SCOPE)
    assert (type(rendered), rendered) == (type(expected), expected)


def test_the_table_holds_every_filter_and_every_test() -> None:
    texts = " ".join(text for text, _ in VALUES)
    assert not [name for name in FILTERS if f"|{name}" not in texts]
    signs = {
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "equalto",
        "lessthan",
        "greaterthan",
    }  # other names of eq and its kind
    assert not [
        name
        for name in CHECKS
        if name not in signs and not any(f"{mark}{name}" in texts for mark in ("is ", "is not ", "'"))
    ]


@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">=", "equalto", "lessthan", "greaterthan"])
def test_a_test_may_be_named_by_a_sign_where_it_is_quoted(sign: str) -> None:
    kept = template(f"{{{{ [1, 2, 3]|select('{sign}', 2) }}}}").render({})
    assert (
        kept
        == {
            "==": [2],
            "equalto": [2],
            "!=": [1, 3],
            "<": [1],
            "lessthan": [1],
            "<=": [1, 2],
            ">": [3],
            "greaterthan": [3],
            ">=": [2, 3],
        }[sign]
    )


VERDICTS = [
    ("n < o.b", False, "n < o.b: 7 < 2 is false"),
    ("t == 'Hello World'", True, 't == \'Hello World\': "Hello World" == "Hello World" is true'),
    ("0 < n < 5 < f", False, "0 < n < 5 < f: 0 < 7 < 5 is false"),
    ("rows == o", False, "rows == o: a list of 3 == an object of 4 is false"),
    ("n > 1 and yes", True, "n > 1 and yes: true"),
    ("words", True, "words: a list of 3 is true"),
    ("empty", False, "empty: a list of 0 is false"),
    ("nil", False, "nil: null is false"),
    ("", True, "there is no condition"),
    (" \n ", True, "there is no condition"),
    ("n <\n  1", False, "n < 1: 7 < 1 is false"),
]


@pytest.mark.parametrize(("text", "holds", "reason"), VERDICTS)
def test_a_condition_says_whether_it_holds_and_why(text: str, holds: bool, reason: str) -> None:
    verdict = condition(text).holds(SCOPE)
    assert (verdict.holds, verdict.reason) == (holds, reason)
