"""The cases of overhearing: what was said on channels or by somebody, past a position, whoever it was for."""

from __future__ import annotations

from typing import Any

from callboard.ids import Position, StreamId, Tenant
from callboard.store.port import Store
from callboard.testing.store_conformance.audit import say
from callboard.testing.store_conformance.board import PORTER, TO_CLERK, on
from callboard.testing.store_conformance.material import CLERK, NOON, Noted, commit, new_turn, noting

STREAM_OF_NOISE = StreamId("story:noise")


async def said(store: Store, after: int = 0, limit: int = 100, **about: Any) -> list[Position]:
    """Return the positions of what is found."""
    return [one.position for one in (await store.said(Position(after), limit, **about)).messages]


class OverhearingCases:
    """Messages by channel and sender."""

    async def test_what_was_said_on_the_channels_of_a_pattern_is_found_in_order(self, store: Store) -> None:
        """And nothing of what was said elsewhere, or to a bot, or by a sender or of a type not asked for."""
        one = await say(store, CLERK, on("news.home"))
        await say(store, CLERK, TO_CLERK)
        two = await say(store, PORTER, on("news.away"), kind="flash")
        await say(store, CLERK, on("olds"))
        three = await say(store, CLERK, on("news.home"), kind="flash")
        assert await said(store, channel="news.*") == [one, two, three]
        assert await said(store, channel="news.home") == [one, three]
        assert await said(store, channel="news.*", sender=CLERK) == [one, three]
        assert await said(store, channel="news.*", type="flash") == [two, three]
        assert await said(store, channel="news.*", after=one, limit=1) == [two]
        assert await said(store, channel="news.*", tenant=Tenant("another")) == []

    async def test_what_somebody_said_is_found_wherever_it_went(self, store: Store) -> None:
        """To bots and on channels, in the order of the log."""
        one = await say(store, CLERK, on("news"))
        two = await say(store, CLERK, TO_CLERK)
        await say(store, PORTER, on("news"))
        three = await say(store, CLERK, on("alpha"), kind="flash")
        assert await said(store, sender=CLERK) == [one, two, three]
        assert await said(store, sender=CLERK, type="flash") == [three]
        assert await said(store, sender="nobody") == []

    async def test_a_page_says_how_far_it_looked_and_whether_there_is_more(self, store: Store) -> None:
        """Whoever goes on from there passes over nothing."""
        for number in range(5):
            await say(store, CLERK, on("news" if number % 2 == 0 else "olds"))
        await commit(store, noting("the end", 0))
        head = (await store.head()).position
        page = await store.said(Position(0), 2, channel="news")
        assert (len(page.messages), page.seen, page.more) == (2, page.messages[-1].position, True)
        page = await store.said(page.seen, 2, channel="news")
        assert (len(page.messages), page.seen, page.more) == (1, head, False)

    async def test_a_long_log_is_looked_at_stretch_by_stretch(self, store: Store) -> None:
        """None of the readings looks at all of it, and together they find what is there."""
        turn_facts, turns = 900, 30
        for _ in range(turns):
            turn = new_turn(NOON)
            turn.append(STREAM_OF_NOISE, "story", [Noted("noise")] * turn_facts, expected=None)
            await commit(store, turn)
        wanted = await say(store, CLERK, on("news"))
        seen, found, readings = Position(0), [], 0
        while True:
            page = await store.said(seen, 10, channel="news")
            found += [one.position for one in page.messages]
            readings += 1
            if not page.more:
                break
            assert page.seen > seen
            seen = page.seen
        assert found == [wanted]
        assert readings >= 2
