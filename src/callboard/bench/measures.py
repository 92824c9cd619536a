"""All that there is to measure, by name: how one round of it is taken, and what its rounds come to.

    callers_100  messages.pairs_100  steps.runs_100  recovery.runs_10000_s  sleeping.runs_10000  growth.runs

Rounds of ours and of the raw limit alternate, each in a new folder of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from callboard.app import new_loop
from callboard.bench import growth, journal, messages, raw, recovery, sleeping, steps
from callboard.bench.report import Figures, Grown, Recovery, Round, Sleeping, Spread, StepFigures

LEVELS = {"callers_1": 1, "callers_10": 10, "callers_100": 100, "callers_1000": 1_000}
MESSAGES, STEPS, RECOVERY, SLEEPING = "messages.", "steps.", "recovery.", "sleeping."
GROWTH = "growth."
"""Stand before the names of what is measured of each, where one measure among all is named."""


class Told(msgspec.Struct, frozen=True):
    """How it is to be measured."""

    place: Path
    seconds: float
    rounds: int
    crowd: int
    """How many runs a death interrupts."""
    asleep: int
    """How many runs wait on disk."""
    progress: Callable[[str], None]


Measure = Callable[[Told], Any]
T = TypeVar("T")


def measures(crowd: int, asleep: int) -> dict[str, Measure]:
    """Return all that there is to measure."""
    found: dict[str, Measure] = {}
    for name, callers in LEVELS.items():
        found[name] = partial(_level, name, callers)
    for name, exchange in messages.EXCHANGES.items():
        found[MESSAGES + name] = partial(_exchange, MESSAGES + name, exchange)
    for name, runs in steps.CROWDS.items():
        found[STEPS + name] = partial(_crowd, STEPS + name, runs)
    found[f"{RECOVERY}runs_{crowd}_s"] = partial(_recovery, f"{RECOVERY}runs_{crowd}_s")
    found[f"{SLEEPING}runs_{asleep}"] = partial(_sleeping, f"{SLEEPING}runs_{asleep}")
    return found | {GROWTH + what: partial(_growth, what) for what in growth.GROWING}


def _level(name: str, callers: int, told: Told) -> Figures:
    def take(folder: Path) -> tuple[Round, float]:
        one = _on_a_loop(journal.measure(folder, callers, told.seconds))
        return one, raw.measure(folder, one.batches, callers)

    return Figures(**_figures("turns/s", _rounds(name, told, take)))


def _exchange(name: str, exchange: messages.Exchange, told: Told) -> Figures:
    def take(folder: Path) -> tuple[Round, float]:
        one = _on_a_loop(messages.measure(folder, exchange, told.seconds))
        took = raw.replay(folder, one.kept.before, one.kept.counted)
        return Round(one.per_s, one.latencies, one.batches), one.kept.done / took

    unit = "deliveries/s" if exchange.channel else "messages/s"
    return Figures(**_figures(unit, _rounds(name, told, take)))


def _crowd(name: str, crowd: steps.Crowd, told: Told) -> StepFigures:
    per_s: list[float] = []
    lasted: list[float] = []

    def take(folder: Path) -> tuple[Round, float]:
        one = _on_a_loop(steps.measure(folder, crowd, told.seconds))
        per_s.append(one.runs_per_s)
        lasted.extend(one.runs)
        took = raw.replay(folder, one.kept.before, one.kept.counted)
        return Round(one.per_s, one.latencies, one.batches), one.kept.done / took

    figures = _figures("steps/s", _rounds(name, told, take))
    return StepFigures(
        **figures,
        runs_per_s=round(statistics.median(per_s), 1),
        run_p50_ms=_milliseconds(lasted, 0.50),
        run_p99_ms=_milliseconds(lasted, 0.99),
    )


def _recovery(name: str, told: Told) -> Recovery:
    told.progress(f"{name}: runs begin, to be interrupted")
    with tempfile.TemporaryDirectory(dir=told.place) as made:
        left = recovery.interrupt(Path(made), told.crowd)

        def take(folder: Path) -> tuple[float, float, float]:
            one = _on_a_loop(recovery.measure(folder, left, told.crowd))
            limit = raw.replay_on(recovery.copy(left, folder, "raw.db"), one.kept.counted)
            return one.begun_s, one.ended_s, limit

        rounds = _rounds(name, told, take)
    begun, ended, limits = ([one[number] for one in rounds] for number in range(3))
    return Recovery(
        unit="s",
        median=round(statistics.median(begun), 3),
        median_ended=round(statistics.median(ended), 3),
        raw=round(statistics.median(limits), 3),
        ratio=round(statistics.median(limit / mine for _, mine, limit in rounds), 3),
        rounds=len(rounds),
        spread=_spread(begun, 3),
        spread_ended=_spread(ended, 3),
        spread_raw=_spread(limits, 3),
    )


def _sleeping(name: str, told: Told) -> Sleeping:
    told.progress(f"{name}: runs are put to sleep")
    with tempfile.TemporaryDirectory(dir=told.place) as made:
        full, empty = Path(made) / "asleep.db", Path(made) / "empty.db"
        sleeping.prepare(full, told.asleep)
        sleeping.prepare(empty, 0)

        def take(_: Path) -> tuple[sleeping.Idle, sleeping.Idle]:
            return sleeping.measure(full, told.seconds), sleeping.measure(empty, told.seconds)

        rounds = _rounds(name, told, take)
        size = full.stat().st_size - empty.stat().st_size
    ours, none = [one for one, _ in rounds], [one for _, one in rounds]
    opened, used = [one.open_s * 1e3 for one in ours], [one.processor * 100 for one in ours]
    held = [one.memory_bytes for one in ours if one.memory_bytes is not None]
    held_empty = [one.memory_bytes for one in none if one.memory_bytes is not None]
    memory, least = (statistics.median(some) if some else None for some in (held, held_empty))
    return Sleeping(
        count=told.asleep,
        open_ms=round(statistics.median(opened), 2),
        open_empty_ms=round(statistics.median(one.open_s for one in none) * 1e3, 2),
        memory_mb=None if memory is None else round(memory / 1e6, 1),
        memory_empty_mb=None if least is None else round(least / 1e6, 1),
        memory_bytes_each=None if memory is None or least is None else round((memory - least) / told.asleep),
        file_bytes_each=round(size / told.asleep),
        processor_percent=round(statistics.median(used), 3),
        processor_empty_percent=round(statistics.median(one.processor for one in none) * 100, 3),
        rounds=len(rounds),
        spread_open_ms=_spread(opened, 2),
        spread_memory_mb=_spread([one / 1e6 for one in held]) if held else None,
        spread_processor_percent=_spread(used, 3),
    )


def _growth(what: str, told: Told) -> list[Grown]:
    with tempfile.TemporaryDirectory(dir=told.place) as folder:
        return _on_a_loop(growth.measure(Path(folder), what, told.progress))


def _on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def _rounds(name: str, told: Told, take: Callable[[Path], T]) -> list[T]:
    found = []
    for number in range(1, told.rounds + 1):
        told.progress(f"{name}: round {number} of {told.rounds}")
        with tempfile.TemporaryDirectory(dir=told.place) as folder:
            found.append(take(Path(folder)))
    return found


def _figures(unit: str, rounds: Sequence[tuple[Round, float]]) -> dict[str, Any]:
    """Put rounds together, each with what the raw limit gave beside it."""
    ours = [one.per_s for one, _ in rounds]
    limits = [limit for _, limit in rounds]
    latencies = [latency for one, _ in rounds for latency in one.latencies]
    return {
        "unit": unit,
        "per_s": round(statistics.median(ours), 1),
        "p50_ms": _milliseconds(latencies, 0.50),
        "p99_ms": _milliseconds(latencies, 0.99),
        "raw_per_s": round(statistics.median(limits), 1),
        "raw_batch": round(statistics.fmean(size for one, _ in rounds for size in one.batches), 2),
        "ratio": round(statistics.median(one.per_s / limit for one, limit in rounds), 3),
        "rounds": len(rounds),
        "spread_per_s": _spread(ours),
        "spread_raw_per_s": _spread(limits),
    }


def _spread(values: Sequence[float], places: int = 1) -> Spread:
    return Spread(low=round(min(values), places), high=round(max(values), places))


def _milliseconds(latencies: list[float], quantile: float) -> float:
    latencies.sort()
    return round(latencies[min(len(latencies) - 1, int(len(latencies) * quantile))] * 1e3, 4)
