"""Durations and sizes are written one way, and read back as what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.units import duration_text, seconds, size, size_text


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("0s", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["30", "30 s", "-1s", "1.5h", "s", "", "1w", "5M", "1s\n", "٣s", "36501d", "1" * 99 + "s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("512B", 512), ("256KiB", 262144), ("1MiB", 1 << 20), ("2GiB", 2 << 30)]
)
def test_a_size_is_a_number_and_a_unit(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["1", "1MB", "1 MiB", "-1B", "1mib", "", "9999999TiB"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size is"):
        size(text)


@given(st.integers(min_value=0, max_value=36_500 * 86_400_000))
def test_a_duration_is_read_back_as_it_was_written(milliseconds: int) -> None:
    assert seconds(duration_text(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_size_is_read_back_as_it_was_written(value: int) -> None:
    if len(str(value)) <= 15:
        assert size(size_text(value)) == value
