"""The witness: what bots did and what operators were told, as it looked from outside the house.

It survives every crash, and a process that is dead tells it nothing more. Each attempt at a message has a
*token*, a number that no other attempt has; a bot puts it into its memory and into a message on `marks.NAME`,
so the database says which attempts took place. The model (`review.py`) compares the two.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.ledger import Ledger


@dataclass(frozen=True)
class Wish:
    """One thing that a handler wanted to become true with its turn."""

    do: str
    """`send`, `later`, `listen` or `unlisten`."""
    id: str = ""
    pattern: str = ""


@dataclass
class Attempt:
    """One call of a handler."""

    token: int
    bot: str
    message: int
    life: int
    seen: tuple[int, ...] | None
    """The tokens that its memory held when it began; None for a bot that keeps none."""
    wishes: list[Wish] = field(default_factory=list)
    asked: dict[int, str] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)
    """What it asked, and what it was answered, by the ordinal of the question."""
    late: set[int] = field(default_factory=set)
    """Questions that were not answered in time."""
    outcome: str = "open"


@dataclass
class Said:
    """What an operator asked the house for, and what came of it."""

    number: int
    do: str
    to: str
    life: int
    outcome: str = "open"
    """`acknowledged`, `refused`, or `open`: then nobody can know."""
    position: int | None = None
    id: str = ""
    key: str = ""


@dataclass
class Witness:
    """All that was seen."""

    ledger: Ledger
    attempts: list[Attempt] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    listening: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    """Whether a bot listens to a pattern that only one operator speaks of; None is not known."""
    deaths: int = 0
    written: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that were written down when a life ended; the handler may have heard nothing of them."""
    """How often the process has died so far."""
    tries: Counter[tuple[str, int]] = field(default_factory=Counter)
    _tokens: int = 0
    _numbers: int = 0

    def number(self) -> int:
        """Return a number that no message bears yet."""
        self._numbers += 1
        return self._numbers

    def begins(self, bot: str, message: int, seen: tuple[int, ...] | None) -> Attempt:
        """Write down that a handler was called."""
        self._tokens += 1
        attempt = Attempt(self._tokens, bot, message, self.ledger.life, seen)
        if not self.ledger.deaf:
            self.attempts.append(attempt)
            self.tries[bot, message] += 1
            self.ledger.note(bot, "begins", message, "as", attempt.token)
        return attempt

    def ends(self, attempt: Attempt, outcome: str) -> None:
        """Write down how a handler ended."""
        if not self.ledger.deaf:
            attempt.outcome = outcome
            self.ledger.note(attempt.bot, "ends", attempt.token, outcome)

    def asks_for(self, do: str, to: str, key: str = "", number: int | None = None) -> Said:
        """Write down what an operator is about to ask for."""
        said = Said(self.number() if number is None else number, do, to, self.ledger.life, key=key)
        if not self.ledger.deaf:
            self.said.append(said)
            self.ledger.note("operator", do, to, said.number)
        return said

    def told(self, said: Said, outcome: str, *, position: int | None = None, id: str = "") -> None:  # noqa: A002 - the word of the domain
        """Write down what an operator was told."""
        if not self.ledger.deaf:
            said.outcome, said.position, said.id = outcome, position, id
            self.ledger.note("told", said.number, outcome, position or "", id)
