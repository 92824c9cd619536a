"""The operators of the language, each bounded: what the result will take is known before it is made.

They follow Python, as Jinja's do, with three differences: a number has at most `bits` bits and is finite; `%`
does not format a text; and `<` compares numbers with numbers and text with text, nothing else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from callboard.expressions.faults import Fault
from callboard.expressions.limits import Budget
from callboard.expressions.values import elements, glimpse, kind, plain, present, same, text_size

Binary = Callable[[object, object, Budget], object]


def numbers(left: object, right: object, sign: str) -> tuple[int | float, int | float]:
    """Return both sides as the numbers that they must be."""
    if type(left) is int and type(right) is int:
        return left, right
    left, right = present(plain(left)), present(plain(right))
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left, right
    raise Fault(
        f"`{sign}` cannot take {kind(left)} and {kind(right)}: {glimpse(left)} {sign} {glimpse(right)}"
    )


def bounded(value: object, budget: Budget) -> int | float:
    """Return a number that may go on, else a fault."""
    if isinstance(value, int):
        if value.bit_length() > budget.limits.bits:
            raise Fault(f"a whole number needs more than {budget.limits.bits} bits")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise Fault("the result is no finite number")


def add(left: object, right: object, budget: Budget) -> object:
    """Add numbers, or put a text after a text, a list after a list."""
    if type(left) is not int or type(right) is not int:
        left, right = present(plain(left)), present(plain(right))
        if isinstance(left, str) and isinstance(right, str):
            budget.make(text_size(left) + text_size(right))
            return left + right
        if isinstance(left, list) and isinstance(right, list):
            budget.slots(len(left) + len(right))
            return left + right
    one, other = numbers(left, right, "+")
    return bounded(bounded(one, budget) + bounded(other, budget), budget)


def multiply(left: object, right: object, budget: Budget) -> object:
    """Multiply numbers, or repeat a text or a list."""
    left, right = present(plain(left)), present(plain(right))
    if isinstance(left, int) and isinstance(right, (str, list)):
        left, right = right, left
    if isinstance(left, (str, list)) and isinstance(right, int):
        times = int(bounded(right, budget))
        if times <= 0:
            return left[:0]
        if isinstance(left, str):
            budget.make(text_size(left) * times)
        else:
            budget.slots(len(left) * times)
        return left * times
    one, other = numbers(left, right, "*")
    return bounded(bounded(one, budget) * bounded(other, budget), budget)


def arithmetic(sign: str, apply: Callable[[int | float, int | float], object]) -> Binary:
    """Return an operator that takes numbers only."""

    def operate(left: object, right: object, budget: Budget) -> object:
        one, other = numbers(left, right, sign)
        try:
            return bounded(apply(bounded(one, budget), bounded(other, budget)), budget)
        except ZeroDivisionError:
            raise Fault("it divides by zero") from None
        except OverflowError:
            raise Fault("the result is no finite number") from None

    return operate


def power(left: object, right: object, budget: Budget) -> object:
    """Raise to a power, unless it is sure to be too large."""
    if type(left) is int and type(right) is int and abs(left) > 1 and right > budget.limits.bits:
        raise Fault(f"a whole number needs more than {budget.limits.bits} bits")
    return _power(left, right, budget)


_power = arithmetic("**", operator.pow)
BINARY: dict[str, Binary] = {
    "Add": add,
    "Sub": arithmetic("-", operator.sub),
    "Mul": multiply,
    "Div": arithmetic("/", operator.truediv),
    "FloorDiv": arithmetic("//", operator.floordiv),
    "Mod": arithmetic("%", operator.mod),
    "Pow": power,
}


def negative(value: object, budget: Budget) -> object:
    """Return `-value`."""
    one, _ = numbers(value, 0, "-")
    return bounded(-one, budget)


def positive(value: object, budget: Budget) -> object:
    """Return `+value`, which is a fault for what is no number."""
    one, _ = numbers(value, 0, "+")
    return bounded(+one, budget)


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────


def ordered(sign: str, apply: Callable[[object, object], bool]) -> Callable[[object, object, Budget], bool]:
    """Return a comparison that puts numbers among numbers and texts among texts."""

    def compare(left: object, right: object, budget: Budget) -> bool:
        if type(left) is str and type(right) is str:
            budget.read(min(len(left), len(right)))
            return apply(left, right)
        return apply(*numbers(left, right, sign))

    return compare


def contained(left: object, right: object, budget: Budget) -> bool:
    """Tell whether a text is part of a text, a value is in a list, or an object has a key."""
    left, right = present(plain(left)), present(plain(right))
    if isinstance(right, str):
        if not isinstance(left, str):
            raise Fault(f"`in` looks for text in text, and this is {kind(left)}: {glimpse(left)}")
        search(right, left, budget)
        return left in right
    if isinstance(right, dict):
        return isinstance(left, str) and left in right
    items = elements(right, budget, "`in`")
    for item in items:
        budget.step()
        if same(left, item, budget):
            return True
    return False


def search(text: str, sought: str, budget: Budget) -> None:
    """Charge a search, which in the worst case looks at each place of a text for as long as the sought is."""
    budget.step((len(text) * min(len(sought), 128)) >> 13)
    budget.read(len(text) * 4)


COMPARISONS: dict[str, Callable[[object, object, Budget], bool]] = {
    "eq": same,
    "ne": lambda left, right, budget: not same(left, right, budget),
    "lt": ordered("<", operator.lt),  # type: ignore[arg-type]  # only what has an order reaches it
    "lteq": ordered("<=", operator.le),  # type: ignore[arg-type]  # as above
    "gt": ordered(">", operator.gt),  # type: ignore[arg-type]  # as above
    "gteq": ordered(">=", operator.ge),  # type: ignore[arg-type]  # as above
    "in": contained,
    "notin": lambda left, right, budget: not contained(left, right, budget),
}
SIGNS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
