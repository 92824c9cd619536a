"""Writing where a request goes: parts of paths and queries, from whatever somebody typed."""

from __future__ import annotations

from urllib.parse import quote


def part(text: str) -> str:
    """Return text as one part of a path; what is empty becomes a space, lest it be another path."""
    return quote(text, safe="") or "%20"


def given(**query: str | int | None) -> dict[str, str]:
    """Return the part of a query that is given."""
    return {name: str(value) for name, value in query.items() if value is not None}
