"""Texts that try to eat the time or the memory of the process; `python bombs.py` sets off all and measures.

Each must end in an error of ours. `test_bombs.py` runs this in a process of its own and reads what it prints.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator

from callboard.errors import ExpressionFailed, ExpressionInvalid
from callboard.expressions import condition, template

HALF = 8 * 1024 - 100
FULL = 16 * 1024 - 100
TEXT = "a" * 500_000
ROWS = [{"n": place, "s": f"row {place}"} for place in range(20_000)]


def nested(depth: int) -> object:
    """Return a list in a list in a list."""
    made: object = 1
    for _ in range(depth):
        made = [made]
    return made


def circle() -> object:
    """Return a list that holds itself, as no JSON can."""
    made: list[object] = []
    made.append(made)
    made.append(made)
    return made


def doubling(deep: int, start: str, end: str) -> str:
    """Return a template whose loops bind, each, a pair of what the loop around it bound."""
    opened = "".join(f"{{% for v{n + 1} in [[v{n}, v{n}]] %}}" for n in range(deep))
    return (
        f"{{% for v0 in [{start}] %}}{opened}{end.replace('LAST', f'v{deep}')}{'{% endfor %}' * (deep + 1)}"
    )


SCOPE: dict[str, object] = {
    "text": TEXT,
    "rows": ROWS,
    "deep": nested(200),
    "deep2": nested(200),
    "circle": circle(),
    "circle2": circle(),
    "big": 10**4000,
    "long": "x" * 1_000_000,
    "other": "x" * 999_999 + "y",
    "commas": "," * 900_000,
    "lines": "\n" * 900_000,
    "brackets": "[" * 500_000,
    "lists": "[" + "[]," * 300_000 + "1]",
    "many": ["x" * 1_000_000] * 20_000,
    "wide": [[[]] * 1000] * 1000,
    "bits": [[[]] * 500] * 500,
    "keys": {f"key {place}": place for place in range(100_000)},
    "spaces": " " * 900_000,
    "digits": "9" * 300_000,
    "umlauts": "ü" * 400_000,
    "umlauts2": "ü" * 399_999 + "o",
}

TEMPLATES = {
    # loops
    "nested loops": "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x"
    "{% endfor %}{% endfor %}{% endfor %}",
    "a loop in a loop over rows": "{% for a in rows %}{% for b in rows %}{{ a.n }}{% endfor %}{% endfor %}",
    "a loop that only filters": "{% for a in rows if a.n in rows|map(attribute='n') %}{% endfor %}",
    "an empty loop, often": "{% for a in rows %}{% for b in rows if false %}{% endfor %}{% endfor %}",
    "a long text, often": "{% for a in rows %}{{ text }}{% endfor %}",
    # ranges
    "a huge range": "{{ range(1000000000)|sum }}",
    "a range past every integer": "{{ range(2 ** 62) }}",
    "a range with a tiny step": "{{ range(-4611686018427387904, 4611686018427387904, 1)|length }}",
    "many ranges": "{% for a in range(1000) %}{{ range(30000)|length }}{% endfor %}",
    # repetition and doubling
    "a text times a billion": "{{ 'ab' * 1000000000 }}",
    "a list times a billion": "{{ [1] * 1000000000 }}",
    "times of times": "{{ 'a' * 1000 * 1000 * 1000 * 1000 }}",
    "a list times a list": "{{ ([0] * 1000 * 1000)|length }}",
    "a billion on the left": "{{ 1000000000 * 'a' }}",
    "doubling by ~": "{% for a in ['x' * 60000] %}" + "{{ a " + "~ a" * 1000 + " }}{% endfor %}",
    "doubling by ~ in loops": "{% for a in [long] %}{% for b in [a ~ a] %}{{ b }}{% endfor %}{% endfor %}",
    "doubling by +": "{% for a in [text + text] %}{% for b in [a + a] %}{{ b }}{% endfor %}{% endfor %}",
    "the same text built often": "{% for a in range(3000) %}{{ (text ~ a)|length }}{% endfor %}",
    "shared parts put out": doubling(25, "'x'", "{{ LAST }}"),
    "shared parts as text": doubling(25, "'x'", "a{{ LAST }}"),
    "shared parts as JSON, often": "{% for a in range(1000) %}{{ wide|tojson|length }}{% endfor %}",
    "small parts as JSON, often": "{% for a in range(9000) %}{{ bits|tojson|length }}{% endfor %}",
    "shared parts compared": "{% for v in [wide] %}{{ v == wide|list }}{% endfor %}" * 100,
    "shared parts in order": "{{ [wide, wide]|sort }}",
    "shared parts, unique": "{{ [wide, wide|list, wide|reverse]|unique|length }}" * 50,
    # filters
    "join": "{{ rows|join(text) }}",
    "join of one text, often": "{{ many|join }}",
    "replace every letter by a text": "{{ text|replace('a', text) }}",
    "replace nothing by a text": "{{ text|replace('', text) }}",
    "replace, often": "{% for a in range(5000) %}{{ text|replace('b', 'c')|length }}{% endfor %}",
    "indent": "{{ lines|indent(1000) }}",
    "indent by a text": "{{ lines|indent(text, true, true) }}",
    "indent by a billion": "{{ 'a'|indent(1000000000, true) }}",
    "indent of JSON": "{{ wide|tojson(8) }}",
    "JSON indented by a billion": "{{ [1]|tojson(1000000000) }}",
    "a slice, often": "{% for a in range(2000) %}{{ long[1:]|length }}{% endfor %}",
    "a backward slice, often": "{% for a in range(2000) %}{{ long[::-1]|length }}{% endfor %}",
    "a list of letters": "{{ long|list|length }}",
    "split into nothings": "{{ commas|split(',')|length }}",
    "JSON of many lists": "{{ lists|fromjson|length }}",
    "JSON nested deep": "{{ brackets|fromjson }}",
    "letters, often": "{% for a in range(9000) %}{{ long is lower }}{% endfor %}",
    "no text, often": "{% for a in range(9000) %}{{ umlauts * 0 }}{{ []|join(umlauts) }}{% endfor %}" * 9,
    "nothing replaced, often": "{% for a in range(9000) %}{{ 'a'|replace('b', umlauts) }}{% endfor %}" * 9,
    "umlauts compared, often": "{% for a in range(9000) %}{{ umlauts == umlauts2 }}{% endfor %}",
    "batch": "{{ rows|batch(1000000000, 'x')|length }}",
    "sort, often": "{% for a in range(100) %}{{ (rows|sort(attribute='s'))|length }}{% endfor %}",
    "sort of long texts": "{{ many|sort|length }}",
    "unique of lists": "{{ (rows|map('items')|list)|unique|length }}",
    "unique of long texts": "{{ many|unique|length }}",
    "upper, often": "{% for a in range(1000) %}{{ long|upper|length }}{% endfor %}",
    "wordcount, often": "{% for a in range(1000) %}{{ spaces|wordcount }}{% endfor %}",
    "title, often": "{% for a in range(1000) %}{{ spaces|title|length }}{% endfor %}",
    "urlencode": "{{ spaces|urlencode }}",
    "map in map in map": "{% for a in rows %}{{ rows|map('tojson')|map('upper')|list|length }}{% endfor %}",
    "format": "{{ '%999999999d'|format(1) }}",
    "center": "{{ 'a'|center(1000000000) }}",
    "per cent": "{{ '%999999999d' % 1 }}",
    "an attribute without end": "{{ rows|map(attribute='" + "a." * 7000 + "a')|length }}",
    "columns without end": "{{ rows|sort(attribute='" + "n," * 7000 + "n')|length }}",
    "keys of an object, often": "{% for a in range(5000) %}{{ keys|list|length }}{% endfor %}",
    "pairs of an object, often": "{% for a in range(5000) %}{{ keys|items|length }}{% endfor %}",
    "digits to a number": "{{ digits|int(none) + 1 }}",
    # numbers
    "a tower of powers": "{{ 9 ** 9 ** 9 ** 9 }}",
    "a power of a power": "{{ (10 ** 18) ** (10 ** 18) }}",
    "a power of a float": "{{ 1.5 ** 999999999 }}",
    "a root of a negative": "{{ (-8) ** 0.5 }}",
    "a big number from outside": "{{ big * big }}",
    "a big number as text": "x{{ big }}" + "{{ big + 1 }}",
    "a literal of many digits": "{{ " + "9" * FULL + " }}",
    "a float literal without end": "{{ " + "9" * FULL + ".0 }}",
    "products": "{{ " + "99999 * " * 1000 + "1 }}",
    # values
    "a value that holds itself": "{{ circle }}",
    "a value that holds itself, as text": "x{{ circle }}",
    "a value that holds itself, compared": "{{ circle == circle2 }}",
    "a deep value": "{{ deep }}",
    "deep values compared": "{{ deep == deep2 }}",
    # parser
    "brackets": "{{ " + "(" * FULL,
    "brackets and their ends": "{{ " + "(" * HALF + "1" + ")" * HALF + " }}",
    "lists": "{{ " + "[" * HALF + "]" * HALF + " }}",
    "objects": "{{ " + "{1:" * (FULL // 3),
    "subscripts": "{{ a" + "[a" * (HALF // 2) + "]" * (HALF // 2) + " }}",
    "minus": "{{ " + "-" * FULL + " }}",
    "minus one": "{{ " + "- " * HALF + "1 }}",
    "not": "{{ " + "not " * (FULL // 4) + "1 }}",
    "ifs": "{% if 1 %}" * (FULL // 10),
    "ifs and their ends": "{% if 1 %}" * 700 + "{% endif %}" * 700,
    "fors": "{% for a in b %}" * (FULL // 16),
    "a long chain of plus": "{{ 1" + "+1" * HALF + " }}",
    "a long chain of attributes and filters": "{{ 'a'" + "|list" * (FULL // 5) + " }}",
    "a long chain of powers": "{{ 1" + "**1" * (FULL // 3) + " }}",
    "a long chain of tests": "{{ 1" + " is odd" * (FULL // 7) + " }}",
    "choices in choices": "{{ " + "1 if 1 else " * (FULL // 12) + "1 }}",
    "choices in choices' tests": "{{ " + "1 if " * (FULL // 5) + "1 }}",
    "calls": "{{ " + "range(" * (FULL // 6) + " }}",
    "a quote without end": "{{ '" + "\\" * FULL,
    "quotes": "{{ " + "'" * FULL,
    "beginnings": "{{" * (FULL // 2),
    "comments": "{#" * (FULL // 2),
    "raws": "{% raw %}" + "{% " * (FULL // 3 - 10),
    "raw and spaces": "{% raw %}{%" + " " * (FULL - 20),
    "numbers with underscores": "{{ " + "1_" * HALF + " }}",
    "numbers and dots": "{{ " + "1." * HALF + " }}",
    "too long": "{{ 1 }}" + "x" * 20_000,
    "blocks without names": "{%" * (FULL // 2),
    "elifs": "{% if 0 %}" + "{% elif 0 %}" * (FULL // 12),
    "a dot after a dot": "{{ a" + ".a" * HALF + " }}",
}

CONDITIONS = {
    "equal texts, all but the end": " or ".join(["long == other"] * 900),
    "a row in rows": " or ".join(["{'n': -1} in rows"] * 100),
    "a text in a text": " or ".join(["('a' * 60 ~ 'b' ~ 'a' * 60) in text"] * 300),
    "wide values": " or ".join(["not (wide == wide|list)"] * 500),
    "circles": "circle == circle2",
    "an order of circles": "circle < circle2",
    "keys": " and ".join(["keys == keys|items"] * 2 + ["rows == rows|list"] * 5),
    "powers": "9 ** 9 ** 9 ** 9 > 1",
    "a negative of a huge number": "-big < -big * big",
    "a secret": 'secret("A") == "x"',
    "brackets, bare": "(" * FULL,
    "minus, bare": "-" * FULL,
    "not, bare": "not " * (FULL // 4) + "x",
    "a chain of comparisons": "1" + " < 1" * (FULL // 4),
    "a chain of less": "rows|length" + " < text|length" * (FULL // 14),
}


def outcomes() -> Iterator[dict[str, object]]:
    """Set off each bomb, and say how it ended, after how long and with how much memory."""
    for what, bombs in (("template", TEMPLATES), ("condition", CONDITIONS)):
        for name, text in bombs.items():
            before = time.process_time()  # of the processor: what others do at this moment is not its fault
            error, ended = "", ""
            try:
                if what == "template":
                    ended = repr(template(text).render(SCOPE))[:200]
                else:
                    verdict = condition(text).holds(SCOPE)
                    ended = "true" if verdict.holds else ""
                    error = "" if verdict.holds else verdict.reason
            except (ExpressionInvalid, ExpressionFailed) as caught:
                error = caught.message
            yield {
                "name": name,
                "seconds": time.process_time() - before,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "error": error,
                "ended": ended,
            }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for outcome in outcomes():
        sys.stdout.write(json.dumps({**outcome, "base": base}) + "\n")


if __name__ == "__main__":
    main()
