"""Names of triggers: the same as long as what fires them is, and no two alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callboard.checking import accept
from callboard.checking.together import check_together
from callboard.steps import here
from callboard.triggers.entries import entries

NAME = re.compile(r"w\.[0-9a-f]{8}(-2)?")


def names(*on: str) -> list[str]:
    text = "name: w\non:\n" + "".join(f"  - {one}\n" for one in on) + "steps: [{id: a, uses: core.echo}]\n"
    found = entries(accept(text, catalogue=here({})).plan, 1)
    assert all(NAME.fullmatch(one.id) for one in found)
    return [one.id for one in found]


SAME = [
    ('{schedule: "@daily"}', '{schedule: "@daily", missed: all, if: "true", input: {n: 1}}'),
    ("{webhook: a/b, auth: {hmac: ONE}}", "{webhook: a/b, auth: {bearer: TWO}}"),
    ("{message: {channel: a.*}}", '{message: {channel: a.*}, if: "trigger.n"}'),
    ("{run: {workflow: x}}", "{run: {workflow: x, status: completed}}"),
]
OTHER = [
    ('{schedule: "@daily"}', '{schedule: "@hourly"}'),
    ('{schedule: "@daily"}', '{schedule: "@daily", timezone: Europe/Lisbon}'),
    ("{schedule: {every: 1h}}", "{schedule: {every: 2h}}"),
    ("{webhook: a}", "{webhook: b}"),
    ("{message: {channel: a}}", "{message: {channel: a, type: b}}"),
    ("{run: {workflow: x}}", "{run: {workflow: x, status: failed}}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_an_edit_beside_what_fires_it_leaves_the_name(one: str, other: str) -> None:
    assert names(one) == names(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_thing_that_fires_has_another_name(one: str, other: str) -> None:
    assert names(one) != names(other)


def test_two_entries_for_one_thing_have_two_names_and_the_place_among_others_is_none() -> None:
    twice = names(
        '{message: {channel: a}, if: "trigger.x"}', "{webhook: b}", '{message: {channel: a}, if: "trigger.y"}'
    )
    assert len(set(twice)) == 3
    assert twice[2] == f"{twice[0]}-2"
    assert names("{webhook: b}", "{message: {channel: a}}") == [twice[1], twice[0]]


def test_files_that_lie_together_cannot_have_one_path(tmp_path: Path) -> None:
    def file(name: str) -> bytes:
        return f"name: {name}\non:\n  - webhook: same\nsteps: [{{id: a, uses: core.echo}}]\n".encode()

    found = check_together({"a.yaml": file("one"), "b.yaml": file("two"), "c.yaml": b"]"})
    codes = {name: [(fault.code, fault.line) for fault in faults] for name, faults in found.items()}
    assert ("PATH_TAKEN", 3) in codes["b.yaml"]
    assert "PATH_TAKEN" not in {code for code, _ in codes["a.yaml"]}
