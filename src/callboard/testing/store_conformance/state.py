"""The cases of what stands beside the streams: messages, cursors, deliveries, waits, timers, derived rows.

`StateCases` are about rows that a turn writes with its facts, and `DerivedCases` about those that follow from
facts. `callboard.testing.store_conformance` puts them together with the others.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from callboard.errors import ConstraintViolated
from callboard.facts.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
    bot_stream,
)
from callboard.ids import BotName, Position, SystemIds, Tenant, TimerId, Version, WaitId
from callboard.messages import To
from callboard.store.changes import (
    AnswerWait,
    Change,
    CloseWait,
    DropTimer,
    KeepTimer,
    MoveCursor,
    OpenWait,
    Place,
    RecordDelivery,
    Ref,
)
from callboard.store.port import Receipt, Store
from callboard.testing.store_conformance.material import (
    CLERK,
    NOON,
    STREAM,
    Noted,
    changing,
    commit,
    new_turn,
    noting,
    saying,
)


class StateCases:
    """Messages, and the rows that a turn writes beside its facts."""

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
        await commit(store, *(noting(str(n), n) for n in range(5)))
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

    async def test_who_gives_up_waiting_leaves_an_answer_that_came_after_all(self, store: Store) -> None:
        """A wait that nobody answered is closed; one that has its answer keeps it."""
        answered, waiting = WaitId(SystemIds().new()), WaitId(SystemIds().new())
        await commit(store, noting("a", 0))
        for wait in (answered, waiting):
            await commit(store, changing(OpenWait(wait, STREAM, "signal", "go")))
        await commit(store, changing(AnswerWait(answered, Position(1))))
        for wait in (answered, waiting):
            await commit(store, changing(CloseWait(wait, unanswered=True)))
        assert [(one.id, one.answer) for one in await store.waits(STREAM)] == [(answered, 1)]

    async def test_another_tenant_cannot_answer_or_close_a_wait(self, store: Store) -> None:
        """Knowing its id is not enough."""
        wait = WaitId(SystemIds().new())
        await commit(store, noting("a", 0), changing(OpenWait(wait, STREAM, "signal", "go")))
        stranger = Tenant("other")
        for theft in (AnswerWait(wait, Position(1)), CloseWait(wait)):
            await commit(store, changing(theft, tenant=stranger))
        assert [(found.id, found.answer) for found in await store.waits(STREAM)] == [(wait, None)]

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

    async def test_a_change_may_speak_of_the_newest_fact_and_of_its_own_turns_last(
        self, store: Store
    ) -> None:
        """The end of the log, and the turn's own facts by their index, are positions like any other."""
        await commit(store, noting("a", 0))
        await commit(store, changing(MoveCursor(CLERK, Position(1))))
        turn = new_turn()
        turn.append(STREAM, "story", [Noted("b"), Noted("c")], expected=Version(1))
        turn.change(MoveCursor(CLERK, Ref(1)))
        await commit(store, turn)
        assert await store.cursor(CLERK) == 3

    @pytest.mark.parametrize("change", ["cursor", "delivery", "answer", "since"])
    @pytest.mark.parametrize(
        "place",
        [
            pytest.param(Position(5), id="one-past-the-end"),
            pytest.param(Position(1_000), id="far-past-the-end"),
            pytest.param(Ref(1), id="ref-behind-the-turn"),
            pytest.param(Ref(-1), id="ref-before-the-turn"),
        ],
    )
    async def test_a_position_that_is_no_fact_refuses_its_turn_alone(
        self, store: Store, change: str, place: Place
    ) -> None:
        """What is not in the log, nor among the turn's own facts, cannot be spoken of."""
        wait = WaitId(SystemIds().new())
        (sent, _) = await commit(store, saying("hi", to=To("bot", "clerk")), noting("a", 0))
        await commit(store, changing(OpenWait(wait, STREAM, "signal", "go")))
        changes: dict[str, Change] = {
            "cursor": MoveCursor(CLERK, place),
            "delivery": RecordDelivery(CLERK, place, "handled"),
            "answer": AnswerWait(wait, place),
            "since": OpenWait(WaitId(SystemIds().new()), STREAM, "signal", "stop", since=place),
        }
        turn = new_turn()
        turn.send(sender="desk", to=To("bot", "clerk"), type="ticket", body="faulty")
        turn.change(changes[change])
        # The faulty turn's own message would stand at 4, so that 5 is one past the end with it as well.
        outcomes = await store.commit([noting("b", 1), turn, noting("c", 2)])
        assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, True]
        assert isinstance(outcomes[1], ConstraintViolated)
        assert await store.cursor(CLERK) is None
        assert await store.deliveries(sent.first) == []
        assert [(w.id, w.answer) for w in await store.waits(STREAM)] == [(wait, None)]
        assert [e.kind for e in await store.log(Position(0), 10)] == ["message", "event", "event", "event"]


class DerivedCases:
    """Who is on the board and who listens to what, as it follows from facts; and what a check looks at."""

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
