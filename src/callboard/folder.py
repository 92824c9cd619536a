"""The data folder: what lies in it, who owns it, and the key to the door.

    callboard.db      the database (with -wal and -shm beside it while it is open)
    callboard.lock    locked by the one server that owns the folder; says who it is and where it listens
    door.key          the secret that opens the HTTP door, readable by its owner
    callboard.deaths  only after unclean stops: how many in a row (`deaths.py`)

**The lock** is the operating system's, held by an open file for the life of the process. So ownership is
never guessed from a pid: after a `kill -9`, with a pid used again, or seen from a container with another
host name, the lock is free or it is not. The file's text only tells people and the CLI who is there. It is
a record of fixed length with a check sum, written over in place: the file is never replaced or removed, for
a lock on a file that nobody can open any more protects nothing, and a reader that meets a write half done
reads again.

**Asking who is there** takes the lock shared, for an instant, without waiting. It cannot disturb the owner.
It could meet a server that is just starting; that one recognises a mere question (a shared lock is to be
had) and tries again, so a question never stops a start.

**The key** is made at the first start. One that everybody on the machine can read, or write, is refused
rather than mended: someone may know it already, and quietly making another would break scripts that hold
the old one. Group rights are left alone: operators share a key so on purpose, and volumes are mounted so.
"""

from __future__ import annotations

