"""What every adapter of the store must do: a suite that an adapter passes by naming its factory.

    class TestSqliteInAFile(StoreConformance):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: SqliteStore(tmp_path / "callboard.db")

`make_store` is called again to open the same store anew, as after a restart; an adapter that forgets says so
with `survives_restart = False`. The cases speak to the port alone, so they hold for every database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest

from callboard.changes import (
    AnswerWait,
    Change,
    CloseWait,
    DropTimer,
    KeepTimer,
    MoveCursor,
    OpenWait,
    RecordDelivery,
    SaveSnapshot,
)
from callboard.errors import ConcurrencyConflict, ConstraintViolated, PositionUnknown, StreamNotFound
from callboard.facts import fact
from callboard.ids import (
    LOCAL_USER,
    BotName,
    Position,
    StreamId,
    SystemIds,
    Tenant,
    TimerId,
    Version,
    WaitId,
)
from callboard.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
    bot_stream,
)
from callboard.store import Outcome, Receipt, Retention, Store
from callboard.turn import To, Turn

NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
STREAM = StreamId("story:one")
CLERK = BotName("clerk")


@fact("conformance_noted")
class Noted(msgspec.Struct, frozen=True):
    """Something was written down."""

    text: str


@fact("conformance_closed", ends=True)
class Closed(msgspec.Struct, frozen=True):
    """The story is over."""


@fact("conformance_reopened", reopens=True)
class Reopened(msgspec.Struct, frozen=True):
    """It goes on after all."""


def new_turn(at: datetime = NOON, **about: Any) -> Turn:
    """Begin a turn at a given instant."""
    return Turn(at=at, ids=SystemIds(), principal=LOCAL_USER, **about)


def noting(text: str, expected: int, stream: StreamId = STREAM, **about: Any) -> Turn:
    """Return a turn that appends one note to a stream."""
    turn = new_turn(**about)
    turn.append(stream, "story", [Noted(text)], expected=Version(expected))
    return turn


def changing(*changes: Change, **about: Any) -> Turn:
    """Return a turn of row changes alone."""
    turn = new_turn(**about)
    for change in changes:
        turn.change(change)
    return turn


def saying(text: str, *, to: To, at: datetime = NOON, **about: Any) -> Turn:
    """Return a turn that sends one message."""
    turn = new_turn(at, **about)
    turn.send(sender="desk", to=to, type="ticket", body={"text": text})
    return turn


async def commit(store: Store, *turns: Turn) -> list[Receipt]:
    """Commit turns that must all be accepted."""
    receipts = []
    for outcome in await store.commit(turns):
        assert isinstance(outcome, Receipt), outcome
        receipts.append(outcome)
    return receipts


async def refused(store: Store, turn: Turn) -> Outcome:
    """Commit a turn that must be refused; return why."""
    (outcome,) = await store.commit([turn])
    assert not isinstance(outcome, Receipt)
    return outcome


class StoreConformance:
    """The cases; subclass it and give the fixture `make_store`."""

    survives_restart: ClassVar[bool] = True

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        """Return a factory that opens the same store each time it is called."""
        raise NotImplementedError

    @pytest.fixture
    async def store(self, make_store: Callable[[], Store]) -> AsyncIterator[Store]:
        store = make_store()
        await store.open()
        yield store
        await store.close()

    # ── positions ────────────────────────────────────────────────────────────────────────────────────────

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

    async def test_no_position_is_given_twice_after_a_restart(
        self, store: Store, make_store: Callable[[], Store]
    ) -> None:
        """Where the log stands is kept with the log, and taken up from there."""
        if not self.survives_restart:
            return
        await commit(store, noting("a", 0), noting("b", 1))
        before = await store.head()
        await store.close()
        again = make_store()
        await again.open()
        try:
            assert await again.head() == before
            (receipt,) = await commit(again, noting("c", 2))
            assert receipt.first == before.position + 1
        finally:
            await again.close()

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

    # ── streams ──────────────────────────────────────────────────────────────────────────────────────────

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
        huge = changing(MoveCursor(CLERK, Position(2**70)))
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

    # ── messages and state ───────────────────────────────────────────────────────────────────────────────

    async def test_a_message_comes_back_as_it_went_in(self, store: Store) -> None:
        """Every field of a message survives."""
        first = new_turn()
        _, question = first.send(sender="desk", to=To("bot", "clerk"), type="ask", body={"n": [1, None, "ä"]})
        second = new_turn(cause=Position(1))
        _, answer = second.send(
            sender="clerk",
            to=To("channel", "desk.out"),
            type="answer",
            body="yes",
            headers={"lang": "pt"},
            reply_to=question,
            conversation="c-1",
            hops=3,
        )
        await commit(store, first, second)
        found = await store.message(answer)
        assert found is not None
        assert (found.position, found.cause, found.sender, found.to) == (
            2,
            1,
            "clerk",
            To("channel", "desk.out"),
        )
        assert (found.type, found.body, found.headers, found.reply_to) == (
            "answer",
            "yes",
            {"lang": "pt"},
            question,
        )
        assert (found.conversation, found.hops, found.at) == ("c-1", 3, NOON)
        assert await store.message(question, tenant=Tenant("other")) is None

    async def test_a_cursor_moves_forward_only(self, store: Store) -> None:
        """Whatever order its moves arrive in; each catch-up has a cursor of its own."""
        await commit(
            store, changing(MoveCursor(CLERK, Position(5))), changing(MoveCursor(CLERK, Position(3)))
        )
        await commit(store, changing(MoveCursor(CLERK, Position(2), subscription=Position(1))))
        assert await store.cursor(CLERK) == 5
        assert await store.cursor(CLERK, Position(1)) == 2
        assert await store.cursor(BotName("nobody")) is None

    async def test_a_delivery_says_what_was_said_last_and_when_it_was_first_tried(self, store: Store) -> None:
        """One row for each message and bot, however often it is tried."""
        later = NOON + timedelta(minutes=1)
        (sent,) = await commit(store, saying("hi", to=To("bot", "clerk")))
        again = RecordDelivery(CLERK, sent.first, "retrying", 1, next_try_at=later, error="no lamp")
        await commit(store, changing(again))
        await commit(store, changing(RecordDelivery(CLERK, sent.first, "handled", 2), at=later))
        (delivery,) = await store.deliveries(sent.first)
        assert (delivery.outcome, delivery.attempts, delivery.error) == ("handled", 2, None)
        assert (delivery.first_at, delivery.last_at, delivery.next_try_at) == (NOON, later, None)

    async def test_the_first_answer_to_a_wait_wins(self, store: Store) -> None:
        """A second answer changes nothing, and a closed wait takes none."""
        wait = WaitId(SystemIds().new())
        await commit(store, noting("a", 0), noting("b", 1))
        opened = OpenWait(wait, STREAM, "signal", "go", since=Position(1), due_at=NOON, data='{"n":1}')
        await commit(store, changing(opened), changing(AnswerWait(wait, Position(1))))
        await commit(store, changing(AnswerWait(wait, Position(2))))
        (found,) = await store.waits(STREAM)
        assert (found.id, found.kind, found.key, found.since, found.due_at) == (wait, "signal", "go", 1, NOON)
        assert (found.answer, found.data) == (1, msgspec.Raw(b'{"n":1}'))
        await commit(store, changing(CloseWait(wait)), changing(AnswerWait(wait, Position(2))))
        assert await store.waits(STREAM) == []

    async def test_a_timer_is_set_moved_and_dropped_by_its_id(self, store: Store) -> None:
        """Saying it again moves it; another tenant cannot touch it."""
        timer, other = TimerId(SystemIds().new()), TimerId(SystemIds().new())
        later = NOON + timedelta(days=1)
        await commit(
            store, changing(KeepTimer(timer, NOON, STREAM, "retry"), KeepTimer(other, NOON, STREAM, "retry"))
        )
        await commit(store, changing(KeepTimer(timer, later, STREAM, "retry", data="[1]")))
        stranger = Tenant("other")
        await commit(
            store, changing(DropTimer(timer), KeepTimer(timer, NOON, STREAM, "theft"), tenant=stranger)
        )
        timers = {found.id: found for found in await store.timers(None, 10)}
        assert (timers[timer].due_at, timers[timer].kind, timers[timer].data) == (
            later,
            "retry",
            msgspec.Raw(b"[1]"),
        )
        assert [found.id for found in await store.timers(min(timer, other), 10)] == [max(timer, other)]
        await commit(store, changing(DropTimer(timer), DropTimer(other)))
        assert await store.timers(None, 10) == []

    async def test_settling_reaches_the_disk_and_finds_what_is_there(self, store: Store) -> None:
        """A commit that took place is found, one that did not is not, however often one looks."""
        await commit(store, noting("a", 0))
        await commit(store, noting("b", 1))
        assert await store.settle(2) is True
        assert await store.settle(2) is True
        assert await store.settle(None) is False
        await commit(store, noting("c", 2))
        assert await store.settle(6) is False
        assert await store.settle(6) is False
        await commit(store, noting("d", 3))
        assert (await store.head()).position == 4

    # ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────

    async def test_projections_are_rebuilt_as_they_were(self, store: Store) -> None:
        """Who is on the board and who listens to what comes out of the log the same."""
        await self._membership(store)
        assert await store.rebuild() == []

    async def test_a_sound_store_passes_every_check(self, store: Store) -> None:
        """And a check that is asked for in full looks at more."""
        await self._membership(store)
        await commit(store, noting("a", 0))
        quick, full = await store.check(full=False), await store.check(full=True)
        assert [finding.detail for finding in quick + full if not finding.ok] == []
        assert len(full) > len(quick)

    async def test_retention_takes_old_messages_that_nobody_has_still_to_handle(self, store: Store) -> None:
        """It keeps what a cursor, a subscription, a catch-up, a retry or a wait still needs."""
        declare = new_turn()
        declare.append(bot_stream(CLERK), "bot", [BotDeclared(CLERK, "python")], expected=Version(0))
        declare.append(
            bot_stream(CLERK),
            "bot",
            [Subscribed(CLERK, "news.*"), Subscribed(CLERK, "all.**")],
            expected=Version(1),
        )
        await commit(store, declare)
        at = {"at": NOON}
        handled, retried, heard, unheard, waiting, deep = [
            receipt.first
            for receipt in await commit(
                store,
                saying("handled", to=To("bot", "clerk"), **at),
                saying("to be tried again", to=To("bot", "clerk"), **at),
                saying("heard", to=To("channel", "news.sport"), **at),
                saying("nobody listens", to=To("channel", "other"), **at),
                saying("still waiting", to=To("channel", "news.weather"), **at),
                saying("still waiting, deep", to=To("channel", "all.of.it"), **at),
            )
        ]
        recent = await commit(store, saying("recent", to=To("bot", "nobody"), at=NOON + timedelta(hours=2)))
        await commit(
            store,
            changing(RecordDelivery(CLERK, handled, "handled"), RecordDelivery(CLERK, retried, "retrying")),
            changing(RecordDelivery(CLERK, heard, "handled"), MoveCursor(CLERK, unheard)),
        )
        wanted = Retention(messages_before=NOON + timedelta(hours=1))
        trial = await store.prune(wanted, dry_run=True)
        assert trial.messages == 3
        assert len(await store.log(Position(3), 20)) == 7
        done = await store.prune(wanted)
        assert done.messages == trial.messages
        left = [e.position for e in await store.log(Position(3), 20)]
        assert left == [retried, waiting, deep, recent[0].first]
        assert [finding for finding in await store.check(full=True) if not finding.ok] == []

    async def test_retention_by_count_keeps_the_newest(self, store: Store) -> None:
        """So many messages and ended streams stay; more than there are takes nothing."""
        await commit(store, *(saying(str(n), to=To("bot", "nobody")) for n in range(10)))
        for n in range(5):
            turn = new_turn(NOON + timedelta(minutes=n))
            turn.append(StreamId(f"story:{n}"), "story", [Closed()], expected=Version(0))
            await commit(store, turn)
        nothing = await store.prune(Retention(messages_kept=10, streams_kept=5))
        assert (nothing.messages, nothing.streams) == (0, 0)
        pruned = await store.prune(Retention(messages_kept=3, streams_kept=2))
        assert (pruned.messages, pruned.streams) == (7, 3)
        left = [(e.kind, e.position) for e in await store.log(Position(0), 20)]
        assert left == [("message", n) for n in (8, 9, 10)] + [("event", n) for n in (14, 15)]

    async def test_retention_takes_ended_streams_whole(self, store: Store) -> None:
        """A stream that is open, ended lately, or is waited in, stays to its last event."""
        old, late, open_, waited = (StreamId(f"story:{name}") for name in ("old", "late", "open", "waited"))
        for stream, at in ((old, NOON), (late, NOON + timedelta(days=1)), (waited, NOON)):
            turn = new_turn(at)
            turn.append(stream, "story", [Noted("a"), Closed()], expected=Version(0))
            await commit(store, turn)
        await commit(
            store, noting("a", 0, open_), changing(OpenWait(WaitId(SystemIds().new()), waited, "x", "y"))
        )
        pruned = await store.prune(Retention(streams_ended_before=NOON + timedelta(hours=1)))
        assert (pruned.streams, pruned.events) == (1, 2)
        with pytest.raises(StreamNotFound):
            await store.stream(old)
        for stream in (late, waited, open_):
            assert await store.events(stream, Version(0), 10)

    async def test_positions_are_not_given_again_after_the_newest_facts_are_gone(self, store: Store) -> None:
        """Retention took everything, and the next fact still has the next number."""
        turn = new_turn()
        turn.append(STREAM, "story", [Closed()], expected=Version(0))
        await commit(store, turn, saying("hi", to=To("bot", "nobody")))
        await store.prune(Retention(messages_kept=0, streams_kept=0))
        assert await store.log(Position(0), 10) == []
        (receipt,) = await commit(store, noting("after", 0, StreamId("story:new")))
        assert receipt.first == 3

    async def _membership(self, store: Store) -> None:
        """Come and go in every way."""
        turn = new_turn()
        facts = [
            BotDeclared(CLERK, "python", "sorts"),
            ChannelCreated("news"),  # type: ignore[arg-type]
            Subscribed(CLERK, "news"),
            Subscribed(CLERK, "old.*", since=Position(0)),
            Unsubscribed(CLERK, "news"),
            Subscribed(CLERK, "news"),
            BotDeclared(CLERK, "python", "sorts better"),
            BotDeclared(BotName("gone"), "outside"),
            BotRemoved(BotName("gone")),
            ChannelCreated("other"),  # type: ignore[arg-type]
            ChannelDeleted("news"),  # type: ignore[arg-type]
        ]
        turn.append(bot_stream(CLERK), "bot", facts, expected=Version(0))
        await commit(store, turn)
