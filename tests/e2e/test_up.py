"""A real server, in a process of its own: it comes up, answers, holds its folder, and ends in order."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.server import CALLBOARD, Server, environment, say, up


def get(url: str, key: str | None = None) -> tuple[int, dict[str, object]]:
    """Ask the door as any program would."""
    host = url.removeprefix("http://").split("/")[0]
    connection = http.client.HTTPConnection(host, timeout=30)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection.request("GET", url.removeprefix(f"http://{host}"), headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def test_it_comes_up_in_an_empty_folder_and_answers_everyone(tmp_path: Path) -> None:
    """A browser, a probe, the CLI and a program with the key; without the key only what is harmless."""
    with up(tmp_path) as server:
        page = urllib.request.urlopen(server.url, timeout=30).read().decode()  # noqa: S310 - our own address
        assert "Callboard" in page
        assert get(f"{server.url}/health/ready")[0] == 200
        status, health = get(f"{server.url}/api/v1/health")
        assert (status, health["status"], health["ready"]) == (200, "ok", True)
        assert get(f"{server.url}/api/v1/log")[0] == 401
        key = (tmp_path / "data" / "door.key").read_text().strip()
        assert get(f"{server.url}/api/v1/log", key)[0] == 200
        doctor = server.say("doctor", "--full")
        assert (doctor.returncode, doctor.stderr) == (0, "")


def test_a_second_server_on_the_folder_is_refused_at_once_and_disturbs_nothing(tmp_path: Path) -> None:
    """It says who holds the folder, and the first goes on as if nothing had been."""
    with up(tmp_path) as server:
        before = get(f"{server.url}/api/v1/health")
        began = time.monotonic()
        second = say(tmp_path, "up", "--port", "0", "--json")
        assert time.monotonic() - began < 10
        assert second.returncode == 1
        refusal = json.loads(second.stderr.splitlines()[-1])
        assert refusal["code"] == "DATA_FOLDER_LOCKED"
        assert str(server.process.pid) in refusal["detail"]
        assert server.url in refusal["detail"]
        assert get(f"{server.url}/api/v1/health") == before
        assert server.say("doctor", "--full").returncode == 0


def test_a_taken_port_is_refused_and_leaves_the_folder_free(tmp_path: Path) -> None:
    """The sentence names the port and how to choose another; the next start is not in the way of the last."""
    with up(tmp_path) as server:
        other = tmp_path / "other"
        other.mkdir()
        port = server.url.rsplit(":", 1)[1]
        refused = say(other, "up", "--port", port)
        assert (refused.returncode, "--port" in refused.stderr) == (1, True)
        assert "Traceback" not in refused.stderr
        with up(other) as second:
            assert second.say("doctor").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_it_is_asked_to(tmp_path: Path, number: int) -> None:
    """Exit code 0, the folder free, one file without a log beside it, and not an error in the log."""
    with up(tmp_path) as server:
        server.process.send_signal(number)
        assert server.process.wait(timeout=30) == 0
        assert server.events()[-1] == "callboard.closed"
        assert {line["level"] for line in server.lines()} == {"info"}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "callboard.db",
        "callboard.lock",
        "door.key",
    ]
    assert say(tmp_path, "doctor", "--full").returncode == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Also while a request is held open that would make it wait for its grace."""
    with up(tmp_path, CALLBOARD_SHUTDOWN_GRACE="10m") as server:
        host = server.url.removeprefix("http://")
        key = (tmp_path / "data" / "door.key").read_text().strip()
        slow = http.client.HTTPConnection(host, timeout=30)
        slow.putrequest("POST", "/api/v1/backups")
        for name, value in (("Authorization", f"Bearer {key}"), ("Content-Length", "1000")):
            slow.putheader(name, value)
        slow.endheaders(b'{"path"')
        get(f"{server.url}/api/v1/health")
        server.process.send_signal(signal.SIGTERM)
        while "callboard.closing" not in server.events():
            assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 128 + signal.SIGTERM
        slow.close()
    assert say(tmp_path, "doctor", "--full").returncode == 0


def test_after_a_kill_it_comes_up_again_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    """Nobody has to remove a lock or mend a file."""
    with up(tmp_path) as server:
        assert server.say("backup", tmp_path / "one.db").returncode == 0
        server.process.kill()
        server.process.wait(timeout=30)
    with up(tmp_path) as server:
        page = json.loads(server.say("log", "--json").stdout)
        assert [row["type"] for row in page["data"]] == ["backup"]
        assert server.say("doctor", "--full").returncode == 0


def test_a_backup_is_made_while_it_runs_and_restored_when_it_does_not(tmp_path: Path) -> None:
    """The log goes back to what it was, says that it was restored, and refuses cursors of before."""
    copy = tmp_path / "copy.db"
    with up(tmp_path) as server:
        assert server.say("backup", copy).returncode == 0
        before = json.loads(server.say("log", "--json").stdout)
        assert [row["type"] for row in before["data"]] == ["backup"]
        assert server.say("restore", copy).returncode == 1
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=30)
    assert say(tmp_path, "restore", copy).returncode == 0
    with up(tmp_path) as server:
        after = json.loads(server.say("log", "--json").stdout)
        assert [row["type"] for row in after["data"]] == ["restore"]
        refused = server.say("log", "--after", before["next"], "--json")
        assert refused.returncode == 2
        assert json.loads(refused.stderr)["code"] == "POSITION_UNKNOWN"


