"""The bounded queue in front of one actor: many put, one takes.

Invariants
    Order is kept: what was accepted first is taken first, and who waits for room is let in by turn.
    Somebody stands in line only while the box is full. Whoever takes from it moves the head of the line in at
    that moment, so a newcomer can never slip past those who wait, and no wake-up can be lost in between.
    What was taken is *in hand* until it is settled, so an actor that dies knows whom it owes an answer.
    A closed box accepts nothing and lets nobody in from the line, but gives out what it holds.

Everything here belongs to one event loop; `Ref.tell` brings what other threads send over to it.

Rejected
    `asyncio.Queue`: it holds two deques (760 bytes each when empty) and its waiters race with newcomers.
    A deque for the items: with the default bound of 256 a list's `pop(0)` moves two kilobytes at most, which
    is as fast. A box of many thousands should be emptied by `take_waiting`.
    A list for each empty box: the collector walks over every container of every idle actor, again and again
    while 100,000 of them are made. So an empty box holds None.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

DEFAULT_CAPACITY = 256


class Inbox(Generic[T]):
    """A bounded first-in-first-out queue with one reader."""

    __slots__ = ("_items", "_line", "_more_taken", "_parked", "_taken", "capacity", "closed")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            message = f"An inbox holds at least one message, not {capacity}."
            raise ValueError(message)
        self.capacity = capacity
        self.closed = False
        self._items: list[T] | None = None
        self._taken: T | None = None
        self._more_taken: list[T] | None = None
        self._line: deque[tuple[T, asyncio.Future[bool | None]]] | None = None
        self._parked: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items) if self._items is not None else 0

    @property
    def full(self) -> bool:
        return len(self) >= self.capacity

    @property
    def idle(self) -> bool:
        """Whether the reader waits for something to do: nothing waits, nothing is in hand."""
        return self._parked is not None and self._items is None

    @property
    def in_hand(self) -> list[T]:
        """What was taken and is not settled."""
        first = [] if self._taken is None else [self._taken]
        return first + (self._more_taken or [])

    # ── for those who put ────────────────────────────────────────────────────────────────────────────────

    def put(self, item: T) -> bool:
        """Accept `item` now, or return False: the box is full or closed."""
        if self.closed:
            return False
        items = self._items
        if items is None:
            self._items = [item]
        elif len(items) < self.capacity:
            items.append(item)
        else:
            return False
        if self._parked is not None:
            self._wake()
        return True

    def line_up(self, item: T) -> asyncio.Future[bool | None]:
        """Stand in line with `item`; the future is True once it is in, False if the box closed before.

        Who leaves the line cancels the future, or sets it to None; the item is then passed over.
        """
        gate: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        if self.closed:
            gate.set_result(False)
        elif self.put(item):
            gate.set_result(True)
        else:
            if self._line is None:
                self._line = deque()
            self._line.append((item, gate))
        return gate

    async def put_when_room(self, item: T) -> bool:
        """Wait for room as long as it takes; False if the box closed before. The caller sets the time-out."""
        return bool(await self.line_up(item))

    # ── for the reader ───────────────────────────────────────────────────────────────────────────────────

    def arrival(self) -> asyncio.Future[None]:
        """Return what the reader awaits when there was nothing to take; done at a put or a close."""
        self._parked = asyncio.get_running_loop().create_future()
        return self._parked

    def take(self) -> T | None:
        """Take the oldest item in hand, if there is one."""
        items = self._items
        if items is None:
            return None
        self._taken = item = items.pop(0)
        if not items:
            self._items = None
        if self._line is not None:
            self._admit()
        return item

    def take_waiting(self, limit: int) -> list[T]:
        """Take in hand, without waiting, what is there; at most `limit` items, perhaps none."""
        items = self._items or []
        taken = items[:limit]
        self._items = items[limit:] or None
        self._more_taken = (self._more_taken or []) + taken
        if self._line is not None:
            self._admit()
        return taken

    def settle(self) -> None:
        """Everything in hand has been dealt with."""
        self._taken = self._more_taken = None

    # ── for the end ──────────────────────────────────────────────────────────────────────────────────────

    def put_back(self, items: list[T]) -> None:
        """Put `items` before all others, past the bound if need be: they had been accepted once already."""
        if items:
            self._items = items + (self._items or [])
            self._wake()

    def close(self) -> None:
        """Accept nothing from now on; those in line are sent away, the reader gets the rest."""
        if self.closed:
            return
        self.closed = True
        line, self._line = self._line, None
        for _, gate in line or ():
            if not gate.done():
                gate.set_result(False)
        self._wake()

    def drain(self) -> list[T]:
        """Close, and hand out all that nobody will take any more."""
        self.close()
        rest, self._items = self._items or [], None
        return rest

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        parked, self._parked = self._parked, None
        if parked is not None and not parked.done():
            parked.set_result(None)

    def _admit(self) -> None:
        line = self._line
        items = self._items or []
        while line and len(items) < self.capacity:
            item, gate = line.popleft()
            if not gate.done():
                items.append(item)
                gate.set_result(True)
        self._items = items or None
        if not line:
            self._line = None
