"""Run the message exchanges on Callboard and on its peers, and write results.json and results.md.

Callboard is asked by its own command; the peers run in an environment of their own, made here at the first
call. The rounds alternate (Callboard, one peer, the other, Callboard again, and so on), so that a machine
that slows down slows down all of them. A peer that cannot be installed or run is written down with the
reason.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from exchange import EXCHANGES, ROUNDS, SECONDS
from results import BARE, Document, System, only_raw, table, without_raw

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv-peers"
REQUIREMENTS = HERE / "requirements-peers.txt"
PROGRAMS = {"autogen-core": HERE / "peer_autogen.py", "dbos": HERE / "peer_dbos.py"}
CALLBOARD = HERE.parent / ".venv" / "bin" / "callboard"

BARE_COMMITS = 50
INSTALL_SECONDS = 900.0
ROUND_SECONDS = 120.0
"""How long a program may take for one round beyond what the round itself takes: start, warm-up, end."""
LEEWAY = 20.0
"""How many times as long as asked a round may last: where one message takes longer than a round, it does."""


class FailedError(Exception):
    """A program did not give figures; the sentence says why."""


def say(sentence: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"{sentence}\n")


def anonymous(text: str) -> str:
    """Take out addresses and folders: what is written down is read on other machines."""
    text = re.sub(r"\b[a-z+]+://\S+", "(an address)", text)
    return re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+", "", text)


def ask(command: Sequence[str], folder: Path, timeout: float) -> Document:
    """Run a program that prints one JSON document."""
    environment = os.environ | {"TMPDIR": str(folder)}  # so that all measure on one disk
    try:
        done = subprocess.run(  # noqa: S603 - the programs of this folder, and the command that was asked for
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(anonymous(str(error))) from error
    try:
        if done.returncode == 0:
            document: Document = json.loads(done.stdout)
            return document
    except ValueError as error:
        raise FailedError(f"it printed what is not JSON: {error}") from error
    raise FailedError(f"exit code {done.returncode}: {reason(done.stderr)}")


def reason(text: str) -> str:
    """Return the last error that a program named, or else what it said last."""
    lines = [line.strip(" |+-") for line in text.splitlines() if line.strip(" |+-")]
    errors = [line for line in lines if re.match(r"[\w.]*(?:error|exception)\b.*: ", line, re.IGNORECASE)]
    return anonymous((errors or lines or ["it said nothing"])[-1])


def bare_commit_us(folder: Path) -> float:
    """Return how long a commit of one row takes here just now.

    Some disks give a burst and then slow down tenfold or more. A round then says more about when it ran than
    about the system, and with this beside it, that can be seen.
    """
    taken = []
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        closing(sqlite3.connect(Path(place) / "bare.sqlite", isolation_level=None)) as db,
    ):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE row (number INTEGER)")
        for number in range(BARE_COMMITS):
            started = time.perf_counter()
            db.execute("INSERT INTO row VALUES (?)", (number,))
            taken.append(time.perf_counter() - started)
    return round(statistics.median(taken) * 1e6, 1)


# ── the environment of the peers ─────────────────────────────────────────────────────────────────────────


def python_of(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements() -> dict[str, str]:
    """Return package → requirement."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").split()
    return {line.partition("==")[0]: line for line in lines}


def install(requirement: str) -> None:
    """Install one peer, unless that was done before with this Python."""
    stamp = ENVIRONMENT / f"{requirement}-python{platform.python_version()}"
    if stamp.exists():
        return
    if not python_of(ENVIRONMENT).exists():
        say(f"making {ENVIRONMENT.name}")
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
    say(f"installing {requirement}")
    command = [str(python_of(ENVIRONMENT)), "-m", "pip", "install", "--quiet", "--no-input"]
    try:
        done = subprocess.run(  # noqa: S603 - the pip of an environment that was made here
            [*command, "--disable-pip-version-check", requirement],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"cannot be installed: {anonymous(str(error))}") from error
    if done.returncode != 0:
        raise FailedError(f"cannot be installed: {reason(done.stderr)}")
    stamp.touch()


def installed() -> list[System]:
    """Return all peers; one that cannot be installed carries the reason."""
    peers = []
    for name, requirement in requirements().items():
        peer = System(name, version=requirement.partition("==")[2])
        try:
            install(requirement)
        except FailedError as error:
            peer.error = str(error)
            say(f"{name} {error}")
        peers.append(peer)
    return peers


# ── the rounds ───────────────────────────────────────────────────────────────────────────────────────────


