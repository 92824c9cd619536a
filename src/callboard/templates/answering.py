"""Answers against the fields that ask for them: all that is wrong at once, or the answers with defaults.

    seen = filled(document.fields, {"customer": "Ann"}, "answers", "letters, welcome")

A field that need not be told and has no default is missing then, as a template sees it: `answers.note is
defined` is false. The answers are values and stay what they are, whatever they look like: nothing in them is
ever rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from callboard.checking.schemas import misfits
from callboard.errors import TemplateAnswers
from callboard.spelling import did_you_mean, shown
from callboard.templates.definition import Field
from callboard.workflow import Path, path_text

MOST_FAULTS = 100
"""Faults of one set of answers that are told."""
IN_WORDS = 5
"""Of these, how many stand in the sentence."""
LONGEST_MESSAGE = 300


def filled(fields: Mapping[str, Field], given: object, what: str, of: str) -> dict[str, Any]:
    """Return the answers with what holds where nothing is told, or raise `TemplateAnswers` with every fault.

    `what` is the name under which a template sees them, and `of` the template, in words.
    """
    if not isinstance(given, dict):
        raise refused([((what,), "it must be an object, with a value for each field")], of)
    found = list(islice(_faults(fields, given, what), MOST_FAULTS + 1))
    if found:
        raise refused(found, of)
    defaults = {name: field.default for name, field in fields.items() if field.default is not msgspec.UNSET}
    return {**defaults, **given}


def refused(found: list[tuple[Path, str]], of: str) -> TemplateAnswers:
    """Return the error for answers that are not what a template asks for."""
    faults = [
        {
            "path": path_text(path),
            "message": said if len(said) <= LONGEST_MESSAGE else f"{said[:LONGEST_MESSAGE]}…",
        }
        for path, said in found[:MOST_FAULTS]
    ]
    told = "; ".join(f"{fault['path']}: {fault['message']}" for fault in faults[:IN_WORDS])
    more = len(found) - IN_WORDS
    many = (
        f", and {more} more" if 0 < more < MOST_FAULTS - IN_WORDS else ", and many more" if more > 0 else ""
    )
    return TemplateAnswers(f"This cannot be filled into the template {of}: {told}{many}.", faults=faults)


def _faults(fields: Mapping[str, Field], given: Mapping[str, Any], what: str) -> Iterator[tuple[Path, str]]:
    for name, field in fields.items():
        if name in given:
            yield from misfits(given[name], field.schema_, (what, name))
        elif field.required and field.default is msgspec.UNSET:
            yield (what, name), "it is missing"
    patience = MOST_FAULTS
    for name in given:
        if name not in fields:
            patience -= 1
            hint = did_you_mean(name, fields) if patience > MOST_FAULTS - IN_WORDS else ""
            yield (what, name), f"there is no field {shown(name)}{hint.removesuffix('?')}"
