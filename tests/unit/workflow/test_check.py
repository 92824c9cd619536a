"""The check: every kind of fault is found, at its place, beside all others, whatever the file holds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.checking import accept, check
from callboard.errors import WorkflowInvalid
from callboard.planning.catalogue import KINDS
from tests.proof import scaled
from tests.unit.workflow.cases import CASES, Case, one, step, steps, top

EXAMPLE = (Path(__file__).parent / "files" / "claims-triage.yaml").read_text(encoding="utf-8")


def test_the_example_of_the_documentation_has_no_fault() -> None:
    assert check(EXAMPLE) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_fault_is_found_at_its_place(case: Case) -> None:
    found = [(fault.code, fault.path, fault.line, fault.severity) for fault in check(case.text)]
    assert (case.code, case.path, case.line, case.severity) in found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_file_with_one_mistake_is_told_one_error(case: Case) -> None:
    """A slip that is told as many faults sends its author looking for all of them."""
    errors = [fault for fault in check(case.text) if fault.severity == "error"]
    assert len(errors) == (case.severity == "error") or case.says in TOLD_AS_MORE, errors


TOLD_AS_MORE = {
    "an owner of another kind",  # the key that is wrong, and the one that is missing for it
    "a dash that is a minus",  # both sides of the minus are unknown
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_fault_is_a_sentence(case: Case) -> None:
    for fault in check(case.text):
        assert fault.message[0].isupper() or not fault.message[0].isalpha() or fault.path, fault
        assert fault.message[-1] in ".?", fault
        assert "\n" not in fault.message
        assert fault.column >= 1


@pytest.mark.parametrize(
    ("consensus", "with_"),
    [
        ("threshold: 0.51", "bots: [a, b]"),
        ("ties: first", "bots: [a, b]"),
        ("ties: escalate, adjudicator: c", "bots: [a, b]"),
        ("metric: cohen", "bots: [a, b]"),
        ("threshold: 0.5", "bots: [a, b, c]"),
        ("threshold: 0.5", "bots: [a, b], answers: 1"),
        ("threshold: 0.5", "bots: [a, b], answers: '{{ trigger.n }}'"),
        ("threshold: 0.5", "bots: '{{ trigger.bots }}'"),
        ("threshold: 0.5", "bots: a"),
    ],
)
def test_a_tie_that_is_meant_or_cannot_meet_the_threshold_is_not_warned_of(
    consensus: str, with_: str
) -> None:
    text = step(
        f"consensus: {{{consensus}}}\n    with: {{{with_}, question: x, answer: {{text: true}}}}", "ask"
    )
    assert [fault for fault in check(text) if fault.code == "TIE_AGREES"] == []


def test_all_faults_are_told_at_once_and_in_the_order_of_the_file() -> None:
    text = (
        "name: A\nbogus: 1\n"
        + steps("{id: a, uses: nil, next: b, timeout: 5}", "{id: a, uses: core.echo}")[8:]
    )
    found = check(text)
    assert {fault.code for fault in found} >= {
        "WRONG_VALUE",
        "UNKNOWN_FIELD",
        "USES_UNKNOWN",
        "TARGET_UNKNOWN",
        "WRONG_TYPE",
        "ID_TWICE",
    }
    assert [fault.line for fault in found] == sorted(fault.line for fault in found)


def test_a_cycle_is_named() -> None:
    text = steps(one("a", "next: b"), one("b", "next: c"), one("c", "next: a"))
    assert "a → b → c → a" in check(text)[0].message


def test_what_goes_back_by_again_is_no_cycle() -> None:
    assert check(steps(one("a"), one("b", "again: {to: a, if: vars.x, max: 3}, with: {x: 1}"))) == []


def test_where_no_key_is_near_those_that_there_are_are_named() -> None:
    """Whoever guesses learns the words at once."""
    said = check(step("with: {title: x, message: y}"))[0].message
    assert said == "There is no key 'title' here; there are message and simulate."
    assert check(step("zzz: 1"))[0].message.startswith("There is no key 'zzz' here; there are id, uses, ")


def test_a_name_that_is_near_is_named() -> None:
    assert "did you mean core.echo?" in check(step("with: {}", "core.ecko"))[0].message
    assert (
        "did you mean Europe/Lisbon?"
        in check(top("on: [{schedule: '@daily', timezone: Europe/Lisbonn}]"))[0].message
    )
    assert (
        "write steps['a-b']"
        in check(steps(one("a-b"), one("c", "with: {x: '{{ steps.a-b.output }}'}")))[0].message
    )


def test_the_column_is_that_of_the_mistake_inside_a_text() -> None:
    text = step("with: {message: 'hello {{ trigger.a }} and {{ stepps.b }}'}")
    fault = check(text)[0]
    assert text.splitlines()[fault.line - 1][fault.column - 1 :].startswith("stepps.b")


def test_a_template_stands_for_any_type() -> None:
    text = step(
        "with: {url: '{{ trigger.url }}', expect: '{{ trigger.codes }}', headers: '{{ trigger.h }}'}",
        "http.request",
    )
    assert not [fault for fault in check(text) if fault.severity == "error"]


def test_steps_of_a_body_see_the_item_and_the_steps_around_them() -> None:
    body = "[{id: inner, uses: core.set, with: {x: '{{ item }} {{ index }} {{ steps.one.output }}'}}]"
    text = steps(one("one"), f"{{id: all, uses: each, with: {{items: [1], steps: {body}}}}}")
    assert [fault.code for fault in check(text)] == ["NO_FAILURE_PATH"]


def test_secrets_may_stand_where_a_kind_takes_them() -> None:
    text = step(
        "with: {url: 'http://x', headers: {Authorization: 'Bearer {{ secret(\"A\") }}'}}", "http.request"
    )
    assert not [fault for fault in check(text) if fault.severity == "error"]


def test_a_workflow_that_is_started_must_be_known_where_it_is_told_which_are() -> None:
    text = step("with: {name: childd}", "workflow")
    assert "WORKFLOW_UNKNOWN" not in {fault.code for fault in check(text)}
    found = {fault.code: fault for fault in check(text, workflows={"child": ()})}
    assert "did you mean child?" in found["WORKFLOW_UNKNOWN"].message


def test_a_workflow_does_not_come_to_stand_in_itself_by_way_of_others() -> None:
    text = step("with: {name: b}", "workflow")
    found = [fault.message for fault in check(text, workflows={"b": ["c"], "c": ["a"]})]
    assert any("a → b → c → a" in message for message in found)


def test_nesting_ends_at_five() -> None:
    text = step("with: {name: w1}", "workflow")
    known: dict[str, list[str]] = {f"w{number}": [f"w{number + 1}"] for number in range(1, 5)} | {"w5": []}
    assert "NESTING_TOO_DEEP" not in {fault.code for fault in check(text, workflows=known)}
    known |= {"w5": ["w6"], "w6": []}
    assert "NESTING_TOO_DEEP" in {fault.code for fault in check(text, workflows=known)}


def test_a_thousand_steps_are_taken_and_one_more_is_not() -> None:
    lines = [one(f"s{number}") for number in range(1_001)]
    assert check(steps(*lines[:1_000])) == []
    assert [fault.code for fault in check(steps(*lines))] == ["TOO_MANY_STEPS"]


def nested(depth: int) -> str:
    """Return a step with so many bodies in one another."""
    inner = "{id: s0, uses: core.set}"
    for number in range(1, depth + 1):
        inner = f"{{id: s{number}, uses: each, with: {{items: [1], steps: [{inner}]}}}}"
    return inner


def test_bodies_stand_five_deep_and_no_deeper() -> None:
    assert "NESTING_TOO_DEEP" not in {fault.code for fault in check(steps(nested(5)))}
    assert "NESTING_TOO_DEEP" in {fault.code for fault in check(steps(nested(6)))}


def test_steps_of_bodies_count_as_steps() -> None:
    inner = ", ".join(f"{{id: s{number}, uses: core.set}}" for number in range(1_000))
    text = steps(f"{{id: all, uses: each, with: {{items: [1], steps: [{inner}]}}}}")
    assert "TOO_MANY_STEPS" in {fault.code for fault in check(text)}
    assert "TOO_MANY_STEPS" not in {
        fault.code for fault in check(text.replace("{id: s0, uses: core.set}, ", ""))
    }


def test_what_aliases_stand_for_is_counted_in_values_and_in_depth() -> None:
    assert [fault.code for fault in check(NASTY["an alias bomb"])] == ["TOO_MANY_VALUES"]
    deep = "vars:\n  a: &a " + "[" * 40 + "]" * 40 + "\n  b: " + "[" * 40 + "*a" + "]" * 40 + "\n"
    assert [fault.code for fault in check(deep)] == ["TOO_DEEP"]


def test_the_expressions_of_a_file_have_a_bound_in_all() -> None:
    assert "EXPRESSIONS_TOO_LARGE" in {fault.code for fault in check(NASTY["large templates"])}


def test_a_file_of_one_mebibyte_is_read_and_one_byte_more_is_not() -> None:
    text = top("#").rstrip()
    text += "x" * ((1 << 20) - len(text))
    assert check(text) == []
    assert [fault.code for fault in check(text + "x")] == ["TOO_LARGE"]


def test_accept_gives_the_plan_or_refuses_with_all_faults() -> None:
    assert accept(EXAMPLE).plan.name == "claims-triage"
    with pytest.raises(WorkflowInvalid) as refused:
        accept(step("tiemout: 5s", "core.ecko"))
    assert {fault["code"] for fault in refused.value.details["faults"]} == {"UNKNOWN_FIELD", "USES_UNKNOWN"}
    assert "line 4" in refused.value.message
    with pytest.raises(WorkflowInvalid, match=r"did you mean core\.echo\?$"):
        accept(step("", "core.ecko"))


# ── whatever the file holds ──────────────────────────────────────────────────────────────────────────────

M = 1 << 20
NASTY: dict[str, str | bytes] = {
    "brackets": "[" * M,
    "braces": "{" * M,
    "dashes": "- " * (M // 2),
    "questions": "? " * (M // 2),
    "deep JSON": '{"a":' * (M // 5),
    "colons": ":" * M,
    "quotes": '"' * M,
    "blanks": "\n" * M,
    "tabs": "\t" * M,
    "ampersands": "&" * M,
    "percents": "%" * M,
    "a list of words": "[" + "a," * (M // 2 - 4) + "a]",
    "a JSON list of numbers": "[" + "1," * (M // 2 - 4) + "1]",
    "a hundred thousand keys": "\n".join(f"k{number}: 1" for number in range(45_000)),
    "unknown keys of steps": "name: a\nsteps:\n"
    + "".join(f"- {{id: s{n}, uzes: x}}\n" for n in range(15_000)),
    "an alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)),
    "a cycle of a thousand": steps(*(one(f"s{n}", f"next: s{(n + 1) % 1000}") for n in range(1000))),
    "needs of all before": steps(
        *(one(f"s{n}", f"needs: [{','.join(f's{m}' for m in range(n))}]") for n in range(300))
    ),
    "targets that are near others": steps(
        *(one(f"step{n}", f"needs: [{','.join(f'stap{n + m}' for m in range(40))}]") for n in range(1000))
    ),
    "large templates": steps(
        *(one(f"s{n}", f"with: {{x: '{n} {'{{ trigger.a.b.c }}' * 700}'}}") for n in range(60))
    ),
    "braces that never close": step('with: {message: "' + "{{ " * 300_000 + '"}'),
    "many that never close": steps(*(one(f"s{n}", f"with: {{x: '{'{{ ' * 300}{n}'}}") for n in range(900))),
    "zones that are none": top(
        "on:\n"
        + "".join(f"- {{schedule: '0 0 29 2 {n % 7}', timezone: Europe/Lisbonn{n}}}\n" for n in range(3_000))
    ),
    "a long key": '{"' + "k" * (M - 20) + '": 1}',
    "a long id": "name: a\nsteps: [{id: " + "a" * (M - 100) + ", uses: b}]",
    "a long number": "a: " + "9" * (M - 10),
    "a name of escapes": 'name: "' + "\\u0041" * (M // 6 - 20) + '"',
    "not UTF-8": b"name: \xe9",
    "UTF-16": "name: a".encode("utf-16"),
    "half a character": "a: \ud800",
    "a character of control": "a: \x1b[31m",
    "a zero": "a: \x00",
    "carriage returns": "a\r" * 100_000,
    "documents": "---\na\n" * 100_000,
    "wrong everywhere": "name: [a]\nsteps:\n"
    "- {id: [], uses: {}, with: [], next: 5, needs: {}, retry: x, again: [], join: -1}\n",
    "nothing everywhere": "name: ~\nsteps: [~, 1, a, [], {}]\non: [~]\n"
    "vars: ~\ninput: ~\noutput: ~\nconcurrency: ~\n",
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_file_takes_more_than_a_second(text: str | bytes) -> None:
    begin = time.process_time()
    found = check(text)
    assert time.process_time() - begin < 1
    assert len(found) <= 101


@settings(max_examples=scaled(150), deadline=None)
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="{}[]:,-&*!|>'\"%# \n\tab{{}}%")))
def test_no_text_raises(text: str | bytes) -> None:
    for fault in check(text):
        assert fault.code


_WORDS = st.sampled_from(
    [
        "a",
        "b",
        "{{ steps.a.output }}",
        "{{ x",
        "5m",
        "success",
        "first",
        "core.echo",
        "each",
        "ask",
        "1",
        "",
        "loop",
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 3), st.floats(allow_nan=False, allow_infinity=False), _WORDS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(_WORDS, st.just("to"), st.just("steps")), inner, max_size=3),
    ),
    max_leaves=8,
)
_KEYS = ["id", "uses", "with", "timeout", "retry", "needs", "next", "route", "join", "again", "consensus"]
_STEP = st.fixed_dictionaries(
    {
        "id": st.one_of(_WORDS, _JSON),
        "uses": st.one_of(st.sampled_from([kind.name for kind in KINDS]), _JSON),
    },
    optional={
        "with": st.one_of(
            _JSON,
            st.dictionaries(
                st.sampled_from(
                    ["steps", "items", "bots", "answer", "url", "while", "name", "action", "input", "for"]
                ),
                _JSON,
            ),
        ),
        **dict.fromkeys(_KEYS[3:], _JSON),
        "next": st.one_of(
            _WORDS,
            st.lists(st.one_of(_WORDS, st.fixed_dictionaries({"to": _WORDS}, optional={"if": _WORDS}))),
        ),
        "needs": st.lists(_WORDS, max_size=3),
    },
)
_WORKFLOW = st.fixed_dictionaries(
    {"name": st.one_of(_WORDS, _JSON), "steps": st.one_of(st.lists(_STEP, max_size=5), _JSON)},
    optional=dict.fromkeys(
        ["on", "vars", "input", "output", "timeout", "deadline", "concurrency", "owner"], _JSON
    ),
)


@settings(max_examples=scaled(300), deadline=None)
@given(_WORKFLOW)
def test_no_workflow_raises_and_yaml_and_json_are_told_the_same(workflow: dict[str, Any]) -> None:
    as_json = check(json.dumps(workflow, ensure_ascii=False))
    as_yaml = check(yaml.safe_dump(workflow, sort_keys=False, allow_unicode=True))
    assert {(fault.path, fault.code) for fault in as_json} == {(fault.path, fault.code) for fault in as_yaml}


@settings(max_examples=scaled(200), deadline=None)
@given(st.lists(_STEP, min_size=1, max_size=5))
def test_what_passes_the_check_compiles(made: list[dict[str, Any]]) -> None:
    text = json.dumps({"name": "a", "steps": made})
    if not any(fault.severity == "error" for fault in check(text)):
        plan = accept(text).plan
        assert set(plan.flow.order) == set(plan.flow.steps)
