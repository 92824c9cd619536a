"""How far answers agree by each metric, and which one they come to."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.planning.questions import Answer
from callboard.steps.agreeing import Chosen, chosen, measure
from callboard.workflow.definition import Consensus

PAY = Answer(choices=["pay", "refuse"])


def metric(name: str, **more: Any) -> Consensus:
    return Consensus(metric=name, **more)  # type: ignore[arg-type]  # the names of the metrics


def test_percent_is_the_share_of_all_answers_that_were_asked_for() -> None:
    answers = {"ann": "pay", "ben": "pay"}
    assert measure(metric("percent"), PAY, answers, asked=4).value == 0.5
    assert measure(metric("percent"), PAY, answers, asked=2).value == 1.0


def test_percent_over_units_is_the_mean_of_each() -> None:
    wanted = Answer(choices=["pay", "refuse"], units=2)
    answers = {"ann": ["pay", "pay"], "ben": ["pay", None]}
    assert measure(metric("percent"), wanted, answers, asked=2).value == 0.75


def test_the_published_table_gives_cohens_kappa_of_four_tenths() -> None:
    rows = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    wanted = Answer(choices=["yes", "no"], units=50)
    answers = {"ann": [one for one, _ in rows], "ben": [other for _, other in rows]}
    assert measure(metric("cohen"), wanted, answers, asked=2).value == pytest.approx(0.4)


def test_krippendorff_takes_the_level_and_the_order_of_the_choices() -> None:
    wanted = Answer(choices=[1, 2, 3, 4, 5], units=12)
    four_by_twelve = {
        "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "c": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
    for level, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)):
        found = measure(metric("krippendorff", level=level), wanted, four_by_twelve, asked=4)
        assert found.value == pytest.approx(value, abs=0.0005)


def test_weighted_cohen_measures_along_the_order_of_the_choices() -> None:
    near = {"ann": ["low", "high", "mid"], "ben": ["mid", "high", "mid"]}
    far = {"ann": ["low", "high", "mid"], "ben": ["high", "high", "mid"]}
    wanted = Answer(choices=["low", "mid", "high"], units=3)
    said = metric("weighted_cohen")
    assert measure(said, wanted, near, asked=2).value > measure(said, wanted, far, asked=2).value


@pytest.mark.parametrize("name", ["cohen", "fleiss", "krippendorff"])
def test_one_question_gives_chance_corrected_metrics_one_or_nothing(name: str) -> None:
    assert measure(metric(name), PAY, {"ann": "pay", "ben": "pay"}, asked=2).value == 1.0
    assert measure(metric(name), PAY, {"ann": "pay", "ben": "refuse"}, asked=2).value <= 0.0


def test_a_metric_of_two_measures_nothing_of_three() -> None:
    answers = {"ann": "pay", "ben": "pay", "eve": "pay"}
    assert measure(metric("cohen"), PAY, answers, asked=3).value == 0.0


def test_fleiss_leaves_out_units_that_somebody_has_not_answered() -> None:
    wanted = Answer(choices=["a", "b"], units=3)
    answers = {"ann": ["a", "b", "a"], "ben": ["a", "b", None], "eve": ["a", "b", "b"]}
    assert measure(metric("fleiss"), wanted, answers, asked=3).value == 1.0


def test_spans_are_measured_by_what_they_share() -> None:
    wanted = Answer(shape="span")
    found = measure(metric("iou"), wanted, {"ann": [0, 10], "ben": [5, 15]}, asked=2)
    assert found.value == pytest.approx(1 / 3)


def test_a_million_different_numbers_are_measured_in_no_time() -> None:
    wanted = Answer(number=True, units=1_000)
    answers = {f"r{one}": [one * 1_000.5 + unit for unit in range(1_000)] for one in range(100)}
    said = metric("krippendorff", level="interval")
    assert measure(said, wanted, answers, asked=100).value < 0.5


def test_all_the_same_number_is_agreement_however_it_is_rounded() -> None:
    said = metric("krippendorff", level="interval")
    answers = {f"r{one}": 0.1 for one in range(10)}
    assert measure(said, Answer(number=True), answers, asked=10).value == 1.0


# ── which one ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_commonest_answer_is_chosen() -> None:
    assert chosen(PAY, {"ann": "refuse", "ben": "pay", "eve": "pay"}) == Chosen("pay", tied=False)


def test_of_equals_the_first_is_told_and_that_it_was_a_tie() -> None:
    assert chosen(PAY, {"ann": "refuse", "ben": "pay"}) == Chosen("refuse", tied=True)


def test_weights_count_and_who_has_none_counts_one() -> None:
    answers = {"ann": "refuse", "ben": "pay", "eve": "pay"}
    assert chosen(PAY, answers, {"ann": 3}) == Chosen("refuse", tied=False)
    assert chosen(PAY, answers, {"ann": 2}) == Chosen("refuse", tied=True)
    assert chosen(PAY, answers, {"ann": 0}) == Chosen("pay", tied=False)


def test_each_unit_is_chosen_by_itself() -> None:
    wanted = Answer(choices=["a", "b"], units=3)
    answers = {"ann": ["a", "b", None], "ben": ["a", "a", None], "eve": ["b", "b", None]}
    assert chosen(wanted, answers) == Chosen(["a", "b", None], tied=False)


def test_of_shapes_the_one_that_shares_most_with_all_is_chosen() -> None:
    wanted = Answer(shape="span")
    answers = {"ann": [0, 10], "ben": [2, 12], "eve": [50, 60], "joe": [1, 11]}
    assert chosen(wanted, answers) == Chosen([1, 11], tied=False)
    assert chosen(wanted, {"ann": [0, 1], "ben": [5, 6]}) == Chosen([0, 1], tied=True)
    assert chosen(wanted, {"ann": [], "ben": []}) == Chosen([], tied=False)
