"""Workflow files: the definition as authors write it, and how a file becomes one, with all faults at once.

    definition    the keys of the file, as structs: read this first
    faults        a fault, with its path, line and code
    nodes         a file as it was read, with the place of each part
    notes         where a check writes down what it finds
    from_yaml  from_json  reading     text to nodes
    to_yaml       a definition to text, in one spelling for people
    shape         a plain value against a type
    accepting     nodes to a definition

Whether the steps fit together is the next floor's (`graph.py`, `plan.py`), and what is wrong with a whole
file is told by `checking/`.
"""

from __future__ import annotations

from callboard.workflow.accepting import Reading, built, define, of_an_edge
from callboard.workflow.definition import Definition, Next, Step, canonical, checksum, plain
from callboard.workflow.faults import Fault, Path, in_order, path_text
from callboard.workflow.nodes import Source, Unreadable
from callboard.workflow.notes import Enough, Notes
from callboard.workflow.reading import read
from callboard.workflow.shape import LEFT_OUT, Shape, described, is_template
from callboard.workflow.to_yaml import to_yaml

__all__ = [
    "LEFT_OUT",
    "Definition",
    "Enough",
    "Fault",
    "Next",
    "Notes",
    "Path",
    "Reading",
    "Shape",
    "Source",
    "Step",
    "Unreadable",
    "built",
    "canonical",
    "checksum",
    "define",
    "described",
    "in_order",
    "is_template",
    "of_an_edge",
    "path_text",
    "plain",
    "read",
    "to_yaml",
]
