"""The check of a template file: everything that is wrong with it, each with its place."""

from __future__ import annotations

import msgspec
import pytest

from callboard.errors import TemplateInvalid
from callboard.templates import accept, check
from callboard.templates.accepting import defined
from callboard.templates.definition import canonical, checksum
from callboard.workflow import to_yaml
from tests.unit.templates.material import LETTERS, WATCH

ONE = "name: a\ndocuments:\n  d:\n    body: {body}\n    fields: {fields}\n"


def codes(text: str, severity: str = "error") -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in check(text) if fault.severity == severity]


def one(body: str = '"x"', fields: str = "{}") -> str:
    return ONE.replace("{body}", body).replace("{fields}", fields)


@pytest.mark.parametrize("text", [LETTERS, WATCH])
def test_a_good_file_has_no_faults(text: str) -> None:
    assert check(text) == []


def test_all_faults_of_a_file_are_told_at_once_in_its_order() -> None:
    text = """
name: Bad Name
documents:
  welcome:
    body: "{{ answrs.x }} {{ answers.custmer }}"
    fields:
      customer: {schema: {type: strng, pattern: x}, default: 3}
      other: {schema: {type: string}, default: 3}
    metadata: {version: 2}
    boddy: 1
"""
    assert codes(text) == [
        ("name", "WRONG_VALUE"),
        ("documents.welcome.body", "ROOT_UNKNOWN"),
        ("documents.welcome.body", "ANSWER_UNKNOWN"),
        ("documents.welcome.fields.customer.schema.type", "SCHEMA_INVALID"),
        ("documents.welcome.fields.customer.schema.pattern", "SCHEMA_INVALID"),
        ("documents.welcome.fields.other.default", "WRONG_VALUE"),
        ("documents.welcome.metadata.version", "NAME_TAKEN"),
        ("documents.welcome.boddy", "UNKNOWN_FIELD"),
    ]
    hints = " ".join(fault.message for fault in check(text))
    assert "did you mean answers?" in hints
    assert "did you mean customer?" in hints
    assert "did you mean body?" in hints


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("name: a", "", "WRONG_VALUE"),
        ("name: a\ndocuments: {}", "documents", "OUT_OF_BOUNDS"),
        ("name: a\ndocuments: {d: {body: x}}\nworkflow: {}", "", "WRONG_VALUE"),
        ("name: a\ndocuments: {d: {body: x}}\nconfig: {x: {}}", "config", "WRONG_VALUE"),
        ("name: a\ndocuments: {d: {body: ''}}", "documents.d.body", "WRONG_VALUE"),
        ("name: a\ndocuments: {d: {}}", "documents.d", "MISSING_FIELD"),
        ("name: a\ndocuments: {d e: {body: x}}", "documents['d e']", "WRONG_VALUE"),
        (one('"{{ answers.x"', "{x: {}}"), "documents.d.body", "TEMPLATE_INVALID"),
        (one('"{{ secret(\'TOKEN\') }}"'), "documents.d.body", "SECRET_MISPLACED"),
        (one('"{{ trigger.x }}"'), "documents.d.body", "ROOT_MISPLACED"),
        (one('"{{ now }}"'), "documents.d.body", "ROOT_MISPLACED"),
        (one('"{% include \'/etc/passwd\' %}"'), "documents.d.body", "TEMPLATE_INVALID"),
        (one("5"), "documents.d.body", "WRONG_TYPE"),
        (one(fields="{a-b: {}}"), "documents.d.fields.a-b", "WRONG_VALUE"),
        (one(fields="{a: {schema: {$ref: x}}}"), "documents.d.fields.a.schema['$ref']", "SCHEMA_INVALID"),
        (one(fields="{a: {schema: {type: {}}}}"), "documents.d.fields.a.schema.type", "SCHEMA_INVALID"),
        (one(fields="{a: 5}"), "documents.d.fields.a", "WRONG_TYPE"),
        ("[]", "", "WRONG_TYPE"),
        ("name: [", "", "SYNTAX"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_code(text: str, path: str, code: str) -> None:
    assert (path, code) in codes(text)
    with pytest.raises(TemplateInvalid) as caught:
        accept(text)
    assert caught.value.details["faults"]


def test_a_field_that_nothing_uses_is_a_warning() -> None:
    assert codes(one(fields="{a: {}}"), "warning") == [("documents.d.fields.a", "FIELD_UNUSED")]
    assert codes(one('"{{ answers }}"', "{a: {}}"), "warning") == []


def test_a_body_that_is_too_long_is_refused() -> None:
    assert codes(one('"{{ answers.a }}' + "x" * 16_384 + '"', "{a: {}}")) == [
        ("documents.d.body", "TEMPLATE_INVALID")
    ]


@pytest.mark.parametrize("key", ["if", "while", "until"])
def test_no_condition_comes_from_a_config(key: str) -> None:
    text = f"""
name: a
config: {{x: {{}}}}
workflow: {{steps: [{{id: a, uses: loop, with: {{{key}: {{$: "{{{{ config.x }}}}"}}, steps: []}}}}]}}
"""
    assert (f"workflow.steps[0].with.{key}", "PLACE_INVALID") in codes(text)


def test_the_shape_of_a_templates_workflow_is_checked_around_its_places() -> None:
    text = (
        WATCH.replace("next:", "netx:")
        .replace("limit > 3", "limit > 3")
        .replace("{$: \"{{ config.note | default('none') }}\"}", '{$: "{{ config.nope }}", more: 1}')
    )
    assert codes(text) == [
        ("workflow.description", "PLACE_INVALID"),
        ("workflow.description['$']", "ANSWER_UNKNOWN"),
        ("workflow.steps[0].netx", "UNKNOWN_FIELD"),
    ]


def test_white_space_and_comments_make_no_other_template() -> None:
    """The order of fields does: people are asked in it."""
    first = accept("name: a\ndocuments: {d: {body: x, fields: {a: {}, b: {}}}}").definition
    spaced = accept(
        "# said otherwise\ndocuments:\n  d:\n    fields: {a: {schema: {}}, b: {}}\n    body: x\nname: a"
    ).definition
    turned = accept("name: a\ndocuments: {d: {body: x, fields: {b: {}, a: {}}}}").definition
    assert checksum(first) == checksum(spaced)
    assert checksum(first) != checksum(turned)
    assert accept(canonical(first)).definition == first


@pytest.mark.parametrize("text", [LETTERS, WATCH])
def test_what_is_shown_as_a_file_is_the_same_template(text: str) -> None:
    definition = accept(text).definition
    stored = canonical(definition).decode()
    assert accept(to_yaml(msgspec.json.decode(stored))).definition == definition
    assert defined(stored) == definition
