"""A server that the command line finds: a real door before a desk that keeps its answers in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callboard import cli
from callboard.folder import DataFolder
from callboard.settings import Door as DoorConfig
from callboard.web.api.server import Door
from tests.unit.web.conftest import MemoryDesk


@pytest.fixture(autouse=True)
def _in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLBOARD_PROJECT", raising=False)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def running(tmp_path: Path, desk: MemoryDesk) -> Iterator[DataFolder]:
    """Return the data folder of a server that runs in a thread of its own."""
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    opened, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        with folder.lock(datetime.now(UTC)) as lock:
            door = Door(desk, key=folder.ensure_key(), config=DoorConfig(port=0))
            await door.start()
            lock.announce(door.url)
            opened.set()
            await over.wait()
            await door.stop(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert opened.wait(10)
    yield folder
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, out, err
