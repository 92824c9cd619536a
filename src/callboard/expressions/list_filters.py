"""Filters that look through lists and objects. They do what Jinja's of the same name do, within bounds.

An `attribute` is a path such as `customer.name` or `lines.0.amount`. Where a filter puts things in order, all
keys must be numbers or all must be text; text is put in order without regard to capitals unless
`case_sensitive`.
"""

from __future__ import annotations

from collections.abc import Callable

from callboard.expressions.faults import Fault
from callboard.expressions.limits import Budget
from callboard.expressions.operators import add
from callboard.expressions.text_filters import text, whole
from callboard.expressions.values import (
    Missing,
    elements,
    glimpse,
    kind,
    lookup,
    plain,
    present,
    same,
    text_of,
    text_size,
    truth,
)

Key = Callable[[object], object]
_DEEPEST = 32


def attribute_of(attribute: object) -> Key:
    """Return what finds a path such as `customer.name` in an element."""
    if isinstance(attribute, int):
        parts: list[str] = [str(attribute)]
    else:
        parts = text(attribute, "attribute").split(".", _DEEPEST)
    if len(parts) > _DEEPEST:
        raise Fault(f"an attribute takes more than {_DEEPEST} steps")

    def find(value: object) -> object:
        for part in parts:
            value = lookup(value, part, f"{attribute} of an element")
        return value

    return find


def length(budget: Budget, value: object) -> int:
    value = present(plain(value))
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise Fault(f"length takes a list, an object or text, and this is {kind(value)}: {glimpse(value)}")


def join(budget: Budget, value: object, d: object = "", attribute: object = None) -> str:
    items = elements(value, budget, "join")
    between = text_of(d, budget)
    find = None if attribute is None else attribute_of(attribute)
    budget.step(len(items))
    budget.slots(len(items))
    parts: list[str] = []
    size = len(items) * text_size(between) if items else 0
    for item in items:
        part = text_of(item if find is None else find(item), budget)
        size += text_size(part)
        if size > budget.limits.result:
            break  # the charge that follows says so
        parts.append(part)
    budget.make(size)
    return between.join(parts)


def first(budget: Budget, value: object) -> object:
    items = value if isinstance(value, (list, str)) else elements(value, budget, "first")
    return items[0] if items else Missing("the first of nothing")


def last(budget: Budget, value: object) -> object:
    items = value if isinstance(value, (list, str)) else elements(value, budget, "last")
    return items[-1] if items else Missing("the last of nothing")


def as_list(budget: Budget, value: object) -> list[object]:
    items = elements(value, budget, "list")
    budget.slots(len(items))
    return list(items)


def reverse(budget: Budget, value: object) -> object:
    if isinstance(value, str):
        budget.make(text_size(value))
        return value[::-1]
    items = elements(value, budget, "reverse")
    budget.slots(len(items))
    return items[::-1]


def items(budget: Budget, value: object) -> list[object]:
    if not isinstance(value, dict):
        raise Fault(f"items takes an object, and this is {kind(value)}: {glimpse(value)}")
    budget.slots(len(value) * 4)
    return [[key, item] for key, item in value.items()]


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────


