"""Filters that make text, numbers and JSON of a value, as Jinja's of the same name do, within bounds.

A filter takes the budget, the value and its arguments; its signature is what the parser checks a call
against.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from urllib.parse import quote

from callboard.expressions.faults import Fault
from callboard.expressions.limits import Budget
from callboard.expressions.operators import bounded, numbers, search
from callboard.expressions.values import elements, glimpse, json_text, kind, text_of, text_size

_WORD_BEGINS = re.compile(r"([-\s({\[<]+)")
_LONGEST_NUMBER = 400  # no number that a float holds has more characters
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+")


def text(value: object, doing: str) -> str:
    """Return an argument that must be text."""
    if isinstance(value, str):
        return value
    raise Fault(f"{doing} takes text, and this is {kind(value)}: {glimpse(value)}")


def whole(value: object, doing: str, least: int = 0, most: int = 1 << 31) -> int:
    """Return an argument that must be a whole number within bounds."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise Fault(f"{doing} takes a whole number from {least:,} to {most:,}, and this is {glimpse(value)}")


def _letters(value: object, budget: Budget, change: Callable[[str], str]) -> str:
    taken = text_of(value, budget)
    budget.make(text_size(taken))
    changed = change(taken)
    if len(changed) > len(taken):  # a letter such as ß may become two
        budget.make(text_size(changed))
    return changed


def lower(budget: Budget, value: object) -> str:
    return _letters(value, budget, str.lower)


def upper(budget: Budget, value: object) -> str:
    return _letters(value, budget, str.upper)


def capitalize(budget: Budget, value: object) -> str:
    return _letters(value, budget, str.capitalize)


