"""From a workflow with places and a config to the text of a workflow.

    template = Instantiable("watch-a-folder", 3, definition)
    text = template.instantiate({"folder": "claims"})

A place is an object with the one key `$`: what stands under it is rendered over `config`, and takes the
place's place as the value that it is. Nothing is pasted into text, so no config can end a quotation, add a
key or begin another step; the text is written from values, by the one writer of workflow files.

What is code in the workflow cannot come from a config either. A text that holds `{{`, `{%` or `{#` would be
rendered by the runs, so it is refused, and so is one that would become a condition. A config that is to be
used in a condition goes into `vars`, and the condition looks there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callboard.errors import BadInput, ExpressionFailed
from callboard.expressions import is_template, value
from callboard.templates.answering import MOST_FAULTS, filled, refused
from callboard.templates.definition import TemplateDefinition
from callboard.workflow import Path, to_yaml

CONFIG = "config"
"""What a place sees."""
PLACE = "$"
CONDITIONS = frozenset({"if", "while", "until"})
"""Keys of a workflow under which code stands."""
_CODE = "{{, {% or {#"


class Instantiable:
    """One version of a workflow's template."""

    def __init__(self, name: str, version: int | None, definition: TemplateDefinition) -> None:
        self.name = name
        self.version = version
        self.definition = definition

    def instantiate(self, config: object, name: str | None = None) -> str:
        """Return the text of the workflow that a config makes, under another name if one is given.

        `TemplateAnswers` says everything that is wrong with the config.
        """
        workflow = self.definition.workflow
        if workflow is None:
            raise BadInput(f"{self.name} is a set of documents: render one; no workflow is made from it.")
        seen = filled(self.definition.config, config, CONFIG, self.name)
        found = list(places(workflow))
        try:
            # All at once, since all share one budget.
            made: Any = value([inner for _, inner in found]).render({CONFIG: seen})
        except ExpressionFailed as error:
            number, *_ = error.details.get("at", [0])
            raise refused([(("workflow", *found[number][0]), error.message.rstrip("."))], self.name) from None
        wrong = [
            (("workflow", *path, *inner), said)
            for (path, _), result in zip(found, made, strict=True)
            for inner, said in _code_in(result)
        ]
        if wrong:
            raise refused(wrong[: MOST_FAULTS + 1], self.name)
        results = {path: result for (path, _), result in zip(found, made, strict=True)}
        whole: Any = replaced(workflow, results)
        if name is not None:
            whole = {"name": name} | whole | {"name": name}
        version = "" if self.version is None else f", version {self.version}"
        return f"# Made from the template {self.name}{version}.\n{to_yaml(whole)}"


def places(workflow: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield the places of a workflow, each with what stands in it."""
    if isinstance(workflow, dict):
        if PLACE in workflow:
            yield path, workflow[PLACE]
            return
        for key, inner in workflow.items():
            yield from places(inner, (*path, key))
    elif isinstance(workflow, list):
        for number, inner in enumerate(workflow):
            yield from places(inner, (*path, number))


def replaced(workflow: object, results: dict[Path, Any], path: Path = ()) -> object:
    """Return a workflow with something else in its places."""
    if path in results:
        return results[path]
    if isinstance(workflow, dict):
        return {key: replaced(inner, results, (*path, key)) for key, inner in workflow.items()}
    if isinstance(workflow, list):
        return [replaced(inner, results, (*path, number)) for number, inner in enumerate(workflow)]
    return workflow


def _code_in(result: object) -> Iterator[tuple[Path, str]]:
    """Yield what of a value would be code where it is put."""
    if isinstance(result, str):
        if is_template(result):
            yield (), f"what the config puts here holds {_CODE}, which the workflow would render"
    elif isinstance(result, list):
        for number, inner in enumerate(result):
            for below, said in _code_in(inner):
                yield (number, *below), said
    elif isinstance(result, dict):
        for key, inner in result.items():
            if key in CONDITIONS and isinstance(inner, str):
                yield (key,), "a condition cannot come from the config: it is code"
            for below, said in _code_in(inner):
                yield (key, *below), said
