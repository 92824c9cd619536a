"""The troupe: bots of different habits, whose every deed is written in the message that they are given.

A `Cue` says what its handler shall do, down to the cues that it sends on, so one seed decides a whole
cascade. How often a message was tried is the witness's to know: it outlives the process, as the world does.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec

from callboard.authoring.bot import Bot, Memory, Turn, every, on
from callboard.errors import AskTimeout
from callboard.messages import Body
from tests.simulation.witness import Attempt, Wish, Witness

CROWD = 401
"""Messages that one turn cannot hold: see `theatre.LIMITS`."""


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do."""

    do: str
    to: str = ""
    cue: Cue | None = None
    after: str | None = None
    times: int = 0
    """So many attempts at the message do it; 0 is each."""
    since: int | None = None
    seconds: float = 0.0


class Cue(Body):
    number: int
    acts: tuple[Act, ...] = ()


class Question(Body):
    ordinal: int
    words: str
    acts: tuple[Act, ...] = ()


class Answer(Body):
    words: str


class Bounce(Body):
    number: int


class Mark(Body):
    token: int


class Tokens(Memory):
    tokens: list[int] = msgspec.field(default_factory=list)


class Player(Bot):
    """Does what it is told."""

    witness: ClassVar[Witness]
    marks: ClassVar[bool] = True
    timeout = "5s"
    attempts = 3

    @on(Cue)
    async def play(self, cue: Cue, turn: Turn) -> None:
        await self._perform(cue.acts, turn)

    @on(Question)
    async def answer(self, question: Question, turn: Turn) -> None:
        await self._perform((*question.acts, Act("reply")), turn)

    @on(Bounce)
    async def bounce(self, bounce: Bounce, turn: Turn) -> None:
        await self._perform((Act("bounce", to=turn.message.sender, times=bounce.number),), turn)

    async def _perform(self, acts: tuple[Act, ...], turn: Turn) -> None:
        name = type(self).name
        memory = getattr(self, "memory", None)
        seen = None if memory is None else tuple(memory.tokens)
        attempt = self.witness.begins(name, turn.message.position, seen)
        if memory is not None:
            memory.tokens.append(attempt.token)
        try:
            for ordinal, act in enumerate(acts):
                await self._do(act, ordinal, attempt, turn)
            if self.marks:
                mark = turn.publish(f"marks.{name}", Mark(attempt.token))
                attempt.wishes.append(Wish("send", str(mark)))
        except BaseException as error:
            self.witness.ends(attempt, type(error).__name__)
            raise
        self.witness.ends(attempt, "returned")

    async def _do(self, act: Act, ordinal: int, attempt: Attempt, turn: Turn) -> None:
        tries = self.witness.tries[attempt.bot, attempt.message]
        match act.do:
            case "raise" if tries <= act.times or not act.times:
                raise RuntimeError("as it was told")
            case "hang" if tries <= act.times:
                await asyncio.sleep(1_000.0)
            case "dawdle":
                await asyncio.sleep(act.seconds)
            case "ask":
                await self._ask(act, ordinal, attempt, turn)
            case "ask-other":
                await self._ask(act, ordinal, attempt, turn, words=f"try {tries}")
            case "listen":
                turn.subscribe(act.to, since=act.since)
                attempt.wishes.append(Wish("listen", pattern=act.to))
            case "unlisten":
                turn.unsubscribe(act.to)
                attempt.wishes.append(Wish("unlisten", pattern=act.to))
            case "raise" | "hang":
                pass
            case _:
                self._speak(act, attempt, turn)

    def _speak(self, act: Act, attempt: Attempt, turn: Turn) -> None:
        later = "send" if act.after is None else "later"
        cue = act.cue or Cue(0)
        match act.do:
            case "send":
                ids = [turn.send(act.to, cue, after=act.after)]
            case "publish":
                ids = [turn.publish(act.to, cue, after=act.after)]
            case "reply":
                ids = [turn.reply(Answer(str(turn.message.body["words"])))]
            case "bounce":
                ids = [turn.send(act.to, Bounce(act.times), headers={"max-hops": "4"})]
            case "crowd":
                ids = [turn.publish("crowd", Cue(number)) for number in range(CROWD)]
            case _:
                raise AssertionError(act.do)
        attempt.wishes += [Wish(later, str(one)) for one in ids]

    async def _ask(
        self, act: Act, ordinal: int, attempt: Attempt, turn: Turn, words: str = "the same"
    ) -> None:
        acts = act.cue.acts if act.cue else ()
        question = Question(ordinal, f"{turn.message.position}.{ordinal} {words}", acts)
        attempt.asked[ordinal] = question.words
        try:
            answer = await turn.ask(act.to, question, Answer, timeout="2s")
        except AskTimeout:
            attempt.late.add(ordinal)
            raise
        attempt.answers[ordinal] = answer.words


class Ada(Player):
    """Keeps count, and passes by what fails."""

    name = "ada"
    memory: Tokens


class Bob(Player):
    """Lets nothing pass by, and has a small mailbox."""

    name = "bob"
    memory: Tokens
    on_error = "block"
    mailbox = 2


class Cleo(Player):
    """Keeps nothing, and hears herself."""

    name = "cleo"
    hears_itself = True


class Dora(Player):
    """Says nothing by itself: only its memory shows what it did. Is called by a schedule."""

    name = "dora"
    memory: Tokens
    marks = False
    mailbox = 1

    @every("20s")
    async def tick(self, turn: Turn) -> None:
        await self._perform((), turn)


class Eve(Bot):
    """Takes only bounces, and sometimes cannot start."""

    name = "eve"
    witness: ClassVar[Witness]
    starts: ClassVar[list[bool]] = []
    """Whether the next starts go well."""

    async def started(self) -> None:
        if self.starts and not self.starts.pop(0):
            raise RuntimeError("a bot that cannot start")

    @on(Bounce)
    async def bounce(self, bounce: Bounce, turn: Turn) -> None:
        attempt = self.witness.begins("eve", turn.message.position, None)
        back = turn.send(turn.message.sender, bounce, headers={"max-hops": "4"})
        mark = turn.publish("marks.eve", Mark(attempt.token))
        attempt.wishes += [Wish("send", str(back)), Wish("send", str(mark))]
        self.witness.ends(attempt, "returned")


TROUPE: tuple[type[Bot], ...] = (Ada, Bob, Cleo, Dora, Eve)
NAMES = tuple(one.name for one in TROUPE)


def dressed(cls: type[Bot], witness: Witness, **habits: Any) -> type[Bot]:
    """Return a bot's class as it is loaded in one life; its code may say something else in the next."""
    return type(cls.__name__, (cls,), {"__doc__": cls.__doc__, "witness": witness, **habits})
