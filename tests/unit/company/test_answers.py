"""What answers an ask: the first reply from whom was asked, to whoever asked, no later than it is due."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on, otherwise
from callboard.errors import AskTimeout
from callboard.ids import MessageId, StreamId
from callboard.messages import Body, Message, To
from callboard.testing.clock import START, JumpClock
from tests.unit.company.stage import Stage, stage


class Question(Body):
    n: int


class Answer(Body):
    n: int


class Word(Body):
    text: str


class Held(Memory):
    question: MessageId | None = None


class Deaf(Bot):
    @on(Question)
    async def hear(self, question: Question, turn: Turn) -> None:
        pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def nothing_is_left(here: Stage, *bots: str) -> None:
    """Nobody waits for an answer, on disk or in memory, and no timer would wake anybody."""
    for bot in bots:
        assert await here.store.waits(StreamId(f"bot:{bot}")) == []
    assert here.company.board.asks == {}
    assert await here.store.timers(None, 10) == []


async def outcomes(here: Stage, sender: str, to: str) -> list[str]:
    """Return what became of all that one said to another, where it was said to."""
    said = await here.said(pair=(sender, to))
    return [one.outcome for row in said if row.message.sender == sender for one in row.deliveries]


# ── from whom, and to whom ─────────────────────────────────────────────────────────────────────────────────


async def test_of_two_replies_to_one_question_the_first_is_the_answer(file: Path) -> None:
    class Twice(Bot):
        @on(Question)
        async def answer(self, question: Question, turn: Turn) -> Answer:
            turn.reply(Answer(1))
            return Answer(2)

    async with stage(file, Twice, clock=JumpClock()) as here:
        answer = await here.bus.ask(
            sender="local", to=To.bot("twice"), type="question", json='{"n":0}', seconds=5
        )
        assert answer.body == {"n": 1}
        await nothing_is_left(here, "twice")


async def test_a_reply_from_another_bot_than_was_asked_is_kept_and_resolves_nothing(file: Path) -> None:
    class Tip(Body):
        question: MessageId

    class Meddler(Bot):
        """Answers a question that another was asked."""

        @on(Tip)
        async def meddle(self, tip: Tip, turn: Turn) -> None:
            turn.send("asker", Answer(666), reply_to=tip.question)
            turn.send("asked", Word("now you"))

    class Asked(Bot):
        """Lets the meddler go first."""

        memory: Held

        @on(Question)
        async def hear(self, question: Question, turn: Turn) -> None:
            self.memory.question = turn.message.id
            turn.send("meddler", Tip(turn.message.id))

        @on(Word)
        async def answer(self, word: Word, turn: Turn) -> None:
            turn.send("asker", Answer(1), reply_to=self.memory.question)

    class Asker(Bot):
        got: ClassVar[list[int]] = []
        handled: ClassVar[list[str]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Asker.got.append((await turn.ask("asked", Question(1), Answer)).n)

        @otherwise
        async def rest(self, message: Message, turn: Turn) -> None:
            Asker.handled.append(message.type)

    async with stage(file, Meddler, Asked, Asker, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.quiet("asker", "asked", "meddler")
        assert (Asker.got, Asker.handled) == ([1], [])
        assert await outcomes(here, "meddler", "asker") == ["refused"]
        assert await outcomes(here, "asked", "asker") == ["handled"]
        await nothing_is_left(here, "asker", "asked", "meddler")


async def test_somebody_outside_cannot_answer_for_the_bot_that_was_asked(file: Path) -> None:
    class Asker(Bot):
        got: ClassVar[list[object]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            try:
                await turn.ask("deaf", Question(1), Answer, timeout="30s")
            except AskTimeout as error:
                Asker.got.append(error.code)

    async with stage(file, Deaf, Asker, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.until(lambda: here.said(pair=("asker", "deaf")))
        asked = [row.message for row in await here.said(pair=("asker", "deaf"))]
        for sender in ("local", "somebody"):
            await here.bus.send(
                sender=sender, to=To.bot("asker"), type="answer", json='{"n":1}', reply_to=asked[0].id
            )
        assert len(here.company.board.asks) == 1
        await here.quiet("asker")
        assert Asker.got == ["ASK_TIMEOUT"]
        assert [await outcomes(here, who, "asker") for who in ("local", "somebody")] == [
            ["handled", "refused"],
            ["refused"],
        ]
        await nothing_is_left(here, "asker")


async def test_a_reply_that_goes_elsewhere_is_no_answer_and_is_heard_there(file: Path) -> None:
    """To a third bot, by the one that was asked; or to whoever listens, by whoever may say so."""

    class Asked(Bot):
        @on(Question)
        async def answer(self, question: Question, turn: Turn) -> None:
            turn.send("third", Answer(3), reply_to=turn.message.id)
            turn.send("asker", Answer(1), reply_to=turn.message.id, after="10s")

    class Third(Bot):
        subscribes = ("news",)
        heard: ClassVar[list[int]] = []

        @on(Answer)
        async def hear(self, answer: Answer, turn: Turn) -> None:
            Third.heard.append(answer.n)

    class Asker(Bot):
        got: ClassVar[list[int]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Asker.got.append((await turn.ask("asked", Question(1), Answer, timeout="60s")).n)

    async with stage(file, Asked, Third, Asker, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.until(lambda: here.said(pair=("asker", "asked")))
        question = (await here.said(pair=("asker", "asked")))[0].message.id
        for n, to in enumerate((To.channel("news"), To.bot("third")), 4):
            for sender in ("local", "asked"):
                await here.bus.send(
                    sender=sender, to=to, type="answer", json=f'{{"n":{n}}}', reply_to=question
                )
        await here.quiet("third")
        assert sorted(Third.heard) == [3, 4, 4, 5, 5]
        assert Asker.got == []
        assert await outcomes(here, "asked", "third") == ["handled"] * 3
        await here.quiet("asker", "asked")
        assert Asker.got == [1]
        await nothing_is_left(here, "asker", "asked", "third")


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_late_reply_is_kept_and_resolves_neither_that_ask_nor_the_next(file: Path) -> None:
    class Slow(Bot):
        """Answers the first question after the asker has given up, and the others at once."""

        @on(Question)
        async def answer(self, question: Question, turn: Turn) -> None:
            turn.send(
                "asker",
                Answer(question.n),
                reply_to=turn.message.id,
                after="10s" if question.n == 1 else None,
            )

    class Asker(Bot):
        got: ClassVar[list[object]] = []
        handled: ClassVar[list[str]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            try:
                await turn.ask("slow", Question(1), Answer, timeout="3s")
            except AskTimeout as error:
                Asker.got.append(error.code)
            with contextlib.suppress(AskTimeout):  # the late reply comes meanwhile
                await turn.ask("deaf", Question(0), Answer, timeout="20s")
            Asker.got.append((await turn.ask("slow", Question(2), Answer, timeout="30s")).n)

        @otherwise
        async def rest(self, message: Message, turn: Turn) -> None:
            Asker.handled.append(message.type)

    async with stage(file, Slow, Deaf, Asker, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.quiet("asker", "slow", "deaf")
        assert (Asker.got, Asker.handled) == (["ASK_TIMEOUT", 2], [])
        said = {
            row.message.body["n"]: row.deliveries
            for row in await here.said(pair=("slow", "asker"))
            if row.message.sender == "slow"
        }
        assert {n: [(one.bot, one.outcome) for one in rows] for n, rows in said.items()} == {
            1: [("asker", "refused")],
            2: [("asker", "handled")],
        }
        assert "too late" in str(said[1][0].error)
        await nothing_is_left(here, "asker", "slow")


@pytest.mark.parametrize("away", [timedelta(minutes=10), timedelta(days=1)])
async def test_an_ask_that_ran_out_while_the_house_was_closed_is_asked_anew(
    file: Path, away: timedelta
) -> None:
    """The reply to the first question, which comes later still or at once at the start, resolves nothing."""

    class Slow(Bot):
        asked: ClassVar[int] = 0

        @on(Question)
        async def answer(self, question: Question, turn: Turn) -> None:
            Slow.asked += 1
            turn.send(
                "asker", Answer(Slow.asked), reply_to=turn.message.id, after="1h" if Slow.asked == 1 else None
            )

    class Asker(Bot):
        got: ClassVar[list[int]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Asker.got.append((await turn.ask("slow", Question(1), Answer, timeout="40s")).n)

    async with stage(file, Slow, Asker, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.until(lambda: Slow.asked)
        await here.quiet("slow")
    async with stage(file, Slow, Asker, clock=JumpClock(start=START + away)) as here:
        await here.until(lambda: here.said(pair=("slow", "asker"), outcome="refused"), within=7_200)
        await here.quiet("asker", "slow")
        assert Asker.got == [2]
        assert sorted(await outcomes(here, "slow", "asker")) == ["handled", "refused"]
        await nothing_is_left(here, "asker", "slow")


def asks_the_deaf() -> Any:
    """Return a bot that asks one who never answers, and notes what it was told."""

    class Asker(Bot):
        got: ClassVar[list[object]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            try:
                Asker.got.append((await turn.ask("deaf", Question(1), Answer, timeout="40s")).n)
            except AskTimeout as error:
                Asker.got.append(error.code)

    return Asker


@pytest.mark.parametrize("first", ["the answer", "the time-out"])
@pytest.mark.parametrize("late", [-0.001, 0.0, 0.001])
async def test_an_answer_when_it_is_due_counts_the_same_on_disk_and_in_memory(
    file: Path, late: float, first: str
) -> None:
    """At that very instant either may come first; what the asker is told is what the audit says."""
    asker = asks_the_deaf()
    clock, now = JumpClock(), asyncio.Event()
    async with stage(file, Deaf, asker, clock=clock) as here:
        if first == "the answer":
            clock.call_at(40 + late, now.set)
        await here.send("asker", Word("go"))
        await here.until(lambda: here.store.waits(StreamId("bot:asker")))
        (wait,) = await here.store.waits(StreamId("bot:asker"))
        assert wait.due_at == START + timedelta(seconds=40)
        (question,) = await here.said(pair=("asker", "deaf"))
        if first == "the time-out":
            clock.call_at(40 + late, now.set)
        await now.wait()
        await here.bus.send(
            sender="deaf", to=To.bot("asker"), type="answer", json='{"n":1}', reply_to=question.message.id
        )
        await here.quiet("asker")
        taken = await outcomes(here, "deaf", "asker") == ["handled"]
        assert taken is (late < 0 or (late == 0 and first == "the answer"))
        assert asker.got == ([1] if taken else ["ASK_TIMEOUT"])
        await nothing_is_left(here, "asker")


async def test_an_answer_after_the_clock_was_set_forward_is_late_on_disk_and_in_memory(file: Path) -> None:
    """The time-out of the ask has not rung: nobody has closed the wait yet."""
    asker = asks_the_deaf()
    clock = JumpClock()
    async with stage(file, Deaf, asker, clock=clock) as here:
        with clock.busy():  # no time passes
            await here.send("asker", Word("go"))
            while not await here.store.waits(StreamId("bot:asker")):
                await asyncio.sleep(0.001)
            (question,) = await here.said(pair=("asker", "deaf"))
            clock.set_wall(START + timedelta(hours=1))
            await here.bus.send(
                sender="deaf", to=To.bot("asker"), type="answer", json='{"n":1}', reply_to=question.message.id
            )
            while not await outcomes(here, "deaf", "asker"):
                await asyncio.sleep(0.001)
        assert await outcomes(here, "deaf", "asker") == ["refused"]
        assert asker.got == []
        await here.quiet("asker")
        assert asker.got == ["ASK_TIMEOUT"]
        await nothing_is_left(here, "asker")
