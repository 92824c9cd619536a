"""A slip of the finger is answered with the name that was meant."""

from __future__ import annotations

from callboard.spelling import LONGEST, did_you_mean, shown


def test_a_near_name_is_offered_as_it_is_spelled() -> None:
    assert did_you_mean("prot", ["host", "Port"]) == "; did you mean Port?"


def test_nothing_is_offered_when_nothing_is_near_or_the_word_is_hostile() -> None:
    assert did_you_mean("xyz", ["host", "port"]) == ""
    assert did_you_mean("p" * (LONGEST + 1), ["p" * LONGEST]) == ""


def test_a_value_in_a_sentence_stays_on_one_line_and_short() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert len(shown("x" * 1000)) == 60
