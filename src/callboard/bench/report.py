"""The figures, as JSON holds them."""

from __future__ import annotations

from typing import Any

import msgspec


class Spread(msgspec.Struct):
    """The lowest and the highest of the rounds whose median is reported."""

    low: float
    high: float


class Round(msgspec.Struct):
    """What one round through the house gave."""

    per_s: float
    latencies: list[float]
    batches: list[int]
    """How many turns each transaction held."""


class Figures(msgspec.Struct, kw_only=True):
    """What one level of load gave, beside the raw limit: the medians of the rounds."""

    unit: str
    """What is counted: turns, messages handled, deliveries of a fan-out, or steps; durable when it counts."""
    per_s: float
    p50_ms: float
    """From handing a turn in to holding its receipt; from send until the last bot's turn is on disk; from the
    turn that activates a step until its end is on disk."""
    p99_ms: float
    raw_per_s: float
    """What SQLite alone takes: the same statements, rows and pragmas from one thread, in the same batches."""
    raw_batch: float
    """Turns in one transaction, on average."""
    ratio: float
    """Ours by the raw limit, each round by its own; the median."""
    rounds: int
    spread_per_s: Spread
    spread_raw_per_s: Spread


class StepFigures(Figures, kw_only=True):
    """What runs gave: the figures above are of their steps, these of whole runs."""

    runs_per_s: float
    run_p50_ms: float
    """From asking for a run until its end is on disk."""
    run_p99_ms: float


class Recovery(msgspec.Struct, kw_only=True):
    """How long it took to take up what a death had interrupted, beside the raw limit."""

    unit: str
    median: float
    """From opening the file until a further attempt of every run was begun, on disk."""
    median_ended: float
    """From opening the file until every run had ended, on disk."""
    raw: float
    """What SQLite alone takes for the rows that were written until then."""
    ratio: float
    """The raw limit by ours until all had ended, each round by its own; the median."""
    rounds: int
    spread: Spread
    spread_ended: Spread
    spread_raw: Spread


class Grown(msgspec.Struct):
    """How it stands when so many are in the file."""

    count: int
    per_s: float
    """How fast those since the row before came in."""
    file_bytes: int
    bytes_each: float
    """The file by all that are in it."""
    memory_mb: float | None
    """What the process held; nothing where the system does not tell."""
    open_ms: float
    """How long it takes to put the house together on such a file, runs and bots ready."""


class Sleeping(msgspec.Struct, kw_only=True):
    """What runs cost that wait on disk, beside the same house with none: medians of new processes."""

    count: int
    open_ms: float
    """From opening the file until the house is ready."""
    open_empty_ms: float
    memory_mb: float | None
    """What the process holds; nothing where the system does not tell."""
    memory_empty_mb: float | None
    memory_bytes_each: float | None
    """The difference of the two, by the number of runs."""
    file_bytes_each: float
    processor_percent: float
    """Of one core, while nothing happens."""
    processor_empty_percent: float
    rounds: int
    spread_open_ms: Spread
    spread_memory_mb: Spread | None
    spread_processor_percent: Spread


class Report(msgspec.Struct):
    """One run of the bench."""

    callboard: str
    python: str
    platform: str
    cores: int
    event_loop: str
    durability: dict[str, Any]
    """Read back from a live writer."""
    bare_commit_us: float
    """The median time of a commit that changes one row: what one fsync costs here."""
    journal: dict[str, Figures]
    messages: dict[str, Figures]
    steps: dict[str, StepFigures]
    recovery: dict[str, Recovery]
    sleeping: dict[str, Sleeping]
    growth: dict[str, list[Grown]]
