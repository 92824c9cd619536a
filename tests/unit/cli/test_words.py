"""The command line: exit codes, one sentence per error, JSON for programs, and a quick start."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from callboard import cli, errors
from callboard.cli import terminal
from callboard.config import Config
from callboard.folder import DataFolder
from callboard.web import wire
from tests.unit.cli.conftest import say
from tests.unit.web.conftest import MemoryDesk


class House(ModuleType):
    """Stands where `callboard.app` and `callboard.offline` are, and answers from memory."""

    def __init__(self) -> None:
        super().__init__("house")
        self.config: Config | None = None

    def serve(
        self,
        config: Config,
        on_up: Callable[[str], object] = lambda _: None,
        *,
        on_reload: Callable[[object], object] | None = None,
    ) -> int:
        self.config = config
        on_up(f"http://{config.door.host}:{config.door.port}")
        return 0

    async def doctor(self, config: Config, *, full: bool) -> wire.DoctorReport:
        self.config = config
        bad = wire.Check(name="pages", ok=False, detail="page 7 is torn", fix="restore a backup")
        return wire.DoctorReport(ok=False, checks=[bad], where="offline")

    async def restore(self, config: Config, path: Path) -> wire.Restored:
        raise errors.BackupInvalid(f"{path} is no backup.")

    async def backup(self, config: Config, path: Path) -> wire.BackupMade:
        return wire.BackupMade(path=str(path), bytes=1, log_id="l", head=1, checks="all")

    async def prune(self, config: Config, *, dry_run: bool) -> wire.Pruned:
        raise errors.DiskFull("No room on the disk.")

    async def rebuild(self, config: Config) -> wire.Rebuilt:
        return wire.Rebuilt(different=["run_list"])


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    found = House()
    monkeypatch.setitem(sys.modules, "callboard.app", found)
    monkeypatch.setitem(sys.modules, "callboard.offline", found)
    monkeypatch.setattr("callboard.offline", found, raising=False)
    return found


# ── with a server ────────────────────────────────────────────────────────────────────────────────────────


def test_the_running_server_is_asked(
    running: DataFolder, house: House, desk: MemoryDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(capsys, "doctor", "--full") == (0, "ok\tlock\theld\n", "")
    assert say(capsys, "prune", "--dry-run")[0] == 0
    code, out, _ = say(capsys, "backup", "copy.db", "--json")
    assert (code, json.loads(out)["path"]) == (0, str(Path("copy.db").absolute()))
    assert [what[:2] for what in desk.asked] == [
        ("doctor", True),
        ("prune", True),
        ("backup", str(Path("copy.db").absolute())),
    ]
    assert house.config is None


def test_the_log_is_printed_with_its_cursor(running: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "log", "--after", "0@log-1")
    assert code == 0
    assert 'message\tclerk\tclaim\t{"a": [1, null]}' in out
    assert "--after 1@log-1" in out
    assert json.loads(say(capsys, "log", "--json")[1])["data"][0]["data"] == {"a": [1, None]}


def test_what_the_server_refuses_is_one_sentence_and_a_code(
    running: DataFolder, house: House, desk: MemoryDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = say(capsys, "log", "--after", "1@other")
    assert (code, out) == (2, "")
    assert err.startswith("callboard: This cursor is of another log")
    desk.raises = errors.DiskFull("No room on the disk.")
    assert say(capsys, "doctor")[0] == 3
    desk.raises = RuntimeError("swordfish")
    code, _, err = say(capsys, "doctor")
    assert code == 1
    assert "correlation id" in err
    assert "swordfish" not in err


# ── without one ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_are_asked_when_no_server_runs(
    tmp_path: Path, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "callboard.db").touch()
    code, out, err = say(capsys, "doctor")
    assert (code, err) == (1, "")
    assert out == "wrong\tpages\tpage 7 is torn\npages: restore a backup\n"
    code, out, _ = say(capsys, "doctor", "--json")
    assert (code, json.loads(out)["where"]) == (1, "offline")
    assert say(capsys, "backup", "x")[0] == 0
    assert say(capsys, "prune")[0] == 3
    assert say(capsys, "rebuild")[:2] == (1, "rebuilt; mended: run_list\n")


def test_a_folder_with_no_database_yet_is_told_what_to_do(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = say(capsys, "doctor")
    assert code == 2
    assert "callboard up" in err


def test_what_needs_a_server_says_that_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, "log")
    assert (code, out) == (3, "")
    assert "callboard up" in err


def test_with_json_an_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = say(capsys, "log", "--json")
    assert (code, out) == (3, "")
    assert json.loads(err)["code"] == "SERVER_UNREACHABLE"


def test_a_file_that_is_no_backup_is_bad_input(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = say(capsys, "restore", "copy.db")
    assert code == 2
    assert str(Path("copy.db").absolute()) in err


# ── up ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_up_hands_the_settings_over_and_says_where_to_look(
    tmp_path: Path, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = say(capsys, "up", "--port", "8123", "--data", "elsewhere", "--log-format", "json")
    assert code == 0
    assert house.config is not None
    assert (house.config.door.port, house.config.log.format) == (8123, "json")
    assert house.config.data_folder == tmp_path / "elsewhere"
    assert house.config.origin("door.port") == "--port"
    assert "http://127.0.0.1:8123" in out


def test_up_tells_all_that_is_wrong_with_the_settings(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_DOR_PORT", "1")
    code, _, err = say(capsys, "up", "--port", "x", "--host", "8.8.8.8")
    assert code == 2
    assert "(--port)" in err
    assert "(--host)" in err
    assert "CALLBOARD_DOOR_PORT?" in err
    assert house.config is None


def test_another_project_folder_is_named_by_flag_or_variable(
    tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    say(capsys, "up", "--project", "one")
    assert house.config is not None
    assert house.config.project == tmp_path / "one"
    monkeypatch.setenv("CALLBOARD_PROJECT", str(tmp_path / "one"))
    say(capsys, "up")
    assert house.config.project == tmp_path / "one"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [["docter"], ["doctor", "--ful"], ["backup"], ["log", "--limit", "x"], ["log", "a", "b"], ["up", "x"]],
)
def test_a_command_that_is_wrong_is_one_sentence_and_exit_code_2(
    words: list[str], house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = say(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("callboard: ")
    assert err.count("\n") == 1


def test_a_word_too_many_is_named_and_the_help_that_has_the_others(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = say(capsys, "runs", "list", '{"who":"Ada"}')
    assert code == 2
    assert err == (
        'callboard: Nothing takes \'{"who":"Ada"}\' here: `callboard runs list --help` shows what can be '
        "said.\n"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigInvalid("x"), 2),
        (errors.NotFound("x"), 2),
        (errors.ServerUnreachable("x"), 3),
        (errors.DiskFull("x"), 3),
        (errors.AskTimeout("x"), 3),
        (errors.DataFolderLocked("x"), 1),
        (errors.CallboardError("x"), 1),
        (errors.OutcomeUnknown("x"), 1),
    ],
)
def test_the_exit_code_says_what_kind_of_error_it_was(error: errors.CallboardError, code: int) -> None:
    assert cli.exit_code(error) == code


def test_text_from_outside_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(("a",), [("\x1b[31mred\nforged\u202e",)])
    assert capsys.readouterr().out == "\\x1b[31mred\\nforged\\u202e\n"


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_the_command_line_starts_at_once(flag: str) -> None:
    """In 180 ms on a quiet machine, where the library that reads the words takes 65 by itself.

    It is compared with that: the best of several tries, which take turns, and of the time that the processor
    gave to each, since this machine may be busy.
    """
    best, library = 60.0, 60.0
    for _ in range(10):
        best = min(best, _seconds("import callboard.cli as c; c.main()", flag))
        library = min(library, _seconds("import cyclopts"))
    assert best < 5 * library


def _seconds(code: str, *words: str) -> float:
    """Return the processor time of a process that says this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_nothing_heavy_is_imported_to_say_the_version() -> None:
    script = (
        "import sys; sys.argv = ['callboard', '--version']; import callboard.cli as c; c.main(); "
        "heavy = {'asyncio', 'aiosqlite', 'starlette', 'uvicorn', 'structlog', 'pykka'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_whoever_stops_reading_is_no_error(running: DataFolder, tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys, callboard.cli as c; sys.exit(c.main())' log | true"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stderr == ""


def test_bench_prints_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "bench", "--seconds", "0.01", "--rounds", "1", "--only", "callers_1", "--json")
    assert code == 0
    assert set(json.loads(out)["journal"]) == {"callers_1"}
    code, out, _ = say(capsys, "bench", "--seconds", "0.01", "--rounds", "1", "--only", "callers_1")
    assert "callers_1\t" in out
    assert say(capsys, "bench", "--only", "nonsense")[0] == 2
