"""From Jinja's tree to closures: what every part of the compiler shares.

Each node that the language has is compiled once into a Python closure that takes a `Frame`; a node without an
entry in the table is refused by name. So nothing is decided twice, and what is not listed does not exist.
While it compiles, the compiler notes what the text refers to and which secrets it names, and counts nodes:
straight text is charged for all its nodes before it runs, the body of a loop before each round, so that no
closure needs to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from callboard.expressions.limits import Budget, Limits
from callboard.expressions.parsing import refused
from callboard.expressions.values import PLAIN, plain, present

WORDS = {
    "Macro": "macros are",
    "CallBlock": "call blocks are",
    "Include": "includes are",
    "Import": "imports are",
    "FromImport": "imports are",
    "Extends": "inheritance is",
    "Block": "inheritance is",
    "Assign": "assignments are",
    "AssignBlock": "assignments are",
    "With": "assignments are",
    "NSRef": "namespaces are",
    "FilterBlock": "filter blocks are",
    "Scope": "autoescape is",
}


class Frame:
    """One evaluation: what it sees, what it may still use, and where it is."""

    __slots__ = ("budget", "line", "scope", "slots", "warnings")

    def __init__(
        self, scope: Mapping[str, object], budget: Budget, slots: int, warnings: list[str] | None
    ) -> None:
        self.scope = scope
        self.budget = budget
        self.slots: list[Any] = [None] * slots
        self.line = 1
        self.warnings = warnings


Expression = Callable[[Frame], object]


class Compiler:
    """What is known while one text is compiled."""

    def __init__(
        self, text: str, limits: Limits, table: Mapping[type[nodes.Node], Any], *, unknowns: bool
    ) -> None:
        self.text = text
        self.limits = limits
        self.table = table
        self.unknowns = unknowns
        """Whether `and` and `or` look past a missing operand, as in a condition."""

        self.names: dict[str, int] = {}
        """The names that a loop around this place gives, each with its slot."""

        self.slots = 0
        self.cost = 0
        self.depth = 0
        self.references: set[tuple[str, ...]] = set()
        self.secrets: set[str] = set()

    def expression(self, node: nodes.Node) -> Expression:
        """Compile one node that has a value."""
        make = self.table.get(type(node))
        if make is None:
            raise self.refused(
                node, f"{WORDS.get(type(node).__name__, 'this kind of expression is')} not available here"
            )
        self.enter(node)
        made: Expression = make(self, node)
        self.depth -= 1
        return made

    def enter(self, node: nodes.Node) -> None:
        """Count a node, and go one deeper."""
        self.cost += 1
        self.depth += 1
        if self.depth > self.limits.depth:
            raise self.refused(node, f"it nests more than {self.limits.depth} deep")

    def refused(self, node: nodes.Node, sentence: str) -> Exception:
        """Return the error for a construct that cannot be."""
        line = node.lineno or next(
            inner.lineno for inner in node.find_all(nodes.Node)
        )  # a scope has none itself
        return refused(self.text, sentence, line)

    def slot(self) -> int:
        """Take a place in the frame for a value that a loop gives."""
        self.slots += 1
        return self.slots - 1


def use(value: object) -> object:
    """Return a value that is used now: plain and not missing."""
    return value if type(value) in PLAIN else present(plain(value))
