"""Pages of lists that follow positions: bounded in rows and in bytes, and nothing is left out between two."""

from __future__ import annotations

import pytest

from callboard.desk.pages import MOST, PAGE_BYTES, read_page
from callboard.ids import Position


class Rows:
    """A list of rows of some size, and how many were asked for at once."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self.asked: list[int] = []

    async def read(self, after: Position | None, limit: int) -> list[int]:
        """Return what follows a position."""
        self.asked.append(limit)
        begin = (after or 0) + 1
        return list(range(begin, min(begin + limit, self.count + 1)))

    async def page(self, after: Position | None, limit: int) -> tuple[list[int], Position | None]:
        """Return a page of them."""
        return await read_page(self.read, after, limit, lambda row: (Position(row), self.size))


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("limit", [1, 16, 17, 1_000])
async def test_page_after_page_gives_every_row_once(size: int, limit: int) -> None:
    rows, seen, after = Rows(333, size), list[int](), None
    while True:
        page, after = await rows.page(after, limit)
        assert len(page) <= limit
        seen += page
        if after is None:
            break
    assert seen == list(range(1, 334))


async def test_a_page_of_large_rows_ends_early_and_says_where_to_go_on() -> None:
    rows = Rows(1_000, 256 << 10)
    page, after = await rows.page(None, 1_000)
    assert (len(page) * rows.size, after) == (PAGE_BYTES, len(page))
    assert max(rows.asked) <= MOST


async def test_a_page_of_small_rows_is_as_long_as_asked_for() -> None:
    rows = Rows(2_000, 100)
    page, after = await rows.page(None, 1_000)
    assert (len(page), after) == (1_000, 1_000)
