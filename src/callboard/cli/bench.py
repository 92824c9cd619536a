"""The word `bench`: measure this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callboard.cli import DONE, terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callboard.bench import Figures, Grown, Recovery, Report, Sleeping, StepFigures


def bench(
    *,
    seconds: float = 1.0,
    rounds: int = 5,
    only: str | None = None,
    folder: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure this machine: durable turns, messages and steps a second, beside what SQLite alone can do.

    How cost grows with the size of the file takes minutes, and is measured only with --only growth.

    Parameters
    ----------
    seconds
        How long one round takes.
    rounds
        How many rounds; the median is reported.
    only
        Measure this alone, such as callers_100 or messages.pairs_100, or all of a kind: messages, steps,
        recovery, sleeping, growth.
    folder
        Where to measure: the disk makes the difference. The system's folder for temporary files, if not told.
    as_json
        Print JSON.
    """
    from callboard import logs
    from callboard.bench import run

    logs.configure("warning")
    with terminal.progress() as progress:
        report = run(folder, only=only, seconds=seconds, rounds=rounds, progress=progress)
    if as_json:
        terminal.document(report)
    else:
        _print(report)
    return DONE


def _print(report: Report) -> None:
    terminal.say(
        f"{report.platform}, Python {report.python}, {report.cores} cores, {report.event_loop}",
        "durability: " + ", ".join(f"{name} {value}" for name, value in report.durability.items()),
        f"a bare commit takes {report.bare_commit_us:,.0f} µs",
    )
    levels = report.journal | {f"messages.{name}": one for name, one in report.messages.items()}
    levels |= {f"steps.{name}": one for name, one in report.steps.items()}
    if levels:
        _print_levels(levels)
    if report.steps:
        _print_runs(report.steps)
    if report.recovery:
        _print_recovery(report.recovery)
    if report.sleeping:
        _print_sleeping(report.sleeping)
    for what, rows in report.growth.items():
        _print_growth(what, rows)


def _print_levels(levels: Mapping[str, Figures]) -> None:
    terminal.table(
        ("", "a second", "p50 ms", "p99 ms", "SQLite alone", "ratio", "turns a commit"),
        [
            (
                name,
                f"{one.per_s:,.0f}",
                one.p50_ms,
                one.p99_ms,
                f"{one.raw_per_s:,.0f}",
                one.ratio,
                one.raw_batch,
            )
            for name, one in levels.items()
        ],
    )


def _print_runs(steps: Mapping[str, StepFigures]) -> None:
    terminal.table(
        ("", "whole runs a second", "p50 ms", "p99 ms"),
        [
            (f"steps.{name}", f"{one.runs_per_s:,.0f}", one.run_p50_ms, one.run_p99_ms)
            for name, one in steps.items()
        ],
    )


def _print_recovery(recovery: Mapping[str, Recovery]) -> None:
    terminal.table(
        ("", "begun again s", "all ended s", "SQLite alone s", "ratio"),
        [
            (f"recovery.{name}", one.median, one.median_ended, one.raw, one.ratio)
            for name, one in recovery.items()
        ],
    )


def _print_sleeping(sleeping: Mapping[str, Sleeping]) -> None:
    rows: list[tuple[object, ...]] = []
    for name, one in sleeping.items():
        each = "-" if one.memory_bytes_each is None else f"{one.memory_bytes_each:,.0f}"
        rows += [
            (
                f"sleeping.{name}",
                one.open_ms,
                _or_dash(one.memory_mb),
                one.processor_percent,
                each,
                one.file_bytes_each,
            ),
            (
                "beside none",
                one.open_empty_ms,
                _or_dash(one.memory_empty_mb),
                one.processor_empty_percent,
                "",
                "",
            ),
        ]
    terminal.table(("", "opening ms", "memory MB", "% of a core", "bytes a run", "on disk"), rows)


def _or_dash(value: float | None) -> object:
    return "-" if value is None else value


def _print_growth(what: str, rows: list[Grown]) -> None:
    terminal.table(
        (f"growth.{what}", "a second", "file MB", "bytes each", "memory MB", "opening ms"),
        [
            (
                f"{one.count:,}",
                f"{one.per_s:,.0f}",
                round(one.file_bytes / 1e6, 1),
                f"{one.bytes_each:,.0f}",
                _or_dash(one.memory_mb),
                one.open_ms,
            )
            for one in rows
        ],
    )
