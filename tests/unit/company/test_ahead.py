"""What goes ahead of a question: it is committed whatever becomes of the handler that asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.errors import StoreUnavailable
from callboard.ids import BotName
from callboard.messages import Body
from callboard.store.changes import RecordDelivery
from callboard.store.port import Outcome
from callboard.store.turn import Turn as Committed
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import stage

LATE, FAILS = 10.0, StoreUnavailable("The disk did not write.")


class Note(Body):
    text: str


class Riddle(Body):
    text: str
    deaf: bool = False


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Clerk(Bot):
    """Remembers notes, and asks about riddles."""

    timeout = "5s"
    memory: Seen

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        self.memory.texts.append(note.text)

    @on(Riddle)
    async def riddle(self, riddle: Riddle, turn: Turn) -> None:
        try:
            await turn.ask("oracle", Note(riddle.text), Note)
        except Exception:
            if not riddle.deaf:
                raise


class Oracle(Bot):
    """Answers."""

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> Note:
        return note


class Late(SqliteStore):
    """A disk that takes long over the first commit of what a clerk has handled, and then refuses it."""

    seconds = 0.0
    refused = 0

    async def commit(self, turns: Sequence[Committed]) -> list[Outcome]:
        done = [one for turn in turns for one in turn.entries if isinstance(one, RecordDelivery)]
        if not self.refused and any(one.bot == "clerk" and one.outcome == "handled" for one in done):
            self.refused += 1
            await self._clock.sleep(self.seconds)
            raise FAILS
        return await super().commit(turns)


@pytest.mark.parametrize("deaf", [False, True], ids=["it raises", "it swallows what it hears"])
@pytest.mark.parametrize("seconds", [0.0, LATE], ids=["at once", "after the handler's time"])
async def test_what_was_handled_before_a_question_is_handled_again_if_it_could_not_be_committed(
    tmp_path: Path, seconds: float, deaf: bool
) -> None:
    """Else the bot would remember a note of which nothing is on disk, and its cursor would pass it by."""
    clock = JumpClock()
    async with stage(tmp_path / "db", Clerk, Oracle, clock=clock) as here:
        await here.company.dismiss("clerk")
        await here.send("clerk", Note("one"))
        await here.send("clerk", Riddle("what walks on four legs?", deaf))
    store = Late(tmp_path / "db", clock=clock, connect=inline)
    store.seconds = seconds
    async with stage(tmp_path / "db", Clerk, Oracle, clock=clock, store=store) as here:
        await here.quiet("clerk", "oracle")
        assert store.refused == 1
        row = await store.memory(BotName("clerk"))
        assert row is not None
        assert row.data == '{"texts":["one"]}'
        said = await here.said(pair=("local", "clerk"))
        assert [[one.outcome for one in message.deliveries] for message in said] == [["handled"]] * 2
