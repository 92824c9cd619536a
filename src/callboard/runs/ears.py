"""Ears: open waits for messages, found by what is said without looking at all of them.

    ears.add(ear)
    ears.concerns(message)      # whether it may be for anybody
    ears.hear(message)          # for whom it may be, by its channel or else its sender

Those who name a channel stand in a tree of its parts, `*` and `**` among them, so what a message costs grows
with the parts of its channel's name and with those whom it concerns, and not with how many others wait.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.ids import Position, StreamId, WaitId
from callboard.messages import Message
from callboard.steps.listening import Sought


class Ear:
    """One wait, and how far the log was looked at for it."""

    __slots__ = ("again", "answer", "id", "looked", "owner", "reading", "sought")

    def __init__(self, id_: WaitId, owner: StreamId, since: Position, sought: Sought) -> None:
        self.id = id_
        self.owner = owner
        self.sought = sought
        self.looked = since
        self.reading = False
        self.again = False
        """Something was said while the log was read."""
        self.answer: Position | None = None
        """The message that it was given and that its run has not used yet."""

    def suits(self, message: Message, item: dict[str, Any]) -> bool:
        """Whether a message is what it waits for."""
        return self.sought.suits(message) and self.sought.verdict(message, item).holds


class _Node(msgspec.Struct):
    """A part of names of channels."""

    next: dict[str, _Node] = msgspec.field(default_factory=dict)
    ears: dict[WaitId, Ear] = msgspec.field(default_factory=dict)
    """Of those whose channel, or pattern, ends here."""


class Ears:
    """All of them."""

    def __init__(self) -> None:
        self.by_id: dict[WaitId, Ear] = {}
        self._channels = _Node()
        self._senders: dict[str, dict[WaitId, Ear]] = {}

    def add(self, ear: Ear) -> None:
        """Take in one more."""
        self.by_id[ear.id] = ear
        if ear.sought.channel is None:
            self._senders.setdefault(ear.sought.sender or "", {})[ear.id] = ear
            return
        node = self._channels
        for part in ear.sought.channel.split("."):
            node = node.next.setdefault(part, _Node())
        node.ears[ear.id] = ear

    def remove(self, id_: WaitId) -> Ear | None:
        """Take one away, if it is there."""
        ear = self.by_id.pop(id_, None)
        if ear is None:
            return None
        if ear.sought.channel is None:
            name = ear.sought.sender or ""
            self._senders[name].pop(id_)
            if not self._senders[name]:
                del self._senders[name]
            return ear
        path = [self._channels]
        parts = ear.sought.channel.split(".")
        for part in parts:
            path.append(path[-1].next[part])
        del path[-1].ears[id_]
        for above, part in zip(reversed(path[:-1]), reversed(parts), strict=True):
            if above.next[part].next or above.next[part].ears:
                break
            del above.next[part]
        return ear

    def concerns(self, message: Message) -> bool:
        """Tell whether a message may be for anybody."""
        return bool(self._groups(message))

    def hear(self, message: Message) -> list[Ear]:
        """Return those whom a message may be for."""
        return [ear for group in self._groups(message) for ear in group.values()]

    def _groups(self, message: Message) -> list[dict[WaitId, Ear]]:
        found = [self._senders[message.sender]] if message.sender in self._senders else []
        if message.to.kind == "channel":
            _find(self._channels, message.to.name.split("."), 0, found, set())
        return found


def _find(
    node: _Node, parts: list[str], place: int, found: list[dict[WaitId, Ear]], seen: set[tuple[int, int]]
) -> None:
    """Add those whose patterns go on from a node as a name does from a place; none is looked at twice."""
    if (id(node), place) in seen:
        return
    seen.add((id(node), place))
    if place == len(parts):
        if node.ears:
            found.append(node.ears)
        return
    for part in (parts[place], "*"):
        if part in node.next:
            _find(node.next[part], parts, place + 1, found, seen)
    if "**" in node.next:
        for after in range(place + 1, len(parts) + 1):
            _find(node.next["**"], parts, after, found, seen)