def test_a_database_of_a_newer_version_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    """No traceback, and what to do."""
    with up(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=30)
    script = "INSERT INTO schema_migrations VALUES (9999, '9999_from_the_future', 'x', 0)"
    database = tmp_path / "data" / "callboard.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute(script)
        db.commit()
    refused = say(tmp_path, "up", "--port", "0")
    assert refused.returncode == 1
    assert "9999_from_the_future" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_unknown_setting_stops_the_start_with_its_place(tmp_path: Path) -> None:
    """A misspelt variable is not passed over."""
    refused = say(tmp_path, "up", CALLBOARD_DOOR_PROT="80")
    assert refused.returncode == 2
    assert "CALLBOARD_DOOR_PROT" in refused.stderr
    assert "did you mean CALLBOARD_DOOR_PORT" in refused.stderr


def test_output_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A full disk behind a redirection, or no output at all, is no reason for a traceback."""
    with up(tmp_path) as server:
        place = f"--project {shlex.quote(str(tmp_path))}"
        for words, code in (
            (f"log {place} >/dev/full", 1),
            (f"doctor {place} --json >/dev/full", 1),
            ("--help >/dev/full", 1),
            (f"log {place} >&-", 0),
        ):
            line = f"exec {shlex.join(CALLBOARD)} {words}"
            done = subprocess.run(
                ["sh", "-c", line], capture_output=True, text=True, check=False, env=environment()
            )
            assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        assert server.say("doctor").returncode == 0


def test_a_server_that_does_not_answer_is_said_soon(tmp_path: Path) -> None:
    """The doctor is wanted just then."""
    with up(tmp_path) as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            done = server.say("doctor", "--full")
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert done.returncode == 3
        assert "did not answer in time" in done.stderr


def test_the_commands_that_are_printed_work_when_they_are_copied(tmp_path: Path) -> None:
    """They name the project and the data folder where those were named."""
    done = say(tmp_path, "doctor", "--data", "")
    assert (done.returncode, "--data names no folder" in done.stderr) == (2, True)
    with up(tmp_path, "--data", str(tmp_path / "other place")) as server:
        page = server.say("log", "--data", tmp_path / "other place")
        last = page.stdout.splitlines()[-1].removeprefix("go on: callboard ")
        assert "--after 0@" in last
        again = subprocess.run(
            [*CALLBOARD, *shlex.split(last)], capture_output=True, text=True, check=False, env=environment()
        )
        assert (again.returncode, again.stderr) == (0, "")


def test_many_at_the_door_at_once_are_all_answered(tmp_path: Path) -> None:
    """A crowd asks for the log while somebody makes a backup."""
    with up(tmp_path) as server:
        key = (tmp_path / "data" / "door.key").read_text().strip()
        answers: list[int] = []

        def ask() -> None:
            answers.extend(get(f"{server.url}/api/v1/log", key)[0] for _ in range(20))

        crowd = [threading.Thread(target=ask) for _ in range(8)]
        for one in crowd:
            one.start()
        assert server.say("backup", tmp_path / "busy.db").returncode == 0
        for one in crowd:
            one.join()
        assert answers == [200] * 160


def traced(server: Server, seconds: float, trace: Path) -> list[str]:
    """Watch the server's system calls for a while; return them, files by their names."""
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-y", "-o", str(trace), "-p", str(server.process.pid)],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        try:
            time.sleep(seconds)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(timeout=30)
    return trace.read_text().splitlines()


def test_a_quiet_server_touches_no_database_and_uses_no_processor(tmp_path: Path) -> None:
    """Ten seconds: not one system call on a file of the data folder, and under a hundredth of a core."""
    if subprocess.run(["which", "strace"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed")
    with up(tmp_path) as server:
        get(f"{server.url}/api/v1/health")
        before = _processor_seconds(server.process.pid)
        calls = traced(server, 10, tmp_path / "trace")
        used = _processor_seconds(server.process.pid) - before
        assert [call for call in calls if "callboard.db" in call] == []
        assert used < 0.1, f"{used} s of processor time in 10 s"
        assert server.say("backup", tmp_path / "copy.db").returncode == 0
        calls = traced_while_asked(server, tmp_path)
        assert [call for call in calls if "callboard.db" in call], "the trace would not see a database access"


def traced_while_asked(server: Server, tmp_path: Path) -> list[str]:
    """Trace while somebody asks for the log, to see that the trace sees what it must."""
    asker = threading.Timer(0.5, lambda: server.say("log"))
    asker.start()
    calls = traced(server, 2, tmp_path / "trace-busy")
    asker.join()
    return calls


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
