"""From opening the file of a killed process until all of its runs are at work again, and have ended.

A process of its own begins the runs, each of one step, and is killed when all of their attempts are in
flight (`interrupted.py`). What it leaves is copied for each round, write-ahead log and all. The time counts
from opening the file, the start of an interpreter is not in it: the board and the plan are read, the runs are
found, folded from their events and taken up, and a further attempt of each is begun and on disk. These
attempts do next to nothing, so the second time, until the last run's end is on disk, is not much later.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from callboard.bench.house import KeepingStore, Kept, collecting_as_served, running_house
from callboard.bench.steps import Number, facts
from callboard.deaths import Deaths
from callboard.facts.events import AttemptStarted, WorkflowCompleted
from callboard.planning.step import action_of
from callboard.store.turn import Turn

CROWD = 10_000
"""How many runs a death interrupts."""
PATIENCE = 600.0
EVERY_TURN = sys.maxsize
FILE = "recovery.db"


class TakenUp(msgspec.Struct):
    """What one round gave."""

    begun_s: float
    """Until the last attempt was begun again, on disk."""
    ended_s: float
    """Until the last run had ended, on disk."""
    batches: list[int]
    kept: Kept


class WatchingStore(KeepingStore):
    """Notes when the last of so many runs was begun again, and when the last of them had ended."""

    def __init__(self, file: Path, runs: int) -> None:
        super().__init__(file, keeps=EVERY_TURN)
        self.begun: float | None = None
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._to_begin = self._to_end = runs

    def on_disk(self, turn: Turn) -> None:
        for _, fact in facts(turn):
            if type(fact) is AttemptStarted:
                self._to_begin -= 1
                if not self._to_begin:
                    self.begun = time.perf_counter()
            elif type(fact) is WorkflowCompleted:
                self._to_end -= 1
                if not self._to_end:
                    self.ended.set_result(time.perf_counter())


def interrupt(folder: Path, runs: int) -> Path:
    """Have a process begin so many runs, kill it, and return the file that it leaves."""
    file = folder / FILE
    command = [sys.executable, "-m", "callboard.bench.interrupted", str(file), str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this package's own
        try:
            said = process.stdout.readline() if process.stdout is not None else ""
        finally:
            process.kill()
    if said != "begun\n":
        raise RuntimeError("The process that was to be killed ended by itself.")
    return file


def copy(left: Path, folder: Path, name: str = FILE) -> Path:
    """Copy what a killed process left, with the write-ahead log that nobody has taken in yet."""
    for suffix in ("", "-wal"):
        part = left.with_name(left.name + suffix)
        if part.exists():
            shutil.copyfile(part, folder / (name + suffix))
    return folder / name


async def measure(folder: Path, left: Path, runs: int) -> TakenUp:
    """Take up what was interrupted, on a copy of what is left of it."""

    async def go(given: Number) -> Number:
        return given

    file = copy(left, folder)
    store = WatchingStore(file, runs)
    store.count()
    deaths = Deaths(folder, left_open=True)  # an unclean stop, as whoever locks the data folder would find
    with collecting_as_served():
        began = time.perf_counter()
        async with running_house(store, [], {"bench.go": action_of("bench.go", go)}, deaths=deaths):
            try:
                ended = await asyncio.wait_for(store.ended, PATIENCE)
            except TimeoutError:
                raise RuntimeError(f"Not all of {runs} runs have ended after {PATIENCE:g} seconds.") from None
    if store.begun is None:
        raise RuntimeError("Runs have ended that were never begun again.")
    return TakenUp(store.begun - began, ended - began, store.batches, store.kept)
