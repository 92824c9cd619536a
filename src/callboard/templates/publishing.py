"""The facts of a template's stream, and which of them follow when a template is published.

Versions are as those of workflows: numbered from 1, never changed, made by content and not by white space.
The same content again is the version that there is, and the one that is rendered from then on. A file of the
folder speaks up when it has changed, and never else (docs/decisions/0018). What a template is, documents or a
workflow, stays so: whoever uses it by its name counts on that.
"""

from __future__ import annotations

import msgspec

from callboard.errors import Conflict
from callboard.facts import fact
from callboard.facts.publishing import Published
from callboard.ids import StreamId
from callboard.templates.definition import Kind, TemplateDefinition, canonical, checksum
from callboard.templates.rows import TemplateRow

KIND = "template"
"""The type of such streams."""

_WORDS = {"document": "a set of documents", "workflow": "the template of a workflow"}


def template_stream(name: str) -> StreamId:
    """Return the stream that holds a template's history."""
    return StreamId(f"template:{name}")


@fact("template_published")
class TemplatePublished(msgspec.Struct, frozen=True, omit_defaults=True):
    """The template has a new version, which is the active one from here on."""

    name: str
    version: int
    checksum: str
    text: str
    """The template as JSON in its one spelling."""
    kind: Kind
    description: str = ""


@fact("template_activated")
class TemplateActivated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that was there already is the active one."""

    name: str
    version: int
    kind: Kind
    description: str = ""


@fact("template_taken")
class TemplateTaken(msgspec.Struct, frozen=True):
    """The file of this template in the folder has changed: its content is this version."""

    name: str
    version: int


TemplateFact = TemplatePublished | TemplateActivated | TemplateTaken


def publish(
    definition: TemplateDefinition, standing: TemplateRow | None, same: int | None
) -> tuple[Published, list[TemplateFact]]:
    """Decide which version a template is, and the facts that make it so; none if nothing changes.

    `standing` is how the template stood before, and `same` the version that has the very content.
    """
    name, kind, description = definition.name, definition.kind, definition.description
    if standing is not None and standing.kind != kind:
        said = f"{name} is {_WORDS[standing.kind]}, and this is {_WORDS[kind]}: give it another name."
        raise Conflict(said, name=name)
    if same is not None:
        changes = standing is None or same != standing.version
        again = TemplateActivated(name, same, kind, description)
        return Published(name, same, created=False, activated=changes), [again] if changes else []
    version = 1 if standing is None else standing.versions + 1
    made = TemplatePublished(
        *(name, version, checksum(definition), canonical(definition).decode(), kind), description=description
    )
    return Published(name, version, created=True, activated=True), [made]


def publish_file(
    definition: TemplateDefinition, standing: TemplateRow | None, same: int | None
) -> tuple[Published, list[TemplateFact]]:
    """Decide the same for a file of the folder: one that has not changed says nothing, whatever is active."""
    if same is not None and standing is not None and same == standing.filed:
        return Published(definition.name, same, created=False, activated=False), []
    published, facts = publish(definition, standing, same)
    return published, [*facts, TemplateTaken(published.name, published.version)]
