"""`callboard init` makes a folder that passes every check, or leaves the folder as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard import config
from tests.unit.cli.conftest import say

FILES = [
    ".gitignore",
    "actions/claims.py",
    "bots/greeter.py",
    "bots/raters.py",
    "config/callboard.toml",
    "config/workflows/claims.yaml",
]


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_what_it_makes_has_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "init", "shop", "--json")
    assert (code, json.loads(out)) == (0, {"folder": str(tmp_path / "shop"), "files": FILES})
    assert sorted(contents(tmp_path / "shop")) == FILES
    assert say(capsys, "check", "--project", "shop") == (0, "1 file checked: all is well\n", "")
    assert config.load(tmp_path / "shop") == config.Config(project=tmp_path / "shop")


def test_it_says_how_to_go_on_in_the_folder_that_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    _, here, _ = say(capsys, "init")
    assert "start it:  callboard up\n" in here
    _, there, _ = say(capsys, "init", "shop")
    assert "start it:  callboard up --project shop\n" in there


def test_a_folder_that_has_one_of_the_files_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "greeter.py").write_text("mine")
    code, _, err = say(capsys, "init")
    assert code == 2
    assert "bots/greeter.py already, so nothing was made" in err
    assert contents(tmp_path) == {"bots/greeter.py": "mine"}


def test_a_gitignore_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".gitignore").write_text("mine")
    assert say(capsys, "init")[0] == 0
    assert (tmp_path / ".gitignore").read_text() == "mine"


def test_where_a_file_is_in_the_way_of_a_folder_what_was_written_is_taken_away_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text("mine")
    code, _, err = say(capsys, "init")
    assert code == 2
    assert err.startswith("callboard: . cannot be made a project: ")
    assert contents(tmp_path) == {"config": "mine"}