import binascii
import contextlib
import errno
import os
import re
import secrets
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from callboard.errors import DataFolderLocked, DiskFull, StartRefused

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    _FAR = 1 << 30
    """Windows keeps others from reading what is locked, so a byte beyond the text is locked."""

    def _try_lock(file: int, *, shared: bool = False) -> bool:  # noqa: ARG001 - Windows has one kind of lock
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_lock(file: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


RECORD_BYTES = 1024
KEY = re.compile(r"[A-Za-z0-9_-]{43}")
_TRIES = 50
_PAUSE = 0.005


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who owns a data folder. All but the ownership itself is hearsay: a text in a file."""

    pid: int | None = None
    host: str | None = None
    since: datetime | None = None
    url: str | None = None
    """Where the door is open; `None` until it is."""

    def __str__(self) -> str:
        if self.pid is None:
            return "a process that has not said yet who it is"
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"process {self.pid} on {self.host}{since}" + (f", at {self.url}" if self.url else "")


class DataFolder:
    """One data folder, and what may be done with it before the database is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "callboard.db"
        self.lock_file = path / "callboard.lock"
        self.key_file = path / "door.key"

    def prepare(self) -> None:
        """Make the folder if need be, for its owner alone, and see that it can be written to."""
        with _explained(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(13, "no right to write in it")

    def lock(self, now: datetime) -> FolderLock:
        """Own the folder until the lock is released or the process ends, or raise `DataFolderLocked`."""
        with _explained(self.path):
            file = self._locked_file()
            left_open = _is_signed(file)
        holder = Holder(pid=os.getpid(), host=socket.gethostname(), since=now)
        lock = FolderLock(self, file, holder, left_open=left_open)
        try:
            lock.announce(None)
        except BaseException:
            os.close(file)
            raise
        return lock

    def holder(self) -> Holder | None:
        """Return who owns the folder now, or `None`; disturbs nobody, writes nothing."""
        try:
            file = os.open(self.lock_file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            raise StartRefused(
                f"Who owns {self.path} cannot be told: {fault.strerror or fault}. "
                f"Run this as the user that started Callboard.",
            ) from fault
        try:
            if _try_lock(file, shared=True):
                _unlock(file)
                return None
            return _read_record(file)
        finally:
            os.close(file)

    def ensure_key(self) -> str:
        """Return the key to the door, made at the first start; call with the lock held."""
        if not self.key_file.exists():
            fresh = self.key_file.with_suffix(".new")
            with _explained(self.key_file), contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            with _explained(self.key_file):
                file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(file, "w") as out:
                    out.write(secrets.token_urlsafe(32) + "\n")
                    out.flush()
                    os.fsync(out.fileno())
                # In one step: a start that dies half-way leaves no key, not half of one.
                fresh.replace(self.key_file)
        with _explained(self.key_file):
            mode = self.key_file.stat().st_mode
        if sys.platform != "win32" and mode & stat.S_IRWXO:
            raise StartRefused(
                f"The key {self.key_file} can be read or changed by every user of this machine. Delete it, "
                f"and the next start makes another; or `chmod o= {self.key_file}` if nobody has seen it.",
            )
        return self.key()

    def key(self) -> str:
        """Return the key to the door."""
        with _explained(self.key_file):
            text = self.key_file.read_text("ascii", errors="replace").strip()
        if not KEY.fullmatch(text):
            raise StartRefused(
                f"The file {self.key_file} does not hold a key. Delete it, and the next start makes another."
            )
        return text

    def _locked_file(self) -> int:
        """Open and lock the file that is at the path now, not one that was moved away meanwhile."""
        for _ in range(_TRIES):
            file = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                if _try_lock(file):
                    if _same_file(file, self.lock_file):
                        keep, file = file, -1
                        return keep
                elif not _try_lock(file, shared=True):
                    raise self._refusal(_read_record(file))
                # Only questions are in the way: they are gone in an instant.
            finally:
                if file >= 0:
                    os.close(file)
            time.sleep(_PAUSE)
        raise self._refusal(Holder())

    def _refusal(self, holder: Holder) -> DataFolderLocked:
        return DataFolderLocked(
            f"The data folder {self.path} is owned by {holder}. Stop that one first, or use another folder.",
            folder=str(self.path),
            pid=holder.pid,
            host=holder.host,
            since=holder.since.isoformat() if holder.since else None,
            url=holder.url,
        )


class FolderLock:
    """Ownership of a data folder, until `release`, the end of a `with` block, or the end of the process."""

    def __init__(self, folder: DataFolder, file: int, holder: Holder, *, left_open: bool) -> None:
        self.folder = folder
        self.holder = holder
        self.left_open = left_open
        """Whether the owner before never released it: its process was killed, or the machine stopped."""
        self._file = file

    def announce(self, url: str | None) -> None:
        """Let the CLI know where the door is open."""
        self.holder = msgspec.structs.replace(self.holder, url=url)
        with _explained(self.folder.path):
            _write_record(self._file, msgspec.json.encode(self.holder))

    def intact(self) -> bool:
        """Whether the locked file is still the one at its path; if not, a second server could start."""
        return self._file >= 0 and _same_file(self._file, self.folder.lock_file)

    def release(self) -> None:
        """Give the folder up; again has no effect."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            _write_record(file, b"")
        finally:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _write_record(file: int, text: bytes) -> None:
    record = b"%08x %s" % (binascii.crc32(text), text)
    if len(record) >= RECORD_BYTES:
        raise ValueError("who owns the data folder does not fit into its lock file")
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, record.ljust(RECORD_BYTES - 1) + b"\n")


def _read_record(file: int) -> Holder:
    """Return what the file says; nothing in it is trusted, and a write half done is read again."""
    for _ in range(_TRIES):
        os.lseek(file, 0, os.SEEK_SET)
        head, _space, text = os.read(file, RECORD_BYTES).partition(b" ")
        text = text.rstrip()
        if text and head == b"%08x" % binascii.crc32(text):
            with contextlib.suppress(msgspec.DecodeError):
                return msgspec.json.decode(text, type=Holder)
        time.sleep(_PAUSE / 5)
    return Holder()


def _is_signed(file: int) -> bool:
    """Tell whether somebody is named who never took his name off again; what cannot be read is a name too."""
    os.lseek(file, 0, os.SEEK_SET)
    record = os.read(file, RECORD_BYTES).rstrip()
    return record not in {b"", b"%08x" % binascii.crc32(b"")}


def _same_file(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the system's refusals into ours, which say what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as fault:
        raise StartRefused(
            f"{path} cannot be a data folder: a file stands in its way. Name another one."
        ) from fault
    except FileNotFoundError as fault:
        raise StartRefused(
            f"{path} is not there; it is made when Callboard starts: `callboard up`."
        ) from fault
    except OSError as fault:
        if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"There is no room on the disk of {path}: make some, and try again.") from fault
        raise StartRefused(
            f"{path} cannot be used: {fault.strerror or fault}. Give this user the right to read and write "
            f"it, or name another data folder with --data.",
        ) from fault
