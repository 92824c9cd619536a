"""The cases of dead letters: a list that follows from facts alone."""

from __future__ import annotations

from callboard.facts.membership import bot_stream
from callboard.facts.mishaps import DeadLettered, DeadLetterPurged, DeadLetterRedriven
from callboard.ids import BotName, MessageId, Position, SystemIds
from callboard.store.boardrows import DeadLetter
from callboard.store.port import Store
from callboard.testing.store_conformance.board import PORTER, THEIRS, Board, CasesOnABoard, on
from callboard.testing.store_conformance.material import CLERK


async def bury(board: Board, bot: BotName = CLERK) -> Position:
    """Let a message be a dead letter of a bot."""
    about = MessageId(SystemIds().new())
    letter = DeadLettered(bot, "FAILED", "no", None, about, "desk", on("news"), "ticket", 3)
    return await board.append(bot_stream(bot), letter)


class DeadLetterCases(CasesOnABoard):
    """What is on the list, and what is off it."""

    async def test_a_dead_letter_is_listed_as_its_fact_says(self, store: Store, board: Board) -> None:
        """For its own bot and tenant, and by its position."""
        letter = await bury(board)
        other = await bury(board, PORTER)
        listed = DeadLetter(letter, CLERK, "FAILED", None, "desk", "#news", "ticket", 3, "no", None)
        assert await store.dead_letter(letter) == listed
        assert await store.dead_letters(bot=CLERK) == [listed]
        assert [one.letter for one in await store.dead_letters()] == [letter, other]
        assert [one.letter for one in await store.dead_letters(after=letter)] == [other]
        assert [one.letter for one in await store.dead_letters(limit=1)] == [letter]
        assert await store.dead_letters(tenant=THEIRS) == []

    async def test_redriven_and_purged_letters_leave_the_list(self, store: Store, board: Board) -> None:
        """A redriven one is shown when asked for; a purged one is not; a rebuild finds nothing to mend."""
        redriven, purged, left = [await bury(board) for _ in range(3)]
        at = await board.append(bot_stream(CLERK), DeadLetterRedriven(CLERK, redriven))
        await board.append(bot_stream(CLERK), DeadLetterPurged(CLERK, purged))
        assert [one.letter for one in await store.dead_letters()] == [left]
        shown = await store.dead_letters(bot=CLERK, redriven=True)
        assert [(one.letter, one.redriven) for one in shown] == [(redriven, at), (left, None)]
        assert await store.dead_letter(purged) is None
        assert await store.rebuild() == []
        assert await store.dead_letters(bot=CLERK, redriven=True) == shown
