"""Names of actors."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import Directory, LoopActor
from callboard.errors import AlreadyExists


class Echo(LoopActor[Any]):
    async def on_receive(self, message: Any) -> Any:
        return message


async def test_finds_by_name_until_the_end() -> None:
    """An actor is found by its name while it accepts messages; when it has ended the name is free."""
    directory: Directory[Any] = Directory()
    ref = Echo.start()
    directory.add("echo", ref)
    assert directory.find("echo") is ref
    assert directory.find("other") is None
    ref.stop()
    assert directory.find("echo") is None
    assert "echo" in directory
    await ref.aclose()
    assert list(directory) == []


async def test_gives_a_name_once() -> None:
    """Two actors never have one name."""
    directory: Directory[Any] = Directory()
    first, second = Echo.start(), Echo.start()
    directory.add("echo", first)
    with pytest.raises(AlreadyExists):
        directory.add("echo", second)
    await first.aclose()
    directory.add("echo", second)
    assert directory.find("echo") is second
    await second.aclose()


async def test_forgets_a_dead_actor() -> None:
    """An actor that was killed gives its name back like one that ended well."""
    directory: Directory[Any] = Directory()
    ref = Echo.start()
    directory.add("echo", ref)
    ref.cancel()
    await ref.aclose()
    assert len(directory) == 0


async def test_end_of_a_removed_actor_does_not_touch_its_successor() -> None:
    """A name that was taken away and given anew stays with its new owner when the old one ends."""
    directory: Directory[Any] = Directory()
    old, new = Echo.start(), Echo.start()
    directory.add("echo", old)
    assert directory.remove("echo") is old
    directory.add("echo", new)
    await old.aclose()
    assert directory.find("echo") is new
    await new.aclose()


async def test_removing_does_not_grow_with_the_number_of_names() -> None:
    """Ten thousand actors that end leave nothing behind, without a search through the others."""
    directory: Directory[Any] = Directory()
    refs = [Echo.start() for _ in range(10_000)]
    for number, ref in enumerate(refs):
        directory.add(str(number), ref)
    for ref in refs:
        await ref.aclose()
    assert len(directory) == 0
