"""The order of a run: for each level of load, rounds of ours and of the raw limit in turn."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from callboard.app import new_loop
from callboard.bench import journal, raw
from callboard.bench.report import Figures, Report, Spread
from callboard.errors import BadInput

LEVELS = {"callers_1": 1, "callers_10": 10, "callers_100": 100, "callers_1000": 1_000}
ROUNDS = 5
SECONDS = 1.0

Progress = Callable[[str], None]


def run(
    folder: Path | None = None,
    *,
    only: str | None = None,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
    progress: Progress = lambda _: None,
) -> Report:
    """Measure in a new folder inside `folder` (the system's own for temporary files if none is given)."""
    levels = {name: callers for name, callers in LEVELS.items() if only in {None, name}}
    if not levels:
        msg = f"There is no measure named {only!r}: choose among {', '.join(LEVELS)}."
        raise BadInput(msg)
    if seconds <= 0 or rounds < 1:
        msg = "A round must last longer than no time, and there must be at least one."
        raise BadInput(msg)
    if folder is not None and not folder.is_dir():
        msg = f"There is no folder {folder} to measure in."
        raise BadInput(msg)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-", dir=folder) as name:
        place = Path(name)
        bare: list[float] = []
        found = {}
        for level, callers in levels.items():
            # Before each level anew: a shared disk does not stay as fast as it was.
            progress(f"{level}: bare commits")
            bare += raw.bare_commits(place)
            found[level] = _level(place, level, callers, seconds, rounds, progress)
        return Report(
            callboard=version("callboard"),
            python=platform.python_version(),
            platform=platform.platform(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            event_loop=new_loop().__module__,
            durability=raw.durability(place),
            bare_commit_us=round(statistics.median(bare) * 1e6, 1),
            journal=found,
        )


def _level(place: Path, name: str, callers: int, seconds: float, rounds: int, progress: Progress) -> Figures:
    ours: list[float] = []
    limits: list[float] = []
    latencies: list[float] = []
    batches: list[int] = []
    for number in range(1, rounds + 1):
        progress(f"{name}: round {number} of {rounds}")
        with tempfile.TemporaryDirectory(dir=place) as folder:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                one = runner.run(journal.measure(Path(folder), callers, seconds))
            limits.append(raw.measure(Path(folder), one.batches, callers))
        ours.append(one.per_s)
        latencies += one.latencies
        batches += one.batches
    return Figures(
        per_s=round(statistics.median(ours), 1),
        p50_ms=_milliseconds(latencies, 0.50),
        p99_ms=_milliseconds(latencies, 0.99),
        raw_per_s=round(statistics.median(limits), 1),
        raw_batch=round(statistics.fmean(batches), 2),
        ratio=round(statistics.median(mine / limit for mine, limit in zip(ours, limits, strict=True)), 3),
        rounds=rounds,
        spread_per_s=_spread(ours),
        spread_raw_per_s=_spread(limits),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(low=round(min(values), 1), high=round(max(values), 1))


def _milliseconds(latencies: list[float], quantile: float) -> float:
    latencies.sort()
    return round(latencies[min(len(latencies) - 1, int(len(latencies) * quantile))] * 1e3, 4)
