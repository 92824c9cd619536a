"""Programs: each runs in a process group of its own, which never outlives its attempt.

    programs = Programs(folder)
    ended = await programs.run(Started(["/bin/sort"], {"PATH": "/bin"}, "b a"), most=1 << 20)
    programs.close()

Theory of operation
    A program is started in a session of its own, so it and whatever it starts are one group. When it has
    ended, what is left of the group is killed at once. Where somebody no longer waits (a time-out, a run that
    is cancelled, a server that closes), the whole group is asked to end (TERM), and whoever of it is still
    there after `GRACE` is killed. Only what makes itself a session of its own escapes, as a daemon does.

    The server may be killed itself. So a second process, the watchman, knows of each group that is there. It
    holds one end of a pipe; when the other end is gone, so is the server, and it kills what is left.

    What a program writes is counted while it is read: past the bound its group is killed.

Rejected
    PR_SET_PDEATHSIG: it reaches the program and not what that starts, and follows a thread, not the process.
    `asyncio`'s `Process`: whether its `wait` waits for pipes that a grandchild holds open differs by version.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import msgspec

GRACE = 2.0
"""Seconds that a group has to end by itself once it was asked to. Real ones: programs know no other clock."""
DRAIN = 1.0
"""Seconds that are waited for the last of a program's output: a daemon of its own may hold the pipe."""

WATCHMAN = Path(__file__).with_name("watchman.py")


class Started(msgspec.Struct, frozen=True):
    """A program to be started."""

    command: list[str]
    env: dict[str, str]
    stdin: str | None = None


class Ended(msgspec.Struct, frozen=True):
    """How a program ended: its exit code, or 128 and the number of the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes
    too_much: bool = False
    """It wrote more than was wanted, and was ended for that."""


class Programs:
    """Runs programs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._watchman: subprocess.Popen[bytes] | None = None

    async def run(self, started: Started, most: int) -> Ended:
        """Run a program to its end, and return how it ended; what it writes may hold so many bytes."""
        self._find_watchman()
        group = _Group(most)
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: group,
                *started.command,
                env=started.env,
                cwd=self.folder,
                start_new_session=True,
                stdin=subprocess.DEVNULL if started.stdin is None else subprocess.PIPE,
            )
            self._say(f"+{group.number}\n")
            if started.stdin is not None:
                _feed(transport, started.stdin)
            await group.ended.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(group.silent.wait(), DRAIN)
            code = transport.get_returncode() or 0
            return Ended(
                code if code >= 0 else 128 - code, bytes(group.data[1]), bytes(group.data[2]), group.too_much
            )
        finally:
            try:
                await group.end()
            finally:
                group.close()
                if group.number:
                    self._say(f"-{group.number}\n")

    def close(self) -> None:
        """Let the watchman go; he ends what is still there."""
        watchman, self._watchman = self._watchman, None
        if watchman is not None and watchman.stdin is not None:
            with contextlib.suppress(OSError):
                watchman.stdin.close()
            watchman.wait()

    def _find_watchman(self) -> None:
        """Have a watchman: the first one, or another if something killed him."""
        if self._watchman is not None and self._watchman.poll() is not None:
            self.close()
        if self._watchman is None:
            self._watchman = subprocess.Popen(  # noqa: S603 - our own file, by our own interpreter
                [sys.executable, "-I", "-S", str(WATCHMAN)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )

    def _say(self, line: str) -> None:
        if self._watchman is not None and self._watchman.stdin is not None:
            with contextlib.suppress(OSError):  # he is gone: the next program finds another
                self._watchman.stdin.write(line.encode())


class _Group(asyncio.SubprocessProtocol):
    """One program, and all that it started."""

    def __init__(self, most: int) -> None:
        self.number = 0
        """Of the group; 0 is one that was never begun."""
        self.data = {1: bytearray(), 2: bytearray()}
        self.too_much = False
        self.ended = asyncio.Event()
        """The program itself has ended."""
        self.silent = asyncio.Event()
        """Nobody of the group writes any more."""
        self._left = most
        self._open = {1, 2}
        self._asked = False
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.number = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self.data[fd] += cast("bytes", data)
        elif not self.too_much:
            self.too_much = True
            self.kill()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - the loop hands it over
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        self.ended.set()
        if not self._asked:
            self.kill()  # what it left behind

    async def end(self) -> None:
        """Have all who are still there end, and give them a while."""
        if not self.number or self.ended.is_set():
            return
        self._asked = True
        self._send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone(), GRACE)

    async def _gone(self) -> None:
        await self.ended.wait()
        await self.silent.wait()

    def kill(self) -> None:
        """Kill whoever of the group is still there."""
        self._send(signal.SIGKILL)

    def close(self) -> None:
        """Let go of it; whoever was asked to end, and had no time to, is killed."""
        if self._asked:
            self.kill()
        if self._transport is not None:
            self._transport.close()

    def _send(self, what: signal.Signals) -> None:
        if self.number:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.number, what)


def _feed(transport: asyncio.SubprocessTransport, text: str) -> None:
    """Give a program what it reads; one that does not care for it need not."""
    pipe = transport.get_pipe_transport(0)
    if pipe is not None:
        feed = cast("asyncio.WriteTransport", pipe)
        feed.write(text.encode(errors="replace"))
        feed.write_eof()
