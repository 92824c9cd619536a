"""How hard the tests try: one number, `PROOF`, scales every long count.

A test that kills a server 40 times on a developer's machine kills it 200 times where `PROOF=5` is set. A test
writes the count that suits a quick run and hands it to `scaled`; it never reads the environment itself.
"""

from __future__ import annotations

import os


def proof() -> int:
    """Return the factor: the variable `PROOF`, a whole number from 1, or 1 where it is not set."""
    raw = os.environ.get("PROOF") or "1"
    if not raw.isdecimal() or int(raw) < 1:
        raise ValueError(f"PROOF must be a whole number from 1, not {raw!r}.")
    return int(raw)


def scaled(count: int) -> int:
    """Return `count` times the factor, for the length of a loop or a number of examples."""
    return count * proof()


def shares(count: int, most: int = 48) -> list[tuple[int, int]]:
    """Divide what `scaled` gives among tests that do `most` each: their seeds, and how many each does.

    No single test may take longer than pytest lets one hang.
    """
    whole = scaled(count)
    return [(seed, min(most, whole - seed * most)) for seed in range(-(-whole // most))]
