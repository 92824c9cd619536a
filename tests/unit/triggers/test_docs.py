"""docs/triggers.md says what the code says: its example passes the check, its tables name every code."""

from __future__ import annotations

import re
from pathlib import Path

from callboard.checking import check
from callboard.desk.triggers import OF_THE_INPUT, PLAIN
from callboard.steps import here
from callboard.triggers.signing import DELIVERIES

TEXT = (Path(__file__).parents[3] / "docs" / "triggers.md").read_text(encoding="utf-8")


def test_the_example_has_no_errors() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert [fault for fault in check(example, catalogue=here({})) if fault.severity == "error"] == []


def test_every_code_that_the_door_tells_apart_has_its_row() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert rows == (PLAIN | OF_THE_INPUT) - {"GONE"}


def test_every_header_that_names_a_delivery_is_named() -> None:
    assert {name for name in DELIVERIES if f"`{name}`" in TEXT.lower()} == set(DELIVERIES)
