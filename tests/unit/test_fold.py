"""The fold: snapshot and tail give what the full fold gives, and a snapshot is never believed blindly."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import StreamNotFound
from callboard.facts import fact
from callboard.ids import StreamId, SystemIds, Version
from callboard.store.boardrows import Event
from callboard.store.changes import SaveSnapshot
from callboard.store.fold import EVERY, PAGE, Fold, load, snapshot_due
from callboard.store.port import Receipt, Store
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.store_conformance import NOON, changing

STREAM = StreamId("till:1")


@fact("fold_test_paid")
class Paid(msgspec.Struct, frozen=True):
    cents: int


class Till(msgspec.Struct, frozen=True):
    cents: int = 0
    history: tuple[int, ...] = ()
    last_paid_at: datetime | None = None


def evolve(till: Till, event: Event) -> Till:
    assert isinstance(event.fact, Paid)
    return Till(till.cents + event.fact.cents, (*till.history[-4:], event.version), event.at)


TILL = Fold(start=Till, evolve=evolve, revision=3)
UNBELIEVABLE = {
    "not JSON": ("{", 3),
    "another shape": ('{"cents":"many"}', 3),
    "another revision of the fold": ('{"cents":1,"history":[],"last_paid_at":null}', 2),
}


async def pay(store: Store, amounts: list[int], version: int) -> int:
    """Append some payments at once and save a snapshot when one is due, as an actor would."""
    turn = Turn(at=NOON + timedelta(microseconds=version), ids=SystemIds())
    turn.append(STREAM, "till", [Paid(cents) for cents in amounts], expected=Version(version))
    (outcome,) = await store.commit([turn])
    assert isinstance(outcome, Receipt)
    reached = version + len(amounts)
    if snapshot_due(version, reached):
        state, at = await load(store, STREAM, TILL)
        await store.commit([changing(TILL.snapshot(STREAM, at, state, NOON))])
    return reached


async def full_fold(store: Store) -> Till:
    """Fold every event from the first, without the code under test."""
    till = Till()
    for event in await store.events(STREAM, Version(0), 100_000):
        till = evolve(till, event)
    return till


@given(st.lists(st.lists(st.integers(-500, 500), min_size=1, max_size=130), min_size=1, max_size=12))
def test_snapshot_and_tail_equal_the_full_fold(batches: list[list[int]]) -> None:
    """For any history, appends that step over a fiftieth version included, times included."""

    async def history() -> None:
        store = SqliteStore(connect=inline)
        await store.open()
        version = 0
        for amounts in batches:
            version = await pay(store, amounts, version)
        assert await load(store, STREAM, TILL) == (await full_fold(store), version)
        snapshot = await store.snapshot(STREAM)
        assert (snapshot is not None) is (version >= EVERY)
        assert snapshot is None or version - snapshot.version < EVERY
        await store.close()

    asyncio.run(history())


@pytest.mark.parametrize("broken", UNBELIEVABLE)
async def test_a_snapshot_that_cannot_be_believed_is_passed_over(broken: str) -> None:
    """The stream is folded in full instead, and the result is the same."""
    data, revision = UNBELIEVABLE[broken]
    store = SqliteStore(connect=inline)
    await store.open()
    await pay(store, [5] * 60, 0)
    await store.commit([changing(SaveSnapshot(STREAM, Version(60), revision, data, NOON))])
    state, version = await load(store, STREAM, TILL)
    assert (state.cents, version) == (300, 60)
    await store.close()


@pytest.mark.parametrize("until", [1, 49, 50, 51, 99, 100, 1_000])
async def test_the_state_of_before_is_the_fold_up_to_there(until: int) -> None:
    """Whatever later snapshots there are, and with the help of none but earlier ones."""
    store = SqliteStore(connect=inline)
    await store.open()
    await pay(store, [1] * 60, 0)
    await pay(store, [1] * 540, 60)
    state, version = await load(store, STREAM, TILL, until=Version(until))
    assert (state.cents, version) == (min(until, 600), min(until, 600))
    await store.close()


async def test_a_sound_snapshot_is_believed() -> None:
    """Or rebuilding would always read everything: what it says is taken, even against the log."""
    store = SqliteStore(connect=inline)
    await store.open()
    await pay(store, [5] * 60, 0)
    await store.commit([changing(TILL.snapshot(STREAM, Version(60), Till(cents=7), NOON))])
    state, _ = await load(store, STREAM, TILL)
    assert state.cents == 7
    await store.close()


async def test_a_stream_without_events_is_not_found() -> None:
    """There is no state to have."""
    store = SqliteStore(connect=inline)
    await store.open()
    with pytest.raises(StreamNotFound):
        await load(store, STREAM, TILL)
    await store.close()


@pytest.mark.parametrize(
    ("before", "after", "due"),
    [(0, 1, False), (0, 49, False), (49, 50, True), (48, 60, True), (50, 99, False), (10, 130, True)],
)
def test_a_snapshot_is_due_at_and_over_every_fiftieth_version(before: int, after: int, *, due: bool) -> None:
    """Also when one append steps over it."""
    assert snapshot_due(before, after) is due


class CountedStore(SqliteStore):
    """Counts how often events are read."""

    reads = 0

    async def events(self, *args: Any, **kwargs: Any) -> list[Event]:
        self.reads += 1
        return await super().events(*args, **kwargs)


@pytest.mark.parametrize(("events", "reads"), [(3, 1), (PAGE, 2), (PAGE + 3, 2)])
async def test_nothing_is_read_behind_a_page_that_is_not_full(events: int, reads: int) -> None:
    """Ten thousand runs are taken up after a crash, each of a few events: a second reading of each costs."""
    store = CountedStore(connect=inline)
    await store.open()
    turn = Turn(at=NOON, ids=SystemIds())
    turn.append(STREAM, "till", [Paid(1)] * events, expected=Version(0))
    await store.commit([turn])
    _, version = await load(store, STREAM, TILL)
    await store.close()
    assert (version, store.reads) == (events, reads)
