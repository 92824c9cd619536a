"""Documents: answers checked, all faults at once; what is told stays what it is, and is never rendered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import BadInput, ExpressionFailed, NotFound, TemplateAnswers
from callboard.templates import accept
from tests.unit.templates.material import LETTERS, WATCH, documents

HOSTILE = ["{{ 7*7 }}", "{% for x in y %}", "{# gone #}", "{{ answers.customer }}", "{{", "${x}", "\\n%s"]


def test_a_document_is_filled_in() -> None:
    made = documents().render("welcome", {"customer": "Ann", "lines": [{"n": 1}, {"n": 2}], "note": "Bye"})
    assert made.body == "Dear Ann, 7.\n- 1\n- 2\nBye\n"
    assert made.metadata == {
        "template": "letters",
        "document": "welcome",
        "version": 3,
        "subject": "To Ann",
        "amount": 7,
        "tags": ["plain", 2],
    }


def faults(answers: Any, document: str = "welcome") -> list[tuple[str, str]]:
    with pytest.raises(TemplateAnswers) as caught:
        documents().render(document, answers)
    assert caught.value.code == "TEMPLATE_ANSWERS"
    return [(fault["path"], fault["message"]) for fault in caught.value.details["faults"]]


def test_all_faults_of_answers_are_told_at_once() -> None:
    assert faults({"custmer": 1, "amount": -1, "lines": [{"n": "x"}, 4, {}], "note": None}) == [
        ("answers.customer", "it is missing"),
        ("answers.amount", "it must be at least 0"),
        ("answers.lines[0].n", "it must be integer, and is string"),
        ("answers.lines[1]", "it must be object, and is integer"),
        ("answers.lines[2].n", "it is missing"),
        ("answers.note", "it must be string, and is null"),
        ("answers.custmer", "there is no field 'custmer'; did you mean customer"),
    ]


@pytest.mark.parametrize("answers", [None, [], "x", 5])
def test_answers_are_an_object(answers: object) -> None:
    assert faults(answers) == [("answers", "it must be an object, with a value for each field")]


def test_of_very_many_faults_the_first_hundred_are_told() -> None:
    found = faults({"customer": "Ann", "lines": [{}] * 5_000, **{f"x{n}": n for n in range(5_000)}})
    assert len(found) == 100
    with pytest.raises(TemplateAnswers, match="and many more") as caught:
        documents().render("welcome", {"customer": "Ann", "lines": [{}] * 5_000})
    assert len(caught.value.message) < 2_000


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_told_is_never_rendered(text: str) -> None:
    made = documents().render("welcome", {"customer": text, "note": text})
    assert made.body == f"Dear {text}, 7.\n{text}\n"
    assert made.metadata["subject"] == f"To {text}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_through_as_it_is(text: str) -> None:
    assert documents().render("welcome", {"customer": text}).metadata["subject"] == f"To {text}"


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ExpressionFailed, match="surrogate"):
        documents().render("welcome", {"customer": "\ud800"})


def test_a_body_is_a_text_whatever_it_is_made_of() -> None:
    made = documents("name: a\ndocuments: {d: {body: '{{ answers.x }}', fields: {x: {}}}}")
    for value, body in (("é", "é"), (7, "7"), ([1, "ü"], '[1, "ü"]'), ({"a": None}, '{"a": null}')):
        assert made.render("d", {"x": value}).body == body


def test_a_field_that_is_not_told_and_has_no_default_is_missing() -> None:
    made = documents("name: a\ndocuments: {d: {body: '{{ answers.x }}!', fields: {x: {required: false}}}}")
    with pytest.raises(ExpressionFailed, match="missing"):
        made.render("d", {})


def test_a_default_is_not_changed_by_what_is_made_of_it() -> None:
    made = documents()
    first = made.render("welcome", {"customer": "Ann"}).metadata["tags"]
    first.append("mine")
    assert made.render("welcome", {"customer": "Ann"}).metadata["tags"] == ["plain", 0]


def test_which_document_must_be_said_where_there_are_several() -> None:
    with pytest.raises(BadInput, match="name one of welcome, bare"):
        documents().render(None, {})
    with pytest.raises(NotFound, match="did you mean welcome"):
        documents().render("welcom", {})
    assert documents("name: a\ndocuments: {d: {body: x}}").render(None, {}).body == "x"


def test_the_template_of_a_workflow_has_no_documents() -> None:
    with pytest.raises(BadInput, match="instantiate it"):
        documents(WATCH).render(None, {})


def test_the_order_of_fields_is_kept() -> None:
    (welcome, _) = (accept(LETTERS).definition.documents or {}).values()
    assert list(welcome.fields) == ["customer", "amount", "lines", "note"]
