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


class Figures(msgspec.Struct):
    """What one level of load gave, beside the raw limit."""

    per_s: float
    """Turns a second, or messages handled (in a fan-out: deliveries), each durable when it counts."""
    p50_ms: float
    """From handing a turn in to holding its receipt; from send until the last bot's turn is on disk."""
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
