"""Where the language is Jinja's, Jinja's own runtime gives the same text. It is the second opinion."""

from __future__ import annotations

import json
from types import GeneratorType

import jinja2
import pytest

from callboard.expressions import template

SCOPE = {
    "n": 7,
    "f": 2.25,
    "t": 'He said "hello", WORLD-wide  (and ÜBER all)\n  twice\n\nthe end ',
    "words": ["pear", "Apple", "fig", "apple"],
    "numbers": [3, 1, 2, 10, -4],
    "o": {"b": 2, "a": 1, "C": 3},
    "rows": [{"k": "x", "v": 3}, {"k": "Y", "v": 1}, {"k": "x", "v": 2}],
    "empty": [],
    "nil": None,
}


def finalized(value: object) -> str:
    """Put a value out as we do: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, (GeneratorType, type({}.items()))):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)


JINJA = jinja2.Environment(  # noqa: S701  (it compares texts, and shows them to nobody)
    undefined=jinja2.ChainableUndefined, finalize=finalized, keep_trailing_newline=True
)
JINJA.policies["json.dumps_kwargs"] = {"ensure_ascii": False}

EXPRESSIONS = [
    "n + f * 2 - 3 / 4",
    "n // 2 ~ '|' ~ n % 4 ~ '|' ~ 2 ** 3 ** 2",
    "-n // 2",
    "-n % 4",
    "-2 ** 2",
    "n - -n",
    "1 < n <= 7 != 8",
    "n in numbers or 3 in numbers",
    "not n == 7 and nil",
    "'a' 'b' ~ 1",
    "words[1][0]",
    "words[-1]",
    "words[1:3] + words[:1]",
    "t[3:-3:2]",
    "numbers[::-2]",
    "numbers[10:]",
    "o['b']",
    "o.C",
    "{'x': [1, (2, 3)]}",
    "n if n else f",
    "'' or nil or empty or 'x'",
    "gone|default('d')",
    "gone.deeper['x']|default(n)",
    "''|default('d')",
    "''|d('d', true)",
    "gone is defined",
    "nil is defined",
    "t|lower",
    "t|upper",
    "t|title",
    "t|capitalize",
    "t|trim",
    "t|trim('He ')",
    "t|replace('l', '<>')",
    "t|replace('', '-', 3)",
    "t|truncate(20)",
    "t|truncate(20, true)",
    "t|truncate(20, false, '!', 0)",
    "t|truncate(60)",
    "t|indent",
    "t|indent(2, true)",
    "t|indent(2, true, true)",
    "t|indent('> ', first=true)",
    "t|wordcount",
    "n|string|length",
    "t|urlencode",
    "o|urlencode",
    "[['a b', 'c&d'], ['ü', 1]]|urlencode",
    "f|round",
    "f|round(1)",
    "2.5|round",
    "3.5|round",
    "n|round(-1)",
    "f|round(1, 'ceil')",
    "f|round(1, 'floor')",
    "'12'|int + ' 12.7 '|int",
    "'z'|int(5)",
    "'0x1f'|int(0, 16)",
    "'1e3'|int",
    "'1e3'|float",
    "'z'|float(0.5)",
    "nil|int",
    "f|int",
    "-4|abs",
    "words|join",
    "words|join(', ')",
    "rows|join('-', attribute='k')",
    "numbers|join('+')",
    "t|join('.')",
    "words|first ~ words|last",
    "t|first ~ t|last",
    "t|reverse",
    "numbers|reverse|list",
    "words|sort",
    "words|sort(true)",
    "words|sort(case_sensitive=true)",
    "numbers|sort",
    "rows|sort(attribute='k,v')",
    "rows|sort(attribute='v', reverse=true)",
    "words|unique|list",
    "words|unique(true)|list",
    "rows|unique(attribute='k')|list",
    "numbers|sum",
    "rows|sum(attribute='v')",
    "rows|sum('v', 10)",
    "words|min ~ words|max",
    "words|min(true) ~ words|max(true)",
    "rows|max(attribute='v')",
    "o|list",
    "o|items|list",
    "o|dictsort",
    "o|dictsort(true)",
    "o|dictsort(false, 'value', true)",
    "o|length ~ words|count ~ t|length",
    "rows|map(attribute='k')|list",
    "rows|map(attribute='z', default='?')|list",
    "words|map('upper')|list",
    "words|map('replace', 'p', 'q')|join",
    "numbers|select('odd')|list",
    "numbers|select('gt', 1)|list",
    "numbers|reject('divisibleby', 2)|list",
    "[0, 1, '', 'a']|select|list",
    "[0, 1, '', 'a']|reject|list",
    "rows|selectattr('v', 'ge', 2)|list",
    "rows|rejectattr('k', 'eq', 'x')|list",
    "rows|selectattr('v')|list",
    "rows|groupby('k')|list",
    "rows|groupby('k', case_sensitive=true)|list",
    "numbers|batch(2)|list",
    "numbers|batch(3, 'x')|list",
    "range(4)|list",
    "range(2, 9, 3)|list",
    "range(9, 2, -3)|list",
    "n is odd",
    "n is not even",
    "n is divisibleby(7)",
    "n is number and f is float and n is integer and true is number and true is not integer",
    "t is string and o is mapping and words is sequence and t is sequence and o is iterable",
    "nil is none and true is boolean and 1 is not true and false is false",
    "n is eq(7) and n is ne 8 and n is lt 8 and n is ge 7 and n is in([7])",
    "'a' is lower and 'aB' is not upper",
    "{'a': 1, 'b': [1, 2]}|tojson",
    "[1, {'x': none}]|tojson(2)",
]

TEMPLATES = [
    "a\n{%- if n > 3 +%}\n  b {{- n -}} c\n{% else %}d{% endif -%}\n\n e\n",
    "{% for w in words %}{{ loop.index }}/{{ loop.length }} {{ ', ' if not loop.last else '.' }}{% endfor %}",
    "{% for r in rows if r.v > 1 %}{{ loop.index0 }}{{ loop.first }}{% else %}no{% endfor %}",
    "{% for r in rows if r.v > 1 %}{{ loop.revindex }}{{ loop.revindex0 }}{% endfor %}",
    "{% for r in rows if r.v > 9 %}{{ r }}{% else %}none{% endfor %}",
    "{% for a in words %}{% for b in numbers %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for k, v in o|dictsort %}{{ k }}={{ v }};{% endfor %}{% for k in o %}{{ k }}{% endfor %}",
    "{% for c in 'abc' %}{{ c }}.{% endfor %}",
    "{% for n in numbers %}{{ n }}{% endfor %}{{ n }}",
    "{# c #}{% raw %}{{ x }}{% endraw %}{{ '{{ y }}' }}{{ \"{%\" }}",
    "{% if nil %}a{% elif empty %}b{% elif words %}c{% endif %}",
    "{{ 'tab\\tquote\\'\\u00e9' }} é ü 漢字",
]


@pytest.mark.parametrize("text", [*(f"={{{{ {expression} }}}}" for expression in EXPRESSIONS), *TEMPLATES])
def test_a_text_renders_as_jinja_renders_it(text: str) -> None:
    assert template(text).render(SCOPE) == JINJA.from_string(text).render(SCOPE)
