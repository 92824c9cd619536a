"""The queue in front of an actor."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.inbox import Inbox


def test_refuses_past_its_bound() -> None:
    """A full box refuses, and accepts again once something was taken."""
    box: Inbox[int] = Inbox(2)
    assert [box.put(1), box.put(2), box.put(3)] == [True, True, False]
    assert box.take() == 1
    assert box.put(3)


def test_must_hold_something() -> None:
    """A bound below one is a mistake."""
    with pytest.raises(ValueError, match="at least one"):
        Inbox(0)


@given(st.lists(st.one_of(st.integers(), st.none(), st.just("batch")), max_size=40))
def test_keeps_order(steps: list[int | str | None]) -> None:
    """Whatever is put and taken, singly or in batches, comes out in the order in which it was accepted."""
    box: Inbox[int] = Inbox(5)
    accepted: list[int] = []
    taken: list[int] = []
    for step in steps:
        if isinstance(step, int):
            if box.put(step):
                accepted.append(step)
        elif step is None:
            if (item := box.take()) is not None:
                taken.append(item)
        else:
            taken += box.take_waiting(3)
    assert taken + box.drain() == accepted


async def test_lets_in_by_turn() -> None:
    """Who waits for room gets it in the order of arrival, before any newcomer."""
    box: Inbox[str] = Inbox(1)
    box.put("first")
    second, third = box.line_up("second"), box.line_up("third")
    assert box.take() == "first"
    assert not box.put("newcomer")
    assert (second.done(), third.done()) == (True, False)
    assert box.take() == "second"
    assert await third is True
    assert box.take() == "third"


async def test_passes_over_who_left_the_line() -> None:
    """One that gave up while waiting for room is not let in, and does not block the next."""
    box: Inbox[str] = Inbox(1)
    box.put("first")
    gone = box.line_up("gone")
    patient = box.line_up("patient")
    gone.cancel()
    box.take()
    assert await patient is True
    assert box.take() == "patient"


async def test_batch_makes_room_for_as_many() -> None:
    """Taking a batch lets in as many of the line as there is room for."""
    box: Inbox[int] = Inbox(3)
    gates = [box.line_up(number) for number in range(8)]
    assert box.take_waiting(2) == [0, 1]
    assert [gate.done() for gate in gates] == [True] * 5 + [False] * 3
    assert box.in_hand == [0, 1]
    assert box.take_waiting(9) == [2, 3, 4]


async def test_closing_sends_the_line_away() -> None:
    """A box that closes lets nobody in any more, and still gives out what it holds."""
    box: Inbox[str] = Inbox(1)
    box.put("kept")
    waiting = asyncio.ensure_future(box.put_when_room("late"))
    await asyncio.sleep(0)
    box.close()
    assert await waiting is False
    assert not box.put("later")
    assert box.take() == "kept"
    assert box.take() is None
