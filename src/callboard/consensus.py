"""How far raters agree, as numbers of which 1 is the largest: pure functions over what each rater said.

    percent({"ann": "pay", "ben": "pay", "eve": "refuse"}, asked=4)     # 0.5: two of four that were asked
    krippendorff({"ann": [1, 2, None], "ben": [1, 3, 3]}, "interval")   # one row a rater, one column a unit

Raters are keys, so none counts twice. `None` is an answer that did not come: it is no agreement and no
disagreement, and a unit with fewer than two answers tells nothing. Each metric says, beside its value, over
how many units it was measured; with none it is 0, since nothing was agreed on. Where chance could not have
done otherwise (everybody always gave the same one answer) agreement is 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from math import isfinite
from typing import Literal

import msgspec

from callboard.errors import BadInput

Answer = str | int | float | bool
Ratings = Mapping[str, Sequence[Answer | None]]
Level = Literal["nominal", "ordinal", "interval"]
Distance = Callable[[Answer, Answer], float]

_TWO = 2
_SIDES = {2: 1, 4: 2}
"""How many dimensions a shape of so many numbers has: a span has one, a box two."""


class Agreement(msgspec.Struct, frozen=True):
    """A measure, and how many units it was taken over; for one question, how many answers."""

    value: float
    n: int


def percent(answers: Mapping[str, Answer | None], asked: int) -> Agreement:
    """Return the share that the commonest answer has of all that were asked for."""
    if asked < 1 or asked < len(answers):
        raise BadInput(f"{asked} answers were asked for, and {len(answers)} raters are given.")
    given = Counter(answer for answer in answers.values() if answer is not None)
    return Agreement(max(given.values(), default=0) / asked, given.total())


# ── chance-corrected agreement of two ────────────────────────────────────────────────────────────────────


def cohen(ratings: Ratings) -> Agreement:
    """Return Cohen's kappa of two raters."""
    return _kappa(_pairs(ratings), lambda one, other: float(one != other))


def weighted_cohen(
    ratings: Ratings,
    weights: Literal["linear", "quadratic"] = "linear",
    order: Sequence[Answer] | None = None,
) -> Agreement:
    """Return Cohen's kappa where answers further apart in their order disagree more.

    `order` is the scale, from one end to the other; without it, it is what was answered, sorted.
    """
    pairs = _pairs(ratings)
    scale = _sorted({answer for pair in pairs for answer in pair}) if order is None else list(order)
    place = {answer: number for number, answer in enumerate(scale)}
    unknown = next((answer for pair in pairs for answer in pair if answer not in place), None)
    if unknown is not None:
        raise BadInput(f"The answer {unknown!r} is not on the scale.")
    exponent = 1 if weights == "linear" else 2
    return _kappa(pairs, lambda one, other: float(abs(place[one] - place[other]) ** exponent))


def _pairs(ratings: Ratings) -> list[tuple[Answer, Answer]]:
    if len(ratings) != _TWO:
        raise BadInput(
            f"Cohen's kappa is of two raters, not of {len(ratings)}; fleiss and krippendorff take more."
        )
    left, right = _rows(ratings)
    return [
        (one, other) for one, other in zip(left, right, strict=True) if one is not None and other is not None
    ]


def _kappa(pairs: list[tuple[Answer, Answer]], distance: Distance) -> Agreement:
    count = len(pairs)
    if not count:
        return Agreement(0.0, 0)
    left, right = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    observed = sum(distance(one, other) for one, other in pairs) / count
    expected = sum(
        distance(one, other) * often * as_often
        for one, often in left.items()
        for other, as_often in right.items()
    ) / (count * count)
    return Agreement(1.0 - observed / expected if expected else 1.0, count)


# ── chance-corrected agreement of many ───────────────────────────────────────────────────────────────────


def fleiss(ratings: Ratings) -> Agreement:
    """Return Fleiss' kappa, whose units must all have as many answers; krippendorff takes any."""
    units = _units(ratings)
    if not units:
        return Agreement(0.0, 0)
    raters = len(units[0])
    if any(len(unit) != raters for unit in units):
        raise BadInput("Fleiss' kappa wants as many answers for each unit; krippendorff may miss some.")
    counts = [Counter(unit) for unit in units]
    total = sum(counts, Counter())
    whole = len(units) * raters
    expected = sum((often / whole) ** 2 for often in total.values())
    observed = sum(often * (often - 1) for count in counts for often in count.values()) / (
        len(units) * raters * (raters - 1)
    )
    return Agreement((observed - expected) / (1 - expected) if len(total) > 1 else 1.0, len(units))


