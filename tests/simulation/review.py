"""The review: what the database says, held against what the witness saw. It is the model for bots.

Which attempts took place the database says itself, by their tokens; from there each must be there whole, and
of every other attempt nothing. `inboxes.py` asks who had which message, `promises.py` what others were told.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.simulation.inboxes import Inboxes
from tests.simulation.promises import Promises
from tests.simulation.record import MAX_HOPS, Message, Record
from tests.simulation.witness import Attempt, Wish, Witness

KEEP_NOTHING = {"cleo", "eve"}
SAY_NOTHING = {"dora"}
ATTEMPTS = {"eve": 5}
MOST_ATTEMPTS = 3


class Review:
    """One look at what bots did."""

    def __init__(self, record: Record, witness: Witness) -> None:
        self.record = record
        self.witness = witness
        self.inboxes = Inboxes(record, witness)
        self.attempts = {one.token: one for one in witness.attempts}
        self.limits = {
            event.data["message_id"]: event
            for event in record.events.values()
            if event.type == "dead_lettered" and event.data["reason"] == "HOP_LIMIT"
        }
        self.marks: dict[int, tuple[str, int]] = {}
        """Who left a mark, and where it stands: as a message, or as the dead letter of one past its hops."""
        self._doubled: list[str] = []
        for token, bot, position in self._marks():
            if token in self.marks:
                self._doubled.append(f"attempt {token} took place twice")
            self.marks[token] = (bot, position)
        self.done = {*self.marks, *(token for tokens in record.memories.values() for token in tokens)}

    def _marks(self) -> Iterator[tuple[int, str, int]]:
        for message in self.record.messages.values():
            if message.type == "mark" and message.cause in self.record.messages:
                yield message.body["token"], message.sender, message.position
        for letter in self.limits.values():
            if letter.data["type"] == "mark":
                yield json.loads(letter.data["json"])["token"], letter.data["sender"], letter.position

    def findings(self) -> list[str]:
        """Say all that is wrong whatever is still to be done."""
        found = [*self._doubled, *self._memories(), *self._whole(), *self._outcomes(), *self._listens()]
        found += [*self._failures(), *self._causes(), *self.inboxes.findings()]
        return [*found, *Promises(self.record, self.witness).findings()]

    def unrest(self) -> list[str]:
        """Say what is still to be done."""
        return list(self.inboxes.unrest())

    # ── turns are whole ──────────────────────────────────────────────────────────────────────────────────

    def _memories(self) -> Iterator[str]:
        """A memory holds the attempts that took place, and each of them saw those before it."""
        for bot, tokens in self.record.memories.items():
            for count, token in enumerate(tokens):
                attempt = self.attempts.get(token)
                if attempt is None or attempt.bot != bot:
                    yield f"{bot} remembers {token}, which it never did"
                elif attempt.seen != tuple(tokens[:count]):
                    yield f"attempt {token} of {bot} began with another memory than the one before it left"
            if bot in KEEP_NOTHING:
                yield f"{bot} keeps nothing, and has a memory"
            said = {token for token, (who, _) in self.marks.items() if who == bot}
            if bot not in SAY_NOTHING and said != set(tokens):
                yield f"{bot} remembers other attempts than it spoke of: {sorted(said ^ set(tokens))[:5]}"

    def _whole(self) -> Iterator[str]:
        """All that a handler said is there, or nothing of it; and nothing else is."""
        wished: set[str] = set()
        for attempt in self.witness.attempts:
            if attempt.token in self.done and attempt.outcome != "returned":
                yield f"attempt {attempt.token} of {attempt.bot} ended by {attempt.outcome}, and took place"
            for wish in attempt.wishes:
                if wish.id:
                    wished.add(wish.id)
                    yield from self._wish(attempt, wish)
        for message in self.record.messages.values():
            from_a_letter = message.cause in self.record.events
            of_a_handler = message.by_bot and not message.asks and not message.type.startswith("every.")
            if of_a_handler and message.id not in wished and not from_a_letter:
                yield f"nobody said what stands at {message.position}"

    def _wish(self, attempt: Attempt, wish: Wish) -> Iterator[str]:
        said = self.record.ids.get(wish.id)
        waits = wish.id in self.record.timers
        places = sum((said is not None, waits, wish.id in self.limits))
        if attempt.token not in self.done:
            if places:
                yield f"attempt {attempt.token} of {attempt.bot} came to nothing, and said {wish.id}"
        elif places != 1 or (waits and wish.do == "send"):
            yield f"{attempt.bot} handled {attempt.message}, and what it said is not there: {wish.id}"
        elif said is not None and said.cause != attempt.message:
            yield f"the cause of {said.position} is {said.cause}, not {attempt.message}"

    def _outcomes(self) -> Iterator[str]:
        """Each message that was handled was handled by one attempt, and by one only."""
        by: Counter[tuple[str, int]] = Counter(
            (one.bot, one.message) for one in self.witness.attempts if one.token in self.done
        )
        for key, count in by.items():
            delivery = self.record.deliveries.get(key)
            if count > 1:
                yield f"{key[0]} handled {key[1]} {count} times"
            if delivery is None or delivery.outcome != "handled":
                yield f"{key[0]} handled {key[1]}, and its delivery says {delivery}"
        for (bot, at), delivery in self.record.deliveries.items():
            answer = self.inboxes.answers(bot, self.record.messages[at])
            if delivery.outcome == "handled" and (bot, at) not in by and not answer:
                yield f"{bot} handled {at}, says its delivery, and no attempt did"

    def _listens(self) -> Iterator[str]:
        """What a handler said of its subscriptions holds from its turn on."""
        for token, (_, position) in self.marks.items():
            attempt = self.attempts[token]
            last = {one.pattern: one.do for one in attempt.wishes if one.pattern}
            for pattern, do in last.items():
                if self.record.listens(attempt.bot, pattern, position) != (do == "listen"):
                    yield f"attempt {token} of {attempt.bot} said {do} to {pattern}, and it was not so"
        wished: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
        for one in self.witness.attempts:
            if one.token in self.done:
                wished[one.bot, one.message] |= {(wish.do, wish.pattern) for wish in one.wishes}
        for event in self.record.events.values():
            if event.cause is not None and event.type in {"subscribed", "unsubscribed"}:
                want = ("listen" if event.type == "subscribed" else "unlisten", event.data["pattern"])
                if want not in wished[event.data["bot"], event.cause]:
                    yield f"{event.data['bot']} {event.type} at {event.position}, and no handler said so"

    # ── failures ─────────────────────────────────────────────────────────────────────────────────────────

    def _failures(self) -> Iterator[str]:
        """Attempts are counted from 1, up to the last; a redriven message begins anew."""
        failed: Counter[tuple[str, int]] = Counter()
        for event in self.record.events.values():
            data = event.data
            match event.type:
                case "delivery_failed":
                    key = (data["bot"], data["message"])
                    failed[key] += 1
                    if data["attempt"] != failed[key]:
                        yield f"{key[0]} failed at {key[1]}: number {failed[key]} is called {data['attempt']}"
                case "dead_lettered" if data["reason"] == "FAILED":
                    key = (data["bot"], data["message"])
                    most = ATTEMPTS.get(key[0], MOST_ATTEMPTS)
                    if (data["attempts"], failed[key] + 1) != (most, most):
                        yield f"{key[0]} gave up {key[1]} at attempt {failed[key] + 1} of {most}"
                case "dead_letter_redriven":
                    letter = self.record.events[data["letter"]].data
                    failed.pop((letter["bot"], letter["message"]), None)
                case _:
                    pass
        for (bot, at), delivery in self.record.deliveries.items():
            if delivery.outcome == "handled" and delivery.attempts != failed[bot, at] + 1:
                yield f"{bot} handled {at} at attempt {delivery.attempts} after {failed[bot, at]} failures"

    # ── causes and hops ──────────────────────────────────────────────────────────────────────────────────

    def _causes(self) -> Iterator[str]:
        for position, (cause, principal) in self.record.causes.items():
            if cause is None and not principal:
                yield f"nobody is named who brought about {position}"
            if cause is not None and (cause >= position or cause not in self.record.causes):
                yield f"the cause of {position} is {cause}"
        if sorted(self.record.causes) != list(range(1, self.record.head)):
            yield f"positions are missing before {self.record.head}"
        for event in self.record.events.values():
            about = event.data.get("message")
            if event.type in {"delivery_failed", "dead_lettered"} and event.cause != about and about:
                yield f"{event.type} at {event.position} is about {about}, and its cause is {event.cause}"
        for message in self.record.messages.values():
            wrong = self._hops(message)
            if wrong:
                yield f"{wrong} at {message.position}"
        yield from self._limits()
        yield from self._ticks()

    def _hops(self, message: Message) -> str | None:
        if message.hops > message.allowed:
            return f"{message.hops} hops, and {message.allowed} are allowed,"
        cause = self.record.messages.get(message.cause or 0)
        if cause is None:
            by_itself = message.by_bot and message.cause is None
            if by_itself and not (message.type.startswith("every.") and message.to == message.sender):
                return f"a message of {message.sender} without a cause"
            return "hops without a cause" if message.hops else None
        redriven = (message.sender, cause.position) in self.inboxes.redriven
        if message.hops == cause.hops + 1 or (redriven and message.hops == 1):
            return None
        return f"{message.hops} hops after {cause.hops}"

    def _limits(self) -> Iterator[str]:
        for letter in self.limits.values():
            cause = self.record.messages.get(letter.cause or 0)
            if cause is None or cause.hops + 1 <= int(letter.data["headers"].get("max-hops", MAX_HOPS)):
                yield f"the dead letter {letter.position} speaks of too many hops after {cause}"

    def _ticks(self) -> Iterator[str]:
        """A schedule calls once for each time."""
        last: dict[str, str] = {}
        for message in self.record.messages.values():
            if message.type.startswith("every."):
                at = message.body["scheduled_for"]
                if at <= last.get(message.to, ""):
                    yield f"{message.to} was called at {message.position} for {at} again"
                last[message.to] = at
