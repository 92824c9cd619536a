"""`callboard check` and `schema`: what they print, and with which code they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.cli import check as word
from tests.unit.cli.conftest import say

WELL = "name: well\nsteps: [{id: one, uses: core.set, with: {x: 1}}]\n"
WRONG = "name: wrong\nsteps:\n\t- id: one\n"
FAULTY = "name: faulty\nsteps:\n  - {id: one, uses: core.set, next: tow}\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_all_files_of_the_project_are_checked_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / word.FOLDER, a=WELL)
    assert say(capsys, "check") == (0, "1 file checked: all is well\n", "")


def test_templates_are_checked_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether their folder is meant, or one of them, or all of the project."""
    write(tmp_path / word.FOLDER, a=WELL)
    folder = write(tmp_path / word.TEMPLATES, t="name: t\ndocuments: {d: {body: '{{ answers.x }}'}}")
    for words in ((), (str(folder),), (str(folder / "t.yaml"),)):
        code, out, _ = say(capsys, "check", *words)
        assert (code, "No field asks for answers.x. [ANSWER_UNKNOWN]" in out) == (1, True)
        assert out.splitlines()[-1] == f"{1 if words else 2} file{'' if words else 's'} checked: 1 error"


def test_a_project_without_workflows_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "check")
    assert code == 0
    assert "No workflow files" in out


def test_a_fault_is_shown_where_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "flows", a=FAULTY)
    code, out, _ = say(capsys, "check", str(folder))
    first, source, caret, total = out.splitlines()
    assert code == 1
    assert first == (
        f"{folder / 'a.yaml'}:3:37: error: There is no step 'tow'. [TARGET_UNKNOWN] (steps[0].next)"
    )
    assert source == "     3 |   - {id: one, uses: core.set, next: tow}"
    assert caret.index("^") == source.index("tow")
    assert total == "1 file checked: 1 error"


def test_the_caret_stands_right_behind_wide_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "flows", a=WELL.replace("x: 1", "x: '名名 {{ vas.x }}'"))
    _, out, _ = say(capsys, "check", str(folder))
    _, source, caret, _ = out.splitlines()
    assert caret.index("^") == source.index("vas") + 2


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"name: a\nvars: {{x: {'y' * 5_000}, x: 2}}\n"
    _, out, _ = say(capsys, "check", str(write(tmp_path / "flows", a=line)))
    _, source, caret, _ = out.splitlines()
    assert len(source) < 200
    assert source[caret.index("^")] == "x"


def test_orders_to_the_terminal_are_not_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "flows", a='name: "\\e[31mred"\nsteps: [{id: "\x9b", uses: core.set}]\n')
    _, out, _ = say(capsys, "check", str(folder))
    assert "\x1b" not in out
    assert "\x9b" not in out


def test_one_document_is_printed_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "flows", a=WELL, b=FAULTY)
    code, out, _ = say(capsys, "check", str(folder), "--json")
    said = json.loads(out)
    assert code == 1
    assert not said["ok"]
    assert [len(file["faults"]) for file in said["files"]] == [0, 1]
    assert said["files"][1]["faults"][0]["path"] == "steps[0].next"


def test_warnings_alone_are_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "name: a\nsteps: [{id: one, uses: core.set, with: {x: '{{ vars.y }}'}}]\n"
    code, out, _ = say(capsys, "check", str(write(tmp_path / "flows", a=text)))
    assert code == 0
    assert "1 warning" in out


def test_a_file_that_cannot_be_read_as_yaml_is_a_fault_like_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = say(capsys, "check", str(write(tmp_path / "flows", a=WRONG)))
    assert code == 1
    assert "a.yaml:3:1: error: This is not YAML" in out


def test_a_file_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = say(capsys, "check", "nowhere.yaml")
    assert code == 2
    assert "There is no nowhere.yaml" in error


def test_what_this_version_cannot_run_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "name: w\non: [{schedule: '@daily'}]\ninput: {pattern: x}\n"
        "steps: [{id: one, uses: shell.run, with: {command: [ls]}}]\n"
    )
    code, out, _ = say(capsys, "check", str(write(tmp_path / "flows", w=text)))
    assert code == 1
    assert "shell.run are off here: write shell = true under [workflows]" in out
    assert "[KIND_OFF]" in out
    assert "(on[0])" not in out
    assert "'pattern' is not looked at here" in out


def test_a_file_knows_the_workflows_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    caller = "name: caller\nsteps: [{id: one, uses: workflow, with: {name: well}}]\n"
    folder = write(tmp_path / word.FOLDER, caller=caller, well=WELL)
    assert "There is no workflow" not in say(capsys, "check", str(folder / "caller.yaml"))[1]
    (folder / "well.yaml").unlink()
    code, out, _ = say(capsys, "check", str(folder / "caller.yaml"))
    assert code == 1
    assert "There is no workflow 'well'" in out


def test_two_files_do_not_define_one_workflow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "check", str(write(tmp_path / "flows", a=WELL, b=WELL)))
    assert code == 1
    assert "b.yaml:1:7: error: The workflow well is defined in" in out


def test_actions_of_the_project_are_known_with_what_they_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "sums.py").write_text(
        "import msgspec\nfrom callboard.planning.step import action\n"
        "class Numbers(msgspec.Struct, forbid_unknown_fields=True):\n    of: list[int]\n"
        "@action('sum')\ndef total(numbers: Numbers) -> int:\n    return sum(numbers.of)\n",
        encoding="utf-8",
    )
    (tmp_path / "actions" / "broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    text = "name: a\nsteps: [{id: one, uses: python, with: {action: sum, input: {of: [1, x]}}}]\n"
    write(tmp_path / word.FOLDER, a=text)
    code, out, _ = say(capsys, "check")
    assert code == 1
    assert "broken.py:1: ModuleNotFoundError" in out
    assert "Expected a whole number, but this is a text, 'x'. [WRONG_TYPE] (steps[0].with.input.of[1])" in out


def test_the_schema_for_editors_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "schema")
    assert code == 0
    assert "Definition" in json.loads(out)["$defs"]
