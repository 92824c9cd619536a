"""`callboard workflow`: which workflows there are, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.cli import terminal
from callboard.folder import DataFolder
from callboard.web.workflows import WorkflowsQuery
from tests.unit.cli.conftest import say
from tests.unit.web.conftest import MemoryDesk

pytestmark = pytest.mark.usefixtures("running")


def test_workflows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "workflow", "list")
    assert (code, out) == (0, "claims\tactive\t2\t2\tyes\t2030-01-01 00:00:00\tclerk\tSort claims\n")


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


# ── drafts and versions ──────────────────────────────────────────────────────────────────────────────────


def test_the_list_is_narrowed(capsys: pytest.CaptureFixture[str], desk: MemoryDesk) -> None:
    words = ("--owner", "clerk", "--status", "active", "--search", "cl", "--after", "a", "--limit", "1")
    assert say(capsys, "workflow", "list", *words)[0] == 0
    assert desk.asked[-1] == (
        "workflows",
        WorkflowsQuery(owner="clerk", status="active", search="cl", after="a", limit=1),
    )


@pytest.mark.parametrize(
    ("words", "out", "asked"),
    [
        (("publish", "claims"), "claims version 3: runs get it from here on", "publish_draft"),
        (("publish", "claims", "--no-activate"), "what runs is what it was", "publish_draft"),
        (("publish", "x.yaml"), "claims version 1: runs get it from here on", "publish"),
        (("activate", "claims", "1"), "claims is active, in version 1", "activate"),
        (("archive", "claims", "--reason", "no use"), "claims is archived, in version 2", "archive"),
        (("reactivate", "claims"), "claims is active, in version 2", "reactivate"),
        (("delete", "claims"), "claims is gone", "delete"),
        (("versions", "claims"), "1\t\t2030-01-01 00:00:00\tlocal", "versions"),
        (("draft", "save", "x.yaml"), "draft of claims, revision 3", "create"),
        (("draft", "save", "x.yaml", "--revision", "3"), "draft of claims, revision 3", "save"),
        (("draft", "save", "x.yaml"), "x.yaml:1:1: error: No steps.", "create"),
        (("draft", "drop", "claims"), "the draft of claims is gone", "drop"),
        (("show", "claims", "--yaml"), "name: claims\n", "workflow"),
        (("show", "claims"), "draft: revision 3, 2030-01-01 00:00:00, by local", "workflow"),
    ],
)
def test_what_is_done_is_said(
    capsys: pytest.CaptureFixture[str], desk: MemoryDesk, words: tuple[str, ...], out: str, asked: str
) -> None:
    Path("x.yaml").write_text("name: claims\n")
    code, said, err = say(capsys, "workflow", *words)
    assert (code, err if code else "") == (0, "")
    assert out in said
    assert desk.asked[-1][0] == asked
    code, said, _ = say(capsys, "workflow", *words, "--json")
    assert code == 0
    assert isinstance(json.loads(said), dict)


def test_a_draft_is_printed_as_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be taken into a file."""
    assert say(capsys, "workflow", "draft", "show", "claims")[:2] == (0, "name: claims\n")


def test_a_draft_with_errors_fails_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "workflow", "draft", "check", "claims")
    assert (code, out) == (1, "claims:1:1: error: No steps.\n")


def test_what_differs_is_printed_as_everybody_knows_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = say(capsys, "workflow", "diff", "claims", "1", "2")
    assert (code, out) == (0, "--- claims, version 1\n+++ claims, version 2\n@@ -1,1 +1,1 @@\n-a\n+b\n")
    monkeypatch.setattr(terminal, "coloured", lambda _: True)
    _, out, _ = say(capsys, "workflow", "diff", "claims", "1", "2")
    assert "\x1b[31m-a\x1b[0m" in out
    assert "\x1b[32m+b\x1b[0m" in out


@pytest.mark.parametrize(
    "words",
    [
        ("publish", "none.yaml"),
        ("publish", "x.yaml", "--revision", "3"),
        ("publish", "claimz"),
        ("draft", "save", "none.yaml"),
        ("draft", "save", "nameless.yaml", "--revision", "1"),
        ("draft", "show", "claimz"),
        ("draft", "show", ""),
        ("draft", "show", "a/../b"),
        ("diff", "claims", "0", "1"),
        ("activate", "claims", "x"),
        ("activate", "claims"),
        ("reactivate", "claims", "--version", "0"),
        ("list", "--status", "dead"),
        ("archve", "claims"),
    ],
)
def test_what_cannot_be_is_refused_with_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    Path("x.yaml").write_text("name: claims\n")
    Path("nameless.yaml").write_text("steps: []\n")
    code, out, err = say(capsys, "workflow", *words)
    assert (code, out) == (2, ""), err
    assert len(err.splitlines()) == 1
