"""What `run.py` writes: the rounds of all programs, put together into one JSON document and one table.

Needs nothing but the standard library.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

RAW = "raw_"
BARE = "bare_commit_us"
SPREAD_RAW = "spread_raw_"
RUNS = "runs_"
"""With this begin the exchanges in which runs are had, and no messages sent."""


def merged(rounds: Sequence[Mapping[str, Any]]) -> Document:
    """Make one of the figures of several rounds: medians, the sum of rounds, and the widest spread."""
    found: Document = {}
    for key, first in rounds[0].items():
        values = [one[key] for one in rounds if one.get(key) is not None]
        if isinstance(first, Mapping) and {"low", "high"} <= first.keys():
            found[key] = {
                "low": min(one["low"] for one in values),
                "high": max(one["high"] for one in values),
            }
        elif key == "rounds":
            found[key] = sum(values)
        elif values and all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
            found[key] = first if len(set(values)) == 1 else round(statistics.median(values), 4)
        else:
            found[key] = first
    return found


def without_raw(figures: Mapping[str, Any]) -> Document:
    """Return the figures of Callboard itself."""
    return {key: value for key, value in figures.items() if not key.startswith((RAW, SPREAD_RAW))}


def only_raw(figures: Mapping[str, Any]) -> Document:
    """Return the figures of SQLite alone, that Callboard measures beside its own, under the same keys."""
    found = {key.removeprefix(RAW): value for key, value in figures.items() if key.startswith(RAW)}
    found |= {
        f"spread_{key.removeprefix(SPREAD_RAW)}": value
        for key, value in figures.items()
        if key.startswith(SPREAD_RAW)
    }
    return found | {key: figures[key] for key in ("rounds", "in_flight") if key in figures} if found else {}


@dataclass(slots=True)
class System:
    """All that one system gave, round by round."""

    name: str
    version: str | None = None
    durability: str | None = None
    python: str | None = None
    error: str | None = None
    """Why there are no figures at all."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why an exchange has no figures, or no more of them."""
    rounds: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def goes_on(self, exchange: str) -> bool:
        """Whether it is to be asked once more."""
        return self.error is None and exchange not in self.failed

    def add(self, exchange: str, figures: Mapping[str, Any]) -> None:
        """Keep what one round of one exchange gave."""
        self.rounds.setdefault(exchange, []).append(figures)

    def exchanges(self) -> dict[str, Document]:
        """Put the rounds of each exchange together."""
        return {exchange: merged(rounds) for exchange, rounds in self.rounds.items()}

    def document(self) -> Document:
        """Return it as JSON holds it."""
        known = {
            "version": self.version,
            "durability": self.durability,
            "python": self.python,
            "error": self.error,
        }
        return {
            **{key: value for key, value in known.items() if value is not None or key == "version"},
            **({"failed": self.failed} if self.failed else {}),
            "exchanges": self.exchanges(),
        }


def page(
    callboard: System,
    peers: Sequence[System],
    order: Sequence[str],
    machine: Document,
    alone: Mapping[str, Any],
    lacking: Sequence[str],
) -> str:
    """Return the Markdown."""
    lines = [
        "# Callboard beside others",
        "",
        "Medians of rounds that alternated between the systems; see README.md for what is measured.",
        "",
        ", ".join(f"{key}: {value}" for key, value in machine.items()),
    ]
    runs = [exchange for exchange in order if exchange.startswith(RUNS)]
    messages = [exchange for exchange in order if exchange not in runs]
    for title, count, some in (("Messages", "handled/s", messages), ("Runs of ten steps", "steps/s", runs)):
        if some:
            lines += ["", f"## {title}", "", *_table(callboard, peers, some, count)]
    lines += _alone(alone)
    lines += ["", "## Systems", "", "| system | version | Python | durability |", "|---|---|---|---|"]
    for one in (callboard, *peers):
        durability = one.durability or "-"
        lines.append(f"| {one.name} | {one.version or '-'} | {one.python or '-'} | {durability} |")
    missing = [f"{one.name}: {one.error}" for one in peers if one.error is not None]
    missing += [f"{one.name}, {exchange}: {why}" for one in peers for exchange, why in one.failed.items()]
    if missing or lacking:
        lines += ["", "Not measured, or not to the end:", "", *(f"- {why}" for why in (*missing, *lacking))]
    return "\n".join(lines) + "\n"


def _table(callboard: System, peers: Sequence[System], order: Sequence[str], count: str) -> list[str]:
    lines = [
        f"| exchange | system | {count} | low to high | times | p50 ms | p99 ms | rounds | disk: commit µs |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ours = callboard.exchanges()
    for exchange in order:
        figures = ours.get(exchange, {})
        lines.append(_row(exchange, "Callboard", without_raw(figures)))
        if raw := only_raw(figures):
            lines.append(_row(exchange, "SQLite alone, Callboard's statements", raw, figures))
        lines += [
            _row(exchange, peer.name, theirs, figures)
            for peer in peers
            if (theirs := peer.exchanges().get(exchange)) is not None
        ]
    return lines


def _alone(alone: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    if alone:
        lines += ["", "## Callboard alone", ""]
    for name, one in alone.get("steps", {}).items():
        lines.append(
            f"- steps.{name}: {_number(one['per_s'])} steps/s "
            f"({_number(one['spread_per_s']['low'])} to {_number(one['spread_per_s']['high'])}), "
            f"SQLite alone {_number(one['raw_per_s'])}"
        )
    for name, one in alone.get("recovery", {}).items():
        lines.append(
            f"- recovery.{name}: {one['median']:.2f} s until all are at work again "
            f"({one['spread']['low']:.2f} to {one['spread']['high']:.2f}), "
            f"{one['median_ended']:.2f} s until all have ended; SQLite alone {one['raw']:.2f} s"
        )
    for name, one in alone.get("sleeping", {}).items():
        each = "-" if one["memory_bytes_each"] is None else _number(one["memory_bytes_each"])
        lines.append(
            f"- sleeping.{name}: opened in {one['open_ms']:.0f} ms ({one['open_empty_ms']:.0f} with none), "
            f"{each} bytes of memory and {_number(one['file_bytes_each'])} on disk for each, "
            f"{one['processor_percent']:.2f}% of a core while nothing happens "
            f"({one['processor_empty_percent']:.2f}% with none)"
        )
    for what, rows in alone.get("growth", {}).items():
        lines += [
            *("", f"| {what} | a second | file MB | bytes each | memory MB | opening ms |"),
            "|---:|---:|---:|---:|---:|---:|",
        ]
        for one in rows:
            memory = "-" if one["memory_mb"] is None else f"{one['memory_mb']:,.0f}"
            lines.append(
                f"| {one['count']:,} | {_number(one['per_s'])} | {one['file_bytes'] / 1e6:,.1f} | "
                f"{_number(one['bytes_each'])} | {memory} | {one['open_ms']:.0f} |"
            )
    return lines


def _row(
    exchange: str, system: str, figures: Mapping[str, Any], ours: Mapping[str, Any] | None = None
) -> str:
    spread = figures.get("spread_per_s")
    times = ours["per_s"] / figures["per_s"] if ours and figures.get("per_s") else None
    cells = [
        exchange,
        system,
        _number(figures.get("per_s")),
        f"{_number(spread['low'])} to {_number(spread['high'])}" if spread else "-",
        "-" if times is None else f"{times:,.1f}",
        _milliseconds(figures.get("p50_ms")),
        _milliseconds(figures.get("p99_ms")),
        str(figures.get("rounds", "-")),
        _number(figures.get(BARE)),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
