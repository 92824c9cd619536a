"""`callboard workflow`: which workflows there are, and what is in them."""

from __future__ import annotations

import json

import pytest

from callboard.folder import DataFolder
from tests.unit.cli.conftest import say

pytestmark = pytest.mark.usefixtures("running")


def test_workflows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "workflow", "list")
    assert (code, out) == (0, "claims\t2\t2\t2030-01-01 00:00:00\tclerk\tSort claims\n")


def test_a_workflow_is_shown_with_its_steps_and_versions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "workflow", "show", "claims", "--version", "1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "claims version 1"
    assert "fetch\tcore.echo\t\tpay, tell" in lines
    assert "tell\tcore.echo\tpay\t" in lines
    assert "2\tyes\t2030-01-01 00:00:00\tlocal" in lines


def test_programs_get_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "workflow", "show", "claims", "--json")
    told = json.loads(out)
    assert (code, told["version"], told["active"]) == (0, 2, True)
    assert [step["id"] for step in told["definition"]["steps"]] == ["fetch", "pay", "tell"]


@pytest.mark.parametrize("words", [("claimz",), ("claims", "--version", "7"), ("claims", "--version", "0")])
def test_what_is_not_there_is_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = say(capsys, "workflow", "show", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_without_a_server_it_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory, running: DataFolder
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    code, _, err = say(capsys, "workflow", "list", "--project", str(elsewhere))
    assert code == 3
    assert "callboard up" in err
    assert running.path != elsewhere