def comparable(found: list[object], budget: Budget, *, case_sensitive: object, doing: str) -> list[object]:
    """Return keys that Python can order, charged for a whole sort of them."""
    rounds = max(1, len(found).bit_length())
    budget.step(len(found) * max(1, rounds // 4))
    budget.slots(len(found))
    keys = [present(plain(key)) for key in found]
    if all(isinstance(key, (int, float)) for key in keys):
        return keys
    for key in keys:
        if not isinstance(key, str):
            raise Fault(f"{doing} takes numbers or texts, not both or other, and found {kind(key)}")
        budget.read(len(key) * rounds)
        if not case_sensitive:
            budget.make(text_size(key))
    return keys if case_sensitive else [str(key).lower() for key in keys]


def _found(rows: list[object], attribute: object) -> list[object]:
    if attribute is None:
        return rows
    find = attribute_of(attribute)
    return [find(row) for row in rows]


def sort(
    budget: Budget,
    value: object,
    reverse: object = False,
    case_sensitive: object = False,
    attribute: object = None,
) -> list[object]:
    rows = list(elements(value, budget, "sort"))
    columns = [attribute] if not isinstance(attribute, str) else attribute.split(",")
    for column in reversed(columns):  # a stable sort by the last column first is a sort by all
        keys = comparable(_found(rows, column), budget, case_sensitive=case_sensitive, doing="sort")
        order = sorted(range(len(rows)), key=keys.__getitem__, reverse=bool(reverse))  # type: ignore[arg-type]  # comparable
        rows = [rows[place] for place in order]
    return rows


def dictsort(
    budget: Budget,
    value: object,
    case_sensitive: object = False,
    by: object = "key",
    reverse: object = False,
) -> list[object]:
    if by not in ("key", "value"):
        raise Fault(f"dictsort(by) is key or value, not {glimpse(by)}")
    return sort(budget, items(budget, value), reverse, case_sensitive, 0 if by == "key" else 1)


def _extreme(
    budget: Budget, value: object, case_sensitive: object, attribute: object, *, largest: bool
) -> object:
    doing = "max" if largest else "min"
    rows = elements(value, budget, doing)
    if not rows:
        return Missing(f"the {doing} of nothing")
    keys = comparable(_found(rows, attribute), budget, case_sensitive=case_sensitive, doing=doing)
    choose = max if largest else min
    return rows[choose(range(len(rows)), key=keys.__getitem__)]  # type: ignore[arg-type]  # comparable


def smallest(
    budget: Budget,
    value: object,
    case_sensitive: object = False,
    attribute: object = None,
) -> object:
    return _extreme(budget, value, case_sensitive, attribute, largest=False)


def largest(
    budget: Budget,
    value: object,
    case_sensitive: object = False,
    attribute: object = None,
) -> object:
    return _extreme(budget, value, case_sensitive, attribute, largest=True)


def _groups(
    budget: Budget, rows: list[object], found: list[object], case_sensitive: object
) -> list[tuple[object, list[object]]]:
    """Put rows together whose keys are equal, in the order in which the keys first came."""
    scalars: dict[object, tuple[object, list[object]]] = {}
    others: list[tuple[object, list[object]]] = []
    groups: list[tuple[object, list[object]]] = []
    for row, key in zip(rows, found, strict=True):
        budget.step()
        name = present(plain(key))
        if isinstance(name, str) and not case_sensitive:
            budget.make(text_size(name))
            name = name.lower()
        if isinstance(name, (dict, list)):
            budget.step(len(others))
            group = next((other for other in others if same(other[0], name, budget)), None)
        else:
            group = scalars.get(name)
        if group is None:
            group = (key, [])
            groups.append(group)
            if isinstance(name, (dict, list)):
                others.append(group)
            else:
                scalars[name] = group
        group[1].append(row)
    return groups


def unique(
    budget: Budget,
    value: object,
    case_sensitive: object = False,
    attribute: object = None,
) -> list[object]:
    rows = elements(value, budget, "unique")
    budget.slots(len(rows) * 4)
    return [group[1][0] for group in _groups(budget, rows, _found(rows, attribute), case_sensitive)]


def groupby(
    budget: Budget,
    value: object,
    attribute: object,
    default: object = None,
    case_sensitive: object = False,
) -> list[object]:
    rows = elements(value, budget, "groupby")
    budget.slots(len(rows) * 6)
    found = _found(rows, attribute)
    if default is not None:
        found = [default if isinstance(key, Missing) else key for key in found]
    groups = _groups(budget, rows, found, case_sensitive)
    return sort(budget, [list(group) for group in groups], False, case_sensitive, 0)  # noqa: FBT003  (as Jinja's)


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────


def total(budget: Budget, value: object, attribute: object = None, start: object = 0) -> object:
    rows = elements(value, budget, "sum")
    budget.step(len(rows))
    result = start
    for key in _found(rows, attribute):
        if not isinstance(key, (int, float)):
            raise Fault(f"sum takes numbers, and found {kind(present(plain(key)))}: {glimpse(key)}")
        result = add(result, key, budget)
    return result


def batch(budget: Budget, value: object, linecount: object, fill_with: object = None) -> list[object]:
    rows = elements(value, budget, "batch")
    size = whole(linecount, "batch(linecount)", least=1)
    budget.slots(len(rows) + 5 * (len(rows) // size + 1))
    lines: list[object] = [rows[place : place + size] for place in range(0, len(rows), size)]
    short = -len(rows) % size
    if fill_with is not None and short:
        budget.slots(short)
        lines[-1] = [*rows[len(rows) - len(rows) % size :], *[fill_with] * short]
    return lines


def picked(
    budget: Budget, value: object, judge: Callable[[object], bool] | None, attribute: object, *, wanted: bool
) -> list[object]:
    """Keep the elements that a test holds of, or not; without a test, those that count as true."""
    rows = elements(value, budget, "select")
    find = None if attribute is None else attribute_of(attribute)
    budget.step(len(rows))
    budget.slots(len(rows))
    kept = []
    for row in rows:
        seen = row if find is None else find(row)
        if (truth(seen) if judge is None else judge(seen)) is wanted:
            kept.append(row)
    return kept


def attributes(budget: Budget, value: object, attribute: object, default: object = None) -> list[object]:
    """Return one attribute of each element; `default` stands in for one that is missing."""
    rows = elements(value, budget, "map")
    budget.step(len(rows))
    budget.slots(len(rows))
    found = _found(rows, attribute)
    if default is not None:
        return [default if isinstance(item, Missing) else item for item in found]
    return [present(item) for item in found]
