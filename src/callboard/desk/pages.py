"""A page of a list that follows positions: bounded in rows by who asks, and in bytes by the house.

A message may hold a quarter of a mebibyte, and a thousand of them are more than either side should have to
hold. So rows are read a few at a time, and a page ends early when it holds enough; `next` goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from callboard.ids import Position

PAGE_BYTES = 4 << 20
"""A page that holds so much is not read on."""

FIRST, MOST = 16, 128
"""Rows that are read at once: few at first, in case they are large."""

T = TypeVar("T")


async def read_page(
    read: Callable[[Position | None, int], Awaitable[list[T]]],
    after: Position | None,
    limit: int,
    place_and_size: Callable[[T], tuple[Position, int]],
) -> tuple[list[T], Position | None]:
    """Return rows, and after which position more may follow; None if there are no more."""
    found: list[T] = []
    held, count = 0, FIRST
    while True:
        wanted = min(count, limit - len(found))
        rows = await read(after, wanted)
        found += rows
        if len(rows) < wanted:
            return found, None
        sizes = [place_and_size(row) for row in rows]
        after = sizes[-1][0]
        held += sum(size for _, size in sizes)
        if len(found) >= limit or held >= PAGE_BYTES:
            return found, after
        fit = (PAGE_BYTES - held) * len(found) // max(held, 1)  # if the rest are as large as those so far
        count = max(1, min(MOST, 4 * count, fit))
