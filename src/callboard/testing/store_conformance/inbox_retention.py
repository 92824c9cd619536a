"""The cases of retention of what bots have still to handle: messages to them, and on channels they listen to.

One case for each way to have a message still before one, and in each the twin that is not needed: a bot
behind, a subscription that is open, closed, or caught up with, and the patterns that it may have. Where a row
of another bot, tenant or catch-up stands beside the one that counts, a case says that it does not matter.
"""

from __future__ import annotations

import pytest

from callboard.ids import Position, Tenant
from callboard.messages import To
from callboard.testing.store_conformance.board import (
    BOTH_WAYS,
    OURS,
    PORTER,
    THEIRS,
    TO_CLERK,
    TO_PORTER,
    Board,
    CasesOnABoard,
    on,
)
from callboard.testing.store_conformance.material import CLERK


class InboxRetentionCases(CasesOnABoard):
    """Which old messages stay for the bots that they are for, and which go."""

    # ── addressed to a bot ───────────────────────────────────────────────────────────────────────────────

    async def test_a_message_stays_until_the_cursor_of_its_bot_reaches_it(self, board: Board) -> None:
        """What lies past the cursor is still to be handled; what the cursor stands on is not."""
        await board.declare(CLERK)
        await board.goes(TO_CLERK)
        reached = await board.goes(TO_CLERK)
        await board.stays(TO_CLERK)
        await board.settle(CLERK, reached)
        await board.judge()

    async def test_a_bot_without_a_cursor_needs_all_since_it_was_declared(self, board: Board) -> None:
        """What was addressed to the name before there was a bot is nobody's."""
        await board.goes(TO_CLERK)
        await board.declare(CLERK)
        await board.stays(TO_CLERK)
        await board.judge()

    async def test_a_bot_that_is_declared_again_needs_what_it_needed(self, board: Board) -> None:
        """A new description does not settle an inbox."""
        await board.goes(TO_CLERK)
        await board.declare(CLERK)
        await board.stays(TO_CLERK)
        await board.declare(CLERK, "sorts better")
        await board.stays(TO_CLERK)
        await board.judge()

    async def test_a_bot_that_comes_back_begins_where_it_came_back(self, board: Board) -> None:
        """What was addressed to the bot that was removed is not for the new one of its name."""
        await board.declare(CLERK)
        await board.goes(TO_CLERK)
        await board.remove(CLERK)
        await board.goes(TO_CLERK)
        await board.declare(CLERK)
        await board.stays(TO_CLERK)
        await board.judge()

    async def test_a_bot_off_the_board_needs_nothing(self, board: Board) -> None:
        """A removed bot, or one that never was, keeps no message; another bot's removal changes nothing."""
        await board.declare(CLERK)
        await board.declare(PORTER)
        await board.goes(TO_CLERK)
        await board.goes(To("bot", "nobody"))
        await board.stays(TO_PORTER)
        await board.remove(CLERK)
        await board.judge()

    async def test_a_channel_of_a_bots_name_is_not_the_bot(self, board: Board) -> None:
        """A bot needs what is addressed to it, not what is said on a channel that it does not listen to."""
        await board.declare(CLERK)
        await board.goes(on(CLERK))
        await board.stays(TO_CLERK)
        await board.judge()

    @BOTH_WAYS
    async def test_a_bot_of_another_tenant_needs_nothing(
        self, board: Board, tenant: Tenant, other: Tenant
    ) -> None:
        """The same name in two tenants is two bots, and here only one is on the board."""
        await board.declare(CLERK, tenant=tenant)
        await board.declare(CLERK, tenant=other)
        await board.remove(CLERK, tenant=other)
        await board.declare(PORTER, tenant=tenant)
        await board.stays(TO_CLERK, tenant=tenant)
        await board.goes(TO_CLERK, tenant=other)
        await board.stays(TO_PORTER, tenant=tenant)
        await board.goes(TO_PORTER, tenant=other)
        await board.judge()

    @pytest.mark.parametrize("of", ["another bot", "another tenant", "a catch-up"])
    @pytest.mark.parametrize("to", [TO_CLERK, on("news")], ids=["to-a-bot", "on-a-channel"])
    async def test_no_other_cursor_lets_a_message_go(self, board: Board, to: To, of: str) -> None:
        """A bot that has no cursor is not taken for one that has, be it as near as its own catch-up."""
        await board.declare(CLERK)
        opened = await board.subscribe(CLERK, "news")
        waiting = await board.stays(to)
        await _settle_another(board, of, waiting, opened)
        await board.judge()

    @pytest.mark.parametrize("of", ["another bot", "another tenant", "a catch-up"])
    @pytest.mark.parametrize("to", [TO_CLERK, on("news")], ids=["to-a-bot", "on-a-channel"])
    async def test_no_other_cursor_makes_a_message_stay(self, board: Board, to: To, of: str) -> None:
        """What its bot has handled goes, however far back a cursor beside it stands."""
        first = await board.declare(CLERK)
        opened = await board.subscribe(CLERK, "news")
        handled = await board.goes(to)
        await board.settle(CLERK, handled)
        await _settle_another(board, of, first, opened)
        await board.judge()

    # ── on a channel ─────────────────────────────────────────────────────────────────────────────────────

    async def test_a_message_stays_until_the_cursor_of_a_listener_reaches_it(self, board: Board) -> None:
        """It goes when the last of those who listen has handled it."""
        await board.declare(CLERK)
        await board.declare(PORTER)
        for bot in (CLERK, PORTER):
            await board.subscribe(bot, "news")
        reached_by_both = await board.goes(on("news"))
        reached_by_one = await board.stays(on("news"))
        await board.stays(on("news"))
        await board.settle(CLERK, reached_by_both)
        await board.settle(PORTER, reached_by_one)
        await board.judge()

    async def test_a_listener_without_a_cursor_needs_all_since_it_listens(self, board: Board) -> None:
        """What was said before the interval begins is not for it."""
        await board.declare(CLERK)
        await board.goes(on("news"))
        await board.subscribe(CLERK, "news")
        await board.stays(on("news"))
        await board.judge()

    async def test_what_was_said_before_a_listener_left_is_still_for_it(self, board: Board) -> None:
        """A closed interval stays until the cursor reaches its messages; past its end nothing is needed."""
        await board.declare(CLERK)
        await board.subscribe(CLERK, "news")
        handled = await board.goes(on("news"))
        await board.settle(CLERK, handled)
        await board.stays(on("news"))
        await board.unsubscribe(CLERK, "news")
        await board.goes(on("news"))
        await board.judge()

    async def test_a_listener_that_leaves_twice_has_two_intervals(self, board: Board) -> None:
        """What was said between them is not for it."""
        await board.declare(CLERK)
        for _ in range(2):
            await board.subscribe(CLERK, "news")
            await board.stays(on("news"))
            await board.unsubscribe(CLERK, "news")
            await board.goes(on("news"))
        await board.judge()

    async def test_a_listener_is_not_gone_because_another_left(self, board: Board) -> None:
        """Another bot, its twin in another tenant, and another pattern of its own end nothing of it."""
        await board.declare(CLERK)
        await board.subscribe(CLERK, "news")
        for bot, pattern, tenant in ((PORTER, "news", OURS), (CLERK, "news", THEIRS), (CLERK, "new.*", OURS)):
            await board.declare(bot, tenant=tenant)
            await board.subscribe(bot, pattern, tenant=tenant)
            await board.unsubscribe(bot, pattern, tenant=tenant)
        await board.stays(on("news"))
        await board.goes(on("news"), tenant=THEIRS)
        await board.judge()

    async def test_a_catch_up_needs_what_its_own_cursor_has_not_reached(self, board: Board) -> None:
        """A subscription that looks back keeps what lies there, although the bot itself is far past it."""
        await board.declare(CLERK)
        since = await board.goes(on("news"))
        caught_up = await board.goes(on("news"))
        await board.stays(on("news"))
        await board.goes(on("other"))
        opened = await board.subscribe(CLERK, "news", since)
        handled = await board.goes(on("news"))
        await board.settle(CLERK, handled)
        await board.settle(CLERK, caught_up, catch_up=opened)
        await board.judge()

    async def test_a_catch_up_that_has_not_begun_needs_all_it_looks_back_to(self, board: Board) -> None:
        """Without a cursor of its own it begins where its interval does."""
        await board.declare(CLERK)
        since = await board.goes(on("news"))
        await board.stays(on("news"))
        opened = await board.subscribe(CLERK, "news", since)
        await board.settle(CLERK, opened)
        await board.judge()

    async def test_a_catch_up_needs_nothing_from_before_its_interval(self, board: Board) -> None:
        """Not even if its cursor stands lower than that."""
        first = await board.declare(CLERK)
        await board.goes(on("news"))
        since = await board.goes(on("news"))
        await board.stays(on("news"))
        opened = await board.subscribe(CLERK, "news", since)
        await board.settle(CLERK, first, catch_up=opened)
        await board.judge()

    @pytest.mark.parametrize(
        ("pattern", "channel"),
        [
            ("news", "news"),
            ("news.*", "news.sport"),
            ("news.**", "news.sport"),
            ("news.**", "news.sport.local"),
            ("*", "news"),
            ("**", "news.sport"),
            ("*.sport", "news.sport"),
            ("**.local", "news.sport.local"),
        ],
    )
    async def test_a_channel_that_fits_the_pattern_is_needed(
        self, board: Board, pattern: str, channel: str
    ) -> None:
        """`*` stands for one part of the name and `**` for one or more; the twin is from before."""
        await board.declare(CLERK)
        await board.goes(on(channel))
        await board.subscribe(CLERK, pattern)
        await board.stays(on(channel))
        await board.judge()

    @pytest.mark.parametrize(
        ("pattern", "channel"),
        [
            ("news", "other"),
            ("news", "news.sport"),
            ("news", "NEWS"),
            ("news.*", "news"),
            ("news.*", "news.sport.local"),
            ("news.**", "news"),
            ("*", "news.sport"),
            ("*.sport", "news.local.sport"),
            ("**.local", "local"),
        ],
    )
    async def test_a_channel_that_does_not_fit_the_pattern_is_not_needed(
        self, board: Board, pattern: str, channel: str
    ) -> None:
        """It is none of the listener's, whose twin on a channel of its own stays."""
        await board.declare(CLERK)
        await board.subscribe(CLERK, pattern)
        await board.subscribe(CLERK, "own")
        await board.goes(on(channel))
        if pattern != "*":
            await board.stays(on("own"))
        await board.judge()

    async def test_a_bot_of_a_channels_name_is_not_the_channel(self, board: Board) -> None:
        """Who listens to a channel does not need what is addressed to a bot of that name."""
        await board.declare(CLERK)
        await board.subscribe(CLERK, "news")
        await board.goes(To("bot", "news"))
        await board.stays(on("news"))
        await board.judge()

    async def test_a_listener_off_the_board_needs_nothing(self, board: Board) -> None:
        """Its subscriptions are left open, and keep no message that another does not listen to."""
        await board.declare(CLERK)
        await board.declare(PORTER)
        await board.subscribe(CLERK, "news.**")
        await board.subscribe(PORTER, "news.sport")
        await board.goes(on("news"))
        await board.goes(on("news.weather"))
        await board.stays(on("news.sport"))
        await board.remove(CLERK)
        await board.judge()

    @BOTH_WAYS
    async def test_a_listener_of_another_tenant_needs_nothing(
        self, board: Board, tenant: Tenant, other: Tenant
    ) -> None:
        """Nor does one of the same name whose twin alone is still on the board."""
        for one in (tenant, other):
            await board.declare(CLERK, tenant=one)
            await board.subscribe(CLERK, "news", tenant=one)
        await board.subscribe(CLERK, "sport", tenant=tenant)
        await board.stays(on("news"), tenant=tenant)
        await board.goes(on("news"), tenant=other)
        await board.stays(on("sport"), tenant=tenant)
        await board.goes(on("sport"), tenant=other)
        await board.remove(CLERK, tenant=other)
        await board.judge()

    @BOTH_WAYS
    async def test_a_listener_is_on_the_board_for_its_own_tenant_alone(
        self, board: Board, tenant: Tenant, other: Tenant
    ) -> None:
        """Who listens in one tenant does not need what is said in another where its name is on the board."""
        for one in (tenant, other):
            await board.declare(CLERK, tenant=one)
        await board.subscribe(CLERK, "news", tenant=tenant)
        await board.stays(on("news"), tenant=tenant)
        await board.goes(on("news"), tenant=other)
        await board.judge()


async def _settle_another(board: Board, of: str, position: Position, opened: Position) -> None:
    """Move a cursor that stands beside the clerk's own."""
    if of == "a catch-up":
        await board.settle(CLERK, position, catch_up=opened)
    elif of == "another tenant":
        await board.settle(CLERK, position, tenant=THEIRS)
    else:
        await board.settle(PORTER, position)
