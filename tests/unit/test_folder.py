"""The data folder: one owner, whatever became of the last one, and a key that only its owner can read."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callboard.errors import DataFolderLocked, DiskFull, StartRefused
from callboard.folder import KEY, DataFolder, Holder

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")

OWNER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from callboard.folder import DataFolder
lock = DataFolder(Path(sys.argv[1])).lock(datetime.now(UTC))
lock.announce("http://127.0.0.1:7331")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    found.prepare()
    return found


@pytest.fixture
def owner(folder: DataFolder) -> Iterator[subprocess.Popen[str]]:
    """Return a process of its own that owns the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


@posix
def test_the_folder_is_made_for_its_owner_alone(folder: DataFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_second_process_is_refused_and_told_who_is_there(
    folder: DataFolder, owner: subprocess.Popen[str]
) -> None:
    with pytest.raises(DataFolderLocked) as caught:
        folder.lock(NOW)
    assert f"process {owner.pid}" in caught.value.message
    assert "http://127.0.0.1:7331" in caught.value.message
    assert caught.value.details["pid"] == owner.pid


def test_a_second_lock_in_the_same_process_is_refused(folder: DataFolder) -> None:
    with folder.lock(NOW), pytest.raises(DataFolderLocked):
        folder.lock(NOW)


def test_a_lock_left_by_a_killed_process_is_no_obstacle(
    folder: DataFolder, owner: subprocess.Popen[str]
) -> None:
    """After `kill -9` the file still names the dead process; it must not own the folder or be reported."""
    owner.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    owner.wait()
    assert str(owner.pid) in folder.lock_file.read_text()
    assert folder.holder() is None
    with folder.lock(NOW) as lock:
        assert lock.holder.pid == os.getpid()


def test_a_stale_record_that_names_a_living_process_is_no_obstacle(folder: DataFolder) -> None:
    """A pid that was used again must not lock anybody out."""
    with folder.lock(NOW):
        record = folder.lock_file.read_bytes()
    folder.lock_file.write_bytes(record.replace(b" ", b"x", 1))
    folder.lock(NOW).release()


def test_the_holder_is_known_with_its_address_once_the_door_is_open(folder: DataFolder) -> None:
    with folder.lock(NOW) as lock:
        found = folder.holder()
        assert found is not None
        assert (found.pid, found.since, found.url) == (os.getpid(), NOW, None)
        lock.announce("http://127.0.0.1:1")
        found = folder.holder()
        assert found is not None
        assert found.url == "http://127.0.0.1:1"
    assert folder.holder() is None


def test_asking_who_is_there_disturbs_nobody(folder: DataFolder) -> None:
    """Whoever asks, however often, must not break the lock, and must not stop another's start."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            folder.holder()

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(200):
            with folder.lock(NOW) as lock:
                assert lock.intact()
                with pytest.raises(DataFolderLocked):
                    folder.lock(NOW)
    finally:
        over.set()
        for asker in askers:
            asker.join()


def test_a_reader_never_sees_half_a_record(folder: DataFolder) -> None:
    over = threading.Event()
    seen: list[str | None] = []

    def read() -> None:
        while not over.is_set():
            found = folder.holder()
            assert found is not None
            seen.append(found.url)

    urls = ["http://127.0.0.1:1", "http://127.0.0.1:" + "2" * 500]
    with folder.lock(NOW) as lock:
        lock.announce(urls[0])
        reader = threading.Thread(target=read)
        reader.start()
        for number in range(2000):
            lock.announce(urls[number % 2])
        over.set()
        reader.join()
    assert seen
    assert set(seen) <= set(urls)


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff" * 5000, b"00000000 {}", b'00000000 {"pid":1}', b"{", b"00000000 " + b"[" * 900]
)
def test_garbage_in_the_lock_file_hides_the_holder_and_breaks_nothing(
    folder: DataFolder, garbage: bytes
) -> None:
    with folder.lock(NOW):
        folder.lock_file.write_bytes(garbage)
        assert folder.holder() == Holder()
        with pytest.raises(DataFolderLocked, match="has not said yet who it is"):
            folder.lock(NOW)


def test_the_locked_file_is_kept_when_the_lock_is_released(folder: DataFolder) -> None:
    """A lock file that is replaced lets two servers lock two files of the same name."""
    with folder.lock(NOW) as lock:
        inode = folder.lock_file.stat().st_ino
        lock.announce("http://127.0.0.1:1")
    assert folder.lock_file.stat().st_ino == inode
    assert not folder.lock_file.read_bytes().split(b" ", 1)[1].strip()


def test_a_lock_file_that_was_taken_away_is_noticed(folder: DataFolder) -> None:
    with folder.lock(NOW) as lock:
        assert lock.intact()
        folder.lock_file.unlink()
        assert not lock.intact()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    for path in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(StartRefused, match="a file stands in its way"):
            DataFolder(path).prepare()


def test_a_folder_that_is_not_there_has_no_holder(tmp_path: Path) -> None:
    assert DataFolder(tmp_path / "nowhere").holder() is None


@posix
@pytest.mark.parametrize("call", ["prepare", "lock"])
def test_a_folder_without_rights_is_refused_with_what_to_do(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The system's refusal is put in by hand: whoever runs the tests may be allowed everything."""

    def refuse(*_args: object, **_kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StartRefused, match="Read-only file system"):
        folder.prepare() if call == "prepare" else folder.lock(NOW)


def test_the_key_is_made_once_and_hard_to_guess(folder: DataFolder, tmp_path: Path) -> None:
    key = folder.ensure_key()
    assert KEY.fullmatch(key)
    assert folder.ensure_key() == folder.key() == key
    other = DataFolder(tmp_path / "other")
    other.prepare()
    assert other.ensure_key() != key


@posix
def test_the_key_is_for_its_owner_alone(folder: DataFolder) -> None:
    folder.ensure_key()
    assert stat.S_IMODE(folder.key_file.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize(
    ("mode", "good"), [(0o600, True), (0o640, True), (0o400, True), (0o604, False), (0o602, False)]
)
def test_a_key_that_everybody_can_read_or_write_is_refused(folder: DataFolder, mode: int, good: bool) -> None:
    folder.ensure_key()
    folder.key_file.chmod(mode)
    if good:
        folder.ensure_key()
    else:
        with pytest.raises(StartRefused, match="every user of this machine"):
            folder.ensure_key()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 43, b"x" * 44, b"x" * 42 + b"!"])
