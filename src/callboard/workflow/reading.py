"""From bytes to a `Source`: the size, the encoding, and whether it is JSON or YAML.

A file that begins with a brace or a bracket may be either, since YAML has a flow form. It is tried as JSON
and then as YAML; when both refuse it, what the one says that came further is told.
"""

from __future__ import annotations

from callboard.units import size_text
from callboard.workflow import from_json, from_yaml
from callboard.workflow.nodes import MOST_BYTES, Node, Source, Unreadable


def read(data: str | bytes) -> Source:
    """Read a workflow file, or raise `Unreadable`."""
    text = _decoded(data)
    return Source(text, _root(text))


def _decoded(data: str | bytes) -> str:
    # A text of so many characters has at least as many bytes, and need not be encoded to be refused.
    if len(data) > MOST_BYTES:
        raise _too_large()
    try:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        if len(raw) > MOST_BYTES:
            raise _too_large()
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise Unreadable("ENCODING", "The file is not UTF-8: save it as UTF-8.", line, column) from None
    except UnicodeEncodeError:
        message = "The text holds half of a surrogate pair, which is no character."
        raise Unreadable("ENCODING", message, 1, 1) from None


def _too_large() -> Unreadable:
    return Unreadable("TOO_LARGE", f"The file is larger than {size_text(MOST_BYTES)}.", 1, 1)


def _root(text: str) -> Node:
    if not text.lstrip().startswith(("{", "[")):
        return from_yaml.read(text)
    try:
        return from_json.read(text)
    except Unreadable as as_json:
        if as_json.fault.code != "SYNTAX":
            raise
        try:
            return from_yaml.read(text)
        except Unreadable as as_yaml:
            reached = [(one.fault.line, one.fault.column) for one in (as_json, as_yaml)]
            # YAML tells the end of a file past it: JSON that ends too early came as far.
            ends = text.count("\n", 0, len(text.rstrip())) + 1 == as_json.fault.line < as_yaml.fault.line
            raise (as_yaml if reached[1] >= reached[0] and not ends else as_json) from None
