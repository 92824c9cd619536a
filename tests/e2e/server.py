"""A real Callboard in a process of its own, started as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLBOARD = [sys.executable, "-m", "callboard"]


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which no setting of this machine reaches the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
    return {**kept, **more}


class Server:
    """One that is up."""

    def __init__(self, process: subprocess.Popen[str], project: Path, url: str, errors: Path) -> None:
        self.process = process
        self.project = project
        self.url = url
        self._errors = errors

    def say(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        return say(self.project, *words)

    def lines(self) -> list[dict[str, Any]]:
        """Return its log lines so far."""
        return [json.loads(line) for line in self._errors.read_text().splitlines() if line.startswith("{")]

    def events(self) -> list[str]:
        """Return the names of what it logged so far."""
        return [line["event"] for line in self.lines()]


def say(project: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `callboard WORDS --project PROJECT`."""
    return subprocess.run(
        [*CALLBOARD, *(str(word) for word in words), "--project", str(project)],
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=60,
        check=False,
    )


@contextmanager
def up(project: Path, *flags: str, wrap: tuple[str, ...] = (), **more: str) -> Iterator[Server]:
    """Start a server on a free port, wait until it is up, and see that it is gone at the end."""
    errors = project / f"stderr-{time.monotonic_ns()}.log"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [
                *wrap,
                *CALLBOARD,
                "up",
                "--project",
                str(project),
                "--port",
                "0",
                "--log-format",
                "json",
                *flags,
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment(**more),
        ) as process,
    ):
        try:
            yield Server(process, project, _url(process, errors), errors)
        finally:
            process.kill()


def _url(process: subprocess.Popen[str], errors: Path) -> str:
    """Read where the door is open from what the server prints once it is up."""
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if "http://" in line:
                return line.split()[-1]
    finally:
        watchdog.cancel()
    message = f"The server did not come up: {errors.read_text()}"
    raise AssertionError(message)
