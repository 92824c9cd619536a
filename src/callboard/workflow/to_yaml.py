"""Writing of a definition as YAML, in one spelling: what people read, compare and edit further.

Whatever is written here reads back as the same value, under the rules of YAML 1.2 by which we read and under
those of 1.1 by which others do. A text stands plain where neither could take it for anything else, in several
lines where it has several, and between quotes, as in JSON, everywhere else. Lines are never folded, so that
a comparison of two versions shows what was changed and nothing beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_ ./*+()-]*[A-Za-z0-9_./*+()-])?", re.ASCII)
"""A text that no reader takes for a number, a date, or the beginning of anything."""

_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"})
"""Texts that some reader takes for something else."""

_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What YAML does not allow as it is, and JSON does."""

_IN_LINES = re.compile(r"(?![ \n])[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]+")
"""A text whose lines can stand as they are: the first one says how far all are indented."""


def to_yaml(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a plain value as a YAML document."""
    return "\n".join(_block(value, "")) + "\n"


def _block(value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{_key(key)}:", item, indent + "  ")
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield indent + _scalar(value)


def _entry(before: str, value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield the lines of a value that follows a key or a dash."""
    if isinstance(value, dict | list) and value:
        yield before
        yield from _block(value, indent)
    elif isinstance(value, str) and "\n" in value and _in_lines(value):
        yield f"{before} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (indent + line if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{before} {_scalar(value)}"


def _item(value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield the lines of an item of a list; a mapping or a list begins beside its dash."""
    if isinstance(value, dict | list) and value:
        first, *rest = _block(value, indent + "  ")
        yield f"{indent}- {first[len(indent) + 2 :]}"
        yield from rest
    else:
        yield from _entry(f"{indent}-", value, indent + "  ")


def _in_lines(text: str) -> bool:
    """Whether a text can stand in lines of its own, its last one ended or not."""
    return _IN_LINES.fullmatch(text) is not None and not text.endswith("\n\n")


def _key(key: str) -> str:
    # `on` is one of our own keys, and every file writes it plain: it is a word in YAML 1.2.
    return key if _PLAIN.fullmatch(key) and (key == "on" or key.lower() not in _WORDS) else _quoted(key)


def _scalar(value: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else _quoted(value)


def _quoted(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
