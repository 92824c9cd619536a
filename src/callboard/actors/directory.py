"""Who is here: from a name to the ref of the actor that has it now.

A name belongs to one actor at a time. It is free again when that actor's task is done, by itself; who puts an
actor to sleep and wants to wake another at once takes the name away by `remove`. `find` gives only actors
that still accept messages. Every call is O(1), which pykka's registry, a list, is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from callboard.actors.handle import Ending
from callboard.actors.runtime import Ref
from callboard.errors import AlreadyExists

M = TypeVar("M")


class Directory(Generic[M]):
    """Names of actors that handle messages of type M."""

    def __init__(self) -> None:
        self._refs: dict[str, Ref[M]] = {}

    def __len__(self) -> int:
        return len(self._refs)

    def __contains__(self, name: object) -> bool:
        return name in self._refs

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def add(self, name: str, ref: Ref[M]) -> None:
        """Give the name to the actor, until it ends. Raises AlreadyExists."""
        if name in self._refs:
            text = f"An actor called {name} is in the directory already."
            raise AlreadyExists(text, name=name)
        self._refs[name] = ref
        ref.when_ended(partial(self._forget, name, ref))

    def find(self, name: str) -> Ref[M] | None:
        """Return the actor of that name if it is here and accepts messages."""
        ref = self._refs.get(name)
        return ref if ref is not None and ref.is_alive() else None

    def remove(self, name: str) -> Ref[M] | None:
        """Free the name now, and return who had it."""
        return self._refs.pop(name, None)

    def _forget(self, name: str, ref: Ref[Any], _: Ending) -> None:
        if self._refs.get(name) is ref:
            del self._refs[name]
