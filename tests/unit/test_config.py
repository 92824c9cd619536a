"""The configuration: four sources, each stronger than the one before, and every fault told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard import config
from callboard.errors import ConfigInvalid

ROOT = Path(__file__).parents[2]


def write(project: Path, text: str) -> None:
    (project / "config").mkdir(exist_ok=True)
    (project / config.FILE).write_text(text, "utf-8")


def faults_of(project: Path, **sources: Any) -> list[dict[str, str]]:
    with pytest.raises(ConfigInvalid) as caught:
        config.load(project, **sources)
    return list(caught.value.details["faults"])


def test_the_defaults_alone_work(tmp_path: Path) -> None:
    found = config.load(tmp_path)
    assert (found.door.host, found.door.port) == ("127.0.0.1", 7331)
    assert (found.journal.queue, found.journal.batch) == (10_000, 1_000)
    assert found.retention.messages_for is None
    assert found.retention.ended_kept == "all"
    assert found.limits.turn_bytes == 8 << 20
    assert found.shutdown.grace == 10
    assert found.data_folder == tmp_path / "data"
    assert found.origin("door.port") == "default"


def test_the_file_in_the_repository_says_what_the_code_does() -> None:
    """`config/callboard.toml` must name every setting with its true default, and change none."""
    assert (ROOT / config.FILE).read_text("utf-8") == config.reference()
    assert config.load(ROOT) == config.Config(project=ROOT.absolute())


def test_the_file_with_every_line_uncommented_changes_nothing(tmp_path: Path) -> None:
    lines = config.reference().splitlines()
    bare = [line[2:] if line.startswith("# [") or " = " in line else line for line in lines]
    write(tmp_path, "\n".join(bare))
    found = config.load(tmp_path)
    assert {name: one.kind for name, one in found.bots.items()} == {
        "desk": None,
        "triage": "workflow",
        "billing": "webhook",
    }
    assert len(found.origins) == len(list(config.fields()))
    for field in config.fields():
        section, key = field.name.split(".")
        assert getattr(getattr(found, section), key) == field.default


def test_each_source_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, '[door]\nport = 1\nhost = "::1"\n[shutdown]\ngrace = "5s"\n[journal]\nqueue = 7\n')
    environ = {"CALLBOARD_DOOR_PORT": "2", "CALLBOARD_SHUTDOWN_GRACE": "250ms", "PATH": "/bin"}
    found = config.load(
        tmp_path,
        environ=environ,
        flags={"door.port": 3, "log.level": None},
        flag_names={"door.port": "--port"},
    )
    assert (found.door.port, found.door.host, found.shutdown.grace, found.journal.queue) == (
        3,
        "::1",
        0.25,
        7,
    )
    assert found.origin("door.port") == "--port"
    assert found.origin("shutdown.grace") == "CALLBOARD_SHUTDOWN_GRACE"
    assert found.origin("journal.queue") == str(tmp_path / config.FILE)


def test_all_faults_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, '[dore]\nport = 1\n[door]\nprot = 1\nport = "80"\n[journal]\nqueue = 0\n')
    faults = faults_of(
        tmp_path,
        environ={"CALLBOARD_DOOR_PROT": "1", "CALLBOARD_LIMITS_TURN_FACTS": "many"},
        flags={"log.level": "loud"},
        flag_names={"log.level": "--log-level"},
    )
    told = {(fault["field"], fault["source"]): fault["message"] for fault in faults}
    file = str(tmp_path / config.FILE)
    assert "did you mean door?" in told["dore", file]
    assert "did you mean port?" in told["door.prot", file]
    assert "expected `int`" in told["door.port", file]
    assert ">= 1" in told["journal.queue", file]
    assert "did you mean CALLBOARD_DOOR_PORT?" in told["CALLBOARD_DOOR_PROT", "environment"]
    assert "'many'" in told["limits.turn_facts", "CALLBOARD_LIMITS_TURN_FACTS"]
    assert "'loud'" in told["log.level", "--log-level"]
    assert len(faults) == 7


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("door.port", -1),
        ("door.port", 65536),
        ("door.port", True),
        ("door.port", 1.5),
        ("journal.batch", 0),
        ("shutdown.grace", 10),
        ("shutdown.grace", "10"),
        ("retention.messages_for", "never"),
        ("retention.absent_after", "0s"),
        ("limits.body_bytes", "1MB"),
        ("limits.body_bytes", "0B"),
        ("data.folder", ""),
        ("log.format", "xml"),
    ],
)
def test_a_value_out_of_bounds_is_refused(tmp_path: Path, setting: str, value: object) -> None:
    (fault,) = faults_of(tmp_path, flags={setting: value})
    assert fault["field"] == setting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "", "127.0.0.1.example.org"])
def test_the_door_opens_on_loopback_only(tmp_path: Path, host: str) -> None:
    (fault,) = faults_of(tmp_path, flags={"door.host": host})
    assert "loopback" in fault["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_every_loopback_address_is_welcome(tmp_path: Path, host: str) -> None:
    assert config.load(tmp_path, flags={"door.host": host}).door.host == host


@pytest.mark.parametrize("text", ["[door", "door = 3", "a.b.c = 1", "[door]\nport = 1\nport = 2", "\x00"])
def test_a_file_that_is_no_configuration_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert all(fault["source"] == str(tmp_path / config.FILE) for fault in faults_of(tmp_path))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "")
    (tmp_path / config.FILE).write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in faults_of(tmp_path)[0]["message"]


def test_for_ever_can_be_said_and_unsaid(tmp_path: Path) -> None:
    write(tmp_path, '[retention]\nmessages_for = "7d"\n')
    assert config.load(tmp_path).retention.messages_for == 7 * 86_400
    unsaid = config.load(tmp_path, environ={"CALLBOARD_RETENTION_MESSAGES_FOR": "forever"})
    assert unsaid.retention.messages_for is None


def test_a_project_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert faults_of(tmp_path / "nowhere")[0]["field"] == "project"


def test_the_variable_for_the_project_is_no_setting(tmp_path: Path) -> None:
    assert config.load(tmp_path, environ={"CALLBOARD_PROJECT": "x"}).origins == {}


def test_an_absolute_data_folder_stays_where_it_is(tmp_path: Path) -> None:
    found = config.load(tmp_path, flags={"data.folder": str(tmp_path / "elsewhere")})
    assert found.data_folder == tmp_path / "elsewhere"
