"""The order of a run: for each level of load, rounds of ours and of the raw limit in turn."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from callboard.app import new_loop
from callboard.bench import journal, messages, raw
from callboard.bench.report import Figures, Report, Round, Spread
from callboard.errors import BadInput

LEVELS = {"callers_1": 1, "callers_10": 10, "callers_100": 100, "callers_1000": 1_000}
ROUNDS = 5
SECONDS = 1.0

MESSAGES = "messages."
"""Stands before the name of an exchange of messages, where one measure among all is named."""

Progress = Callable[[str], None]
Take = Callable[[Path, float], tuple[Round, float]]
"""Takes one round of so many seconds in a new folder; returns it and what the raw limit gave a second."""

T = TypeVar("T")


def run(
    folder: Path | None = None,
    *,
    only: str | None = None,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
    progress: Progress = lambda _: None,
) -> Report:
    """Measure in a new folder inside `folder` (the system's own for temporary files if none is given)."""
    measures = {name: take for name, take in _measures().items() if only in {None, name}}
    if not measures:
        msg = f"There is no measure named {only!r}: choose among {', '.join(_measures())}."
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
        for measure, take in measures.items():
            # Before each level anew: a shared disk does not stay as fast as it was.
            progress(f"{measure}: bare commits")
            bare += raw.bare_commits(place)
            found[measure] = _rounds(place, measure, take, seconds, rounds, progress)
        return Report(
            callboard=version("callboard"),
            python=platform.python_version(),
            platform=platform.platform(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            event_loop=new_loop().__module__,
            durability=raw.durability(place),
            bare_commit_us=round(statistics.median(bare) * 1e6, 1),
            journal={name: one for name, one in found.items() if name in LEVELS},
            messages={
                name.removeprefix(MESSAGES): one for name, one in found.items() if name.startswith(MESSAGES)
            },
        )


def _measures() -> dict[str, Take]:
    """Return all that there is to measure, by name."""
    found: dict[str, Take] = {name: partial(_turns, callers) for name, callers in LEVELS.items()}
    return found | {f"{MESSAGES}{name}": partial(_messages, one) for name, one in messages.EXCHANGES.items()}


def _turns(callers: int, folder: Path, seconds: float) -> tuple[Round, float]:
    one = _on_a_loop(journal.measure(folder, callers, seconds))
    return one, raw.measure(folder, one.batches, callers)


def _messages(exchange: messages.Exchange, folder: Path, seconds: float) -> tuple[Round, float]:
    one = _on_a_loop(messages.measure(folder, exchange, seconds))
    handled = sum(1 for turns in one.kept.counted for turn in turns for _ in messages.handled(turn))
    took = raw.replay(folder, one.kept.before, one.kept.counted)
    return Round(one.per_s, one.latencies, one.batches), handled / took


def _on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def _rounds(place: Path, name: str, take: Take, seconds: float, rounds: int, progress: Progress) -> Figures:
    ours: list[float] = []
    limits: list[float] = []
    latencies: list[float] = []
    batches: list[int] = []
    for number in range(1, rounds + 1):
        progress(f"{name}: round {number} of {rounds}")
        with tempfile.TemporaryDirectory(dir=place) as folder:
            one, limit = take(Path(folder), seconds)
        limits.append(limit)
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
