"""Templates: documents that are filled in with answers, and workflows that are made from a config.

    definition     a template file, as structs: read this first
    accepting      whether a file can be published, with all its faults
    answering      what is told, against the fields that ask for it
    rendering      a document and answers to a body and metadata
    instantiating  a workflow with places and a config to the text of a draft
    publishing     the facts of a template's stream, and which of them follow
    rows           what the store says of templates, and the changes that make it so
    reads          what a store answers of templates

All of this is pure. Which templates there are is the library's to say (`publish/library.py`), and what a step
takes is in the catalogue.
"""

from __future__ import annotations

from callboard.templates.accepting import Accepted, accept, check
from callboard.templates.definition import Document, Field, TemplateDefinition
from callboard.templates.instantiating import Instantiable
from callboard.templates.rendering import Documents, Rendered

__all__ = [
    "Accepted",
    "Document",
    "Documents",
    "Field",
    "Instantiable",
    "Rendered",
    "TemplateDefinition",
    "accept",
    "check",
]
