"""strace, that lets system calls on the database's own files fail in a real process.

A fault is counted by the thread, for strace counts so: the Nth call of the writer fails, and the Nth of each
reader. The process under it is our child itself, strace a grandchild beside it (`-D`): a kill reaches the
process, and its exit code is its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FOREVER = 1_000_000
OURS = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of the file for its own."""


@dataclass(frozen=True)
class Fault:
    """Which calls fail, how, how many of them in a row, and how late the first may be."""

    calls: str
    error: str
    lasts: int
    within: int


def tracer() -> str:
    """Return strace, if it is here and may trace; skip the test otherwise."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([program, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.decode().strip()}")
    return program


def under(strace: str, folder: Path, fault: Fault, number: int, trace: Path) -> tuple[str, ...]:
    """Return what to put before a command: only calls on the files of the database in a folder fail."""
    files = [word for suffix in OURS for word in ("-P", f"{folder}/callboard.db{suffix}")]
    when = f"{number}+" if fault.lasts == FOREVER else f"{number}..{number + fault.lasts - 1}"
    rule = f"inject={fault.calls}:error={fault.error}:when={when}"
    options = ["-D", "-f", "-qq", "-I", "2", "-o", str(trace)]  # 2: it leaves if it is told to
    if fault.lasts != FOREVER:
        # Much faster, but a call that it has marked fails for ever once strace has left.
        options.append("--seccomp-bpf")
    return (strace, *options, *files, "-e", f"trace={fault.calls}", "-e", rule)


def struck(trace: Path) -> int:
    """Return how many calls have failed so far because they were made to."""
    return trace.read_text(errors="replace").count("(INJECTED)") if trace.exists() else 0


def heal(process: int) -> None:
    """Let nothing fail any more: the tracer leaves, and its process goes on."""
    found = re.search(r"^TracerPid:\t(\d+)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    tracer_of = int(found[1])
    assert tracer_of, "nobody traces it"
    os.kill(tracer_of, signal.SIGTERM)
