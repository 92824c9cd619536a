"""Workflows made of templates: values keep their types, and no config becomes code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.checking import check
from callboard.errors import BadInput, TemplateAnswers
from callboard.expressions import is_template
from callboard.workflow import read
from tests.unit.templates.material import LETTERS, WATCH, instantiable

BEGIN = WATCH[: WATCH.index("workflow:")]


def made(config: dict[str, Any], name: str | None = None, text: str = WATCH) -> Any:
    return read(instantiable(text).instantiate(config, name)).value


def refused(config: Any, text: str = WATCH) -> list[tuple[str, str]]:
    with pytest.raises(TemplateAnswers) as caught:
        instantiable(text).instantiate(config)
    return [(fault["path"], fault["message"]) for fault in caught.value.details["faults"]]


def test_a_workflow_is_made_of_a_config() -> None:
    text = instantiable().instantiate({"folder": "claims", "tags": [1, None, {"a": True}]})
    assert text.startswith("# Made from the template watch, version 3.\nname: watch-claims\n")
    workflow = read(text).value
    assert workflow["vars"] == {"folder": "claims", "limit": 5, "tags": [1, None, {"a": True}]}
    assert workflow["description"] == "none"
    assert workflow["steps"][0]["with"] == {"message": "{{ vars.folder }} of {{ trigger.who }}"}
    assert [fault for fault in check(text) if fault.severity == "error"] == []


def test_it_can_be_given_another_name() -> None:
    workflow = made({"folder": "claims"}, "mine")
    assert (next(iter(workflow)), workflow["name"]) == ("name", "mine")
    nameless = WATCH.replace('  name: {$: "watch-{{ config.folder }}"}\n', "")
    assert next(iter(made({"folder": "claims"}, "mine", nameless))) == "name"


def test_the_config_is_checked_with_all_its_faults() -> None:
    assert refused({"limit": "7", "floder": "x"}) == [
        ("config.folder", "it is missing"),
        ("config.limit", "it must be integer, and is string"),
        ("config.floder", "there is no field 'floder'; did you mean folder"),
    ]
    assert refused([]) == [("config", "it must be an object, with a value for each field")]


@pytest.mark.parametrize("text", ["{{ secret('TOKEN') }}", "a {% if x %}", "{# #}", "x {{"])
def test_no_config_becomes_a_template(text: str) -> None:
    """Not even deep inside a value."""
    paths = [path for path, _ in refused({"folder": text})]
    assert paths == ["workflow.name", "workflow.vars.folder", "workflow.steps[1].with.message"]
    assert [path for path, _ in refused({"folder": "a", "tags": [{"b": [text]}]})] == [
        "workflow.vars.tags[0].b[0]"
    ]


def test_no_config_becomes_a_condition() -> None:
    text = (
        BEGIN
        + """
workflow:
  name: w
  steps: [{id: a, uses: core.echo, next: {$: "{{ config.tags }}"}}, {id: b, uses: core.echo}]
"""
    )
    edges = [{"to": "b", "if": "true or steps.a"}]
    assert refused({"folder": "x", "tags": edges}, text) == [
        ("workflow.steps[0].next[0].if", "a condition cannot come from the config: it is code")
    ]
    assert made({"folder": "x", "tags": [{"to": "b"}]}, None, text)["steps"][0]["next"] == [{"to": "b"}]


@pytest.mark.parametrize(
    "text",
    [
        'a"\n- id: evil\n  uses: shell.run',
        "a\nname: other\n",
        "x: {y: z}",
        "'\"",
        "# gone",
        "!!python/object:os.system",
        "&a *a",
        "yes",
        "0x10",
        "1_000",
        "2030-01-01",
        "\t- x",
        "\u2028- x",
        "é — 漢字 🙂",
        "",
        "%YAML 1.1",
        "---\na: b",
    ],
)
def test_a_config_cannot_break_out_of_its_place(text: str) -> None:
    workflow = made({"folder": text, "tags": [text]}, "mine")
    assert workflow["vars"]["folder"] == text
    assert workflow["vars"]["tags"] == [text]
    assert len(workflow["steps"]) == 2
    assert set(workflow) == {"name", "description", "vars", "steps"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@given(st.lists(JSON, max_size=4))
def test_any_value_comes_through_as_it_is_or_is_refused(value: list[Any]) -> None:
    try:
        workflow = made({"folder": "x", "tags": value}, "mine")
    except TemplateAnswers:
        assert any(is_template(text) for text in texts(value)) or '"if"' in repr(value).replace("'", '"')
    else:
        assert workflow["vars"]["tags"] == value


def test_what_a_place_makes_of_the_config_can_fail_with_its_place() -> None:
    text = (
        BEGIN
        + 'workflow: {name: w, steps: [{id: a, uses: core.echo}], vars: {b: {$: "{{ config.note.x.y }}"}}}\n'
    )
    ((path, said),) = refused({"folder": "x"}, text)
    assert path == "workflow.vars.b"
    assert "missing" in said


def test_a_key_that_looks_like_a_place_stands_in_one() -> None:
    """What comes from a place is not looked through again."""
    places = 'b: {$: {$: 5}}, c: {$: "{{ config.tags }}"}'
    text = BEGIN + f"workflow: {{name: w, steps: [{{id: a, uses: core.echo}}], vars: {{{places}}}}}\n"
    config = {"folder": "x", "tags": [{"$": "{ config }"}]}
    assert made(config, None, text)["vars"] == {"b": {"$": 5}, "c": [{"$": "{ config }"}]}


def test_a_set_of_documents_makes_no_workflow() -> None:
    with pytest.raises(BadInput, match="set of documents"):
        instantiable(LETTERS).instantiate({})
