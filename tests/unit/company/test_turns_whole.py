"""A handler's turn is whole or not there: too large, refused by the store, or next to those of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.ids import ChannelName, Position
from callboard.messages import Body
from callboard.store.boardrows import AuditQuery
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage


class Note(Body):
    text: str


NO_TEXT = "\ud800"
"""Half of a pair: Python holds it in a string, and no encoding does."""

OUT_OF_BOUNDS: dict[str, Callable[[Turn], object]] = {
    "a fact too many": lambda turn: [turn.publish("out", Note("x")) for _ in range(1_001)],
    "bytes too many": lambda turn: [turn.publish("out", Note("x" * 250_000)) for _ in range(40)],
    "a conversation that is no text": lambda turn: turn.publish("out", Note("x"), conversation=NO_TEXT),
}
"""What a handler may say, and no commit can hold."""


class Loud(Bot):
    attempts = 2
    handled: ClassVar[list[str]]

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        if note.text in OUT_OF_BOUNDS:
            OUT_OF_BOUNDS[note.text](turn)
        Loud.handled.append(note.text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Loud.handled = []
    return tmp_path / "callboard.db"


async def out(here: Stage) -> list[str]:
    """Return what was said on the channel."""
    rows = await here.store.audit(AuditQuery(channel=ChannelName("out"), limit=10_000))
    return [row.message.body["text"] for row in rows]


@pytest.mark.parametrize("what", OUT_OF_BOUNDS)
async def test_a_turn_that_cannot_be_committed_has_failed_and_nothing_of_it_is_there(
    file: Path, what: str
) -> None:
    """It is tried as often as it may and no more; what comes after it is handled, by the same actor."""
    async with stage(file, Loud, clock=JumpClock()) as here:
        for text in (what, "next"):
            await here.send("loud", Note(text))
        await here.quiet("loud")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts) == ("FAILED", 2)
        assert Loud.handled.count(what) in {2, 3}, (
            "once more, if it is not known at first which one is to blame"
        )
        assert "next" in Loud.handled
        assert await out(here) == []
        assert await here.store.timers(None, 10) == []
        assert [one.restarts for one in here.bus.supervisor.status()] == [0]  # type: ignore[union-attr]


@pytest.mark.parametrize("what", ["a fact too many", "a conversation that is no text"])
async def test_of_many_that_wait_the_one_that_cannot_be_committed_fails_alone(file: Path, what: str) -> None:
    """They would have shared a commit: each of the others is there once."""

    class Many(Loud):
        name = "many"

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            turn.publish("out", note)
            await super().note(note, turn)

    texts = [str(number) for number in range(50)]
    async with stage(file, clock=JumpClock()) as here:
        await here.bus.declare("many", "python", "", {})
        for text in (*texts[:25], what, *texts[25:]):
            await here.send("many", Note(text))
        await here.engage(Many)
        await here.quiet("many")
        assert [letter.reason for letter in await here.store.dead_letters()] == ["FAILED"]
        assert await out(here) == texts


async def test_a_turn_that_fits_by_itself_is_whole_whatever_was_handled_before_it(file: Path) -> None:
    class Many(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            for _ in range(950 if note.text == "many" else 1):
                turn.publish("out", note)

    async with stage(file, clock=JumpClock()) as here:
        await here.bus.declare("many", "python", "", {})
        for text in (*["one"] * 80, "many"):
            await here.send("many", Note(text))
        await here.engage(Many)
        await here.quiet("many")
        assert await out(here) == ["one"] * 80 + ["many"] * 950
        assert await here.store.dead_letters() == []


async def test_an_error_that_is_no_text_is_kept_as_one(file: Path) -> None:
    """A handler may raise whatever it was given; its error is stored, and the log can be read."""

    class Odd(Bot):
        attempts = 2

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            if note.text == "odd":
                raise RuntimeError(NO_TEXT)
            turn.publish("out", note)

    async with stage(file, Odd, clock=JumpClock()) as here:
        for text in ("odd", "next"):
            await here.send("odd", Note(text))
        await here.quiet("odd")
        (letter,) = await here.store.dead_letters()
        assert (letter.attempts, letter.error) == (2, "RuntimeError: \\ud800")
        assert await out(here) == ["next"]
        failed = [
            entry for entry in await here.store.log(Position(0), 1_000) if b"ud800" in bytes(entry.data)
        ]
        assert len(failed) == 2, "the attempt that failed, and the dead letter"
        assert [one.restarts for one in here.bus.supervisor.status()] == [0]  # type: ignore[union-attr]
