"""From a document and answers to what is given back: a body, and metadata.

    documents = Documents("letters", 3, definition)
    rendered = documents.render("welcome", {"customer": "Ann"})
    rendered.body                       # "Dear Ann, …"
    rendered.metadata                   # {"template": "letters", "document": "welcome", "version": 3, …}

A document depends on its answers and on nothing else: not on the time, not on a run. Body and metadata share
one budget of the language, so what a hostile template or hostile answers can use is bounded.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from callboard.errors import BadInput, NotFound
from callboard.expressions import Value, value
from callboard.spelling import no_such
from callboard.templates.answering import filled
from callboard.templates.definition import Document, TemplateDefinition

ANSWERS = "answers"
"""What a document sees."""
OURS = ("template", "document", "version")
"""What stands in the metadata of every document; an author's own has other names."""


class Rendered(msgspec.Struct, frozen=True):
    """A document that was filled in."""

    body: str
    metadata: dict[str, Any]


class Documents:
    """One version of a set of documents."""

    def __init__(self, name: str, version: int | None, definition: TemplateDefinition) -> None:
        self.name = name
        self.version = version
        """None is a text that was not published."""
        self.definition = definition
        self._compiled: dict[str, Value] = {}

    def render(self, document: str | None, answers: object) -> Rendered:
        """Fill a document in; which one need not be said of a set that has only one.

        `TemplateAnswers` says everything that is wrong with the answers, `ExpressionFailed` what a body made
        of them.
        """
        name, found = self._named(document)
        seen = filled(found.fields, answers, ANSWERS, f"{self.name}, {name}")
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compiled[name] = value({"body": found.body, "metadata": found.metadata})
        made: Any = compiled.render({ANSWERS: seen})
        own = {"template": self.name, "document": name, "version": self.version}
        return Rendered(_text(made["body"]), {**own, **made["metadata"]})

    def _named(self, document: str | None) -> tuple[str, Document]:
        documents = self.definition.documents
        if documents is None:
            raise BadInput(f"{self.name} is the template of a workflow: instantiate it; it has no documents.")
        if document is None:
            if len(documents) > 1:
                raise BadInput(f"{self.name} has several documents: name one of {', '.join(documents)}.")
            document = next(iter(documents))
        found = documents.get(document)
        if found is None:
            raise NotFound(no_such(f"document of {self.name}", document, documents), document=document)
        return document, found


def _text(body: object) -> str:
    """Return a body as a text; one that is a whole `{{ }}` was given back as what it is."""
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
