"""The cases of inboxes: what a bot has still to handle, in which order, and what it never sees."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callboard.facts.membership import Subscribed, bot_stream
from callboard.ids import BotName, Position
from callboard.store.changes import MoveCursor, RecordDelivery
from callboard.store.port import Store
from callboard.testing.store_conformance.board import PORTER, TO_CLERK, TO_PORTER, Board, CasesOnABoard, on
from callboard.testing.store_conformance.material import CLERK, NOON, commit, new_turn

ZERO = Position(0)


async def inbox(store: Store, after: Position = ZERO, bot: BotName = CLERK) -> list[Position]:
    """Return the positions that a bot has still to handle."""
    return [message.position for message in (await store.inbox(bot, after, 100)).messages]


async def catch_up(store: Store, opened: Position) -> list[Position]:
    """Return the positions that a catch-up has still to handle."""
    return [message.position for message in (await store.catch_up(opened, ZERO, 100)).messages]


async def publish(store: Store, channel: str, sender: str = "desk") -> Position:
    """Say something on a channel."""
    turn = new_turn()
    turn.send(sender=sender, to=on(channel), type="word", body=1)
    (receipt,) = await commit(store, turn)
    return receipt.first


class InboxCases(CasesOnABoard):
    """A bot's own stream, and what it catches up with."""

    async def test_an_inbox_merges_what_is_addressed_and_what_is_heard(
        self, store: Store, board: Board
    ) -> None:
        """In log order, each once however many patterns fit, and nothing that is for somebody else."""
        await board.declare(CLERK)
        for pattern in ("news.**", "news.*", "news.local"):
            await board.subscribe(CLERK, pattern)
        first = await board.stays(TO_CLERK)
        second = await publish(store, "news.local")
        await board.stays(TO_PORTER)
        await publish(store, "olds")
        third = await publish(store, "news.world.late")
        fourth = await board.stays(TO_CLERK)
        assert await inbox(store) == [first, second, third, fourth]
        assert await inbox(store, second) == [third, fourth]

    async def test_a_page_says_up_to_where_it_looked(self, store: Store, board: Board) -> None:
        """That is its last message while there may be more, and else the head."""
        await board.declare(CLERK)
        first = await board.stays(TO_CLERK)
        second = await board.stays(TO_CLERK)
        await board.stays(TO_PORTER)
        head = (await store.head()).position
        assert (await store.inbox(CLERK, ZERO, 1)).seen == first
        assert (await store.inbox(CLERK, ZERO, 2)).seen == second
        assert (await store.inbox(CLERK, ZERO, 3)).seen == head
        assert (await store.inbox(CLERK, second, 1)).seen == head

    async def test_a_subscription_covers_its_interval(self, store: Store, board: Board) -> None:
        """What was said before it began and after it ended is not heard."""
        await board.declare(CLERK)
        await publish(store, "news")
        await board.subscribe(CLERK, "news")
        heard = await publish(store, "news")
        await board.unsubscribe(CLERK, "news")
        await publish(store, "news")
        await board.subscribe(CLERK, "news")
        again = await publish(store, "news")
        assert await inbox(store) == [heard, again]

    @pytest.mark.parametrize("own", [True, False])
    async def test_a_bot_hears_itself_only_where_it_asked_to(
        self, store: Store, board: Board, *, own: bool
    ) -> None:
        """Its own publications are left out of other subscriptions."""
        await board.declare(CLERK)
        await board.append(bot_stream(CLERK), Subscribed(CLERK, "news", own=own))
        mine = await publish(store, "news", CLERK)
        theirs = await publish(store, "news")
        assert await inbox(store) == ([mine, theirs] if own else [theirs])
        (subscription,) = await store.subscriptions(bot=CLERK)
        assert subscription.own is own

    async def test_a_bot_without_a_cursor_begins_where_it_was_declared(
        self, store: Store, board: Board
    ) -> None:
        """What was addressed to the name before is nobody's."""
        await board.stays(TO_CLERK)
        await board.declare(CLERK)
        mine = await board.stays(TO_CLERK)
        assert await inbox(store) == [mine]
        assert await store.waiting(CLERK, 10) == 1

    async def test_what_was_settled_is_left_out(self, store: Store, board: Board) -> None:
        """Started waits still; retrying waits past the cursor; handled, dead and refused are done."""
        await board.declare(CLERK)
        at = {outcome: await board.stays(TO_CLERK) for outcome in ("handled", "dead", "refused", "started")}
        at["retrying"] = await board.stays(TO_CLERK)
        for outcome, position in at.items():
            await board.change(RecordDelivery(CLERK, position, outcome, next_try_at=NOON, deaths=2))
            await board.change(RecordDelivery(PORTER, position, "handled"))
        assert await inbox(store) == [at["started"], at["retrying"]]
        await board.settle(CLERK, at["retrying"])
        assert await inbox(store) == [at["started"]]

    async def test_retries_come_by_their_time(self, store: Store, board: Board) -> None:
        """Those that are due, the earliest first; and the next is known."""
        await board.declare(CLERK)
        late, early, done = [await board.stays(TO_CLERK) for _ in range(3)]
        soon = NOON + timedelta(minutes=1)
        assert await store.next_retry(CLERK) is None
        await board.change(
            RecordDelivery(CLERK, late, "retrying", next_try_at=soon, deaths=1, redriven=True),
            RecordDelivery(CLERK, early, "retrying", next_try_at=NOON),
            RecordDelivery(CLERK, done, "handled"),
            RecordDelivery(PORTER, late, "retrying", next_try_at=NOON),
        )
        assert [one.message for one in await store.retries(CLERK, soon, 10)] == [early, late]
        assert [one.message for one in await store.retries(CLERK, NOON, 10)] == [early]
        assert await store.next_retry(CLERK) == NOON
        found = await store.delivery(CLERK, late)
        assert found is not None
        assert (found.deaths, found.redriven) == (1, True)
        await board.settle(CLERK, done)
        assert await store.waiting(CLERK, 10) == len([early, late])

    async def test_attempts_that_began_are_found_in_log_order(self, store: Store, board: Board) -> None:
        """One bot's own, wherever its cursor stands, until something is said of them."""
        await board.declare(CLERK)
        first, second, done = [await board.stays(TO_CLERK) for _ in range(3)]
        await board.change(
            RecordDelivery(CLERK, second, "started", 0, deaths=2),
            RecordDelivery(CLERK, first, "started", 1, NOON),
            RecordDelivery(CLERK, done, "started"),
            RecordDelivery(PORTER, first, "started"),
        )
        await board.change(RecordDelivery(CLERK, done, "handled"))
        await board.settle(CLERK, done)
        found = [(one.message, one.next_try_at, one.deaths) for one in await store.started(CLERK)]
        assert found == [(first, NOON, 0), (second, None, 2)]
        assert await store.waiting(CLERK, 10) == len(found)

    async def test_a_catch_up_reads_what_lies_below_its_subscription(
        self, store: Store, board: Board
    ) -> None:
        """Above `since`, each once however many patterns fit, until its own cursor is there."""
        await board.declare(CLERK)
        since = await publish(store, "news.local")
        first = await publish(store, "news.local")
        second = await publish(store, "news.world")
        await board.settle(CLERK, second)
        wide = await board.subscribe(CLERK, "news.*", since)
        narrow = await board.subscribe(CLERK, "news.local", since)
        later = await publish(store, "news.local")
        assert await inbox(store, second) == [later]
        assert await catch_up(store, wide) == [first, second]
        assert await store.waiting(CLERK, 10) == len([first, second, later])
        assert await store.waiting(CLERK, 2) == len([first, second])
        await board.change(RecordDelivery(CLERK, first, "handled"))
        assert await catch_up(store, narrow) == []
        assert (await store.catch_up(narrow, ZERO, 1)).seen == narrow
        assert [one.subscription.opened for one in await store.catch_ups(CLERK)] == [wide, narrow]
        await board.change(MoveCursor(CLERK, wide, wide), MoveCursor(CLERK, first, narrow))
        (left,) = await store.catch_ups(CLERK)
        assert (left.subscription.opened, left.cursor) == (narrow, first)

    async def test_the_board_tells_who_is_there(self, store: Store, board: Board) -> None:
        """Removed bots too, by name; and only the subscriptions that are open."""
        await board.declare(PORTER)
        await board.declare(CLERK)
        removed = await board.remove(PORTER)
        opened = await board.subscribe(CLERK, "news")
        await board.subscribe(CLERK, "olds")
        await board.unsubscribe(CLERK, "olds")
        assert [(bot.name, bot.removed) for bot in await store.bots()] == [(CLERK, None), (PORTER, removed)]
        assert [one.opened for one in await store.subscriptions()] == [opened]
        assert await store.channels() == []
