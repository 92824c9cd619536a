"""The cases of auditing: who said what to whom, what became of it, and what led to what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from callboard.ids import BotName, Position
from callboard.messages import To
from callboard.store.boardrows import AuditQuery
from callboard.store.changes import RecordDelivery
from callboard.store.port import Store
from callboard.testing.store_conformance.board import PORTER, TO_CLERK, TO_PORTER, Board, CasesOnABoard, on
from callboard.testing.store_conformance.material import CLERK, NOON, STREAM, Noted, commit, new_turn

PAIR = (CLERK, PORTER)


async def say(
    store: Store, sender: str, to: To, minute: int = 0, *, kind: str = "word", talk: str | None = None
) -> Position:
    """Send a message at some minute past noon."""
    turn = new_turn(NOON + timedelta(minutes=minute))
    turn.send(sender=sender, to=to, type=kind, body=1, conversation=talk)
    (receipt,) = await commit(store, turn)
    return receipt.first


async def audit(store: Store, **query: Any) -> list[Position]:
    """Return the positions that a query finds."""
    return [one.message.position for one in await store.audit(AuditQuery(**query))]


class AuditCases(CasesOnABoard):
    """Queries over messages, and chains of causes."""

    async def test_a_pair_is_both_ways_and_over_channels_that_the_other_hears(
        self, store: Store, board: Board
    ) -> None:
        """Not what others say, nor what one says where the other does not listen."""
        await board.declare(CLERK)
        await board.declare(PORTER)
        missed = await say(store, CLERK, on("news"))
        opened = await board.subscribe(PORTER, "news")
        there = await say(store, CLERK, TO_PORTER)
        back = await say(store, PORTER, TO_CLERK)
        heard = await say(store, CLERK, on("news"))
        await say(store, PORTER, on("news"))
        await say(store, "desk", TO_CLERK)
        await say(store, CLERK, on("olds"))
        await board.unsubscribe(PORTER, "news")
        await say(store, CLERK, on("news"))
        assert await audit(store, pair=PAIR) == [there, back, heard]
        assert await audit(store, pair=PAIR[::-1], newest_first=True) == [heard, back, there]
        assert await audit(store, pair=PAIR, after=there, limit=1) == [back]
        await board.change(RecordDelivery(PORTER, missed, "handled"))
        assert await audit(store, pair=PAIR, channel="news") == [missed, heard]
        assert opened < there

    async def test_outcomes_are_those_of_the_other_one(self, store: Store, board: Board) -> None:
        """What waits, what was handled, and at whom."""
        for bot in (CLERK, PORTER, BotName("third")):
            await board.declare(bot)
            await board.subscribe(bot, "news")
        waits = await say(store, CLERK, TO_PORTER)
        done = await say(store, CLERK, on("news"))
        await board.change(RecordDelivery(PORTER, done, "handled"))
        assert await audit(store, pair=PAIR, outcome="waiting") == [waits]
        assert await audit(store, pair=PAIR, outcome="handled") == [done]
        (one,) = await store.audit(AuditQuery(pair=PAIR, outcome="handled"))
        assert ([row.bot for row in one.deliveries], one.waiting) == ([PORTER], [])
        (whole,) = await store.audit(AuditQuery(channel=one.message.to.name))  # type: ignore[arg-type]  # is a channel's
        assert ([row.bot for row in whole.deliveries], whole.waiting) == ([PORTER], ["third"])
        await board.change(RecordDelivery(BotName("third"), done, "dead"))
        (one,) = await store.audit(AuditQuery(pair=PAIR, outcome="handled"))
        assert [row.bot for row in one.deliveries] == [PORTER]
        assert await audit(store, pair=PAIR, outcome="dead") == []
        assert await audit(store, outcome="dead") == [done]
        await board.settle(PORTER, done)
        assert await audit(store, pair=PAIR, outcome="waiting") == []

    async def test_each_filter_narrows(self, store: Store) -> None:
        """By bot, type, conversation, time and place; all that are named must hold."""
        one = await say(store, "a", TO_CLERK, 0, kind="x", talk="c")
        two = await say(store, CLERK, on("news"), 1, talk="c")
        three = await say(store, "b", on(CLERK), 2, kind="x")
        assert await audit(store) == [one, two, three]
        assert await audit(store, bot=CLERK) == [one, two]
        assert await audit(store, type="x") == [one, three]
        assert await audit(store, conversation="c", newest_first=True) == [two, one]
        assert await audit(store, conversation="c", bot="a") == [one]
        assert await audit(store, since=NOON + timedelta(minutes=1)) == [two, three]
        assert await audit(store, until=NOON + timedelta(minutes=1)) == [one]
        assert await audit(store, channel="news") == [two]
        assert await audit(store, newest_first=True, after=three, limit=1) == [two]

    async def test_causes_and_effects_are_followed_through_all_kinds(self, store: Store) -> None:
        """From an event to a message to an action and back, each a page at a time."""
        turn = new_turn()
        (event,) = turn.append(STREAM, "story", [Noted("a")], expected=None)
        sent, _ = turn.send(sender="desk", to=TO_CLERK, type="word", body=1, cause=event)
        turn.act("aside", "nothing")
        acted = turn.act("looked", "at it", cause=sent)
        last, _ = turn.send(sender="desk", to=TO_CLERK, type="word", body=1, cause=event)
        (receipt,) = await commit(store, turn)
        root, message, action, other = [receipt.position(ref) for ref in (event, sent, acted, last)]
        chain = await store.causes(action, 10)
        assert [one.position for one in chain] == [action, message, root]
        assert [one.kind for one in chain] == ["action", "message", "event"]
        assert len(await store.causes(action, 2)) == len([action, message])
        led = await store.effects(root, Position(0), 10)
        assert [one.position for one in led] == [message, action, other]
        assert [one.position for one in await store.effects(root, message, 1)] == [action]
        entry = await store.entry(action)
        assert entry == chain[0]
        found = await store.message_at(message)
        assert found is not None
        assert (found.json, found.body) == ("1", 1)
        assert await store.message_at(root) is None
