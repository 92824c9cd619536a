"""The client finds the server by its data folder, and raises what was raised there."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callboard import errors
from callboard.errors import CallboardError, ConcurrencyConflict, DiskFull, ServerUnreachable, Unauthenticated
from callboard.folder import DataFolder
from callboard.settings import Door as DoorConfig
from callboard.web import wire
from callboard.web.api import problems
from callboard.web.api.server import Door
from callboard.web.client import Client
from callboard.web.refusals import rebuild
from tests.unit.web.conftest import KEY, MemoryDesk


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with Client(door.url, KEY) as found:
        yield found


async def test_every_question_has_its_answer(client: Client, desk: MemoryDesk) -> None:
    assert (await asyncio.to_thread(client.health)).head == 2
    assert (await asyncio.to_thread(client.doctor, full=True)).ok
    assert (await asyncio.to_thread(client.backup, "/x/y.db")).path == "/x/y.db"
    assert (await asyncio.to_thread(client.prune, dry_run=True)).dry_run
    page = await asyncio.to_thread(client.log, "1@log-1", 1)
    assert (page.next, bytes(page.data[0].data)) == ("1@log-1", b'{"a": [1, null]}')
    assert [what[:2] for what in desk.asked] == [
        ("doctor", True),
        ("backup", "/x/y.db"),
        ("prune", True),
        ("log", "1@log-1"),
    ]


async def test_the_server_s_error_comes_back_as_the_same_class(client: Client, desk: MemoryDesk) -> None:
    desk.raises = DiskFull("No room on the disk.", free=0)
    with pytest.raises(DiskFull, match="No room on the disk") as caught:
        await asyncio.to_thread(client.doctor)
    assert caught.value.details["free"] == 0
    assert caught.value.details["correlation_id"]


async def test_a_cursor_of_another_log_comes_back_as_such(client: Client) -> None:
    with pytest.raises(errors.PositionUnknown):
        await asyncio.to_thread(client.log, "1@other")


async def test_a_wrong_key_is_told_so(door: Door) -> None:
    with Client(door.url, "wrong") as client, pytest.raises(Unauthenticated):
        await asyncio.to_thread(client.doctor)


def every_error() -> list[type[CallboardError]]:
    found = [CallboardError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_crosses_the_door_whole(kind: type[CallboardError]) -> None:
    if kind is ConcurrencyConflict:
        error: CallboardError = ConcurrencyConflict("run:1", 2, 3)
    else:
        error = kind("What happened, and what to do.", field="x")
    back = rebuild(problems.problem(error))
    assert type(back) is kind
    assert (str(back), back.code, back.status) == (str(error), error.code, error.status)
    assert {**error.details, "correlation_id": ""} == back.details
    if isinstance(back, ConcurrencyConflict):
        assert (back.stream, back.expected, back.actual) == ("run:1", 2, 3)


def test_an_error_of_a_newer_server_keeps_its_code() -> None:
    problem = wire.Problem(
        type="x", title="x", status=418, detail="No coffee.", code="TEAPOT", correlation_id="c"
    )
    assert rebuild(problem).details["code"] == "TEAPOT"


# ── nobody there ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_server_is_found_by_its_data_folder(tmp_path: Path, desk: MemoryDesk) -> None:
    folder = DataFolder(tmp_path)
    with folder.lock(datetime.now(UTC)) as lock:
        door = Door(desk, key=folder.ensure_key(), config=_any_port())
        with pytest.raises(ServerUnreachable, match="not opened its door"):
            Client.find(folder)
        await door.start()
        lock.announce(door.url)
        with Client.find(folder) as client:
            assert (await asyncio.to_thread(client.doctor)).ok
        await door.stop()
        with Client.find(folder) as client, pytest.raises(ServerUnreachable, match="callboard up"):
            await asyncio.to_thread(client.health)
    with pytest.raises(ServerUnreachable, match="callboard up"):
        Client.find(folder)


def _any_port() -> DoorConfig:
    return DoorConfig(port=0)


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
def test_somebody_else_at_the_address_is_noticed(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def speak() -> None:
            caller, _ = other.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(answer)

        speaker = threading.Thread(target=speak)
        speaker.start()
        with Client(f"http://127.0.0.1:{other.getsockname()[1]}") as client, pytest.raises(ServerUnreachable):
            client.health()
        speaker.join()


@pytest.mark.parametrize("url", ["", "ftp://x", "localhost:1", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="is not the address"):
        Client(url)


async def test_a_question_is_asked_again_on_a_new_connection_when_the_old_one_broke(
    client: Client, door: Door
) -> None:
    """A server that was restarted on the same port must not cost the next question."""
    await asyncio.to_thread(client.health)
    port = int(door.url.rsplit(":", 1)[1])
    await door.stop()
    again = Door(MemoryDesk(), key=KEY, config=DoorConfig(port=port))
    await again.start()
    assert (await asyncio.to_thread(client.health)).head == 2
    await again.stop()


def test_the_client_starts_without_the_server_s_libraries() -> None:
    """The command line starts with it; Starlette and uvicorn would cost more than the question."""
    script = (
        "import sys, callboard.web.client; "
        "print([name for name in ('starlette', 'uvicorn', 'structlog', 'rich') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
