"""The order of a run: what is to be measured, one thing after the other, and the report of it."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from callboard.app import new_loop
from callboard.bench import raw
from callboard.bench.measures import GROWTH, LEVELS, MESSAGES, RECOVERY, SLEEPING, STEPS, Told, measures
from callboard.bench.recovery import CROWD
from callboard.bench.report import Report
from callboard.bench.sleeping import ASLEEP
from callboard.errors import BadInput

ROUNDS = 5
SECONDS = 1.0


def run(
    folder: Path | None = None,
    *,
    only: str | None = None,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
    crowd: int = CROWD,
    asleep: int = ASLEEP,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure in a new folder inside `folder` (the system's own for temporary files if none is given).

    `only` names one measure, or all of a kind such as `steps`. Growth is measured only where it is named.
    """
    known = measures(crowd, asleep)
    chosen = {name: take for name, take in known.items() if _is_meant(name, only)}
    if not chosen:
        msg = f"There is no measure named {only!r}: choose among {', '.join(known)}."
        raise BadInput(msg)
    if seconds <= 0 or rounds < 1:
        msg = "A round must last longer than no time, and there must be at least one."
        raise BadInput(msg)
    if folder is not None and not folder.is_dir():
        msg = f"There is no folder {folder} to measure in."
        raise BadInput(msg)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-", dir=folder) as name:
        place = Path(name)
        told = Told(place, seconds, rounds, crowd, asleep, progress)
        bare: list[float] = []
        found = {}
        for measure, take in chosen.items():
            # Before each anew: a shared disk does not stay as fast as it was.
            progress(f"{measure}: bare commits")
            bare += raw.bare_commits(place)
            found[measure] = take(told)
        return Report(
            callboard=version("callboard"),
            python=platform.python_version(),
            platform=platform.platform(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            event_loop=new_loop().__module__,
            durability=raw.durability(place),
            bare_commit_us=round(statistics.median(bare) * 1e6, 1),
            journal={name: one for name, one in found.items() if name in LEVELS},
            messages=_under(MESSAGES, found),
            steps=_under(STEPS, found),
            recovery=_under(RECOVERY, found),
            sleeping=_under(SLEEPING, found),
            growth=_under(GROWTH, found),
        )


def _is_meant(name: str, only: str | None) -> bool:
    if only is None:
        return not name.startswith(GROWTH)
    return name == only or name.startswith(f"{only}.")


def _under(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(kind): one for name, one in found.items() if name.startswith(kind)}
