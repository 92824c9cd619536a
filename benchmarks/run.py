"""Run the exchanges and the runs on Callboard and on its peers, and write results.json and results.md.

Callboard is asked by its own command; the peers run in an environment of their own, made here at the first
call. The rounds alternate (Callboard, one peer, the next, Callboard again, and so on), so that a machine that
slows down slows down all of them. A peer that cannot be installed or run is written down with the reason.
What nobody else is asked, Callboard is asked alone at the end: folded steps, recovery, runs that sleep, and
how cost grows.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from exchange import EXCHANGES, ROUNDS, SECONDS
from peers import HERE, PEERS, FailedError, anonymous, command, installed, reason, say
from results import BARE, Document, System, only_raw, page, without_raw

CALLBOARD = HERE.parent / ".venv" / "bin" / "callboard"
ALONE = ("steps.runs_100_folded", "recovery", "sleeping", "growth")
"""What Callboard measures beside no other."""

BARE_COMMITS = 50
ROUND_SECONDS = 300.0
"""How long a program may take for one round beyond what the round itself takes: start, warm-up, end; and a
thousand runs of ten steps, where a second brings few of them."""
LEEWAY = 20.0
"""How many times as long as asked a round may last: where one message takes longer than a round, it does."""
ALONE_SECONDS = 3_600.0


def ask(words: Sequence[str], folder: Path, timeout: float) -> Document:
    """Run a program that prints one JSON document."""
    environment = os.environ | {"TMPDIR": str(folder)}  # so that all measure on one disk
    try:
        # In a session of its own, so that a server that it started can be ended with it.
        process = subprocess.Popen(  # noqa: S603 - the programs of this folder, and the command that was asked for
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise FailedError(anonymous(str(error))) from error
    try:
        printed, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise FailedError(f"it had not ended after {timeout:,.0f} seconds") from None
    finally:
        if process.poll() is None:
            _end(process)
    try:
        if process.returncode == 0:
            document: Document = json.loads(printed)
            return document
    except ValueError as error:
        raise FailedError(f"it printed what is not JSON: {error}") from error
    raise FailedError(f"exit code {process.returncode}: {reason(said)}")


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


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
        """Run one exchange once on every system that can do such."""
        self.ask_callboard(exchange)
        for peer in self.peers:
            if not peer.goes_on(exchange) or EXCHANGES[exchange].kind not in PEERS[peer.name].kinds:
                continue
            try:
                self.ask_peer(peer, exchange)
            except FailedError as error:
                peer.failed[exchange] = str(error)
                say(f"{peer.name}: {exchange}: {error}")

    def ask_callboard(self, exchange: str) -> None:
        """Run one round on Callboard, by its command."""
        kind = EXCHANGES[exchange].kind
        only = f"{kind}.{exchange}"
        found = self._ask([*self._command, "bench", "--json", "--only", only])
        try:
            figures = found[kind][exchange]
        except (KeyError, TypeError) as error:
            raise FailedError(f"`callboard bench --only {only}` gave no figures for it") from error
        self.callboard.add(exchange, {**_as_others(figures), BARE: bare_commit_us(self._folder)})
        self.callboard.version = found.get("callboard")
        self.callboard.python = found.get("python")
        self.callboard.durability = _words(found.get("durability"))
        if (bare := found.get(BARE)) is not None:
            self.bare.append(bare)

    def ask_peer(self, peer: System, exchange: str) -> None:
        """Run one round on a peer, by its program."""
        found = self._ask([*command(peer.name), "--exchange", exchange])
        peer.version, peer.python, peer.durability = found["version"], found["python"], found["durability"]
        peer.add(exchange, {**found["exchanges"][exchange], BARE: bare_commit_us(self._folder)})

    def ask_alone(self, rounds: int) -> Document:
        """Have Callboard measure what it is not compared in."""
        found: Document = {}
        for only in ALONE:
            say(f"{only}: Callboard alone")
            length = ["--seconds", str(self._seconds), "--rounds", str(rounds)]
            words = [*self._command, "bench", "--json", "--only", only, *length]
            told = ask(words, self._folder, ALONE_SECONDS)
            kind = only.partition(".")[0]
            found[kind] = told[kind]
        return found

    def _ask(self, command: Sequence[str]) -> Document:
        length = ["--seconds", str(self._seconds), "--rounds", "1"]
        return ask([*command, *length], self._folder, ROUND_SECONDS + LEEWAY * self._seconds)


def _as_others(figures: Document) -> Document:
    """Return the figures of runs as the peers have them: of a whole run, how long it took."""
    if "run_p50_ms" not in figures:
        return figures
    whole = {"p50_ms": figures["run_p50_ms"], "p99_ms": figures["run_p99_ms"]}
    step = {"step_p50_ms": figures["p50_ms"], "step_p99_ms": figures["p99_ms"]}
    return {**figures, **whole, **step}


def _words(durability: Any) -> str | None:  # noqa: ANN401 - a value of a JSON document
    if isinstance(durability, dict):
        return ", ".join(f"{name}={value}" for name, value in durability.items())
    return None if durability is None else str(durability)


def document(bench: Bench, alone: Document, machine: Document, length: Document) -> Document:
    """Put all together as results.json holds it."""
    ours = bench.callboard.exchanges()
    return {
        "callboard": {exchange: without_raw(figures) for exchange, figures in ours.items()},
        "raw": {exchange: only_raw(figures) for exchange, figures in ours.items()},
        "peers": {peer.name: peer.document() for peer in bench.peers},
        **alone,
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


def lacking(chosen: Sequence[str]) -> list[str]:
    """Say of which peers a kind was not asked, and why."""
    kinds = {EXCHANGES[name].kind for name in chosen}
    return [
        f"{name}: not asked for {kind}: {peer.lacks}"
        for name, peer in PEERS.items()
        for kind in sorted(kinds.difference(peer.kinds))
    ]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add: Callable[..., Any] = parser.add_argument
    add("--callboard", default=str(CALLBOARD), help="the command to ask (default: the one in .venv beside)")
    add(
        "--exchange",
        choices=EXCHANGES,
        action="append",
        help="run this one, and others so named (default: all)",
    )
    add("--seconds", type=float, default=SECONDS, help="how long one round takes (%(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="how many rounds (%(default)s)")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to measure: the disk matters")
    add(
        "--alone",
        action=argparse.BooleanOptionalAction,
        help="whether to measure what Callboard is not compared in, of which growth takes minutes "
        "(default: unless exchanges are named)",
    )
    add("--out", type=Path, default=HERE, help="the folder to write results.json and results.md into")
    told = parser.parse_args()
    if told.seconds <= 0 or told.rounds < 1:
        parser.error("A round must last longer than no time, and there must be at least one.")
    return told


def main() -> int:
    """Measure everything, and write it down."""
    told = options()
    chosen = [name for name in EXCHANGES if name in (told.exchange or EXCHANGES)]
    whole = told.exchange is None if told.alone is None else told.alone
    told.out.mkdir(parents=True, exist_ok=True)  # before the minutes that would be lost
    bench = Bench(shlex.split(told.callboard), installed(), told.folder.resolve(), told.seconds)
    alone: Document = {}
    try:
        for exchange in chosen:
            for number in range(1, told.rounds + 1):
                say(f"{exchange}: round {number} of {told.rounds}")
                bench.round(exchange)
        if whole:
            alone = bench.ask_alone(told.rounds)
    except FailedError as error:
        say(f"Callboard: {error}")
        return 1
    machine = machine_of(bench)
    found = document(bench, alone, machine, {"seconds": told.seconds, "rounds": told.rounds})
    (told.out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    written = page(bench.callboard, bench.peers, chosen, machine, alone, lacking(chosen))
    (told.out / "results.md").write_text(written, encoding="utf-8")
    say(f"wrote results.json and results.md into {told.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
