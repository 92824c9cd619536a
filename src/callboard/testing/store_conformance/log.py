"""The cases of the log: positions without gaps, streams with versions, and turns that are refused alone.

Two subjects, for the two ways to read the same facts: across all kinds by position (`LogCases`), and one
stream by version (`StreamCases`). `callboard.testing.store_conformance` puts them together with the others.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from callboard.errors import ConcurrencyConflict, ConstraintViolated, PositionUnknown, StreamNotFound
from callboard.ids import LOCAL_USER, Position, StreamId, SystemIds, Tenant, Version, WaitId
from callboard.messages import To
from callboard.store.changes import MoveCursor, OpenWait, SaveSnapshot
from callboard.store.port import Receipt, Store
from callboard.testing.store_conformance.material import (
    CLERK,
    NOON,
    STREAM,
    Closed,
    Noted,
    Reopened,
    changing,
    commit,
    new_turn,
    noting,
)


class LogCases:
    """One sequence of positions for facts of all kinds."""

    async def test_a_new_log_ends_at_position_zero(self, store: Store) -> None:
        """The first fact will stand at position 1."""
        assert (await store.head()).position == 0

    async def test_facts_of_all_kinds_share_one_sequence_of_positions(self, store: Store) -> None:
        """Events, messages and actions are numbered together, in the order in which they were put in."""
        turn = new_turn()
        (noted,) = turn.append(STREAM, "story", [Noted("once")], expected=Version(0))
        sent, _ = turn.send(sender="desk", to=To("bot", "clerk"), type="ticket", body=1)
        acted = turn.act("looked", "at it")
        (receipt,) = await commit(store, turn)
        assert [receipt.position(ref) for ref in (noted, sent, acted)] == [1, 2, 3]
        assert [(e.position, e.kind) for e in await store.log(Position(0), 10)] == [
            (1, "event"),
            (2, "message"),
            (3, "action"),
        ]

    async def test_positions_go_on_over_batches_without_a_gap(self, store: Store) -> None:
        """Turns committed together and one after the other give one sequence."""
        await commit(store, noting("a", 0), noting("b", 1))
        await commit(store, noting("c", 2))
        assert [e.position for e in await store.log(Position(0), 10)] == [1, 2, 3]
        assert (await store.head()).position == 3

    async def test_a_refused_turn_uses_no_position(self, store: Store) -> None:
        """What is refused leaves nothing, not even a number."""
        outcomes = await store.commit([noting("a", 0), noting("wrong", 7), noting("b", 1)])
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, True]
        assert [e.position for e in await store.log(Position(0), 10)] == [1, 2]

    async def test_a_fact_names_its_cause_even_within_its_turn(self, store: Store) -> None:
        """A cause may be a position that is known, or a fact of the same turn."""
        (first,) = await commit(store, noting("root", 0))
        turn = new_turn(cause=first.first)
        (second,) = turn.append(STREAM, "story", [Noted("because of it")], expected=Version(1))
        turn.send(sender="desk", to=To("bot", "clerk"), type="ticket", body=1, cause=second)
        await commit(store, turn)
        assert [(e.position, e.cause) for e in await store.log(Position(0), 10)] == [
            (1, None),
            (2, 1),
            (3, 2),
        ]

    async def test_a_cursor_from_outside_means_one_log_and_nothing_past_its_head(self, store: Store) -> None:
        """Another log's, one past the head, one that is none: refused, never taken for "nothing new"."""
        await commit(store, noting("a", 0))
        head = await store.head()
        assert head.resolve(head.cursor(Position(1))) == 1
        for wrong in ("1@another", f"2@{head.log_id}", "1", "", "-1@x", f"{'9' * 40}@{head.log_id}", "١@x"):
            with pytest.raises(PositionUnknown):
                head.resolve(wrong)

    async def test_the_log_is_read_in_pages(self, store: Store) -> None:
        """A page begins after a position and holds no more than asked for."""
        await commit(store, *(noting(str(n), n) for n in range(7)))
        first = await store.log(Position(0), 3)
        second = await store.log(first[-1].position, 3)
        assert [e.position for e in first + second] == [1, 2, 3, 4, 5, 6]


