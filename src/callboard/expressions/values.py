"""The values of the language: plain JSON and nothing else, and the mark of a value that is missing.

Only `dict`, `list`, `str`, `int`, `float`, `bool` and `None` are touched; a time becomes text, a tuple a
list, and anything else is refused by name. Nothing is ever reached with `getattr`, so there is nothing to
escape to. Each function that walks a value counts its depth and charges what it looks at, because Python's
own `==`, `str` and `json.dumps` would walk a value that shares its parts for hours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

from callboard.expressions.faults import Absent, Fault
from callboard.expressions.limits import SLOT, Budget

PLAIN = frozenset({dict, list, str, int, float, bool, type(None)})


_GLIMPSE = 40  # characters of a text
_EXACT = 64  # bits of a number that is written without further ado
_PLACE = 10  # digits of a place in a list


class Missing:
    """A value that is not there. It may be tested, defaulted and passed on; any other use is a fault."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def used(self) -> Absent:
        return Absent(f"{self.path} is missing")


def plain(value: object) -> object:
    """Return a value of the language for one that came in, or say what it is instead."""
    if type(value) in PLAIN or type(value) is Missing:
        return value
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"{moment.isoformat()}Z"
    if isinstance(value, (date, UUID)):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (tuple, list)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise Fault(f"a value of Python's type {type(value).__name__} is no plain JSON, so it cannot be read")


def kind(value: object) -> str:
    """Name the kind of a value, as it stands in a sentence."""
    if value is None:
        return "null"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")


def glimpse(value: object) -> str:
    """Show a value in a sentence in a few characters, however large it is."""
    if isinstance(value, Missing):
        return "missing"
    if isinstance(value, str):
        cut = value if len(value) <= _GLIMPSE else f"{value[: _GLIMPSE - 1]}…"
        return json.dumps(cut, ensure_ascii=False)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, int) and value.bit_length() > _EXACT * 4:
        return "a huge number"
    return json.dumps(value) if value is None or isinstance(value, (bool, int, float)) else kind(value)


def lookup(value: object, key: object, path: str) -> object:
    """Return what an object has under a key or a list at a place, else the mark of the missing."""
    if isinstance(value, Missing):
        return value
    if type(value) not in PLAIN:
        value = plain(value)
    if isinstance(value, dict):
        if type(key) is str and key in value:
            return plain(value[key])
    elif type(key) is int and isinstance(value, (list, str)) and -len(value) <= key < len(value):
        return plain(value[key])
    elif (
        type(key) is str and isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < _PLACE
    ):
        return lookup(value, int(key), path)
    return Missing(path)


def present(value: object) -> object:
    """Return a value that is used now; a missing one is a fault."""
    if isinstance(value, Missing):
        raise value.used()
    return value


def truth(value: object) -> bool:
    """Tell whether a value counts as true, as Python and Jinja do."""
    return bool(present(plain(value)))


def text_size(text: str) -> int:
    """Count the bytes of a text; half a surrogate pair is no text."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Fault("a text holds half of a surrogate pair, which is no character") from None


def measure(value: object, budget: Budget, indent: int = 0, depth: int = 0) -> int:
    """Count the bytes that a value takes as JSON, escapes aside, and stop as soon as it is too many."""
    # Parts that are shared are walked each time they turn up, so walking costs, also where nothing is built.
    budget.work -= SLOT
    value = present(plain(value))
    if isinstance(value, str):
        return text_size(value) + 2
    if not isinstance(value, (dict, list)):
        return number_size(value)
    if depth >= budget.limits.depth:
        raise Fault(f"a value is nested more than {budget.limits.depth} deep")
    size = 2
    pad = 2 + indent * (depth + 1)
    for key in value:
        if isinstance(value, dict):
            if type(key) is not str:
                raise Fault("a key of an object is no text")
            size += text_size(key) + 4 + measure(value[key], budget, indent, depth + 1) + pad
        else:
            size += measure(key, budget, indent, depth + 1) + pad
        if size > budget.limits.result:
            raise Fault(f"it would build a value of more than {budget.limits.result:,} bytes")
    return size


def number_size(value: object) -> int:
    """Return the bytes that a number, true, false or null takes."""
    if isinstance(value, int):
        if value.bit_length() > _EXACT:
            return value.bit_length() // 3
    elif isinstance(value, float) and not math.isfinite(value):
        raise Fault("a number is not finite, which JSON cannot hold")
    return len(repr(value))


def copied(value: object, budget: Budget, depth: int = 0) -> object:
    """Return a value as the result takes it: lists and objects of its own, charged before they are made."""
    if type(value) not in PLAIN:
        value = present(plain(value))
    if type(value) is str:
        budget.emit(text_size(value))
        return value
    if not isinstance(value, (dict, list)):
        budget.emit(number_size(value))
        return value
    if depth >= budget.limits.depth:
        raise Fault(f"a value is nested more than {budget.limits.depth} deep")
    budget.emit(2 + len(value))
    if isinstance(value, list):
        return [copied(item, budget, depth + 1) for item in value]
    made: dict[str, object] = {}
    for key, item in value.items():
        if type(key) is not str:
            raise Fault("a key of an object is no text")
        budget.emit(text_size(key))
        made[key] = copied(item, budget, depth + 1)
    return made


def json_text(value: object, budget: Budget, indent: int = 0) -> str:
    """Write a value as JSON; what it takes is charged first, and again if escapes made it longer."""
    size = measure(value, budget, indent)
    budget.make(size)
    try:
        text = json.dumps(value, ensure_ascii=False, default=plain, indent=indent or None)
    except ValueError:
        raise Fault("a number has too many digits to be written") from None
    if len(text) > size:
        budget.make(text_size(text))
    return text


def text_of(value: object, budget: Budget) -> str:
    """Return a value as it stands in a text: text as it is, everything else as JSON."""
    if type(value) is str:
        return value
    if type(value) not in PLAIN:
        value = present(plain(value))
        if type(value) is str:
            return value
    if type(value) is int and value.bit_length() <= _EXACT:
        return str(value)
    return json_text(value, budget)


def same(left: object, right: object, budget: Budget, depth: int = 0) -> bool:
    """Compare two values; each pair of elements that is looked at is a step."""
    left, right = present(plain(left)), present(plain(right))
    if isinstance(left, str) and isinstance(right, str):
        budget.read(min(len(left), len(right)))
        return left == right
    if type(left) is not type(right) or not isinstance(left, (dict, list)):
        return left == right
    if len(left) != len(right):  # type: ignore[arg-type]  # both are of one type
        return False
    if depth >= budget.limits.depth:
        raise Fault(f"a value is nested more than {budget.limits.depth} deep")
    budget.step(len(left))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(item, right[key], budget, depth + 1) for key, item in left.items()
        )
    pairs = zip(left, right, strict=True)  # type: ignore[call-overload]  # both are lists
    return all(same(one, other, budget, depth + 1) for one, other in pairs)


def elements(value: object, budget: Budget, doing: str) -> list[object]:
    """Return what a loop or a filter goes through: a list's items, an object's keys, a text's characters."""
    value = present(plain(value))
    if isinstance(value, list):
        return value
    if isinstance(value, (dict, str)):
        budget.slots(len(value))
        return list(value)
    raise Fault(f"{doing} needs a list, and this is {kind(value)}: {glimpse(value)}")
