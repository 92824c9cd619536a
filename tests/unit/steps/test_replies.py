"""Which answer a reply gives: what fits counts, and what does not is told why."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.planning.questions import Answer
from callboard.steps.replies import Given, category, given

PAY = Answer(choices=["pay", "refuse"])
SCALE = Answer(choices=[1, 2, 3])


@pytest.mark.parametrize(
    ("wanted", "body", "value"),
    [
        (PAY, "pay", "pay"),
        (PAY, {"answer": "pay", "reason": "small"}, "pay"),
        (PAY, {"text": " Pay "}, "pay"),
        (PAY, {"answer": "REFUSE"}, "refuse"),
        (SCALE, 2, 2),
        (SCALE, 2.0, 2),
        (SCALE, {"text": "2"}, 2),
        (Answer(choices=["1", 1]), {"text": "1"}, "1"),
        (Answer(choices=["pay", "pay"]), "pay", "pay"),
        (Answer(choices=[{"a": 1, "b": 2}]), {"answer": {"b": 2.0, "a": 1}}, {"a": 1, "b": 2}),
        (Answer(choices=[True, False]), {"text": "true"}, True),
        (Answer(number=True), 7, 7),
        (Answer(number={"min": 0, "max": 7}), {"answer": 7}, 7),
        (Answer(number=True), {"text": "7.5"}, 7.5),
        (Answer(text=True), " Straße ", "strasse"),
        (Answer(text=True), {"text": "42"}, "42"),
        (Answer(shape="span"), [0, 10], [0, 10]),
        (Answer(shape="span"), [], []),
        (Answer(shape="box"), {"text": "[0, 0, 2, 2]"}, [0, 0, 2, 2]),
        (Answer(choices=["a", "b"], units=3), {"answer": ["a", None, "B"]}, ["a", None, "b"]),
        (Answer(number=True, units=2), {"text": "[1, 2]"}, [1, 2]),
    ],
)
def test_an_answer_that_fits_counts(wanted: Answer, body: Any, value: Any) -> None:
    found = given(wanted, body)
    assert found == Given(value)
    assert isinstance(found, Given)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("wanted", "body", "why"),
    [
        (PAY, None, "no answer"),
        (PAY, {"answer": None, "reason": "I was not there"}, "no answer"),
        (PAY, "maybe", "'maybe', which is none of 'pay' and 'refuse'"),
        (PAY, {"verdict": "pay"}, "none of"),
        (PAY, ["pay"], "none of"),
        (SCALE, True, "none of"),
        (SCALE, "2", "none of"),
        (Answer(choices=list(range(9))), 9, "among others"),
        (Answer(choices=["a", "A"]), "á", "none of"),
        (Answer(number=True), True, "no number"),
        (Answer(number=True), "7", "no number"),
        (Answer(number=True), 10**400, "no number"),
        (Answer(number=True), float("inf"), "no number"),
        (Answer(number={"min": 0, "max": 10}), -1, "0 is the least"),
        (Answer(number={"max": 10}), 11, "10 is the most"),
        (Answer(text=True), "  ", "no text"),
        (Answer(text=True), {"answer": 7}, "no text"),
        (Answer(shape="span"), [10, 0], "ends before it begins"),
        (Answer(shape="span"), [0, 1, 2, 3], "no span of 2 numbers"),
        (Answer(shape="box"), [0, 1], "no box of 4 numbers"),
        (Answer(shape="box"), "here", "no box"),
        (Answer(shape="span"), [0, True], "no span"),
        (Answer(choices=["a"], units=2), ["a"], "no list of 2"),
        (Answer(choices=["a"], units=2), "a", "no list of 2"),
        (Answer(choices=["a"], units=2), ["a", "b"], "none of 'a'"),
    ],
)
def test_what_does_not_fit_is_no_answer_and_says_why(wanted: Answer, body: Any, why: str) -> None:
    found = given(wanted, body)
    assert isinstance(found, str)
    assert why in found


def test_a_long_answer_is_cut_where_it_is_quoted() -> None:
    found = given(PAY, "x" * 100_000)
    assert isinstance(found, str)
    assert len(found) < 200


def test_one_and_true_are_not_the_same_answer_and_one_and_one_point_nothing_are() -> None:
    assert category(1) == category(1.0)
    assert category([1]) != category([True])
    assert category([1, {"a": 1.0}]) == category([1.0, {"a": 1}])
    assert category("1") != category(1)
