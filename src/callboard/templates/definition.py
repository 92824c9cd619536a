"""A template file as its author writes it, one shape for YAML and JSON.

    name: letters
    documents:
      welcome:
        help: The first letter that a customer gets.
        fields:
          customer: {schema: {type: string, minLength: 1}, help: As it stands on the envelope.}
          note: {schema: {type: string}, default: ""}
        body: |
          Dear {{ answers.customer }},
        metadata: {subject: "Welcome, {{ answers.customer }}"}

A file holds either a set of documents, or a workflow with places in it that a config fills:

    name: watch-a-folder
    config:
      folder: {schema: {type: string}}
    workflow:
      name: {$: "watch-{{ config.folder }}"}
      steps: [{id: list, uses: http.request, with: {url: {$: "https://files.example/{{ config.folder }}"}}}]

These structs are the schema, as in `workflow/definition.py`; whether what they hold fits together is looked
at in `accepting.py`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from callboard.workflow.definition import VARIABLE, Part, StepId, Text, WorkflowName, plain

Kind = Literal["document", "workflow"]

MOST_DOCUMENTS = 100
MOST_FIELDS = 200

FieldName = Annotated[
    str,
    Meta(
        pattern=VARIABLE,
        min_length=1,
        max_length=100,
        extra={"written": "letters, digits and underscores, beginning with a letter, such as customer"},
    ),
]


class Field(Part, frozen=True, kw_only=True, rename={"schema_": "schema"}):
    """One thing that has to be told before a template can be filled in."""

    schema_: Annotated[dict[str, Any], Meta(description="A JSON Schema; anything fits if not told.")] = (
        msgspec.field(default_factory=dict)
    )
    help: Annotated[Text, Meta(description="For whoever answers.")] = ""
    required: Annotated[bool, Meta(description="Whether it must be told, where it has no default.")] = True
    default: Annotated[Any, Meta(description="What holds if it is not told.")] = msgspec.UNSET


Fields = dict[FieldName, Field]


class Document(Part, frozen=True, kw_only=True):
    """One document of a set."""

    fields: Annotated[Fields, Meta(description="What the body sees as `answers`.")] = msgspec.field(
        default_factory=dict
    )
    body: Annotated[str, Meta(min_length=1, description="The text, with templates in it.")]
    help: Annotated[Text, Meta(description="For whoever answers.")] = ""
    metadata: Annotated[
        dict[str, Any], Meta(description="What is given back beside the body; texts are templates.")
    ] = msgspec.field(default_factory=dict)


class TemplateDefinition(Part, frozen=True, kw_only=True):
    """A template: a set of documents, or a workflow with a config."""

    name: Annotated[WorkflowName, Meta(description="No other template has it.")]
    description: Annotated[Text, Meta(description="For people.")] = ""
    documents: Annotated[
        dict[StepId, Document] | None, Meta(description="The documents of the set, by their names.")
    ] = None
    config: Annotated[Fields, Meta(description="What the places in the workflow see as `config`.")] = (
        msgspec.field(default_factory=dict)
    )
    workflow: Annotated[
        dict[str, Any] | None, Meta(description="The workflow; {$: …} stands where the config goes.")
    ] = None

    @property
    def kind(self) -> Kind:
        """Whether it is rendered, or made into a workflow."""
        return "document" if self.workflow is None else "workflow"


def canonical(definition: TemplateDefinition) -> bytes:
    """Return a template in one spelling; fields stay in their order, in which people are asked for them."""
    return msgspec.json.encode(plain(definition))


def checksum(definition: TemplateDefinition) -> str:
    """Return the SHA-256 of the one spelling: the same content has the same, however it is written."""
    return hashlib.sha256(canonical(definition)).hexdigest()