def title(budget: Budget, value: object) -> str:
    def each_word(taken: str) -> str:
        budget.slots(len(taken) // 8)
        return "".join(part[0].upper() + part[1:].lower() for part in _WORD_BEGINS.split(taken) if part)

    return _letters(value, budget, each_word)


def trim(budget: Budget, value: object, chars: object = None) -> str:
    taken = text_of(value, budget)
    budget.make(text_size(taken))
    return taken.strip(None if chars is None else text(chars, "trim")[:64])


def replace(budget: Budget, value: object, old: object, new: object, count: object = None) -> str:
    taken, sought, put = text_of(value, budget), text_of(old, budget), text_of(new, budget)
    search(taken, sought, budget)
    times = taken.count(sought)
    if count is not None:
        times = min(times, whole(count, "replace(…, count)"))
    if not times:
        return taken
    budget.make(max(0, text_size(taken) + times * (text_size(put) - text_size(sought))))
    return taken.replace(sought, put, times)


def split(budget: Budget, value: object, separator: object = None) -> list[str]:
    taken = text(value, "split")
    if separator is None:
        budget.slots(sum(1 for _ in _SPACE.finditer(taken)) + 1)
        budget.make(text_size(taken))
        return taken.split()
    between = text(separator, "split(separator)")
    if not between:
        raise Fault("split needs a separator that is not empty")
    search(taken, between, budget)
    budget.slots(taken.count(between) + 1)
    budget.make(text_size(taken))
    return taken.split(between)


def truncate(
    budget: Budget,
    value: object,
    length: object = 255,
    killwords: object = False,
    end: object = "...",
    leeway: object = 5,
) -> str:
    taken, ending = text_of(value, budget), text(end, "truncate(end)")
    most = whole(length, "truncate(length)", least=len(ending))
    if len(taken) <= most + whole(leeway, "truncate(leeway)"):
        return taken
    budget.make(most * 4 + text_size(ending))
    kept = taken[: most - len(ending)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + ending


def indent(
    budget: Budget,
    value: object,
    width: object = 4,
    first: object = False,
    blank: object = False,
) -> str:
    taken = text_of(value, budget)
    margin = width if isinstance(width, str) else None
    room = text_size(margin) if margin is not None else whole(width, "indent(width)")
    budget.make(room)
    margin = " " * room if margin is None else margin
    budget.slots(len(taken) // 64)
    lines = f"{taken}\n".splitlines()
    budget.make(text_size(taken) + (room + 1) * (len(lines) + 1))
    if blank:
        indented = f"\n{margin}".join(lines)
    else:
        indented = "\n".join([lines[0], *(margin + line if line else line for line in lines[1:])])
    return margin + indented if first else indented


def wordcount(budget: Budget, value: object) -> int:
    taken = text_of(value, budget)
    budget.step(len(taken) >> 5)
    return sum(1 for _ in _WORD.finditer(taken))


def string(budget: Budget, value: object) -> str:
    return text_of(value, budget)


def tojson(budget: Budget, value: object, indent: object = 0) -> str:
    return json_text(value, budget, whole(indent, "tojson(indent)", most=8))


def fromjson(budget: Budget, value: object) -> object:
    taken = text(value, "fromjson")
    budget.make(text_size(taken))
    budget.slots(taken.count(",") + taken.count("[") + taken.count("{"))
    deepest = budget.limits.depth
    # Each level begins with a bracket: a text with few of them cannot be deep, others are walked once first.
    if taken.count("[") + taken.count("{") > deepest and _nesting(taken) > deepest:
        raise Fault(f"fromjson takes JSON nested at most {deepest} deep")
    try:
        return json.loads(taken, parse_constant=_not_json)
    except ValueError as error:
        raise Fault(f"fromjson was given text that is no JSON: {error}") from None


def _not_json(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON")


def _nesting(taken: str) -> int:
    """Return how deep brackets nest, strings set aside."""
    depth = deepest = 0
    for mark in re.finditer(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', taken, re.DOTALL):
        if mark[0][0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark[0][0] in "]}":
            depth -= 1
    return deepest


def urlencode(budget: Budget, value: object) -> str:
    """Escape a text for a path, or an object or a list of pairs for a query."""
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else elements(value, budget, "urlencode")
        made = []
        for pair in pairs:
            budget.step()
            match pair:
                case [key, item]:
                    pass
                case _:
                    raise Fault("urlencode takes text, an object or a list of pairs")
            made.append(f"{_quoted(key, budget, '')}={_quoted(item, budget, '')}")
        budget.make(sum(map(len, made)) + len(made))
        return "&".join(made)
    return _quoted(value, budget, "/")


def _quoted(value: object, budget: Budget, safe: str) -> str:
    taken = text_of(value, budget)
    budget.make(text_size(taken) * 3)
    quoted = quote(taken, safe=safe)
    return quoted if safe else quoted.replace("%20", "+")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────


def absolute(budget: Budget, value: object) -> int | float:
    return bounded(abs(numbers(value, 0, "abs")[0]), budget)


def rounded(budget: Budget, value: object, precision: object = 0, method: object = "common") -> int | float:
    number = bounded(numbers(value, 0, "round")[0], budget)
    digits = whole(precision, "round(precision)", least=-20, most=20)
    if method == "common":
        return bounded(round(number, digits), budget)
    if method not in ("ceil", "floor"):
        raise Fault(f"round(method) is common, ceil or floor, not {glimpse(method)}")
    scaled = bounded(number * 10**digits, budget) if digits else number
    return bounded((math.ceil(scaled) if method == "ceil" else math.floor(scaled)) / 10**digits, budget)


def to_int(budget: Budget, value: object, default: object = 0, base: object = 10) -> object:
    try:
        if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
            try:
                return bounded(int(value, whole(base, "int(base)", most=36)), budget)
            except ValueError:
                return bounded(int(float(value)), budget)
        if isinstance(value, (int, float)):
            return bounded(int(value), budget)
    except (ValueError, OverflowError):
        return default
    return default


def to_float(budget: Budget, value: object, default: object = 0.0) -> object:
    try:
        if isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= _LONGEST_NUMBER):
            number = float(value)
            return number if math.isfinite(number) else default
    except (ValueError, OverflowError):
        return default
    return default
