"""The operators: who speaks to the troupe from outside, and writes down what each was told.

One operator speaks of patterns that nobody else does, so whether a bot listens to them is known from what
this operator was told alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec

from callboard.errors import ActorError, CallboardError, OutcomeUnknown
from callboard.ids import MessageId, Position
from callboard.messages import Body, To
from tests.simulation.theatre import Theatre
from tests.simulation.troupe import NAMES, Act, Answer, Cue, Question
from tests.simulation.witness import Said, Witness

ROUNDS = 5
PLAYERS = ("ada", "bob", "cleo", "dora")
CHANNELS = ("news.sport", "news.arts", "ops")
WALKS = ("news.*", "news.arts", "ops", "**.sport")
"""Patterns that handlers listen to; `news.sport` and others stand in the code of some bots."""

LATER = (None, None, None, "300ms", "9s")
DEEDS = {
    "send": 6,
    "publish": 5,
    "ask": 5,
    "ask-other": 1,
    "raise": 3,
    "hang": 1,
    "dawdle": 3,
    "listen": 3,
    "unlisten": 2,
    "bounce": 1,
    "crowd": 0.1,
}
"""What a handler may be told to do, and how often it is."""


class Operator:
    """One who works at the house."""

    def __init__(self, name: str, theatre: Theatre, dice: Random) -> None:
        self.name = name
        self.theatre = theatre
        self.bus = theatre.bus
        self.witness: Witness = theatre.witness
        self.dice = dice

    async def pause(self) -> None:
        await asyncio.sleep(self.dice.choice([0.0, 0.0, 0.02, 0.3, 4.0]) * self.dice.random())

    async def hear(self, said: Said, work: Coroutine[Any, Any, Any]) -> Any:
        """Do it, and write down what was told; None if it was refused."""
        try:
            result = await work
        except (OutcomeUnknown, ActorError):
            self.witness.told(said, "open")
        except CallboardError as error:
            self.witness.told(said, "refused", id=error.code)
        else:
            position, name = getattr(result, "position", None), getattr(result, "id", "")
            self.witness.told(said, "acknowledged", position=position, id=str(name))
            return result
        return None

    async def say(self, to: To, body: Body, said: Said, sender: str = "local", **more: Any) -> Any:
        """Send a message."""
        json = msgspec.json.encode(body).decode()
        key = said.key or None
        sending = self.bus.send(sender=sender, to=to, type=body.type, json=json, key=key, **more)
        return await self.hear(said, sending)

    # ── what is told to bots ─────────────────────────────────────────────────────────────────────────────

    def cue(self, number: int, depth: int = 2) -> Cue:
        """Make up what a bot shall do."""
        count = self.dice.choice([0, 1, 1, 2, 3])
        return Cue(number, tuple(self._act(depth) for _ in range(count)))

    def _act(self, depth: int) -> Act:
        dice = self.dice
        do = dice.choices([*DEEDS], [*DEEDS.values()])[0]
        inner = self.cue(0, depth - 1) if depth else Cue(0)
        some: dict[str, Any] = {}
        match do:
            case "send":
                some = {"to": dice.choice(NAMES), "cue": inner, "after": dice.choice(LATER)}
            case "publish":
                some = {"to": dice.choice(CHANNELS), "cue": inner, "after": dice.choice(LATER)}
            case "ask" | "ask-other":
                some = {"to": dice.choice(PLAYERS), "cue": inner}
            case "raise":
                some = {"times": dice.choice([0, 1, 1, 2])}
            case "hang":
                some = {"times": dice.choice([1, 1, 2])}
            case "dawdle":
                some = {"seconds": dice.choice([0.0, 0.01, 0.5, 1.9, 2.0])}
            case "listen":
                since = dice.choice([None, None, 0, dice.randrange(200)])
                some = {"to": dice.choice(WALKS), "since": since}
            case "unlisten":
                some = {"to": dice.choice(WALKS)}
            case "bounce":
                some = {"to": dice.choice(NAMES), "times": dice.randrange(1_000)}
        return Act(do, **some)


Work = Callable[[Operator], Coroutine[Any, Any, None]]


async def sender(me: Operator) -> None:
    """Send and publish, at once or later, some by a key and then again until it is there."""
    for _ in range(ROUNDS):
        address = (To.bot, NAMES) if me.dice.random() < 0.6 else (To.channel, CHANNELS)
        to = address[0](me.dice.choice(address[1]))
        number = me.witness.number()
        cue, later = me.cue(number), me.dice.choice([0.0, 0.0, 0.0, 0.2, 20.0])
        key = f"key-{number}" if not later and me.dice.random() < 0.3 else ""
        for _ in range(me.dice.choice([1, 2, 3]) if key else 1):
            said = me.witness.asks_for("later" if later else "send", str(to), key, number)
            await me.say(to, cue, said, after=later)
        await me.pause()


async def asker(me: Operator) -> None:
    """Ask, and look whether the answer is the one to this question."""
    for _ in range(ROUNDS - 2):
        to = me.dice.choice(PLAYERS)
        said = me.witness.asks_for("ask", to)
        question = Question(0, f"operator {said.number}", me.cue(0, 1).acts)
        json = msgspec.json.encode(question).decode()
        asking = me.bus.ask(sender="local", to=To.bot(to), type="question", json=json, seconds=3.0)
        answer = await me.hear(said, asking)
        if answer is not None and answer.body != {"words": question.words}:
            me.witness.ledger.complain(f"{to} answered {answer.body} to {question.words}")
        await me.pause()


async def director(me: Operator) -> None:
    """Have bots listen to what nobody else speaks of, and no longer, and speak there."""
    for _ in range(ROUNDS):
        bot, pattern = me.dice.choice(NAMES), me.dice.choice(["talk.*", "talk.one"])
        if bot not in me.bus.board.bots:
            return
        if me.dice.random() < 0.6:
            spoken = [one.position for one in me.witness.said if one.to == "#talk"]  # None stands for now
            since = me.dice.choice([None, None, 0, *spoken[-3:]])
            said = me.witness.asks_for("subscribe", f"{bot} {pattern}")
            work = me.bus.subscribe(bot, pattern, since=None if since is None else Position(since))
        else:
            said = me.witness.asks_for("unsubscribe", f"{bot} {pattern}")
            work = me.bus.unsubscribe(bot, pattern)
        me.witness.listening[bot, pattern] = None
        await me.hear(said, work)
        if said.outcome == "acknowledged":
            me.witness.listening[bot, pattern] = said.do == "subscribe"
        elif said.id == "NOT_FOUND":
            me.witness.listening[bot, pattern] = False
        said = me.witness.asks_for("send", "#talk")
        await me.say(To.channel(me.dice.choice(["talk.one", "talk.two"])), me.cue(said.number, 1), said)
        await me.pause()


async def postmaster(me: Operator) -> None:
    """Have dead letters tried again, and take some off the list."""
    for _ in range(ROUNDS):
        await asyncio.sleep(me.dice.random() * 4)
        try:
            letters = await me.theatre.store.dead_letters(limit=50)
        except CallboardError:
            continue
        if not letters:
            continue
        do = me.dice.choice(["redrive", "redrive", "redrive", "purge"])
        chosen = letters if me.dice.random() < 0.2 else [me.dice.choice(letters)]
        work = []
        for one in chosen:
            said = me.witness.asks_for(do, str(one.letter))
            work.append(
                me.hear(said, me.bus.redrive(one.letter) if do == "redrive" else me.bus.purge(one.letter))
            )
        await asyncio.gather(*work)


async def meddler(me: Operator) -> None:
    """Answer questions that were put to others, and those that are closed, and reply to them elsewhere."""
    for _ in range(ROUNDS - 2):
        await asyncio.sleep(me.dice.random() * 3)
        try:
            page = await me.theatre.store.log(Position(max(0, me.theatre.writer.head - 60)), 60)
            asked = [one.position for one in page if one.type == "question"]
            if not asked:
                continue
            question = await me.theatre.store.message_at(me.dice.choice(asked))
        except CallboardError:
            continue
        if question is None:
            continue
        told = MessageId(question.id)
        match me.dice.randrange(4):
            case 0:  # the right answer, perhaps once too often
                said = me.witness.asks_for("answer", question.sender)
                answer = Answer(str(question.body["words"]))
                await me.say(To.bot(question.sender), answer, said, reply_to=told, sender=question.to.name)
            case 1:  # a reply that is no answer, since whoever asked does not get it
                to = me.dice.choice([To.bot(me.dice.choice(PLAYERS)), To.channel(me.dice.choice(CHANNELS))])
                said = me.witness.asks_for("send", str(to))
                await me.say(to, me.cue(said.number, 0), said, reply_to=told)
            case _:
                said = me.witness.asks_for("send", question.sender)
                await me.say(To.bot(question.sender), Cue(said.number), said, reply_to=told)


CREW: tuple[tuple[str, Work], ...] = (
    ("sender-0", sender),
    ("sender-1", sender),
    ("asker", asker),
    ("director", director),
    ("postmaster", postmaster),
    ("meddler", meddler),
)
