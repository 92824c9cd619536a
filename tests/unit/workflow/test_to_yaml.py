"""The YAML that we write: what reads back as the same, and is pleasant to read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from callboard.workflow import Notes, canonical, define, plain, read, to_yaml

FILES = sorted(
    [
        *(Path(__file__).parent / "files").glob("*.yaml"),
        *(Path(__file__).parents[3] / "config" / "workflows").glob("*.yaml"),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        *(
            "",
            " ",
            "a b",
            "on",
            "No",
            "~",
            "null",
            "1e5",
            "0o17",
            "0x1f",
            "010",
            "1_000",
            "1:30",
            "2020-01-01",
        ),
        *(
            ".5",
            "-",
            "--- a",
            "a: b",
            "a #b",
            "#a",
            "{{ x }}",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n\n",
            " a\nb",
            "\na",
        ),
        *(
            "a\n b\n",
            "a \nb",
            "a\tb\nc",
            "a\r\nb",
            "!x",
            "&a",
            "*a",
            "@a",
            "`a",
            "%a",
            "\u2028",
            "\ufeffa",
            "= ",
        ),
        *("=", "<<", "a\u0085b", "\U0001f600", "12 monkeys", "a:", "a,b", "[a", "a]", "?", "? a", "|", ">"),
    ]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_reads_back_as_the_same(value: object) -> None:
    """By our own reader; the whole point of it."""
    assert read(to_yaml({"a": value})).value == {"a": value}


@given(TEXTS)
def test_other_readers_take_a_text_for_a_text(text: str) -> None:
    """Those of YAML 1.1 take `no` for false, unless it is quoted."""
    assert yaml.safe_load(to_yaml({"a": [text]})) == {"a": [text]}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_written_anew_is_the_same_definition(file: Path) -> None:
    definition = define(Notes(read(file.read_bytes()))).definition
    again = define(Notes(read(to_yaml(plain(definition))))).definition
    assert canonical(again) == canonical(definition)


def test_it_looks_as_people_write_it() -> None:
    """Keys in their order, no quotes that nobody needs, several lines where there are several."""
    value = {
        "name": "tidy",
        "on": [{"schedule": "0 7 * * *"}, "x"],
        "steps": [{"id": "a", "with": {"text": "one\ntwo\n", "if": "{{ x }}", "none": {}}}, [[1, 2.5]]],
    }
    assert to_yaml(value) == (
        "name: tidy\n"
        "on:\n"
        '  - schedule: "0 7 * * *"\n'
        "  - x\n"
        "steps:\n"
        "  - id: a\n"
        "    with:\n"
        "      text: |\n"
        "        one\n"
        "        two\n"
        '      if: "{{ x }}"\n'
        "      none: {}\n"
        "  - - - 1\n"
        "      - 2.5\n"
    )
