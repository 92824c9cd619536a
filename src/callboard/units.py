"""Durations and sizes as people write them: `250ms`, `30s`, `5m`, `2h`, `1d` and `256KiB`, `1MiB`.

One spelling for every door: the configuration, workflow files, the CLI and the API read these and write them
back the same way. A bare number is refused, since a reader of `timeout: 30` cannot know thirty of what.
Durations become seconds, because that is what clocks and event loops count in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

# `[0-9]`, not `\d`: the latter takes digits of every script.
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB|TiB)")

LONGEST = 36_500 * 86_400.0
"""A hundred years in seconds: past it, adding to a date overflows somewhere."""

LARGEST = 1 << 53
"""The largest size in bytes that every JSON reader takes exactly."""


def seconds(text: str) -> float:
    """Read a duration such as `250ms`; `ValueError` says how one is written."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number and a unit, such as 250ms, 30s, 5m, 2h or 1d")
    value = int(match[1]) * _MILLISECONDS[match[2]] / 1000
    if value > LONGEST:
        raise ValueError("a duration is at most 36500d")
    return value


def duration_text(value: float) -> str:
    """Write seconds in the largest unit that holds them as a whole number."""
    milliseconds = round(value * 1000)
    for unit, worth in reversed(_MILLISECONDS.items()):
        if milliseconds and milliseconds % worth == 0:
            return f"{milliseconds // worth}{unit}"
    return "0s"


def size(text: str) -> int:
    """Read a size such as `256KiB`; `ValueError` says how one is written."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("a size is a whole number and a unit, such as 512B, 256KiB, 1MiB or 2GiB")
    value = int(match[1]) * _BYTES[match[2]]
    if value > LARGEST:
        raise ValueError("a size is at most 8192TiB")
    return value


def size_text(value: int) -> str:
    """Write bytes in the largest unit that holds them as a whole number."""
    for unit, worth in reversed(_BYTES.items()):
        if value and value % worth == 0:
            return f"{value // worth}{unit}"
    return "0B"


class Unit(NamedTuple):
    """How a value is written by people, when that is not how the code holds it."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _seconds_or_forever(text: str) -> float | None:
    if text == "forever":
        return None
    try:
        return seconds(text)
    except ValueError as fault:
        raise ValueError(f"{fault}, or forever") from None


DURATION = Unit(seconds, duration_text)
SIZE = Unit(size, size_text)
FOR_EVER = Unit(_seconds_or_forever, lambda value: "forever" if value is None else duration_text(value))
