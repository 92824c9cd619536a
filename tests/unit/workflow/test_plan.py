"""A plan: edges in one form, joins, order and policies resolved."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.checking import accept
from callboard.planning.graph import Graph
from callboard.planning.plan import Join, Plan
from callboard.workflow import Definition, Notes, Step, canonical, checksum, define, read
from tests.proof import scaled
from tests.unit.workflow.cases import one, steps

EXAMPLE = (Path(__file__).parent / "files" / "claims-triage.yaml").read_text(encoding="utf-8")


def plan(*lines: str) -> Plan:
    return accept(steps(*lines)).plan


def edges(made: Plan) -> list[tuple[str, str, str, str]]:
    return [(edge.source, edge.target, edge.when, edge.origin) for edge in made.flow.edges]


def definition(text: str) -> Definition:
    return define(Notes(read(text))).definition


def test_steps_without_success_edges_follow_one_another() -> None:
    made = plan(one("a"), one("b"), one("c"))
    assert edges(made) == [("a", "b", "success", "order"), ("b", "c", "success", "order")]
    assert made.flow.starts == ("a",)


def test_targets_of_failure_and_always_edges_stand_outside_of_that_order() -> None:
    made = plan(
        one("a", "next: [{to: sorry, when: failure}]"),
        one("sorry"),
        one("b", "next: [{to: clean, when: always}]"),
        one("clean"),
        one("c"),
    )
    assert [edge for edge in edges(made) if edge[3] == "order"] == [
        ("a", "b", "success", "order"),
        ("b", "c", "success", "order"),
    ]
    assert made.flow.starts == ("a",)


def test_one_success_edge_ends_the_order_as_written() -> None:
    made = plan(one("a", "next: c"), one("b", "needs: a"), one("c"))
    assert edges(made) == [("a", "c", "success", "next"), ("a", "b", "success", "needs")]


def test_a_join_is_all_where_an_edge_comes_from_needs_and_settled_otherwise() -> None:
    made = plan(one("a", "next: [b, c]"), one("b"), one("c", "needs: b"), one("d", "needs: [c], join: any"))
    joins = {id_: step.join for id_, step in made.flow.steps.items()}
    assert joins == {"a": Join("settled"), "b": Join("settled"), "c": Join("all"), "d": Join("count", 1)}


def test_route_first_binds_the_edges_of_next_alone() -> None:
    made = plan(
        one("a", "route: first, next: [{to: b, if: vars.x}, c]"),
        one("b", "with: {x: 1}"),
        one("c"),
        one("d", "needs: a"),
    )
    assert {(edge.target, edge.first) for edge in made.flow.edges} == {("b", True), ("c", True), ("d", False)}


def test_again_resets_a_step_and_all_that_follows_it() -> None:
    made = plan(
        one("a", "next: [b, x]"),
        one("b", "next: c"),
        one("c", "again: {to: b, max: 2}, next: d"),
        one("d"),
        one("x"),
    )
    again = made.flow.steps["c"].again
    assert again is not None
    assert again.resets == ("b", "c", "d")


def test_policies_are_numbers() -> None:
    made = accept(EXAMPLE).plan
    fetch = made.flow.steps["fetch"]
    assert (fetch.timeout, fetch.retry.delay, fetch.retry.max_delay, fetch.retry.attempts) == (
        30.0,
        0.2,
        30.0,
        3,
    )
    assert (made.timeout, made.deadline, made.flow.steps["small"].timeout) == (3600.0, 7 * 86400.0, 300.0)
    assert made.crowding is not None
    assert made.crowding.key.render({"trigger": {"customer": "c"}}) == "c"


def test_templates_and_conditions_are_compiled() -> None:
    made = accept(EXAMPLE).plan
    rendered = made.flow.steps["fetch"].parameters.render({"trigger": {"claim": "7"}})
    assert rendered == {"url": "https://intake.example/claims/7"}
    condition = made.flow.edges[0].condition
    assert condition is not None
    scope = {"steps": {"fetch": {"output": {"amount": 7}}}, "vars": {"limit": 8}}
    assert condition.holds(scope).holds
    assert made.output is not None


def test_a_body_is_a_flow_of_its_own() -> None:
    made = plan("{id: l, uses: loop, with: {while: index < 3, max: 5, steps: [{id: x, uses: core.set}]}}")
    step = made.flow.steps["l"]
    assert step.body is not None
    assert step.body.starts == ("x",)
    assert step.conditions["while"].holds({"index": 1}).holds
    assert step.parameters.render({}) == {"max": 5}


def test_white_space_order_of_keys_and_short_forms_make_no_version() -> None:
    short = (
        "name: a\nsteps: [{id: x, uses: core.set, next: y, needs: []}, {id: y, uses: core.set, needs: x}]\n"
    )
    long = (
        '{"steps": [{"uses": "core.set", "id": "x", "needs": [], "next": [{"when": "success", "to": "y"}]},\n'
        '  {"id": "y", "uses": "core.set", "needs": ["x"]}], "name": "a"}'
    )
    assert canonical(definition(short)) == canonical(definition(long))
    assert b"timeout" not in canonical(definition(short)), "a default that is not written is no part of it"
    assert canonical(definition(short.replace("id: x,", "id: x, timeout: 5m,"))) == canonical(
        definition(short)
    )
    assert checksum(definition(short)) != checksum(
        definition(short.replace("core.set, needs", "core.echo, needs"))
    )


def test_what_is_canonical_reads_back_as_the_same() -> None:
    once = canonical(definition(EXAMPLE))
    assert canonical(definition(once.decode())) == once


@settings(max_examples=scaled(200), deadline=None)
@given(st.integers(1, 12), st.data())
def test_the_order_puts_each_step_behind_all_that_lead_to_it(count: int, data: st.DataObject) -> None:
    made = [
        Step(
            id=f"s{n}",
            uses="core.set",
            needs=[f"s{m}" for m in data.draw(st.sets(st.integers(0, count - 1)))],
        )
        for n in range(count)
    ]
    graph = Graph(made)
    place = {id_: number for number, id_ in enumerate(graph.order)}
    assert bool(graph.cycles) == (len(place) < count)
    for link in graph.links:
        if link.target in place:
            assert place[link.source] < place[link.target]
    for cycle in graph.cycles:
        assert cycle[0] == cycle[-1]
        pairs = {(link.source, link.target) for link in graph.links}
        assert set(pairwise(cycle)) <= pairs


@pytest.mark.parametrize(
    "word", ["on", "no", "yes", "off", "2030-01-31", "12:30:45", "1_000", "0b1", "=", "y"]
)
def test_words_of_yaml_1_2_are_words(word: str) -> None:
    assert read(f"a: {word}").value == {"a": word}
    assert read(f"{word}: 1").value == {word: 1}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("+1", 1),
        ("~", None),
        ("True", True),
        ("", None),
    ],
)
def test_scalars_of_yaml_1_2_have_its_types(written: str, value: object) -> None:
    read_back = read(f"a: {written}").value["a"]
    assert read_back == value
    assert type(read_back) is type(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('{"a":\t1,\n\t"b" :2}', {"a": 1, "b": 2}),
        ('{"a"\n:\n1}', {"a": 1}),
        ('{"a": "\\ud83d\\ude00\\/"}', {"a": "😀/"}),
        ('{"a": 1E2, "b": -0}', {"a": 100.0, "b": 0}),
        ('{"' + "k" * 2000 + '": 1}', {"k" * 2000: 1}),
        ("{a: 1, b: [c]}", {"a": 1, "b": ["c"]}),
        ("﻿{}", {}),
    ],
)
def test_json_is_read_as_json(written: str, value: object) -> None:
    assert read(written).value == value


def test_places_are_those_of_the_file_in_both_spellings() -> None:
    as_json = read('{"a": [1,\n  {"b": "x"}]}')
    as_yaml = read("a:\n- 1\n- b: x\n")
    assert (as_json.place(("a", 1, "b")), as_json.place(("a", 1, "b"), key=True)) == ((2, 9), (2, 4))
    assert (as_yaml.place(("a", 1, "b")), as_yaml.place(("a", 1, "b"), key=True)) == ((3, 6), (3, 3))
