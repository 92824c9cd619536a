"""Random traffic of ten bots and five channels, and an outside ledger of what each recipient saw.

A seed decides who says what to whom, who raises and how often, who asks, who listens from when to when. Each
handler writes into the ledger what it was given and how it ended; the ledger is a plain list in memory, and
nothing of the house is asked for it. What a message makes its recipient do depends on the message and on the
attempt alone, so dice in one bot are not shaken by the order in which others work.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from callboard.authoring.bot import Bot, Turn, on
from callboard.errors import CallboardError, HopLimitReached
from callboard.ids import Position
from callboard.messages import Body, Message, To
from tests.unit.company.stage import Stage

BOTS = tuple(f"bot-{number}" for number in range(10))
CHANNELS = ("news", "news.old", "news.new", "talk.a", "talk.b")
PATTERNS = (*CHANNELS, "news.*", "talk.*", "**")
ATTEMPTS = 3


class Word(Body):
    n: int
    """Which message this is: no two bodies have the same, however often a handler is run again."""
    depth: int


class Question(Word):
    pass


class Answer(Word):
    pass


@dataclass(frozen=True)
class Seen:
    """One attempt at one message, as its recipient saw it."""

    bot: str
    message: Message
    returned: bool
    past_the_hops: bool
    """It asked where no answer could follow any more, and no other attempt would help."""


@dataclass
class Ledger:
    """What everybody saw."""

    seed: int
    seen: list[Seen] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    """Who was given the answer with which number, by an ask."""
    attempts: Counter[tuple[str, int]] = field(default_factory=Counter)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class Talker(Bot):
    """Does with each message what the dice say."""

    attempts = ATTEMPTS
    ledger: ClassVar[Ledger]
    own: ClassVar[str]

    @on(Word)
    async def word(self, word: Word, turn: Turn) -> None:
        await self.live(word, turn)

    @on(Question)
    async def question(self, question: Question, turn: Turn) -> Answer | None:
        await self.live(question, turn)
        deaf = self.dice(question, 0).random() < 0.15
        return None if deaf else Answer(next(self.ledger.numbers), question.depth + 1)

    @on(Answer)
    async def answer(self, answer: Answer, turn: Turn) -> None:
        await self.live(answer, turn)

    def dice(self, word: Word, attempt: int) -> Random:
        return Random(f"{self.ledger.seed}/{self.own}/{word.n}/{attempt}")

    def asks(self, word: Word) -> bool:
        """Tell whether a word makes this bot ask; each attempt must ask the same."""
        return self.dice(word, -1).random() < 0.2

    async def live(self, word: Word, turn: Turn) -> None:
        dice = self.dice(word, self.ledger.attempts[self.own, turn.message.position])
        self.ledger.attempts[self.own, turn.message.position] += 1
        returned = past_the_hops = False
        try:
            await self.act(word, turn, dice, asks=self.asks(word))
            returned = dice.random() > 0.25
            if not returned:
                raise RuntimeError("the dice say so")
        except HopLimitReached:
            past_the_hops = True
            raise
        finally:
            self.ledger.seen.append(Seen(self.own, turn.message, returned, past_the_hops))

    async def act(self, word: Word, turn: Turn, dice: Random, *, asks: bool) -> None:
        if asks:
            whom = BOTS[word.n % len(BOTS)]
            question = Question(-1 - word.n, word.depth + 1)
            answer = await turn.ask(whom, question, Answer, timeout="5s")
            self.ledger.answers.append((self.own, answer.n))
        # What many hear may make each of them speak: they hold back, or it would never end.
        talkative = 0.8 if turn.message.to.kind == "bot" else 0.12
        for _ in range(2 if word.depth < 6 and dice.random() < talkative * 0.6 else 0):
            self.say(word, turn, dice)
        if dice.random() < 0.1:
            turn.subscribe(dice.choice(PATTERNS), own=dice.random() < 0.3)
        if dice.random() < 0.1:
            turn.unsubscribe(dice.choice(PATTERNS))

    def say(self, word: Word, turn: Turn, dice: Random) -> None:
        more = Word(next(self.ledger.numbers), word.depth + 1)
        after = dice.choice((None, None, None, "5s"))
        if dice.random() < 0.4:
            turn.publish(dice.choice(CHANNELS), more, after=after)
        elif dice.random() < 0.1:
            turn.send(dice.choice(BOTS), {"wrong": more.n}, type="word", after=after)
        elif dice.random() < 0.1:
            turn.send(dice.choice(BOTS), more, type="unheard-of")
        elif dice.random() < 0.2:
            turn.reply(more)
        else:
            turn.send(dice.choice(BOTS), more, after=after)


def troupe(ledger: Ledger) -> Sequence[type[Bot]]:
    """Return ten bots that write into the ledger."""
    dice = Random(f"{ledger.seed}/troupe")
    return [
        type(
            name.title().replace("-", ""),
            (Talker,),
            {
                "__doc__": Talker.__doc__,
                "name": name,
                "own": name,
                "ledger": ledger,
                "subscribes": tuple(dice.sample(PATTERNS, dice.randrange(3))),
                "hears_itself": dice.random() < 0.2,
                "on_error": dice.choice(("pass", "pass", "block")),
            },
        )
        for name in BOTS
    ]


async def operate(here: Stage, ledger: Ledger, steps: int) -> None:
    """Say things from outside, and have bots listen and stop, also to what was said long ago."""
    dice = Random(f"{ledger.seed}/operator")
    for _ in range(steps):
        word = Word(next(ledger.numbers), 0)
        act = dice.random()
        if act < 0.35:
            limit = {"max-hops": "4"} if dice.random() < 0.3 else {}
            await here.send(dice.choice(BOTS), word, headers=limit, conversation=conversation(dice))
        elif act < 0.6:
            await here.send(f"#{dice.choice(CHANNELS)}", word, conversation=conversation(dice))
        elif act < 0.75:
            await listen(here, dice)
        elif act < 0.85:
            await stop_listening(here, dice)
        elif act < 0.95:
            await here.clock.sleep(dice.choice((0.001, 0.1, 3.0)))
        else:
            await redrive_one(here, dice)


def conversation(dice: Random) -> str | None:
    return dice.choice((None, "c-1", "c-2"))


async def listen(here: Stage, dice: Random) -> None:
    bot, since = dice.choice(BOTS), None
    if dice.random() < 0.5:
        since = Position(dice.randrange((await here.store.head()).position + 1))
    await here.bus.subscribe(bot, dice.choice(PATTERNS), since=since, own=dice.random() < 0.3)


async def stop_listening(here: Stage, dice: Random) -> None:
    open_now = await here.store.subscriptions()
    if open_now:
        one = dice.choice(open_now)
        await here.bus.unsubscribe(one.bot, one.pattern)


async def redrive_one(here: Stage, dice: Random) -> None:
    letters = await here.store.dead_letters()
    if letters:
        await here.bus.redrive(dice.choice(letters).letter)


async def ask_from_outside(here: Stage, ledger: Ledger) -> None:
    """Ask a bot that may be deaf, or fail."""
    dice = Random(f"{ledger.seed}/asker")
    for _ in range(3):
        n = next(ledger.numbers)
        json = f'{{"n":{n},"depth":3}}'
        try:
            await here.bus.ask(
                sender="local", to=To.bot(dice.choice(BOTS)), type="question", json=json, seconds=5
            )
        except CallboardError:
            continue
