"""docs/templates.md says what the code says: its examples pass their checks, its tables have every key."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from callboard import checking, templates
from callboard.errors import TemplateAnswers, TemplateInvalid
from callboard.steps import here
from callboard.templates.definition import Document, Field
from callboard.workflow import read

TEXT = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_documentation_has_no_faults(text: str) -> None:
    is_template = read(text).value.keys() & {"documents", "workflow"}
    faults = templates.check(text) if is_template else checking.check(text, catalogue=here())
    assert [fault for fault in faults if fault.severity == "error"] == []


@pytest.mark.parametrize("struct", [Document, Field])
def test_every_key_has_its_row(struct: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(struct):
        assert f"\n| `{field.encode_name}` |" in TEXT


def test_every_word_of_the_command_line_is_told() -> None:
    from callboard.cli.template import template  # noqa: PLC0415 - it brings the terminal with it

    for word in template:
        if not word.startswith("-"):
            assert re.search(rf"`(template )?{word}[ `]", TEXT), word


def test_the_codes_are_told() -> None:
    for error in (TemplateInvalid, TemplateAnswers):
        assert f"| `{error.code}` |" in TEXT
