"""Replies: which answer a message gives, if it gives one that the question allows.

    given(Answer(choices=["pay", "refuse"]), {"answer": "Pay"})       # Given("pay")
    given(Answer(number=True), {"text": "7"})                         # Given(7): a person typed it
    given(Answer(number={"max": 5}), 7)                               # "It answered 7, and 5 is the most."

The answer is the body itself; or, where the body is an object with `answer`, that; or, where it is an object
with `text` alone, what a person typed. What does not fit is no answer: it is told why, and never guessed at.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.planning.questions import Answer, is_number
from callboard.spelling import shown

LARGEST = 1e100
"""Squares and products of numbers up to this are numbers still."""

_SIDES = {"span": 2, "box": 4}


class Given(msgspec.Struct, frozen=True):
    """An answer, as it counts."""

    value: Any


def given(wanted: Answer, body: object) -> Given | str:
    """Return the answer that a body gives, or why it gives none."""
    typed = isinstance(body, dict) and body.keys() == {"text"} and isinstance(body["text"], str)
    if isinstance(body, dict) and "answer" in body:
        body = body["answer"]
    elif typed and isinstance(body, dict):
        body = _read(wanted, body["text"])
    if body is None:
        return "It gave no answer."
    if wanted.units is None:
        return _one(wanted, body)
    if not isinstance(body, list) or len(body) != wanted.units:
        return f"It answered {shown(body)}, which is no list of {wanted.units} answers."
    found = [None if one is None else _one(wanted, one) for one in body]
    wrong = next((one for one in found if isinstance(one, str)), None)
    if wrong is not None:
        return wrong
    return Given([one.value if isinstance(one, Given) else None for one in found])


def _read(wanted: Answer, text: str) -> object:
    """Return what a person typed as what was asked for, where it can be read so."""
    if wanted.units is None and (wanted.text or _choice(wanted.choices or [], text) is not None):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _one(wanted: Answer, body: object) -> Given | str:
    if wanted.choices is not None:
        found = _choice(wanted.choices, body)
        among = " and ".join(shown(one) for one in wanted.choices[:5])
        more = ", among others" if wanted.choices[5:] else ""
        return found or f"It answered {shown(body)}, which is none of {among}{more}."
    if wanted.text:
        text = body.strip().casefold() if isinstance(body, str) else ""
        return Given(text) if text else f"It answered {shown(body)}, which is no text."
    if wanted.shape is not None:
        return _shape(_SIDES[wanted.shape], wanted.shape, body)
    return _number(wanted.number, body)


def _choice(choices: list[Any], body: object) -> Given | None:
    kind = category(body)
    same = [one for one in choices if category(one) == kind][:1]
    if not same and isinstance(body, str):
        word = body.strip().casefold()
        same = [one for one in choices if isinstance(one, str) and one.strip().casefold() == word]
    return Given(same[0]) if len(same) == 1 else None


def _number(bounds: object, body: object) -> Given | str:
    if not _finite(body):
        return f"It answered {shown(body)}, which is no number that could be measured."
    if isinstance(bounds, dict):
        if body < bounds.get("min", body):
            return f"It answered {body}, and {bounds['min']:g} is the least."
        if body > bounds.get("max", body):
            return f"It answered {body}, and {bounds['max']:g} is the most."
    return Given(body)


def _shape(numbers: int, name: str, body: object) -> Given | str:
    if body == []:
        return Given(body)  # nothing, which is something to agree on
    right = isinstance(body, list) and len(body) == numbers and all(_finite(one) for one in body)
    if not right or not isinstance(body, list):
        return f"It answered {shown(body)}, which is no {name} of {numbers} numbers."
    half = numbers // 2
    if any(start > end for start, end in zip(body[:half], body[half:], strict=True)):
        return f"It answered {shown(body)}, a {name} that ends before it begins."
    return Given(body)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and -LARGEST <= value <= LARGEST


def category(value: object) -> str | float:
    """Return what answers that are the same have in common: 1 and 1.0 are, 1 and true are not."""
    if is_number(value):
        return value  # type: ignore[return-value]  # it is a number
    return msgspec.json.encode(_plain(value), order="sorted").decode()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
