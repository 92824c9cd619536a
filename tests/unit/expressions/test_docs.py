"""The page for pipeline authors lists what there is, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from callboard.expressions import CHECKS, FILTERS

PAGE = (Path(__file__).parents[3] / "docs" / "expressions.md").read_text(encoding="utf-8")


def listed(heading: str) -> set[str]:
    """Return the names in the first column of the table under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return set(re.findall(r'`"?([a-z]+|[=!<>]+)', " ".join(cells)))


def test_every_filter_is_listed() -> None:
    assert listed("Filters") == set(FILTERS)


def test_every_test_is_listed() -> None:
    section = PAGE.split("## Tests\n")[1].split("\n## ")[0]
    quoted = set(re.findall(r'`"([^"]+)"`', section))
    assert listed("Tests") | quoted == set(CHECKS)
