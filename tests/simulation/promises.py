"""What operators were told, and what bots asked one another: each acknowledgement must be true for ever.

What was refused is not there. What nobody was told about may be there or not, but only once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.simulation.record import Message, Record
from tests.simulation.witness import Said, Witness


class Promises:
    """One look at what was promised."""

    def __init__(self, record: Record, witness: Witness) -> None:
        self.record = record
        self.witness = witness

    def findings(self) -> Iterator[str]:
        """Say which promise was broken."""
        yield from self._sent()
        yield from self._listening()
        yield from self._letters()
        yield from self._asks()
        yield from self._answered()

    def _sent(self) -> Iterator[str]:
        numbers: Counter[int] = Counter()
        for message in self.record.messages.values():
            if message.sender == "local" and message.cause is None:
                numbers[_number(message.body)] += 1
        later = {
            name: json.loads(data["json"])["number"]
            for name, (kind, data) in self.record.timers.items()
            if kind == "send" and data["sender"] == "local"
        }
        numbers.update(later.values())
        fates: dict[int, set[str]] = defaultdict(set)
        for said in self.witness.said:
            if said.do == "answer" and said.outcome == "acknowledged" and said.id not in self.record.ids:
                yield f"the answer {said.id} was acknowledged and is lost"
            if said.do not in {"send", "later", "ask"}:
                continue
            fates[said.number].add(said.outcome)
            if numbers[said.number] > 1:
                yield f"number {said.number} was sent once, and is there {numbers[said.number]} times"
            if said.outcome == "acknowledged":
                yield from self._kept(said, later)
        for number, outcomes in fates.items():
            if outcomes == {"refused"} and numbers[number]:
                yield f"number {number} was refused, and is there"

    def _kept(self, said: Said, later: dict[str, int]) -> Iterator[str]:
        message = self.record.ids.get(said.id)
        if message is None and not (said.do == "later" and said.id in later):
            yield f"number {said.number} was acknowledged ({said.do}) and is lost"
        elif message is not None and said.position not in {None, message.position}:
            yield f"number {said.number} was acknowledged at {said.position} and stands at {message.position}"
        elif message is not None and said.do != "ask" and _number(message.body) != said.number:
            yield f"what was acknowledged as number {said.number} says {message.body}"

    def _listening(self) -> Iterator[str]:
        for (bot, pattern), listens in self.witness.listening.items():
            if listens is not None and self.record.listens(bot, pattern, self.record.head) != listens:
                yield f"{bot} was told {'to hear' if listens else 'to leave'} {pattern}, and does not"

    def _letters(self) -> Iterator[str]:
        there = {
            (event.type, event.data["letter"])
            for event in self.record.events.values()
            if event.type in {"dead_letter_redriven", "dead_letter_purged"}
        }
        for said in self.witness.said:
            fact = {"redrive": "dead_letter_redriven", "purge": "dead_letter_purged"}.get(said.do)
            if fact and said.outcome == "acknowledged" and (fact, int(said.to)) not in there:
                yield f"the {said.do} of {said.to} was acknowledged and is lost"

    # ── asks ─────────────────────────────────────────────────────────────────────────────────────────────

    def _replies(self, question: Message) -> list[Message]:
        """Return what answered a question: the one that was taken, and no other."""
        return [
            one
            for one in self.record.messages.values()
            if (one.reply_to, one.kind, one.to) == (question.id, "bot", question.sender)
            and (delivery := self.record.deliveries.get((question.sender, one.position))) is not None
            and delivery.outcome == "handled"
        ]

    def _asks(self) -> Iterator[str]:
        """Only who was asked can answer, and only once; and no question is asked again after that."""
        asked: dict[tuple[str, int, int], list[Message]] = defaultdict(list)
        for message in self.record.messages.values():
            if message.asks and message.cause is not None:
                asked[message.sender, message.cause, message.body["ordinal"]].append(message)
        for (bot, cause, ordinal), questions in asked.items():
            for question, following in zip(questions, [*questions[1:], None], strict=True):
                replies = self._replies(question)
                if len(replies) > 1:
                    yield f"the question at {question.position} was answered {len(replies)} times"
                if any(one.sender != question.to for one in replies):
                    yield f"the question at {question.position} was answered by somebody else"
                if following is None or not replies or replies[0].position > following.position:
                    continue
                if not self._begun_anew(bot, cause, ordinal, question.position, following.position):
                    yield f"{bot} asked at {following.position} again what was answered before"

    def _begun_anew(self, bot: str, message: int, ordinal: int, after: int, before: int) -> bool:
        """Tell whether a bot may ask again: the asker had given up waiting, or the message was redriven."""
        late = any(
            (one.bot, one.message) == (bot, message) and ordinal in one.late for one in self.witness.attempts
        )
        return late or any(
            event.type == "dead_lettered" and (event.data["bot"], event.data["message"]) == (bot, message)
            for at, event in self.record.events.items()
            if after < at < before
        )

    def _answered(self) -> Iterator[str]:
        """What a handler was answered is what was replied to its question."""
        replied: dict[tuple[str, int, int], set[str]] = defaultdict(set)
        for message in self.record.messages.values():
            question = self.record.ids.get(message.reply_to or "")
            if question is None or not question.asks or question.cause is None:
                continue
            if message.sender == question.to and message.type == "answer":
                key = (question.sender, question.cause, question.body["ordinal"])
                replied[key].add(message.body["words"])
        for attempt in self.witness.attempts:
            for ordinal, words in attempt.answers.items():
                if words not in replied[attempt.bot, attempt.message, ordinal]:
                    yield f"{attempt.bot} was answered {words!r} at {attempt.message}, and nobody said so"
                if words != attempt.asked[ordinal]:
                    yield f"{attempt.bot} asked {attempt.asked[ordinal]!r} and was answered {words!r}"


def _number(body: dict[str, object]) -> int:
    """Return the number that an operator put into a message."""
    words = body.get("number", body.get("words"))
    return int(str(words).removeprefix("operator "))
