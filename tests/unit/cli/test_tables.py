"""Tables on terminals, wide and narrow."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from callboard.cli import terminal

HEADS = ("run", "workflow", "status")
ROW = ("01920000-0000-7000-8000-000000000000", "claims 1", "running")
Printed = Callable[[list[tuple[str, ...]], int], list[str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """Return what prints rows on a terminal of so many columns."""

    def show(rows: list[tuple[str, ...]], columns: int) -> list[str]:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        terminal.table(HEADS, rows, whole="run")
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return show


def test_a_wide_terminal_has_a_row_on_a_line(printed: Printed) -> None:
    lines = [line.split() for line in printed([ROW], 80)]
    assert " ".join(ROW).split() in lines


@pytest.mark.parametrize("columns", [10, 40, 55])
def test_a_narrow_one_has_it_one_under_the_other_and_cuts_off_nothing(printed: Printed, columns: int) -> None:
    lines = printed([ROW, (*ROW[:2], "")], columns)
    row = ["", f"run       {ROW[0]}", f"workflow  {ROW[1]}", f"status    {ROW[2]}"]
    assert lines == [*row, *row[:3]]
