"""A fault of a workflow file: where it stands, what kind it is, and a sentence for who wrote it.

A check goes on after a fault and tells all of them at once. Each has a path such as `steps[2].next[0].to`,
the line and column of it in the file, and a code that scripts may compare. Errors keep a workflow from being
published; warnings do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

Path = tuple[str | int, ...]
"""From the root of the file: the names of keys and the indexes of items."""

Severity = Literal["error", "warning"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LONGEST_KEY = 64

MOST = 100
"""Faults of one file that are told; a file with more is broken in one way many times."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong, or looks as if it were."""

    path: str
    line: int
    column: int
    """Both from 1."""
    code: str
    message: str
    """One sentence."""
    severity: Severity = "error"


def path_text(path: Path) -> str:
    """Return a path as people write it: `steps[2].next[0].to`; the file itself is empty."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            shown = part if len(part) <= _LONGEST_KEY else part[: _LONGEST_KEY - 1] + "…"
            text += f"[{shown!r}]"
    return text


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults as they stand in the file, each once; of very many the first, and errors before all."""
    once = sorted(set(faults), key=_place)
    if len(once) <= MOST:
        return once
    first = sorted(once, key=lambda fault: fault.severity)[:MOST]
    more = len(once) - MOST
    told = sorted(first, key=_place)
    last = told[-1]
    said = f"There are {more} more faults; mend these first."
    return [*told, Fault("", last.line, last.column, "MORE_FAULTS", said, first[0].severity)]


def _place(fault: Fault) -> tuple[int, int, Severity, str, str]:
    return fault.line, fault.column, fault.severity, fault.path, fault.code