class Bench:
    """Asks each system for one round after the other, and keeps what they gave."""

    def __init__(self, command: Sequence[str], peers: list[System], folder: Path, seconds: float) -> None:
        self.callboard = System("Callboard")
        self.peers = peers
        self.bare: list[float] = []
        self._command = command
        self._folder = folder
        self._seconds = seconds

    def round(self, exchange: str) -> None:
        """Run one exchange once on every system."""
        self.ask_callboard(exchange)
        for peer in self.peers:
            if peer.error is not None:
                continue
            try:
                self.ask_peer(peer, exchange)
            except FailedError as error:
                peer.error = f"{exchange}: {error}"
                say(f"{peer.name}: {peer.error}")

    def ask_callboard(self, exchange: str) -> None:
        """Run one round on Callboard, by its command."""
        only = f"messages.{exchange}"
        found = self._ask([*self._command, "bench", "--json", "--only", only])
        try:
            figures = found["messages"][exchange]
        except (KeyError, TypeError) as error:
            raise FailedError(f"`callboard bench --only {only}` gave no figures for it") from error
        self.callboard.add(exchange, {**figures, BARE: bare_commit_us(self._folder)})
        self.callboard.version = found.get("callboard")
        self.callboard.python = found.get("python")
        self.callboard.durability = _words(found.get("durability"))
        if (bare := found.get(BARE)) is not None:
            self.bare.append(bare)

    def ask_peer(self, peer: System, exchange: str) -> None:
        """Run one round on a peer, by its program."""
        found = self._ask([str(python_of(ENVIRONMENT)), str(PROGRAMS[peer.name]), "--exchange", exchange])
        peer.version, peer.python, peer.durability = found["version"], found["python"], found["durability"]
        peer.add(exchange, {**found["exchanges"][exchange], BARE: bare_commit_us(self._folder)})

    def _ask(self, command: Sequence[str]) -> Document:
        length = ["--seconds", str(self._seconds), "--rounds", "1"]
        return ask([*command, *length], self._folder, ROUND_SECONDS + LEEWAY * self._seconds)


def _words(durability: Any) -> str | None:  # noqa: ANN401 - a value of a JSON document
    if isinstance(durability, dict):
        return ", ".join(f"{name}={value}" for name, value in durability.items())
    return None if durability is None else str(durability)


def document(bench: Bench, machine: Document, length: Document) -> Document:
    """Put all together as results.json holds it."""
    ours = bench.callboard.exchanges()
    return {
        "callboard": {exchange: without_raw(figures) for exchange, figures in ours.items()},
        "raw": {exchange: only_raw(figures) for exchange, figures in ours.items()},
        "peers": {peer.name: peer.document() for peer in bench.peers},
        "machine": machine,
        "run": {
            "callboard": bench.callboard.version,
            "durability": bench.callboard.durability,
            **length,
        },
    }


def machine_of(bench: Bench) -> Document:
    """Say what it was measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: Document = {
        "cores": cores,
        "python": bench.callboard.python or platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if bench.bare:
        found[BARE] = round(statistics.median(bench.bare), 1)
    return found


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add: Callable[..., Any] = parser.add_argument
    add("--callboard", default=str(CALLBOARD), help="the command to ask (default: the one in .venv beside)")
    add("--exchange", choices=EXCHANGES, help="run this one alone (default: all)")
    add("--seconds", type=float, default=SECONDS, help="how long one round takes (%(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="how many rounds (%(default)s)")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to measure: the disk matters")
    add("--out", type=Path, default=HERE, help="the folder to write results.json and results.md into")
    told = parser.parse_args()
    if told.seconds <= 0 or told.rounds < 1:
        parser.error("A round must last longer than no time, and there must be at least one.")
    return told


def main() -> int:
    """Measure everything, and write it down."""
    told = options()
    chosen = [name for name in EXCHANGES if told.exchange in {None, name}]
    bench = Bench(shlex.split(told.callboard), installed(), told.folder.resolve(), told.seconds)
    try:
        for exchange in chosen:
            for number in range(1, told.rounds + 1):
                say(f"{exchange}: round {number} of {told.rounds}")
                bench.round(exchange)
    except FailedError as error:
        say(f"Callboard: {error}")
        return 1
    machine = machine_of(bench)
    found = document(bench, machine, {"seconds": told.seconds, "rounds": told.rounds})
    (told.out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (told.out / "results.md").write_text(
        table(bench.callboard, bench.peers, chosen, machine), encoding="utf-8"
    )
    say(f"wrote results.json and results.md into {told.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
