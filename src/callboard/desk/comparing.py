"""What differs between two texts, line by line, as people who compare files expect it."""

from __future__ import annotations

import difflib
from itertools import takewhile

MOST_LINES = 20_000
"""So many lines that differ are compared with each other; of more, all old ones stand before all new ones."""

AROUND = 3
"""Lines that are the same, shown before and after those that differ."""


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """Return a unified diff; empty if the texts are the same."""
    if old == new:
        return ""
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) - 2 * _shared(before, after) > MOST_LINES:
        heads = [f"--- {old_name}", f"+++ {new_name}", f"@@ -1,{len(before)} +1,{len(after)} @@"]
        lines = [*heads, *(f"-{line}" for line in before), *(f"+{line}" for line in after)]
    else:
        lines = list(difflib.unified_diff(before, after, old_name, new_name, n=AROUND, lineterm=""))
    return "\n".join(lines) + "\n"


def _shared(before: list[str], after: list[str]) -> int:
    """Return how many lines are the same at the beginning and at the end."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    rest = min(len(before), len(after)) - same
    backwards = zip(before[::-1][:rest], after[::-1][:rest], strict=True)
    return same + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], backwards))
