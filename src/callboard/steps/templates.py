"""Documents: a template that was published is filled in with answers.

What it gives back depends on the template's version and on the answers alone. Which version it was stands in
the metadata; a step that names none gets the one that is active when it is tried.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from callboard.errors import TemplateAnswers
from callboard.outcome import Done, Fail, Failure, Outcome
from callboard.planning import catalogue
from callboard.steps.work import LONGEST_ERROR, Work
from callboard.templates import Documents


class Templates(Protocol):
    """Who has the templates that were published."""

    async def documents(self, name: str, version: int | None = None) -> Documents:
        """Return a version of a set of documents, the active one if none is named, or refuse its name."""


async def render(work: Work) -> Outcome:
    """Fill a document in."""
    given = work.read(catalogue.Render)
    documents = await work.house.documents(given.template, given.version)
    try:
        rendered = documents.render(given.document, given.answers)
    except TemplateAnswers as error:
        return Fail(Failure(error.code, error.message[:LONGEST_ERROR], error.details))
    return Done(msgspec.to_builtins(rendered))