def test_a_file_that_holds_no_key_is_refused_not_used(folder: DataFolder, content: bytes) -> None:
    folder.key_file.write_bytes(content)
    folder.key_file.chmod(0o600)
    with pytest.raises(StartRefused, match="does not hold a key"):
        folder.ensure_key()


def test_a_start_that_died_while_making_the_key_leaves_no_obstacle(folder: DataFolder) -> None:
    folder.key_file.with_suffix(".new").write_text("half")
    assert KEY.fullmatch(folder.ensure_key())


def test_a_full_disk_is_said_and_leaves_the_folder_free(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own code, for work can go on when there is room."""

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder.prepare()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull):
        folder.lock(NOW)
    monkeypatch.undo()
    folder.lock(NOW).release()


def test_an_owner_that_never_released_the_folder_is_remembered_once(folder: DataFolder) -> None:
    """What it left unfinished is looked for at the next start, and not at the one after a clean end."""
    with folder.lock(NOW) as first:
        assert not first.left_open
        record = folder.lock_file.read_bytes()
    with folder.lock(NOW) as second:
        assert not second.left_open
    folder.lock_file.write_bytes(record)
    with folder.lock(NOW) as third:
        assert third.left_open
    with folder.lock(NOW) as fourth:
        assert not fourth.left_open
