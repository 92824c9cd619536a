"""`callboard template`: what templates there are, and what comes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.folder import DataFolder
from callboard.web.templates import InstantiateRequest, RenderRequest, TemplatesQuery
from tests.unit.cli.conftest import say
from tests.unit.templates.material import LETTERS, WATCH
from tests.unit.web.conftest import MemoryDesk


@pytest.mark.usefixtures("running")
def test_templates_are_listed(capsys: pytest.CaptureFixture[str], desk: MemoryDesk) -> None:
    code, out, _ = say(capsys, "template", "list", "--kind", "document", "--search", "let", "--limit", "1")
    assert (code, out) == (0, "letters\tdocument\t2\t2\t2030-01-01 00:00:00\tWhat we write\n")
    assert desk.asked[-1] == ("templates", TemplatesQuery(kind="document", search="let", limit=1))


@pytest.mark.usefixtures("running")
def test_a_template_is_shown_with_what_it_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "template", "show", "letters", "--version", "1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "letters version 1 (document)"
    assert "welcome\tcustomer\tstring\tyes\tWho gets it" in lines
    assert "welcome\tnote\tstring or null\t\t" in lines
    assert "2\tyes\t2030-01-01 00:00:00\tlocal" in lines
    assert say(capsys, "template", "show", "letters", "--yaml")[1] == "name: letters\n"


@pytest.mark.usefixtures("running")
def test_a_published_document_is_filled_in(capsys: pytest.CaptureFixture[str], desk: MemoryDesk) -> None:
    words = ("template", "render", "letters", "welcome", "--answer", "customer=Ann", "--answer", "amount=7")
    assert say(capsys, *words)[:2] == (0, "Dear Ann\n")
    answers = {"customer": "Ann", "amount": 7}
    assert desk.asked[-1] == ("render", "letters", RenderRequest(document="welcome", answers=answers))
    told = json.loads(say(capsys, *words, "--version", "1", "--json")[1])
    assert told == {"body": "Dear Ann\n", "metadata": {"template": "letters", "version": 2}}


@pytest.mark.usefixtures("running")
def test_a_workflow_is_made_of_a_template(capsys: pytest.CaptureFixture[str], desk: MemoryDesk) -> None:
    words = ("template", "instantiate", "watch", "--config", "folder=a", "--name", "mine")
    assert say(capsys, *words)[:2] == (0, "draft of mine, revision 1\n")
    request = InstantiateRequest(config={"folder": "a"}, name="mine")
    assert desk.asked[-1][:3] == ("instantiate", "watch", request)


@pytest.mark.usefixtures("running")
def test_a_file_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    Path("letters.yaml").write_text(LETTERS, "utf-8")
    code, out, _ = say(capsys, "template", "publish", "letters.yaml")
    assert (code, out) == (0, "letters version 3: it is active\n")


def test_a_file_is_previewed_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    Path("letters.yaml").write_text(LETTERS, "utf-8")
    Path("watch.yaml").write_text(WATCH, "utf-8")
    data = '{"customer": "{{ 7*7 }} é"}'
    code, out, _ = say(capsys, "template", "preview", "letters.yaml", "welcome", "--data", data)
    assert (code, out) == (0, "Dear {{ 7*7 }} é, 7.\n\n")
    told = json.loads(
        say(capsys, "template", "preview", "letters.yaml", "welcome", "--answer", "customer=A", "--json")[1]
    )
    assert (told["metadata"]["version"], told["metadata"]["subject"]) == (None, "To A")
    code, out, _ = say(capsys, "template", "preview", "watch.yaml", "--answer", "folder=a")
    assert (code, out.splitlines()[1]) == (0, "name: watch-a")


def test_a_file_is_checked_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").write_text(LETTERS, "utf-8")
    Path("bad.yaml").write_text(LETTERS.replace("answers.amount", "answers.amuont"), "utf-8")
    assert say(capsys, "template", "check", "good.yaml") == (0, "", "")
    code, out, _ = say(capsys, "template", "check", "bad.yaml")
    assert code == 1
    assert "bad.yaml:15:39: error" in out
    assert "did you mean amount?" in out
    assert json.loads(say(capsys, "template", "check", "bad.yaml", "--json")[1])["ok"] is False


@pytest.mark.parametrize(
    "words",
    [
        ("preview", "none.yaml"),
        ("preview", "letters.yaml", "welcom"),
        ("preview", "letters.yaml"),
        ("preview", "letters.yaml", "welcome", "--answer", "customer"),
        ("preview", "letters.yaml", "welcome", "--data", "[]"),
        ("preview", "letters.yaml", "welcome", "--data", "{"),
        ("preview", "letters.yaml", "welcome", "--data", "{}", "--answer", "a=b"),
        ("preview", "letters.yaml", "welcome", "--answer", "customer=5"),
        ("preview", "watch.yaml", "welcome"),
        ("preview", "watch.yaml", "--answer", "folder={{ x }}"),
        ("check", "none.yaml"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    Path("letters.yaml").write_text(LETTERS, "utf-8")
    Path("watch.yaml").write_text(WATCH, "utf-8")
    code, out, err = say(capsys, "template", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_without_a_server_it_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    DataFolder(tmp_path / "data").prepare()
    code, _, err = say(capsys, "template", "list")
    assert code == 3
    assert "callboard up" in err
