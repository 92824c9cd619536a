"""Measures of agreement give the published values, and say what they cannot measure."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.consensus import (
    Agreement,
    Ratings,
    cohen,
    fleiss,
    iou,
    krippendorff,
    mean_iou,
    percent,
    weighted_cohen,
)
from callboard.errors import BadInput

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
OBSERVERS: Ratings = {
    "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "c": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}

# Fleiss (1971): fourteen raters put ten subjects into five categories.
SUBJECTS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def raters_of(subjects: list[list[int]]) -> Ratings:
    units = [[category for category, often in enumerate(counts) for _ in range(often)] for counts in subjects]
    return {f"rater {number}": list(row) for number, row in enumerate(zip(*units, strict=True))}


def two(table: list[list[int]]) -> Ratings:
    """Return two raters' answers for a table of how often one said this and the other that."""
    pairs = [
        (one, other) for one, other in product(range(len(table)), repeat=2) for _ in range(table[one][other])
    ]
    return {"left": [one for one, _ in pairs], "right": [other for _, other in pairs]}


def rounded(agreement: Agreement) -> tuple[float, int]:
    """Return an agreement in the three digits that are published."""
    return round(agreement.value, 3), agreement.n


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorffs_example_has_its_published_alpha(level: Any, published: float) -> None:
    assert rounded(krippendorff(OBSERVERS, level)) == (published, 11)


def test_two_that_always_disagree_are_worse_than_chance() -> None:
    assert rounded(krippendorff({"a": [1, 1, 1, 1], "b": [2, 2, 2, 2]})) == (-0.75, 4)


def test_cohens_example_has_its_published_kappa() -> None:
    assert rounded(cohen(two([[20, 5], [10, 15]]))) == (0.4, 50)


def test_fleiss_example_has_its_published_kappa() -> None:
    assert rounded(fleiss(raters_of(SUBJECTS))) == (0.210, 10)


def test_weights_count_answers_further_apart_for_more() -> None:
    table = two([[3, 1, 1], [1, 2, 0], [0, 0, 2]])
    linear = _by_hand([[3, 1, 1], [1, 2, 0], [0, 0, 2]], 1)
    quadratic = _by_hand([[3, 1, 1], [1, 2, 0], [0, 0, 2]], 2)
    assert weighted_cohen(table).value == pytest.approx(linear)
    assert weighted_cohen(table, "quadratic").value == pytest.approx(quadratic)
    assert linear != pytest.approx(quadratic)


def _by_hand(table: list[list[int]], exponent: int) -> float:
    total = sum(map(sum, table))
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    cells = list(product(range(len(table)), repeat=2))
    seen = sum(abs(i - j) ** exponent * table[i][j] for i, j in cells) / total
    chance = sum(abs(i - j) ** exponent * rows[i] * columns[j] for i, j in cells) / total**2
    return float(1 - seen / chance)


def test_with_two_categories_weights_change_nothing() -> None:
    table = two([[20, 5], [10, 15]])
    assert weighted_cohen(table, "quadratic").value == pytest.approx(cohen(table).value)


def test_a_scale_puts_words_in_their_order() -> None:
    ratings: Ratings = {"a": ["low", "high", "mid", "low"], "b": ["mid", "high", "mid", "high"]}
    scale = ["low", "mid", "high"]
    numbers = {rater: [scale.index(str(answer)) for answer in answers] for rater, answers in ratings.items()}
    assert weighted_cohen(ratings, order=scale) == weighted_cohen(numbers)
    assert krippendorff(ratings, "ordinal", scale) == krippendorff(numbers, "ordinal")
    with pytest.raises(BadInput, match="'high' is not on the scale"):
        weighted_cohen(ratings, order=["low", "mid"])
    with pytest.raises(BadInput, match="'high' is not on the scale"):
        krippendorff(ratings, "ordinal", ["low", "mid"])


def test_percent_is_of_all_that_were_asked_for() -> None:
    assert percent({"a": "pay", "b": "pay", "c": "refuse"}, 4) == Agreement(0.5, 3)
    assert rounded(percent({"a": "pay", "b": None, "c": None}, 3)) == (0.333, 1)
    assert percent({"a": None}, 1) == Agreement(0.0, 0)
    assert percent({}, 3) == Agreement(0.0, 0)
    with pytest.raises(BadInput):
        percent({"a": 1, "b": 1}, 1)
    with pytest.raises(BadInput):
        percent({}, 0)


def test_spans_and_boxes_overlap() -> None:
    assert iou([0, 10], [5, 15]) == pytest.approx(1 / 3)
    assert iou([0, 10], [10, 20]) == 0
    assert iou([0, 2, 2, 4], [1, 3, 3, 5]) == pytest.approx(1 / 7)
    assert iou([0, 0, 2, 2], [0, 0, 2, 2]) == 1
    assert iou([], []) == 1
    assert iou([], [0, 1]) == 0
    assert iou([5, 5], []) == 1
    with pytest.raises(BadInput, match="A span and a box"):
        iou([0, 1], [0, 0, 1, 1])
    with pytest.raises(BadInput, match="two numbers or a box of four"):
        iou([0, 1, 2], [0, 1, 2])
    with pytest.raises(BadInput, match="ends at 0, before it begins at 1"):
        iou([1, 0], [0, 1])


def test_a_shape_that_did_not_come_is_not_nothing() -> None:
    assert rounded(mean_iou({"a": [0, 10], "b": [5, 15], "c": None})) == (0.333, 2)
    assert mean_iou({"a": [], "b": []}) == Agreement(1.0, 2)
    assert mean_iou({"a": [0, 1], "b": None}) == Agreement(0.0, 0)


def test_what_nobody_answered_twice_tells_nothing() -> None:
    lonely: Ratings = {"a": [1, None], "b": [None, 2]}
    for agreement in (cohen(lonely), fleiss(lonely), krippendorff(lonely), weighted_cohen(lonely)):
        assert agreement == Agreement(0.0, 0)
    assert krippendorff({}) == fleiss({}) == Agreement(0.0, 0)


def test_what_a_metric_cannot_take_is_said() -> None:
    with pytest.raises(BadInput, match="of two raters, not of 1"):
        cohen({"a": [1]})
    with pytest.raises(BadInput, match="one answer for each unit"):
        krippendorff({"a": [1, 2], "b": [1]})
    with pytest.raises(BadInput, match="as many answers for each unit"):
        fleiss({"a": [1, 1], "b": [1, 1], "c": [1, None]})
    with pytest.raises(BadInput, match="is no number"):
        krippendorff({"a": ["x", 1], "b": [1, "x"]}, "interval")


ROWS = st.integers(2, 6).flatmap(
    lambda units: st.lists(
        st.lists(st.integers(0, 3), min_size=units, max_size=units), min_size=2, max_size=2
    )
)


@given(ROWS)
def test_agreement_is_one_at_most_and_blind_to_who_is_who(rows: list[list[int]]) -> None:
    there: Ratings = {"a": rows[0], "b": rows[1]}
    back: Ratings = {"a": rows[1], "b": rows[0]}
    same: Ratings = {"a": rows[0], "b": rows[0]}
    for measure in (cohen, weighted_cohen, fleiss, krippendorff):
        assert measure(there).value <= 1 + 1e-9
        assert measure(there).value == pytest.approx(measure(back).value)
        assert measure(same).value == pytest.approx(1)
