r"""Reading of JSON into nodes.

YAML's flow form reads nearly all JSON, but not pairs of `\u` escapes, nor a key with its colon on the next
line; so JSON has a reader of its own, which also knows where each value begins. The standard library's
scanner of strings does the work that is worth doing in C.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # its stub leaves it out

from callboard.workflow.nodes import DEEPEST, Node, Unreadable, fraction, too_deep, whole_number

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null")


def read(text: str) -> Node:
    """Read one JSON document, or raise `Unreadable`."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]

    def document(self) -> Node:
        self._skip()
        node = self._value(1)
        self._skip()
        if self._at < len(self._text):
            raise self._refused("the document is over, and more follows")
        return node

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._breaks, at)
        return line + 1, at - (self._breaks[line - 1] if line else 0) + 1

    def _refused(self, message: str, at: int | None = None) -> Unreadable:
        place = self._place(self._at if at is None else at)
        return Unreadable("SYNTAX", f"This is not JSON: {message}.", *place)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _next(self) -> str:
        self._skip()
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        place = self._place(self._at)
        begin = self._text[self._at : self._at + 1]
        if begin in {"{", "["} and depth > DEEPEST:
            raise too_deep(*place)
        if begin == "{":
            return self._object(Node({}, *place), depth)
        if begin == "[":
            return self._list(Node([], *place), depth)
        if begin == '"':
            return Node(self._string(), *place, "quoted")
        word = _WORD.match(self._text, self._at)
        if word is not None:
            self._at = word.end()
            return Node(_WORDS[word[0]], *place)
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._refused("a value is expected here")
        self._at = number.end()
        if number[2] or number[3]:
            return Node(fraction(number[0], *place), *place)
        return Node(whole_number(number[0], 10, *place), *place)

    def _object(self, node: Node, depth: int) -> Node:
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return node
        while True:
            if self._next() != '"':
                raise self._refused("a key in double quotes is expected here")
            at = self._place(self._at)
            key = self._string()
            if key in node.keys:
                raise twice(key, node.keys[key][0], *at)
            if self._next() != ":":
                raise self._refused("a colon is expected here, after the key")
            self._at += 1
            self._skip()
            node.add(key, self._value(depth + 1), at)
            if self._over("}"):
                return node

    def _list(self, node: Node, depth: int) -> Node:
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return node
        while True:
            self._skip()
            at = self._place(self._at)
            node.add(len(node.items), self._value(depth + 1), at)
            if self._over("]"):
                return node

    def _over(self, end: str) -> bool:
        """Whether an object or a list ends here; else a comma leads on."""
        found = self._next()
        if found not in {end, ","} or not found:
            raise self._refused(f"a comma or {end} is expected here")
        self._at += 1
        return found == end

    def _string(self) -> str:
        begin = self._at
        text: str
        try:
            text, self._at = scanstring(self._text, begin + 1, True)  # noqa: FBT003 - positional in C
        except JSONDecodeError as error:
            raise self._refused(error.msg[:1].lower() + error.msg[1:], error.pos) from None
        if not text.isascii():
            whole(text, *self._place(begin))
        return text


def whole(text: str, line: int, column: int) -> None:
    """Refuse text with half a character in it, which no file and no message can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable(
            "SYNTAX", "This text holds half of a surrogate pair, which is no character.", line, column
        ) from None


def twice(key: str, before: int, line: int, column: int) -> Unreadable:
    """Return what to raise where an object has a key twice."""
    shown = key if len(key) <= 60 else key[:59] + "…"  # noqa: PLR2004 - as long as a sentence bears
    return Unreadable(
        "KEY_TWICE", f"The key {shown!r} is there twice: it stands already in line {before}.", line, column
    )
