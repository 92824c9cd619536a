"""What may follow `is`: each check takes the budget, the value and its arguments, and says yes or no.

`defined` and `undefined` are not here: they alone take a missing value, so the compiler has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.expressions.limits import Budget
from callboard.expressions.operators import COMPARISONS, arithmetic
from callboard.expressions.text_filters import text

_remainder = arithmetic("%", lambda left, right: left % right)


def is_none(budget: Budget, value: object) -> bool:
    return value is None


def is_string(budget: Budget, value: object) -> bool:
    return isinstance(value, str)


def is_number(budget: Budget, value: object) -> bool:
    return isinstance(value, (int, float))


def is_integer(budget: Budget, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_float(budget: Budget, value: object) -> bool:
    return isinstance(value, float)


def is_boolean(budget: Budget, value: object) -> bool:
    return isinstance(value, bool)


def is_true(budget: Budget, value: object) -> bool:
    return value is True


def is_false(budget: Budget, value: object) -> bool:
    return value is False


def is_mapping(budget: Budget, value: object) -> bool:
    return isinstance(value, dict)


def is_sequence(budget: Budget, value: object) -> bool:
    return isinstance(value, (list, str, dict))


def is_odd(budget: Budget, value: object) -> bool:
    return _remainder(value, 2, budget) == 1


def is_even(budget: Budget, value: object) -> bool:
    return _remainder(value, 2, budget) == 0


def is_divisible(budget: Budget, value: object, num: object) -> bool:
    return _remainder(value, num, budget) == 0


def is_lower(budget: Budget, value: object) -> bool:
    return _letters(budget, value, "is lower").islower()


def is_upper(budget: Budget, value: object) -> bool:
    return _letters(budget, value, "is upper").isupper()


def _letters(budget: Budget, value: object, doing: str) -> str:
    looked_at = text(value, doing)
    budget.make(len(looked_at))  # each letter is looked up, which takes as long as building it would
    return looked_at


def _compared(name: str) -> Callable[[Budget, object, object], bool]:
    compare = COMPARISONS[name]

    def check(budget: Budget, value: object, other: object) -> bool:
        return compare(value, other, budget)

    return check


CHECKS: dict[str, Callable[..., Any]] = {
    "none": is_none,
    "string": is_string,
    "number": is_number,
    "integer": is_integer,
    "float": is_float,
    "boolean": is_boolean,
    "true": is_true,
    "false": is_false,
    "mapping": is_mapping,
    "sequence": is_sequence,
    "iterable": is_sequence,
    "odd": is_odd,
    "even": is_even,
    "divisibleby": is_divisible,
    "lower": is_lower,
    "upper": is_upper,
    "in": _compared("in"),
}
for _short, _others in {
    "eq": ("==", "equalto"),
    "ne": ("!=",),
    "lt": ("<", "lessthan"),
    "le": ("<=",),
    "gt": (">", "greaterthan"),
    "ge": (">=",),
}.items():
    for _name in (_short, *_others):
        CHECKS[_name] = _compared({"le": "lteq", "ge": "gteq"}.get(_short, _short))
