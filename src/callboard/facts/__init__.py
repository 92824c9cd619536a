"""Facts: what can be written into an event stream, and how it is kept readable for ever.

    @fact("ticket_opened", revision=1)
    class TicketOpened(msgspec.Struct, frozen=True):
        subject: str

A fact is a frozen struct with a name that never changes and a revision of its shape. What is stored carries
both. When the shape changes in a way that old rows do not decode, the revision grows and the class names an
upcaster from each older one, so a log written years ago still reads:

    @fact("ticket_opened", revision=2, upcasts={1: lambda old: {"title": old["subject"]}})

We are strict when writing and tolerant when reading: a value that JSON cannot hold faithfully is refused as
it is handed in (`Unencodable`), while fields that are unknown to this version are passed over on the way
back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from callboard.errors import FactUnreadable, Unencodable

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""From the decoded JSON of one revision to that of the next."""

Struct = TypeVar("Struct", bound=type[msgspec.Struct])


class FactType(msgspec.Struct, frozen=True):
    """What is known of one registered type of fact."""

    name: str
    revision: int
    shape: type[msgspec.Struct]
    upcasts: Mapping[int, Upcaster]
    ends: bool
    """After such a fact the stream is over: retention may take it once it is old enough."""
    reopens: bool
    """Such a fact makes an ended stream live again."""


_by_name: dict[str, FactType] = {}
_by_shape: dict[type, FactType] = {}


def fact(
    name: str,
    *,
    revision: int = 1,
    upcasts: Mapping[int, Upcaster] | None = None,
    ends: bool = False,
    reopens: bool = False,
) -> Callable[[Struct], Struct]:
    """Register a frozen struct as a type of fact; the name is what the log stores."""

    def register(shape: Struct) -> Struct:
        if not shape.__struct_config__.frozen:
            msg = f"{shape.__qualname__} must be frozen: a fact does not change."
            raise TypeError(msg)
        missing = [old for old in range(1, revision) if old not in (upcasts or {})]
        if missing:
            msg = f"Fact {name!r} is at revision {revision} but has no upcaster from {missing}."
            raise TypeError(msg)
        known = _by_name.get(name)
        if known is not None and _home(known.shape) != _home(shape):  # the same again is a reloaded module
            msg = f"Two facts are named {name!r}: {known.shape.__qualname__} and {shape.__qualname__}."
            raise TypeError(msg)
        kind = FactType(name, revision, shape, dict(upcasts or {}), ends, reopens)
        _by_name[name] = _by_shape[shape] = kind
        return shape

    return register


def _home(shape: type) -> tuple[str, str]:
    return shape.__module__, shape.__qualname__


def registered(shape: type) -> FactType:
    """Return what is registered for a type of fact."""
    kind = _by_shape.get(shape)
    if kind is None:
        msg = f"{shape.__qualname__} is not a fact: decorate it with @fact(name) to store it."
        raise Unencodable(msg)
    return kind


def read(name: str, revision: int, data: str | bytes) -> msgspec.Struct:
    """Return a stored fact in today's shape, through the upcasters if it is older."""
    kind = _by_name.get(name)
    if kind is None or revision > kind.revision:
        msg = (
            f"The log holds a {name!r} of revision {revision}, which this version of Callboard does not "
            "know: it was written by a newer one, or by code that is no longer loaded."
        )
        raise FactUnreadable(msg, type=name, revision=revision)
    try:
        if revision == kind.revision:
            return msgspec.json.decode(data, type=kind.shape)
        value = msgspec.json.decode(data)
        for older in range(revision, kind.revision):
            value = kind.upcasts[older](value)
        return msgspec.convert(value, type=kind.shape)
    except Exception as error:  # an upcaster is anybody's code
        msg = f"A stored {name!r} of revision {revision} does not decode: {error}."
        raise FactUnreadable(msg, type=name, revision=revision) from error


def write(value: msgspec.Struct) -> tuple[FactType, msgspec.Struct, str]:
    """Return a fact's type, the fact as it will be read, and its JSON.

    A struct can be made with values of any type; only decoding checks them. So it is decoded before it is
    stored: what could not be read back never gets into the log, and what follows from a fact at its commit is
    what follows from it when it is read.
    """
    kind = registered(type(value))
    data = encoded(value).decode()
    try:
        return kind, msgspec.json.decode(data, type=kind.shape), data
    except msgspec.DecodeError as error:
        msg = f"This {kind.name!r} could not be read again: {error}."
        raise Unencodable(msg) from error


_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> str:
    """Return the JSON of a value as text, or refuse what JSON cannot hold."""
    return encoded(value).decode()


def encoded(value: Any) -> bytes:
    """Return the JSON of a value, or refuse what JSON cannot hold.

    What JSON has no form of its own for comes back as its nearest: a tuple as a list, bytes as base64, a key
    that is a number as text. In a fact its type brings it back as it was.
    """
    try:
        data = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"This value cannot be stored as JSON: {error}."
        raise Unencodable(msg) from error
    if isinstance(value, msgspec.Raw) and not _is_json(data):
        msg = "This raw value is not JSON, and could not be read again."
        raise Unencodable(msg)
    # The encoder writes NaN and the infinities as null, silently. Looking closer only where a null was
    # written keeps the check off the common path; `in` would take half as long again as `find` here.
    if data.find(b"null") >= 0 and _has_lost_float(value):
        msg = "This value holds NaN or an infinity, which JSON cannot hold: it would come back as null."
        raise Unencodable(msg)
    return data


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _has_lost_float(value: Any) -> bool:
    waiting = [msgspec.to_builtins(value)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return True
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return False
