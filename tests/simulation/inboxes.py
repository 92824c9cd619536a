"""Who must have had which message, in which order, and what must have become of it: by the facts alone.

A bot's inbox is what was addressed to it since it was declared, and what was said on channels during its
intervals of listening. An interval that began in the past adds a catch-up, which goes before the bot's own
stream; messages that are in both are left out where only the order is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tests.simulation.record import Message, Record
from tests.simulation.witness import Witness

NO_END = 1 << 62
DEATHS = 3
"""So many deaths of the process make a dead letter of a message."""

OWN = 0
"""The way by which a message comes that is in a bot's own stream; others are known by their catch-up."""


class Inboxes:
    """What one record says of every bot's inbox."""

    def __init__(self, record: Record, witness: Witness) -> None:
        self.record = record
        self.witness = witness
        self.ways: dict[tuple[str, int], set[int]] = {}
        for message in record.messages.values():
            for bot in record.declared:
                if ways := self._ways(bot, message):
                    self.ways[bot, message.position] = ways
        self.redriven = {
            (letter.data["bot"], letter.data["message"])
            for event in record.events.values()
            if event.type == "dead_letter_redriven"
            and (letter := record.events[event.data["letter"]]).data["message"] is not None
        }
        self.killed = {
            (event.data["bot"], event.data["message"])
            for event in record.events.values()
            if event.type == "dead_lettered" and event.data["reason"] == "KILLED_PROCESS"
        }
        """Given up before the stream comes to them, where the process died of them too often."""

    def _ways(self, bot: str, message: Message) -> set[int]:
        at, record = message.position, self.record
        if message.kind == "bot":
            return {OWN} if message.to == bot and at > record.declared[bot] else set()
        ways = set()
        for one in record.intervals:
            if one.bot != bot or not fits(one.pattern, message.to) or (message.sender == bot and not one.own):
                continue
            if one.opened < at < record.ends.get(one.opened, NO_END):
                ways.add(OWN)
            elif one.since < at < one.opened:
                ways.add(one.opened)
        return ways

    def answers(self, bot: str, message: Message) -> bool:
        """Tell whether a message replies to an ask of a bot, and so reaches no handler."""
        question = self.record.ids.get(message.reply_to or "")
        addressed = message.kind == "bot" and message.to == bot
        return question is not None and question.asks and addressed and question.sender == bot

    # ── at any time ──────────────────────────────────────────────────────────────────────────────────────

    def findings(self) -> Iterator[str]:
        """Say what is wrong whatever else is still to be done."""
        self.witness.written |= {
            key for key, delivery in self.record.deliveries.items() if delivery.outcome == "started"
        }
        yield from self._uninvited()
        yield from self._cursors()
        yield from self._order()
        yield from self._passed_by()
        yield from self._tables()
        yield from self._letters()
        if self.killed and self.witness.deaths < DEATHS:
            yield f"{self.killed} killed the process, which died {self.witness.deaths} times"

    def _uninvited(self) -> Iterator[str]:
        for (bot, at), delivery in self.record.deliveries.items():
            message = self.record.messages[at]
            if (bot, at) not in self.ways and not self.answers(bot, message):
                yield f"{bot} got the message at {at}, which is not for it ({delivery.outcome})"
            if delivery.outcome == "refused" and not self.answers(bot, message):
                yield f"the message at {at} is no answer, and {bot} refused it"
        for attempt in self.witness.attempts:
            message = self.record.messages[attempt.message]
            if self.answers(attempt.bot, message):
                yield f"the answer at {attempt.message} reached a handler of {attempt.bot}"

    def _cursors(self) -> Iterator[str]:
        """What lies up to the cursor is settled, or tried again beside it; what lies past it is not."""
        for (bot, at), ways in self.ways.items():
            if ways != {OWN}:
                continue
            cursor = self.record.cursors.get((bot, OWN), 0)
            delivery = self.record.deliveries.get((bot, at))
            if delivery is None:
                if at <= cursor:
                    yield f"{bot} passed over the message at {at}: its cursor stands at {cursor}"
                continue
            held = bot == "bob" and delivery.outcome == "retrying" and (bot, at) not in self.redriven
            if held and at <= cursor:
                yield f"{bot} lets nothing pass, and passed {at}: its cursor stands at {cursor}"
            settled = delivery.outcome in {"handled", "dead"} and (bot, at) not in self.killed
            if settled and at > cursor and not self.answers(bot, self.record.messages[at]):
                yield f"{bot} has settled {at}, and its cursor stands at {cursor}"

    def _order(self) -> Iterator[str]:
        """It is first given messages in the order of the log, and those of a catch-up before its stream.

        One of a catch-up whose attempt was written down when the process died has been given, as far as the
        house can know: it is tried again beside the others, as what has failed is.
        """
        given: set[tuple[str, int]] = set()
        last: dict[tuple[str, int], int] = {}
        for attempt in self.witness.attempts:
            key = (attempt.bot, attempt.message)
            ways = self.ways.get(key, set())
            if key in given or len(ways) != 1 or key in self.redriven:
                continue
            if key in self.witness.written and ways != {OWN}:
                continue
            given.add(key)
            stream = (attempt.bot, min(ways))
            if attempt.message < last.get(stream, 0):
                yield f"{attempt.bot} was given {attempt.message} after {last[stream]}"
            if last.get((attempt.bot, OWN), 0) > min(ways) > OWN:
                yield f"{attempt.bot} was given {attempt.message} of a catch-up after its stream had gone on"
            last[stream] = max(attempt.message, last.get(stream, 0))

    def _passed_by(self) -> Iterator[str]:
        """Where nothing passes a failed message by, all that follows from later ones comes after its end."""
        first: dict[int, int] = {}
        for message in self.record.messages.values():
            if message.sender == "bob" and message.cause is not None and not message.asks:
                first.setdefault(message.cause, message.position)
        for event in self.record.events.values():
            about = event.data.get("message")
            if event.type not in {"delivery_failed", "dead_lettered"} or event.data["bot"] != "bob":
                continue
            if about is None or self._elsewhere(about):
                continue
            for cause, position in first.items():
                if cause > about and position < event.position and not self._elsewhere(cause):
                    yield f"bob handled {cause} before it was done with {about}"

    def _elsewhere(self, at: int) -> bool:
        return self.ways.get(("bob", at)) != {OWN} or ("bob", at) in self.redriven

    def _tables(self) -> Iterator[str]:
        record = self.record
        wanted = {
            one.opened: (one.bot, one.pattern, one.since, record.ends.get(one.opened))
            for one in record.intervals
        }
        if wanted != record.subscriptions:
            differ = set(wanted.items()) ^ set(record.subscriptions.items())
            yield f"the table of subscriptions differs: {differ}"

    def _letters(self) -> Iterator[str]:
        record = self.record
        letters: dict[int, tuple[str, int | None, int | None]] = {}
        for event in record.events.values():
            match event.type:
                case "dead_lettered":
                    letters[event.position] = (event.data["bot"], event.data["message"], None)
                case "dead_letter_redriven" if event.data["letter"] in letters:
                    letter = letters[event.data["letter"]]
                    if letter[2] is not None:
                        yield f"the dead letter {event.data['letter']} was redriven twice"
                    letters[event.data["letter"]] = (*letter[:2], event.position)
                case "dead_letter_purged":
                    letters.pop(event.data["letter"], None)
                case _:
                    pass
        if letters != record.letters:
            differ = set(letters.items()) ^ set(record.letters.items())
            yield f"the table of dead letters differs: {differ}"

    # ── at rest ──────────────────────────────────────────────────────────────────────────────────────────

    def unrest(self) -> Iterator[str]:
        """Say what is still to be done."""
        record = self.record
        for bot, at in self.ways:
            delivery = record.deliveries.get((bot, at))
            if delivery is None:
                yield f"{bot} has still to handle {at}"
            elif delivery.outcome not in {"handled", "dead", "refused"}:
                yield f"what {bot} does with {at} is {delivery.outcome}"
        yield from (f"{owner} still waits for {key}" for owner, _, key, _ in record.waits)
        for name, (kind, _) in record.timers.items():
            if kind == "send":
                yield f"{name} is still to be sent"


@lru_cache(maxsize=4_096)
def fits(pattern: str, channel: str) -> bool:
    """Tell whether a channel's name fits a pattern."""
    parts = {"*": r"[^.]+", "**": r".+"}
    return (
        re.fullmatch(r"\.".join(parts.get(part, re.escape(part)) for part in pattern.split(".")), channel)
        is not None
    )
