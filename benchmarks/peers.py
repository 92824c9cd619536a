"""The peers: which there are, what each can do, and how it is installed into an environment of its own.

Needs nothing but the standard library.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results import System

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv-peers"
REQUIREMENTS = HERE / "requirements-peers.txt"
PACKAGE = HERE / "package.json"
"""What is installed with npm: the server of Restate."""
INSTALL_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One system beside which Callboard is measured."""

    program: str
    needs: str
    """The part of the requirements that is its own."""
    kinds: tuple[str, ...] = ("messages", "steps")
    lacks: str = ""
    """Why it is not measured in the other kind."""
    flags: tuple[str, ...] = ()
    npm: bool = False


PEERS = {
    "autogen-core": Peer("peer_autogen.py", "autogen-core", ("messages",), "it has no workflows that last"),
    "dbos": Peer("peer_dbos.py", "dbos"),
    "dbos, as it comes": Peer(
        *("peer_dbos.py", "dbos", ("steps",)),
        lacks="as it comes, it looks for messages once a second",
        flags=("--as-it-comes",),
    ),
    "temporal": Peer("peer_temporal.py", "temporal"),
    "restate": Peer("peer_restate.py", "restate", npm=True),
}


class FailedError(Exception):
    """A program did not give figures; the sentence says why."""


def say(sentence: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"{sentence}\n")


def anonymous(text: str) -> str:
    """Take out addresses and folders: what is written down is read on other machines."""
    text = re.sub(r"\b[a-z+]+://\S+", "(an address)", text)
    return re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+", "", text)


def reason(text: str) -> str:
    """Return the last error that a program named, or else what it said last."""
    lines = [line.strip(" |+-") for line in text.splitlines() if line.strip(" |+-")]
    errors = [line for line in lines if re.match(r"[\w.]*(?:error|exception)\b.*: ", line, re.IGNORECASE)]
    return anonymous((errors or lines or ["it said nothing"])[-1])


def python() -> Path:
    """Return the interpreter of the environment."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def command(name: str) -> list[str]:
    """Return how the program of a peer is started."""
    return [str(python()), str(HERE / PEERS[name].program), *PEERS[name].flags]


def requirements() -> dict[str, list[str]]:
    """Return what each peer needs: it stands below a line with its name."""
    found: dict[str, list[str]] = {}
    for part in REQUIREMENTS.read_text(encoding="utf-8").split("# ")[1:]:
        name, *wanted = part.split()
        found[name] = wanted
    return found


def install(peer: Peer, wanted: Sequence[str]) -> None:
    """Install what a peer needs, unless that was done before with this Python."""
    stamp = ENVIRONMENT / f"{'+'.join(wanted)}-python{platform.python_version()}"
    if not stamp.exists():
        if not python().exists():
            say(f"making {ENVIRONMENT.name}")
            venv.create(ENVIRONMENT, clear=True, with_pip=True)
        say(f"installing {', '.join(wanted)}")
        pip = [str(python()), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        _carry_out([*pip, *wanted])
        stamp.touch()
    if peer.npm and not _is_there(PACKAGE):
        npm = shutil.which("npm")
        if npm is None:
            raise FailedError("cannot be installed: there is no npm here")
        say(f"installing what is in {PACKAGE.name}")
        shutil.copy(PACKAGE, ENVIRONMENT)
        _carry_out([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"])


def _is_there(package: Path) -> bool:
    """Whether what is asked for now was installed before."""
    copied = ENVIRONMENT / package.name
    return (
        (ENVIRONMENT / "node_modules").is_dir()
        and copied.exists()
        and copied.read_bytes() == package.read_bytes()
    )


def _carry_out(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the installers, with what is written down in this folder
            words, cwd=ENVIRONMENT, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"cannot be installed: {anonymous(str(error))}") from error
    if done.returncode != 0:
        raise FailedError(f"cannot be installed: {reason(done.stderr)}")


def installed() -> list[System]:
    """Return all peers; one that cannot be installed carries the reason."""
    wanted = requirements()
    systems = []
    for name, peer in PEERS.items():
        system = System(name, version=wanted[peer.needs][0].partition("==")[2])
        try:
            install(peer, wanted[peer.needs])
        except FailedError as error:
            system.error = str(error)
            say(f"{name} {error}")
        systems.append(system)
    return systems
