"""The cases of retention of messages beside what inboxes need: retries, waits, bounds by age and by count.

One case for each way to need a message or to be old, and in each the twin that goes.
"""

from __future__ import annotations

from datetime import timedelta

from callboard.ids import StreamId, Tenant
from callboard.messages import To
from callboard.store.changes import AnswerWait, CloseWait, OpenWait, RecordDelivery
from callboard.store.port import Retention
from callboard.testing.store_conformance.board import (
    BOTH_WAYS,
    LATER,
    PORTER,
    TO_CLERK,
    TO_PORTER,
    Board,
    CasesOnABoard,
    new_wait,
)
from callboard.testing.store_conformance.material import CLERK, STREAM, Noted


class MessageRetentionCases(CasesOnABoard):
    """Which old messages stay, and which go."""

    # ── to be tried again ────────────────────────────────────────────────────────────────────────────────

    async def test_a_message_that_will_be_tried_again_stays(self, board: Board) -> None:
        """So does what was only begun; what was handled, refused or buried is done with, and goes."""
        await board.declare(CLERK)
        retried = await board.stays(TO_CLERK)
        await board.change(RecordDelivery(CLERK, retried, "retrying"))
        begun = await board.stays(TO_CLERK)
        await board.change(RecordDelivery(CLERK, begun, "started"))
        for outcome in ("handled", "refused", "dead"):
            done = await board.goes(TO_CLERK)
            await board.change(RecordDelivery(CLERK, done, "retrying"))
            await board.change(RecordDelivery(CLERK, done, outcome, 2))
        await board.settle(CLERK, await board.goes(TO_CLERK))
        await board.judge()

    async def test_a_bot_off_the_board_tries_nothing_again(self, board: Board) -> None:
        """A retry of a removed bot keeps no message; that of a bot on the board does."""
        for bot in (CLERK, PORTER):
            await board.declare(bot)
        for bot, send in ((CLERK, board.goes), (PORTER, board.stays)):
            retried = await send(To("bot", bot))
            await board.change(RecordDelivery(bot, retried, "retrying"))
            await board.settle(bot, retried)
        await board.remove(CLERK)
        await board.judge()

    @BOTH_WAYS
    async def test_a_retry_is_of_the_bot_of_its_own_tenant(
        self, board: Board, tenant: Tenant, other: Tenant
    ) -> None:
        """Of two bots of one name, the removed one tries nothing again and the other does."""
        for one, send in ((tenant, board.stays), (other, board.goes)):
            await board.declare(CLERK, tenant=one)
            retried = await send(TO_CLERK, tenant=one)
            await board.change(RecordDelivery(CLERK, retried, "retrying"), tenant=one)
            await board.settle(CLERK, retried, tenant=one)
        await board.remove(CLERK, tenant=other)
        await board.judge()

    # ── waited for ───────────────────────────────────────────────────────────────────────────────────────

    async def test_the_answer_to_a_wait_stays_until_the_wait_is_closed(self, board: Board) -> None:
        """The owner has still to read it; what answers nothing goes."""
        await board.append(STREAM, Noted("a"))
        answered, closed = new_wait(), new_wait()
        for wait, send in ((answered, board.stays), (closed, board.goes)):
            await board.change(OpenWait(wait, STREAM, "signal", "go"))
            await board.change(AnswerWait(wait, await send(TO_CLERK)))
        await board.change(CloseWait(closed))
        await board.goes(TO_CLERK)
        await board.judge()

    async def test_a_question_stays_as_long_as_its_answer_is_waited_for(self, board: Board) -> None:
        """Who replies names it. Once it is answered, or nobody waits for that any more, it goes."""
        fact = await board.append(STREAM, Noted("a"))
        for send, ends in (
            (board.stays, lambda _: None),
            (board.goes, lambda wait: AnswerWait(wait, fact)),
            (board.goes, CloseWait),
        ):
            question = await board.store.message_at(await send(TO_CLERK))
            assert question is not None
            wait = new_wait()
            await board.change(OpenWait(wait, STREAM, "ask", str(question.id)))
            end = ends(wait)
            if end is not None:
                await board.change(end)
        await board.judge()

    async def test_a_wait_needs_what_it_may_still_be_answered_by(self, board: Board) -> None:
        """All that lies past the position from which an answer counts; if it names none, nothing."""
        await board.append(STREAM, Noted("a"))
        await board.change(OpenWait(new_wait(), STREAM, "signal", "anything"))
        since = await board.goes(TO_CLERK)
        await board.stays(TO_CLERK)
        await board.change(OpenWait(new_wait(), STREAM, "signal", "go", since=since))
        await board.stays(TO_CLERK)
        await board.judge()

    async def test_a_wait_that_is_answered_looks_back_no_more(self, board: Board) -> None:
        """It needs its answer alone."""
        since = await board.append(STREAM, Noted("a"))
        wait = new_wait()
        await board.change(OpenWait(wait, STREAM, "signal", "go", since=since))
        await board.goes(TO_CLERK)
        answer = await board.stays(TO_CLERK)
        await board.goes(TO_CLERK)
        await board.change(AnswerWait(wait, answer))
        await board.judge()

    async def test_a_wait_that_is_closed_looks_back_no_more(self, board: Board) -> None:
        """Another wait beside it needs what it did before."""
        early = await board.append(STREAM, Noted("a"))
        closed = new_wait()
        await board.change(OpenWait(closed, STREAM, "signal", "go", since=early))
        late = await board.goes(TO_CLERK)
        await board.change(OpenWait(new_wait(), STREAM, "signal", "go", since=late))
        await board.stays(TO_CLERK)
        await board.change(CloseWait(closed))
        await board.judge()

    @BOTH_WAYS
    async def test_a_wait_of_another_tenant_looks_back_at_nothing(
        self, board: Board, tenant: Tenant, other: Tenant
    ) -> None:
        """It can only be answered from its own tenant."""
        since = await board.append(STREAM, Noted("a"), tenant=tenant)
        await board.append(STREAM, Noted("a"), tenant=other)
        await board.change(OpenWait(new_wait(), STREAM, "signal", "go", since=since), tenant=tenant)
        await board.stays(TO_CLERK, tenant=tenant)
        await board.goes(TO_CLERK, tenant=other)
        await board.judge()

    # ── by age and by count ──────────────────────────────────────────────────────────────────────────────

    async def test_messages_from_before_the_bound_are_old(self, board: Board) -> None:
        """To the microsecond: what is as old as the bound is not older than it."""
        await board.goes(TO_CLERK, at=LATER - timedelta(microseconds=1))
        await board.stays(TO_CLERK, at=LATER)
        await board.judge(Retention(messages_before=LATER))

    async def test_no_bound_takes_nothing(self, board: Board) -> None:
        """What is not bounded stays for ever."""
        await board.stays(TO_CLERK)
        await board.ended_stays(StreamId("story:old"))
        await board.judge(Retention())

    async def test_the_newest_messages_stay_by_count(self, board: Board) -> None:
        """Of those sent at the same instant, the later in the log are the newer, so the count is exact."""
        await board.goes(TO_CLERK, times=7)
        await board.stays(TO_CLERK, times=3)
        await board.judge(Retention(messages_kept=3))

    async def test_a_count_of_as_many_as_there_are_takes_nothing(self, board: Board) -> None:
        """Nor does a larger one."""
        await board.stays(TO_CLERK, times=3)
        await board.judge(Retention(messages_kept=3))
        await board.judge(Retention(messages_kept=4))

    async def test_a_message_goes_by_age_or_by_count(self, board: Board) -> None:
        """Either bound lets it go: the count does not keep what is too old, nor its age what is too many."""
        await board.goes(TO_CLERK, times=2)
        await board.goes(TO_CLERK, at=LATER)
        await board.stays(TO_CLERK, at=LATER)
        await board.goes(TO_CLERK)
        await board.judge(Retention(messages_before=LATER, messages_kept=2))

    async def test_a_message_that_is_needed_stays_whatever_the_count(self, board: Board) -> None:
        """And the count counts it: it is one of the newest like any other."""
        await board.declare(CLERK)
        await board.stays(TO_CLERK)
        await board.goes(TO_PORTER)
        await board.stays(TO_CLERK)
        await board.judge(Retention(messages_kept=1))
        await board.judge(Retention(messages_kept=0))

    async def test_many_messages_go_in_many_steps(self, board: Board) -> None:
        """Whatever lies between them: needed ones by the hundred, other facts by the hundred."""
        await board.declare(CLERK)
        await board.stays(TO_CLERK, times=600)
        for _ in range(10):
            await board.stays(TO_CLERK, times=7)
            await board.goes(TO_PORTER, times=60)
        await board.append(STREAM, *(Noted(str(n)) for n in range(1_000)))
        await board.goes(TO_PORTER, times=550)
        done = await board.judge()
        assert done.messages == 1_150