class StreamCases:
    """Events with versions, expected versions, snapshots, ends."""

    async def test_an_event_comes_back_as_it_went_in(self, store: Store) -> None:
        """Every field of an event survives, its time to the microsecond."""
        turn = new_turn()
        turn.append(
            STREAM, "story", [Noted("ünïcode\n\x00{{")], expected=Version(0), metadata={"hand": "left"}
        )
        await commit(store, turn)
        (event,) = await store.events(STREAM, Version(0), 10)
        assert event.fact == Noted("ünïcode\n\x00{{")
        assert event.metadata == {"hand": "left"}
        assert (event.position, event.version, event.stream, event.stream_type) == (1, 1, STREAM, "story")
        assert (event.tenant, event.principal, event.type, event.at) == (
            "default",
            LOCAL_USER,
            "conformance_noted",
            NOON,
        )
        assert isinstance(event.id, UUID)

    async def test_versions_count_from_one_without_gaps(self, store: Store) -> None:
        """Each event of a stream has the next version, also when several are appended at once."""
        turn = new_turn()
        turn.append(STREAM, "story", [Noted("a"), Noted("b")], expected=Version(0))
        turn.append(STREAM, "story", [Noted("c")], expected=Version(2))
        await commit(store, turn)
        assert [e.version for e in await store.events(STREAM, Version(0), 10)] == [1, 2, 3]
        assert [e.version for e in await store.events(STREAM, Version(1), 1)] == [2]
        assert (await store.stream(STREAM)).version == 3

    async def test_a_writer_that_expects_the_wrong_version_is_refused_alone(self, store: Store) -> None:
        """The conflict names both versions; the turns before and behind it are committed."""
        outcomes = await store.commit([noting("a", 0), noting("late", 0), noting("b", 1), noting("early", 9)])
        conflict, too_early = outcomes[1], outcomes[3]
        assert isinstance(conflict, ConcurrencyConflict)
        assert (conflict.expected, conflict.actual) == (0, 1)
        assert isinstance(too_early, ConcurrencyConflict)
        assert (too_early.expected, too_early.actual) == (9, 2)
        assert [e.fact for e in await store.events(STREAM, Version(0), 10)] == [Noted("a"), Noted("b")]

    async def test_a_conflict_takes_all_of_its_turn_with_it(self, store: Store) -> None:
        """What the turn wrote before the conflict does not exist either."""
        turn = new_turn()
        turn.append(StreamId("story:two"), "story", [Noted("half")], expected=Version(0))
        turn.change(MoveCursor(CLERK, Position(0)))
        turn.append(STREAM, "story", [Noted("conflict")], expected=Version(5))
        outcomes = await store.commit([noting("before", 0), turn, noting("behind", 1)])
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, True]
        assert await store.cursor(CLERK) is None
        with pytest.raises(StreamNotFound):
            await store.stream(StreamId("story:two"))
        assert [e.position for e in await store.log(Position(0), 10)] == [1, 2]
        assert [e.fact for e in await store.events(STREAM, Version(0), 10)] == [
            Noted("before"),
            Noted("behind"),
        ]

    async def test_one_faulty_turn_among_a_hundred_is_refused_alone(self, store: Store) -> None:
        """A row that the store cannot hold refuses its own turn and none of its ninety-nine neighbours."""
        turns = [noting("a", 0, StreamId(f"story:{n}")) for n in range(100)]
        wait = OpenWait(WaitId(SystemIds().new()), StreamId("run:nobody"), "signal", "go")
        turns[50].change(wait)
        outcomes = await store.commit(turns)
        assert [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Receipt)] == [50]
        assert isinstance(outcomes[50], ConstraintViolated)
        assert len(await store.log(Position(0), 200)) == 99

    async def test_a_value_that_the_database_cannot_hold_refuses_its_turn_alone(self, store: Store) -> None:
        """A number too large for a column, or text that is not Unicode, is the fault of one turn."""
        huge = changing(SaveSnapshot(STREAM, Version(1), 2**70, "{}", NOON))
        broken = noting("x", 0, StreamId("story:\ud800"))
        outcomes = await store.commit([noting("a", 0), huge, broken, noting("b", 1)])
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, False, True]
        assert [e.fact for e in await store.events(STREAM, Version(0), 10)] == [Noted("a"), Noted("b")]

    async def test_a_stream_that_was_never_appended_to_is_not_found(self, store: Store) -> None:
        """Asking for it is an error; its events are none."""
        with pytest.raises(StreamNotFound):
            await store.stream(STREAM)
        assert await store.events(STREAM, Version(0), 10) == []

    async def test_tenants_do_not_see_each_other(self, store: Store) -> None:
        """The same stream name in two tenants is two streams; a page of the log holds one tenant's facts."""
        other = Tenant("other")
        await commit(store, noting("ours", 0), noting("theirs", 0, tenant=other))
        assert [e.fact for e in await store.events(STREAM, Version(0), 10)] == [Noted("ours")]
        assert [e.fact for e in await store.events(STREAM, Version(0), 10, tenant=other)] == [Noted("theirs")]
        assert [e.position for e in await store.log(Position(0), 10, tenant=other)] == [2]

    async def test_the_newest_snapshot_is_the_one_that_is_read(self, store: Store) -> None:
        """Saving the same version again replaces it; an older version does not hide a newer one."""
        await commit(store, noting("a", 0))
        for version, data in ((50, "1"), (100, "2"), (50, "3"), (100, "4")):
            await commit(store, changing(SaveSnapshot(STREAM, Version(version), 7, data, NOON)))
        snapshot = await store.snapshot(STREAM)
        assert snapshot is not None
        assert (snapshot.version, snapshot.revision, snapshot.data) == (100, 7, "4")
        assert await store.snapshot(StreamId("story:none")) is None

    async def test_an_ended_stream_says_when_and_a_reopened_one_does_not(self, store: Store) -> None:
        """Retention goes by this."""
        turn = new_turn()
        turn.append(STREAM, "story", [Noted("a"), Closed()], expected=Version(0))
        await commit(store, turn)
        assert (await store.stream(STREAM)).ended_at == NOON
        turn = new_turn()
        turn.append(STREAM, "story", [Reopened()], expected=Version(2))
        await commit(store, turn)
        assert (await store.stream(STREAM)).ended_at is None
