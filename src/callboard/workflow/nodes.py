"""A file as it was read: its plain value, and where each part of it stands.

Both readers (`from_yaml.py`, `from_json.py`) give the same tree of nodes, so a fault is found at the same
place whichever way the file is written. An alias of YAML stands for the node that it names, which is why what
a tree holds is counted while it is read and never afterwards: a few lines of aliases can stand for billions
of values.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from callboard.workflow.faults import Fault, Path, path_text

MOST_BYTES = 1 << 20
DEEPEST = 64
MOST_ALIASES = 100
MOST_VALUES = 50_000
"""Values that a file may stand for: a thousand steps of fifty each."""

Style = Literal["plain", "quoted", "literal", "folded", "none"]
"""How a text is written: it decides where a line of the text stands in the file."""

_LARGEST = (1 << 64) - 1
_SMALLEST = -(1 << 63)


class Unreadable(Exception):
    """The file cannot be read on from here."""

    def __init__(self, code: str, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.fault = Fault("", line, column, code, message)


class Node:
    """One value, with its place."""

    __slots__ = ("column", "depth", "items", "keys", "line", "style", "value", "values")

    def __init__(self, value: Any, line: int, column: int, style: Style = "none") -> None:  # noqa: ANN401 - any JSON
        self.value = value
        self.line = line
        self.column = column
        self.style = style
        # Most nodes hold nothing, and a file may have many: those share two empty ones.
        inside = style == "none" and isinstance(value, dict | list)
        self.items: dict[str | int, Node] = {} if inside else _NO_ITEMS
        """What is inside, by key or index."""
        self.keys: dict[str, tuple[int, int]] = {} if inside else _NO_KEYS
        """Where the keys of an object stand."""
        self.values = 1
        """How many values it stands for, aliases followed."""
        self.depth = 1
        """How deep it is, aliases followed."""

    def add(self, key: str | int, node: Node, at: tuple[int, int]) -> None:
        """Put a value inside."""
        self.items[key] = node
        if isinstance(key, str):
            self.keys[key] = at
            self.value[key] = node.value
        else:
            self.value.append(node.value)
        self.values += node.values
        self.depth = max(self.depth, node.depth + 1)
        if self.values > MOST_VALUES:
            raise Unreadable(
                "TOO_MANY_VALUES",
                f"The file stands for more than {MOST_VALUES:,} values; a workflow has far fewer.",
                *at,
            )
        if self.depth > DEEPEST:
            raise too_deep(*at)


_NO_ITEMS: dict[str | int, Node] = {}
_NO_KEYS: dict[str, tuple[int, int]] = {}


class Source:
    """A file that was read."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root
        self._lines: list[str] | None = None

    @property
    def value(self) -> Any:  # noqa: ANN401 - it is any value that JSON holds
        """What the file says, as plain dicts, lists and scalars."""
        return self.root.value

    def node(self, path: Path) -> Node:
        """Return the node at a path, or the nearest one around it."""
        here = self.root
        for part in path:
            inner = here.items.get(part)
            if inner is None:
                break
            here = inner
        return here

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Return line and column of what is at a path, or of the key that leads to it."""
        if key and path and isinstance(path[-1], str):
            found = self.node(path[:-1]).keys.get(path[-1])
            if found is not None:
                return found
        node = self.node(path)
        return node.line, node.column

    def within(self, path: Path, line: int, column: int) -> tuple[int, int]:
        """Return where a line and column (from 1) of the text at a path stand in the file."""
        node = self.node(path)
        if node.style == "literal":
            begin = node.line + line
            text = self.line(begin)
            indent = self._indent(node.line)
            return (begin, indent + column) if len(text) >= indent else (node.line, node.column)
        if line == 1 and node.style in {"plain", "quoted"}:
            quote = 1 if node.style == "quoted" else 0
            written = self.line(node.line)[node.column - 1 + quote :]
            said = str(node.value)[: column - 1]
            if written.startswith(said):
                return node.line, node.column + quote + column - 1
        return node.line, node.column

    def _indent(self, line: int) -> int:
        """Return how far the block after a line is indented: as its first line that is not empty."""
        for number in range(line + 1, line + 1 + MOST_BYTES):
            text = self.line(number)
            if text.strip() or number > len(self._lines or ()):
                return len(text) - len(text.lstrip(" "))
        return 0

    def line(self, number: int) -> str:
        """Return a line of the file, from 1; past its end, nothing."""
        if self._lines is None:
            self._lines = re.split(r"\r\n|\r|\n", self.text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def fault(
        self, path: Path, code: str, message: str, *, warning: bool = False, key: bool = False
    ) -> Fault:
        """Return a fault at a path, or at the key that leads there."""
        line, column = self.place(path, key=key)
        return Fault(path_text(path), line, column, code, message, "warning" if warning else "error")


def too_deep(line: int, column: int) -> Unreadable:
    """Return what to raise where a file is nested too deeply."""
    return Unreadable("TOO_DEEP", f"The file is nested more than {DEEPEST} deep.", line, column)


def whole_number(text: str, base: int, line: int, column: int) -> int:
    """Read a whole number that JSON can carry, or refuse it."""
    value = int(text, base) if len(text) <= _SMALLEST.bit_length() + 2 else _LARGEST + 1
    if not _SMALLEST <= value <= _LARGEST:
        raise Unreadable(
            "NUMBER_TOO_LARGE", "This number does not fit 64 bits: quote it, as a text.", line, column
        )
    return value


def fraction(text: str, line: int, column: int) -> float:
    """Read a number with a fraction, or refuse it where it is larger than a computer's."""
    value = float(text)
    if value - value != 0:
        raise Unreadable("NUMBER_TOO_LARGE", "This number is too large: quote it, as a text.", line, column)
    return value
