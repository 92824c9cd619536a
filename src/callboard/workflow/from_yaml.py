"""Reading of YAML into nodes: the events of PyYAML's C parser, typed as YAML 1.2 says.

In 1.2 `on`, `no` and `yes` are words, `010` is ten, and a date is a text. Only what JSON can hold comes out:
tags, merge keys and keys that are no scalars are refused in a sentence each. Nothing is built before its
limits are checked: an alias stands for the node that it names, so its size and depth are known without
following it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from callboard.workflow.from_json import twice
from callboard.workflow.nodes import (
    DEEPEST,
    MOST_ALIASES,
    Node,
    Style,
    Unreadable,
    fraction,
    too_deep,
    whole_number,
)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_STYLES: dict[str | None, Style] = {"'": "quoted", '"': "quoted", "|": "literal", ">": "folded"}


def read(text: str) -> Node:
    """Read one YAML document, or raise `Unreadable`."""
    try:
        return _Composer(yaml.parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None
    except yaml.reader.ReaderError as error:
        # The C parser counts bytes here: the character is looked for instead.
        at = max(text.find(chr(error.character)) if isinstance(error.character, int) else 0, 0)
        line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
        message = f"This is not YAML: the character {text[at : at + 1]!r} may not stand in it."
        raise Unreadable("SYNTAX", message, line, column) from None


def _syntax(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    hint = ""
    if "cannot start any token" in said and "\\t" in said:
        hint = "; indent with spaces, not with tabs"
    elif "mapping values are not allowed" in said:
        hint = "; a text with a colon and a space in it needs quotes"
    elif "flow m" in said or "unhashable" in said:
        hint = "; a value that begins with {{ needs quotes"
    return Unreadable("SYNTAX", f"This is not YAML: {said}{hint}.", line, column)


class _Composer:
    """Nodes from events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node | None] = {}
        """A node that is not complete yet is None: what it holds may not refer to it."""
        self._aliases = 0

    def document(self) -> Node:
        event = self._of_document()
        if isinstance(event, yaml.StreamEndEvent):
            raise Unreadable("EMPTY", "The file is empty: a workflow has at least a name and steps.", 1, 1)
        node = self._node(next(self._events), 1)
        event = self._of_document()
        if not isinstance(event, yaml.StreamEndEvent):
            mark = event.start_mark
            message = "A second document begins here: a file holds one workflow."
            raise Unreadable("SYNTAX", message, mark.line + 1, mark.column + 1)
        return node

    def _of_document(self) -> Any:  # noqa: ANN401 - PyYAML's stubs leave fields out
        """Return the event that begins a document, or ends the stream."""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent | yaml.StreamEndEvent):
                return event
        raise Unreadable("SYNTAX", "The file ends too early.", 1, 1)

    def _node(self, event: Any, depth: int) -> Node:  # noqa: ANN401 - as above
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line, column)
        if event.tag is not None and event.tag != "!":
            message = f"Tags such as {event.tag[:60]} are not read here: take it away, or quote the value."
            raise Unreadable("TAG_REFUSED", message, line, column)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, line, column)
        elif depth > DEEPEST:
            raise too_deep(line, column)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(Node([], line, column), depth)
        else:
            node = self._object(Node({}, line, column), depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str, line: int, column: int) -> Node:
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            raise Unreadable(
                "TOO_MANY_ALIASES", f"The file has more than {MOST_ALIASES} aliases.", line, column
            )
        if anchor not in self._anchors:
            message = f"The alias *{anchor[:60]} stands for nothing: no &{anchor[:60]} comes before it."
            raise Unreadable("ALIAS_UNKNOWN", message, line, column)
        node = self._anchors[anchor]
        if node is None:
            message = f"The alias *{anchor[:60]} stands inside what it stands for, which has no end."
            raise Unreadable("ALIAS_UNKNOWN", message, line, column)
        return node

    def _list(self, node: Node, depth: int) -> Node:
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            at = event.start_mark.line + 1, event.start_mark.column + 1
            node.add(len(node.items), self._node(event, depth + 1), at)
        return node

    def _object(self, node: Node, depth: int) -> Node:
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            at = event.start_mark.line + 1, event.start_mark.column + 1
            key = self._key(event, *at)
            if key in node.keys:
                raise twice(key, node.keys[key][0], *at)
            node.add(key, self._node(next(self._events), depth + 1), at)
        return node

    def _key(self, event: Any, line: int, column: int) -> str:  # noqa: ANN401 - as above
        """Return a key, which is a text as it stands: `1` and `on` are keys as well."""
        if isinstance(event, yaml.ScalarEvent) and (event.tag is None or event.tag == "!"):
            key = str(event.value)
            if event.anchor is not None:
                self._anchors[event.anchor] = Node(key, line, column, _STYLES.get(event.style, "plain"))
            if key == "<<" and event.style not in _STYLES:
                message = "Merge keys (<<) are not part of YAML 1.2: write the keys out."
                raise Unreadable("MERGE_REFUSED", message, line, column)
            return key
        message = "A key is a text here; a value that begins with {{ needs quotes."
        raise Unreadable("KEY_REFUSED", message, line, column)


def _scalar(event: yaml.ScalarEvent, line: int, column: int) -> Node:
    text: str = event.value
    style = _STYLES.get(event.style, "plain")
    if style != "plain" or event.tag == "!":
        return Node(text, line, column, style)
    value: object = text
    if text in _NULL:
        value = None
    elif text in _BOOL:
        value = _BOOL[text]
    elif _INT.fullmatch(text):
        value = whole_number(text, 10, line, column)
    elif _BASED.fullmatch(text):
        value = whole_number(text[2:], 8 if text[1] == "o" else 16, line, column)
    elif _FLOAT.fullmatch(text):
        value = fraction(text, line, column)
    elif _NO_NUMBER.fullmatch(text):
        message = f"{text} is a number that JSON does not have: quote it, as a text."
        raise Unreadable("NUMBER_TOO_LARGE", message, line, column)
    return Node(value, line, column, style)
