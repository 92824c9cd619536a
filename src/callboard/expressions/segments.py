"""Text with secrets in it, before the secrets are known: pieces of text, and names.

A template that names a secret renders to `Segments`, not to a text with a mark in it: no payload can look
like a mark. What is stored is `stored(rendered)`, the value with nothing where segments stood, and beside it
a list of the places and their pieces; so a payload cannot look like that either. At the attempt `resolve`
puts the values in, and its result is never rendered again.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Secret(msgspec.Struct, frozen=True):
    """The place of a secret, by its name."""

    name: str


class Segments(msgspec.Struct, frozen=True):
    """A text in pieces: plain text, and secrets by name."""

    pieces: tuple[str | Secret, ...]

    def text(self, lookup: Callable[[str], str]) -> str:
        """Return the text with each secret's value in its place."""
        return "".join(lookup(piece.name) if isinstance(piece, Secret) else piece for piece in self.pieces)


class Placed(msgspec.Struct, frozen=True):
    """Segments and where they stand in a value: keys of objects and places in lists."""

    at: tuple[str | int, ...]
    segments: Segments


class Stored(msgspec.Struct, frozen=True):
    """A rendered value as it is kept: plain JSON, and the segments that belong into it."""

    value: object
    secrets: tuple[Placed, ...] = ()


def resolve(rendered: object, lookup: Callable[[str], str]) -> object:
    """Return a rendered value with the secrets in; `lookup` gives the value of a name, or raises."""
    if isinstance(rendered, Segments):
        return rendered.text(lookup)
    if isinstance(rendered, list):
        return [resolve(item, lookup) for item in rendered]
    if isinstance(rendered, dict):
        return {key: resolve(item, lookup) for key, item in rendered.items()}
    return rendered


def stored(rendered: object) -> Stored:
    """Take a rendered value apart into plain JSON and the segments that stood in it."""
    placed: list[Placed] = []

    def without(value: object, at: tuple[str | int, ...]) -> object:
        if isinstance(value, Segments):
            placed.append(Placed(at, value))
            return None
        if isinstance(value, list):
            return [without(item, (*at, place)) for place, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: without(item, (*at, key)) for key, item in value.items()}
        return value

    return Stored(without(rendered, ()), tuple(placed))


def restored(kept: Stored) -> object:
    """Put a stored value together again; the inverse of `stored`."""
    placed = {one.at: one.segments for one in kept.secrets}

    def whole(value: object, at: tuple[str | int, ...]) -> object:
        if at in placed:
            return placed[at]
        if isinstance(value, list):
            return [whole(item, (*at, place)) for place, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: whole(item, (*at, key)) for key, item in value.items()}
        return value

    return whole(kept.value, ()) if placed else kept.value
