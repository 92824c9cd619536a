"""The cases of asks, memory and idempotency keys: the state that stands beside a bot's messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from callboard.errors import ConstraintViolated
from callboard.ids import BotName, MessageId, Position, SystemIds, Version, WaitId
from callboard.store.changes import AnswerAsk, CloseWait, KeepKey, OpenWait, SaveMemory, SettleAnswer
from callboard.store.port import Receipt, Retention, Store
from callboard.testing.store_conformance.board import PORTER, TO_CLERK
from callboard.testing.store_conformance.material import (
    CLERK,
    NOON,
    STREAM,
    Noted,
    changing,
    commit,
    new_turn,
    noting,
)

DESK = BotName("desk")


async def ask(
    store: Store, data: str = '{"asked":"clerk"}', due: datetime | None = None
) -> tuple[WaitId, MessageId]:
    """Let the desk ask the clerk; return the wait and the question."""
    wait, turn = WaitId(SystemIds().new()), new_turn()
    turn.append(STREAM, "story", [Noted("asking")], expected=None)
    _, question = turn.send(sender=DESK, to=TO_CLERK, type="question", body=1, asks=True)
    turn.change(OpenWait(wait, STREAM, "ask", str(question), due_at=due, data=data))
    await commit(store, turn)
    return wait, question


async def answer(
    store: Store, question: MessageId, by: BotName, at: datetime = NOON
) -> tuple[Position, str | None]:
    """Let a bot answer; return where, and what became of it at the desk."""
    turn = new_turn(at)
    ref, _ = turn.send(sender=by, to=TO_CLERK, type="answer", body=1, reply_to=question)
    turn.change(AnswerAsk(question, by, ref))
    turn.change(SettleAnswer(DESK, question, ref))
    (receipt,) = await commit(store, turn)
    delivery = await store.delivery(DESK, receipt.first)
    return receipt.first, None if delivery is None else delivery.outcome


class AskCases:
    """Asks, memory and keys."""

    async def test_the_bot_that_was_asked_answers_once(self, store: Store) -> None:
        """Another bot's answer, and a second one, are refused and change nothing."""
        _, question = await ask(store)
        sent = await store.message(question)
        assert sent is not None
        assert sent.asks
        assert (await answer(store, question, PORTER))[1] == "refused"
        assert (await store.waits(STREAM))[0].answer is None
        position, outcome = await answer(store, question, CLERK)
        assert outcome == "handled"
        assert (await answer(store, question, CLERK))[1] == "refused"
        assert (await store.waits(STREAM))[0].answer == position

    async def test_an_answer_after_its_wait_was_closed_is_refused(self, store: Store) -> None:
        """Nobody waits for it any more."""
        wait, question = await ask(store)
        await commit(store, changing(CloseWait(wait)))
        assert (await answer(store, question, CLERK))[1] == "refused"

    async def test_an_answer_is_taken_up_to_the_instant_when_it_is_due(self, store: Store) -> None:
        """What counts is the time of its turn; one that comes too late changes nothing, at either end."""
        tick = timedelta(microseconds=1)
        _, question = await ask(store, due=NOON)
        assert (await answer(store, question, CLERK, NOON + tick))[1] == "refused"
        assert [wait.answer for wait in await store.waits(STREAM)] == [None]
        position, outcome = await answer(store, question, CLERK, NOON)
        assert outcome == "handled"
        assert [wait.answer for wait in await store.waits(STREAM)] == [position]

    async def test_a_wait_that_names_nobody_takes_no_answer(self, store: Store) -> None:
        """What a wait holds need not even be JSON; the answer's turn is sound all the same."""
        _, question = await ask(store, "not json")
        assert (await answer(store, question, CLERK))[1] == "refused"

    async def test_a_bot_keeps_what_it_saved_last(self, store: Store) -> None:
        """Each bot has a memory of its own."""
        assert await store.memory(CLERK) is None
        await commit(store, changing(SaveMemory(CLERK, "1"), SaveMemory(PORTER, "2")))
        await commit(store, changing(SaveMemory(CLERK, "3")))
        kept = await store.memory(CLERK)
        assert kept is not None
        assert kept.data == "3"

    async def test_a_key_that_is_said_again_refuses_its_turn_alone(self, store: Store) -> None:
        """Its neighbours in the batch commit; another scope is another key."""

        def keyed(scope: str, expected: int) -> list[object]:
            turn = noting("a", expected)
            (ref,) = turn.append(STREAM, "story", [Noted("b")], expected=Version(expected + 1))
            turn.change(KeepKey(scope, "k", "digest", ref))
            return [turn]

        turns = [*keyed("one", 0), *keyed("one", 2), *keyed("two", 2)]
        first, second, third = await store.commit(turns)  # type: ignore[arg-type]  # they are turns
        assert isinstance(first, Receipt)
        assert isinstance(second, ConstraintViolated)
        assert isinstance(third, Receipt)
        kept = await store.key("one", "k")
        assert kept is not None
        assert (kept.digest, kept.about) == ("digest", first.first + 1)
        assert await store.key("three", "k") is None

    async def test_old_keys_go_and_new_ones_stay(self, store: Store) -> None:
        """Thirty days later nobody repeats a request."""
        now = datetime.now(UTC)
        await commit(store, noting("a", 0))
        for key, age in (("old", 31), ("new", 29)):
            change = KeepKey("s", key, "d", Position(1))
            await commit(store, changing(change, at=now - timedelta(days=age)))
        await store.prune(Retention(), dry_run=True)
        assert await store.key("s", "old") is not None
        await store.prune(Retention())
        assert await store.key("s", "old") is None
        assert await store.key("s", "new") is not None

    async def test_what_expects_no_version_goes_to_the_end(self, store: Store) -> None:
        """Whether the stream is there or not, and twice in one turn as well."""
        for text in ("a", "b"):
            turn = new_turn()
            for _ in range(2):
                turn.append(STREAM, "story", [Noted(text)], expected=None)
            await commit(store, turn)
        found = await store.events(STREAM, Version(0), 10)
        assert [event.version for event in found] == [1, 2, 3, 4]