def krippendorff(
    ratings: Ratings, level: Level = "nominal", order: Sequence[Answer] | None = None
) -> Agreement:
    """Return Krippendorff's alpha, which takes any number of raters and answers that are missing.

    `order` is the scale of ordinal answers; without it, it is what was answered, sorted.
    """
    units = _units(ratings)
    if not units:
        return Agreement(0.0, 0)
    total = Counter(answer for unit in units for answer in unit)
    place = _places(level, total, order)
    observed = sum(_spread(Counter(unit), place) / (len(unit) - 1) for unit in units)
    expected = _spread(total, place) / (total.total() - 1)
    return Agreement(1.0 - observed / expected if expected else 1.0, len(units))


def _spread(counts: Counter[Answer], place: Mapping[Answer, float] | None) -> float:
    """Add up the distances of all pairs, in both directions: without looking at each, there may be millions.

    `place` is where answers lie on a scale, on which distances are squared; without it all are equally far.
    """
    if len(counts) == 1:
        return 0.0  # and not nearly: where all agree, what rounding leaves is all there would be
    number = counts.total()
    if place is None:
        return float(number * number - sum(often * often for often in counts.values()))
    middle = sum(often * place[answer] for answer, often in counts.items()) / number
    return 2.0 * number * sum(often * (place[answer] - middle) ** 2 for answer, often in counts.items())


def _places(
    level: Level, total: Counter[Answer], order: Sequence[Answer] | None
) -> Mapping[Answer, float] | None:
    """Return where answers lie on the scale of their level; nominal ones lie on none."""
    if level == "nominal":
        return None
    if level == "interval":
        return {answer: _number(answer) for answer in total}
    scale = _sorted(total) if order is None else list(order)
    below = 0.0
    middle: dict[Answer, float] = {}
    """How many answers lie below the middle of those that are equal to this one."""
    for answer in scale:
        middle[answer] = below + total[answer] / 2
        below += total[answer]
    unknown = next((answer for answer in total if answer not in middle), None)
    if unknown is not None:
        raise BadInput(f"The answer {unknown!r} is not on the scale.")
    return middle


def _units(ratings: Ratings) -> list[list[Answer]]:
    """Return the answers to each unit that has at least two."""
    columns = zip(*_rows(ratings), strict=True)
    units = [[answer for answer in column if answer is not None] for column in columns]
    return [unit for unit in units if len(unit) >= _TWO]


def _rows(ratings: Ratings) -> list[Sequence[Answer | None]]:
    rows = list(ratings.values())
    if any(len(one) != len(other) for one, other in pairwise(rows)):
        raise BadInput("Every rater needs one answer for each unit, or null where it is missing.")
    return rows


def _number(answer: Answer) -> float:
    if isinstance(answer, (int, float)) and isfinite(answer):
        return float(answer)
    raise BadInput(f"The answer {answer!r} is no number, so no distance can be measured from it.")


def _sorted(answers: Iterable[Answer]) -> list[Answer]:
    """Put answers in their natural order: numbers by size, text by the alphabet."""
    given = list(answers)
    if all(isinstance(answer, str) for answer in given):
        return sorted(given, key=str)
    return sorted(given, key=_number)


# ── overlap ──────────────────────────────────────────────────────────────────────────────────────────────


def iou(left: Sequence[float], right: Sequence[float]) -> float:
    """Return how much two shapes share of what they cover together.

    A shape is a span `[start, end)`, a box `[left, top, right, bottom]`, or nothing: `[]`. Nothing and
    nothing agree wholly.
    """
    if left and right and len(left) != len(right):
        raise BadInput("A span and a box cannot be compared.")
    one, other = _size(left), _size(right)
    shared = 0.0
    if one and other:
        half = _SIDES[len(left)]
        shared = 1.0
        for side in range(half):
            start, end = max(left[side], right[side]), min(left[side + half], right[side + half])
            shared *= max(0.0, end - start)
    covered = one + other - shared
    return shared / covered if covered else 1.0


def mean_iou(answers: Mapping[str, Sequence[float] | None]) -> Agreement:
    """Return the mean overlap of every two raters' shapes; n is how many raters answered."""
    given = [answer for answer in answers.values() if answer is not None]
    if len(given) < _TWO:
        return Agreement(0.0, 0)
    overlaps = [iou(one, other) for one, other in combinations(given, 2)]
    return Agreement(sum(overlaps) / len(overlaps), len(given))


def _size(shape: Sequence[float]) -> float:
    if not shape:
        return 0.0
    half = _SIDES.get(len(shape))
    if half is None:
        raise BadInput(f"A shape is a span of two numbers or a box of four, and this has {len(shape)}.")
    size = 1.0
    for side in range(half):
        start, end = _number(shape[side]), _number(shape[side + half])
        if end < start:
            raise BadInput(f"A shape ends at {end:g}, before it begins at {start:g}.")
        size *= end - start
    return size
