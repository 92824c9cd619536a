"""docs/workflows.md says what the code says: its examples pass the check, its tables have every key."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from callboard.checking import check
from callboard.planning.catalogue import KINDS, catalogue
from callboard.planning.step import Action, Kind, action, action_of, marked
from callboard.workflow import Definition, Step
from callboard.workflow.definition import Concurrency, Consensus, On, Retry

TEXT = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text(encoding="utf-8")
README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


class Claim(msgspec.Struct, forbid_unknown_fields=True):
    amount: int


@action("claims.grade")
def grade(claim: Claim) -> str:
    """Grade a claim."""
    return "large" if claim.amount > 500 else "small"


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_documentation_has_no_errors(text: str) -> None:
    known = marked(grade)
    assert isinstance(known, Action)
    assert action_of(known.name, grade).input is Claim
    found = check(text, catalogue=catalogue({known.name: known}))
    assert [fault for fault in found if fault.severity == "error"] == []


def test_the_example_of_the_readme_has_no_fault() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert check(example) == []


@pytest.mark.parametrize("struct", [Definition, Step, On])
def test_every_key_has_its_row(struct: type[msgspec.Struct]) -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", TEXT, re.MULTILINE))
    assert {field.encode_name for field in msgspec.structs.fields(struct)} <= rows


@pytest.mark.parametrize("struct", [Concurrency, Consensus, Retry])
def test_every_smaller_key_is_named(struct: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert {field.encode_name for field in msgspec.structs.fields(struct)} <= named


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_its_row_with_its_parameters(kind: Kind) -> None:
    row = re.search(rf"^\| `{re.escape(kind.name)}` \|.*\| (.*) \|$", TEXT, re.MULTILINE)
    assert row is not None
    named = set(re.findall(r"`([a-z_]+)`", row[1]))
    assert named == {field.encode_name for field in msgspec.structs.fields(kind.parameters)}
