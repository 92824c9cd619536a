"""What a definition asks for that cannot be run here yet: told by name, and never quietly left out.

Kinds of steps that are not there are found with their parameters; this is about the workflow itself. Only a
check for running looks at it (`Catalogue.carried`).
"""

from __future__ import annotations

from callboard.checking.schemas import faults_of_schema
from callboard.workflow import Notes
from callboard.workflow.definition import Definition


def check_runnable(definition: Definition, notes: Notes) -> None:
    """Write down what of a workflow cannot be run here."""
    if definition.input is not None:
        for path, message in faults_of_schema(definition.input):
            notes.error(("input", *path), "SCHEMA_UNKNOWN", message)
