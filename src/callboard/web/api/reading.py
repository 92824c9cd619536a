"""Reading what a caller sent: bodies and queries, strictly, with the place of every fault.

msgspec finds the fault and its path; here it becomes one sentence that also says which name was probably
meant. Bodies are bounded while they arrive, whatever their length claims to be.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from callboard.errors import BodyTooLarge, RequestInvalid
from callboard.spelling import did_you_mean, shown
from callboard.units import size_text
from callboard.web.wire import WRITTEN

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_UNLIKE = re.compile(r"Expected `str` matching regex '(?P<pattern>.*)'", re.DOTALL)
_EMPTY = re.compile(r"Expected `(?:str|array)` of length >= 1")
_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_MANY = 100
"""Parameters of one query; no route has nearly as many."""


class Gone(Exception):
    """The caller hung up: there is nobody to answer."""


async def collect(receive: Receive, limit: int) -> bytes:
    """Return a whole body, or raise `BodyTooLarge` once it is past the limit."""
    parts: list[bytes] = []
    held = seen = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        seen += len(part)
        if seen <= limit:
            parts.append(part)
            held = seen
        # A caller who is still sending does not read: it gets a chance to finish, without being kept.
        if not message.get("more_body", False) or seen > limit * 4 + 65_536:
            break
    if held < seen:
        raise too_large(limit)
    return b"".join(parts)


def too_large(limit: int) -> BodyTooLarge:
    """Return the error for a body past the limit."""
    return BodyTooLarge(
        f"The body is larger than {size_text(limit)}; limits.body_bytes is the setting for it.", limit=limit
    )


def read_body(data: bytes, kind: type[T]) -> T:
    """Decode a JSON body into exactly what the route declares."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as fault:
        raise _refusal("body", fault, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise RequestInvalid(f"The body is not JSON: {fault}.", field="$") from None
    except RecursionError:
        raise RequestInvalid("The body is nested too deeply.", field="$") from None


def read_query(raw: bytes, kind: type[T]) -> T:
    """Read a query string into exactly what the route declares; text stands for numbers there."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_MANY,
        )
    except ValueError:
        raise RequestInvalid(
            "The query cannot be read: it must be name=value pairs joined by &.", field="?"
        ) from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise RequestInvalid(f"The query names {shown(name)} twice.", field=f"?{name}")
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise _refusal("query", fault, kind) from None


def _refusal(what: str, fault: msgspec.ValidationError, kind: type[Any]) -> RequestInvalid:
    text = str(fault)
    place = _PLACE.search(text)
    path = place["path"] if place else "$"
    message = text[: place.start()] if place else text
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is not None:
        path = f"{path}.{unknown['name']}" if len(unknown["name"]) <= _MANY else path
        message = f"unknown field {shown(unknown['name'])}"
        message += did_you_mean(unknown["name"], _fields_at(kind, place["path"] if place else "$"))
    else:
        message = _in_words(message)
    return RequestInvalid(f"The {what} is not as declared, at {path}: {message}", field=path)


def _in_words(message: str) -> str:
    """Return what msgspec says is wrong with a value as a person reads it: without regular expressions."""
    unlike = _UNLIKE.fullmatch(message)
    if unlike is not None:
        return f"expected {WRITTEN.get(unlike['pattern'], 'another spelling')}"
    if _EMPTY.fullmatch(message):
        return "it must not be empty"
    return message[:1].lower() + message[1:]


def _fields_at(kind: type[Any], path: str) -> list[str]:
    """Return the names of the fields that the struct at a path of msgspec's may have."""
    here = [inspect.type_info(kind)]
    for step in re.findall(r"\.([^.\[]+)|\[[^\]]*\]", path):
        here = [inner for outer in here for inner in _inside(outer, step)]
    return [
        field.encode_name
        for struct in here
        if isinstance(struct, inspect.StructType)
        for field in struct.fields
    ]


def _inside(outer: inspect.Type, step: str) -> Iterator[inspect.Type]:
    """Yield what one step of a path may lead to; an empty step is an item of a list or a mapping."""
    for inner in outer.types if isinstance(outer, inspect.UnionType) else (outer,):
        if isinstance(inner, inspect.StructType):
            found = [field.type for field in inner.fields if field.encode_name == step]
        elif isinstance(inner, inspect.DictType):
            found = [inner.value_type]
        elif isinstance(inner, inspect.ListType):
            found = [inner.item_type]
        else:
            found = []
        for kind in found:
            yield from kind.types if isinstance(kind, inspect.UnionType) else (kind,)
