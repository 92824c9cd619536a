"""The cases of retention of streams: what ended long ago goes whole, unless something needs it still.

One case for each way to need an ended stream, and in each the twin that is not needed: a wait in it, a wait
that it answers, a timer that will wake it; then the bounds by age and by count, and what becomes of a name
and of the positions afterwards.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from callboard.ids import Position, StreamId, SystemIds, Tenant, TimerId, Version
from callboard.messages import To
from callboard.store.changes import AnswerWait, CloseWait, DropTimer, KeepTimer, OpenWait, SaveSnapshot
from callboard.store.port import Retention, Store
from callboard.testing.store_conformance.board import (
    BOTH_WAYS,
    LATER,
    OURS,
    THEIRS,
    TO_CLERK,
    Board,
    CasesOnABoard,
    new_wait,
)
from callboard.testing.store_conformance.material import (
    NOON,
    STREAM,
    Closed,
    Noted,
    Reopened,
    commit,
    new_turn,
    noting,
    saying,
)

OLD, NEEDED = StreamId("story:old"), StreamId("story:needed")


def new_timer() -> TimerId:
    """Name a timer."""
    return TimerId(SystemIds().new())


class StreamRetentionCases(CasesOnABoard):
    """Which ended streams stay, and which go."""

    # ── what is needed ───────────────────────────────────────────────────────────────────────────────────

    async def test_a_stream_that_was_reopened_stays(self, board: Board) -> None:
        """Until it ends again, and then for as long as any other."""
        await board.ended_goes(OLD)
        await board.ended_stays(StreamId("story:reopened"), more=[Reopened()])
        await board.ended_goes(StreamId("story:over"), more=[Reopened(), Closed()])
        lately = StreamId("story:lately")
        await board.ended_stays(lately, more=[Reopened()])
        await board.append(lately, Closed(), at=LATER)
        await board.judge()

    async def test_a_stream_that_something_waits_in_stays(self, board: Board) -> None:
        """Answered or not, until the wait is closed."""
        waited, answered, closed = (StreamId(f"story:{name}") for name in ("waited", "answered", "closed"))
        await board.ended_stays(waited, answered)
        await board.ended_goes(closed)
        waits = {stream: new_wait() for stream in (waited, answered, closed)}
        for stream, wait in waits.items():
            await board.change(OpenWait(wait, stream, "signal", "go"))
        await board.change(AnswerWait(waits[answered], Position(1)))
        await board.change(CloseWait(waits[closed]))
        await board.ended_goes(OLD)
        await board.judge()

    async def test_a_stream_that_holds_the_answer_to_a_wait_stays(self, board: Board) -> None:
        """Whoever waited has still to read it there; a stream that answered a wait now closed goes."""
        await board.append(STREAM, Noted("waits"))
        answered, closed = new_wait(), new_wait()
        for wait in (answered, closed, new_wait()):
            await board.change(OpenWait(wait, STREAM, "child", "done"))
        await board.change(AnswerWait(answered, await board.ended_stays(NEEDED)))
        await board.change(AnswerWait(closed, await board.ended_goes(StreamId("story:read"))))
        await board.change(CloseWait(closed))
        await board.ended_goes(OLD)
        await board.judge()

    async def test_a_stream_that_a_timer_will_wake_stays(self, board: Board) -> None:
        """Until the timer is dropped."""
        kept, dropped, moved = new_timer(), new_timer(), new_timer()
        dropped_for, moved_from = StreamId("story:dropped"), StreamId("story:moved")
        await board.ended_stays(NEEDED)
        await board.ended_goes(dropped_for, moved_from, OLD)
        for timer, stream in ((kept, NEEDED), (dropped, dropped_for), (moved, moved_from)):
            await board.change(KeepTimer(timer, LATER, stream, "retry"))
        await board.change(DropTimer(dropped), KeepTimer(moved, LATER, STREAM, "retry"))
        await board.judge()

    @pytest.mark.parametrize("by", ["a wait in it", "a wait that it answers", "a timer"])
    @BOTH_WAYS
    async def test_nothing_of_another_tenant_needs_a_stream(
        self, board: Board, tenant: Tenant, other: Tenant, by: str
    ) -> None:
        """Of two streams of one name, the one goes that only the other's tenant has to do with."""
        await board.append(STREAM, Noted("waits"), tenant=tenant)
        last = await board.ended_stays(OLD, tenant=tenant)
        await board.ended_goes(OLD, tenant=other)
        wait = new_wait()
        if by == "a wait in it":
            await board.change(OpenWait(wait, OLD, "signal", "go"), tenant=tenant)
        elif by == "a wait that it answers":
            await board.change(OpenWait(wait, STREAM, "child", "done"), tenant=tenant)
            await board.change(AnswerWait(wait, last), tenant=tenant)
        else:
            await board.change(KeepTimer(new_timer(), LATER, OLD, "retry"), tenant=tenant)
        await board.judge()

    # ── by name ──────────────────────────────────────────────────────────────────────────────────────────

    async def test_a_stream_is_taken_by_its_name_once_it_has_ended(self, board: Board) -> None:
        """However lately; one that is open, and one that is not there, are not taken."""
        await board.append(STREAM, Noted("goes on"))
        await board.append(OLD, Noted("is over"), Closed())
        await board.append(OLD, Noted("is another's"), Closed(), tenant=THEIRS)
        assert not await board.store.remove_stream(STREAM)
        assert not await board.store.remove_stream(NEEDED)
        assert not await board.store.remove_stream(NEEDED, dry_run=True)
        assert await board.store.remove_stream(OLD, dry_run=True)
        assert await board.store.remove_stream(OLD)
        assert not await board.store.remove_stream(OLD)
        assert await board.store.events(OLD, Version(0), 10) == []
        assert len(await board.store.events(OLD, Version(0), 10, tenant=THEIRS)) == 2
        assert len(await board.store.events(STREAM, Version(0), 10)) == 1

    @pytest.mark.parametrize("by", ["a wait in it", "a wait that it answers", "a timer"])
    async def test_a_stream_that_something_needs_is_not_taken_by_its_name(
        self, board: Board, by: str
    ) -> None:
        """As retention would leave it."""
        await board.append(STREAM, Noted("waits"))
        last = await board.append(OLD, Noted("is over"), Closed())
        wait, timer = new_wait(), new_timer()
        if by == "a wait in it":
            await board.change(OpenWait(wait, OLD, "signal", "go"))
        elif by == "a wait that it answers":
            await board.change(OpenWait(wait, STREAM, "child", "done"))
            await board.change(AnswerWait(wait, last))
        else:
            await board.change(KeepTimer(timer, LATER, OLD, "retry"))
        assert not await board.store.remove_stream(OLD)
        await board.change(CloseWait(wait), DropTimer(timer))
        assert await board.store.remove_stream(OLD)

    # ── by age and by count ──────────────────────────────────────────────────────────────────────────────

    async def test_streams_that_ended_before_the_bound_are_old(self, board: Board) -> None:
        """To the microsecond; one that is open is not old, however long nothing has happened in it."""
        await board.ended_goes(OLD, at=LATER - timedelta(microseconds=1))
        await board.ended_stays(StreamId("story:lately"), at=LATER)
        await board.ended_stays(StreamId("story:open"), more=[Reopened()])
        await board.append(STREAM, Noted("never ended"))
        await board.judge(Retention(streams_ended_before=LATER))
        assert await board.store.events(STREAM, Version(0), 10)

    async def test_the_streams_that_ended_last_stay_by_count(self, board: Board) -> None:
        """The order of their ends decides, and not that of their beginnings."""
        for n, minutes in enumerate((3, 1, 4, 0, 2)):
            end = board.ended_goes if minutes < 3 else board.ended_stays
            await end(StreamId(f"story:{n}"), at=NOON + timedelta(minutes=minutes))
        await board.append(StreamId("story:open"), Noted("not counted"), at=LATER)
        await board.judge(Retention(streams_kept=2))

    async def test_streams_that_ended_together_stay_together(self, board: Board) -> None:
        """A tie at the bound keeps more than the count, since nothing says which of them is the older."""
        await board.ended_goes(OLD)
        tied = (StreamId(f"story:tied-{n}") for n in range(3))
        await board.ended_stays(*tied, at=NOON + timedelta(microseconds=1))
        await board.ended_stays(StreamId("story:last"), at=LATER)
        await board.judge(Retention(streams_kept=2))

    async def test_a_count_of_as_many_streams_as_ended_takes_nothing(self, board: Board) -> None:
        """Nor does a larger one; a count of none takes all that ended."""
        for n in range(3):
            await board.ended_stays(StreamId(f"story:{n}"), at=NOON + timedelta(minutes=n))
        await board.append(STREAM, Noted("has not ended, and is not counted"))
        await board.judge(Retention(streams_kept=3))
        await board.judge(Retention(streams_kept=4))
        assert (await board.store.prune(Retention(streams_kept=0))).streams == 3

    async def test_a_stream_goes_by_age_or_by_count(self, board: Board) -> None:
        """Either bound lets it go: the count does not keep what is too old, nor its age what is too many."""
        await board.ended_goes(StreamId("story:too-old"))
        await board.ended_stays(StreamId("story:one"), at=LATER)
        await board.judge(Retention(streams_ended_before=LATER, streams_kept=5))
        await board.ended_goes(StreamId("story:too-many"), at=LATER - timedelta(minutes=1))
        events = await board.store.prune(Retention(streams_ended_before=NOON, streams_kept=1), dry_run=True)
        assert (events.streams, events.events) == (1, 2)

    async def test_many_streams_go_in_many_steps(self, board: Board) -> None:
        """Whatever they share: all ended at one instant, in two tenants, under the same names."""
        names = [StreamId(f"story:{n:03}") for n in range(310)]
        for tenant in (OURS, THEIRS):
            needed = names[::5]
            await board.ended_stays(*needed, tenant=tenant)
            waits = (OpenWait(new_wait(), stream, "signal", "go") for stream in needed)
            await board.change(*waits, tenant=tenant)
            await board.ended_goes(*(name for name in names if name not in needed), tenant=tenant)
        for n in range(6):
            late = (StreamId(f"late:{n}-{m:03}") for m in range(100))
            await board.ended_goes(*late, at=NOON + timedelta(seconds=n))
        done = await board.judge()
        assert done.streams == 2 * (310 - 62) + 600

    async def test_long_streams_go_whole_in_many_steps(self, board: Board) -> None:
        """A step takes no more than so many events, and never a part of a stream."""
        long = [*(Noted(str(n)) for n in range(990)), Closed()]
        await board.ended_goes(*(StreamId(f"story:{n}") for n in range(5)), more=long)
        await board.ended_stays(NEEDED)
        await board.change(KeepTimer(new_timer(), LATER, NEEDED, "retry"))
        await board.judge()

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────────────

    async def test_the_snapshots_of_a_stream_go_with_it(self, board: Board) -> None:
        """A stream of the same name begins anew, from nothing; those of a stream that stays are left."""
        await board.ended_goes(OLD)
        await board.ended_stays(NEEDED)
        await board.change(KeepTimer(new_timer(), LATER, NEEDED, "retry"))
        for stream in (OLD, NEEDED):
            for version in (1, 2):
                await board.change(SaveSnapshot(stream, Version(version), 1, "{}", NOON))
        await board.judge()
        assert await board.store.snapshot(OLD) is None
        assert await board.store.snapshot(NEEDED) is not None
        await commit(board.store, noting("anew", 0, OLD))
        assert await board.store.snapshot(OLD) is None
        assert [event.fact for event in await board.store.events(OLD, Version(0), 10)] == [Noted("anew")]

    async def test_positions_are_not_given_again_after_the_newest_facts_are_gone(self, store: Store) -> None:
        """Retention took everything, and the next fact still has the next number."""
        turn = new_turn()
        turn.append(STREAM, "story", [Closed()], expected=Version(0))
        await commit(store, turn, saying("hi", to=To("bot", "nobody")))
        await store.prune(Retention(messages_kept=0, streams_kept=0))
        assert await store.log(Position(0), 10) == []
        (receipt,) = await commit(store, noting("after", 0, StreamId("story:new")))
        assert receipt.first == 3

    async def test_messages_and_streams_are_bounded_apart(self, board: Board) -> None:
        """A bound on the one takes nothing of the other."""
        await board.stays(TO_CLERK)
        await board.ended_goes(OLD)
        await board.judge(Retention(streams_ended_before=LATER))
