"""The deeds: what actions of workflows did in the world outside, written down where no crash reaches.

What befalls an action is decided by its idempotency key and by how often it was called with it: it may do
well, fail for a while, fail for good, hang, or take the whole process with it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import msgspec

from callboard.authoring.bot import Bot, Turn, on
from callboard.messages import Answer, Ask
from callboard.outcome import Fail, Failure, Retry
from callboard.planning.step import Action, action_of, this_attempt
from tests.simulation.ledger import Ledger
from tests.simulation.scripts import JURY

FATES = {"well": 10.0, "dawdles": 4.0, "passing": 3.0, "fails": 1.5, "hangs": 1.0, "raises": 1.0, "dies": 0.3}


class Nothing(msgspec.Struct):
    """An action takes its orders from its key."""


class Number(msgspec.Struct):
    n: int


@dataclass
class Call:
    """One call of an action."""

    run: str
    step: str
    iteration: int
    attempt: int
    key: str
    life: int
    outcome: str = "open"
    n: int | None = None

    @property
    def at(self) -> tuple[str, str, int, int]:
        return self.run, self.step, self.iteration, self.attempt


@dataclass
class Deeds:
    """All calls, in the order in which they were made."""

    seed: int
    ledger: Ledger
    calls: list[Call] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)

    def actions(self, die: Callable[[str], object] | None) -> dict[str, Action]:
        """Return the actions of one life; without `die` none of them is deadly."""

        async def work(_given: Nothing) -> Number:
            """Do something that can be seen from outside."""
            at = this_attempt()
            call = Call(at.run, at.step, at.iteration, at.attempt, at.key, self.ledger.life)
            self._begins(call)
            try:
                outcome = await self._befalls(call, die)
            except BaseException as error:
                self._ends(call, type(error).__name__)
                raise
            self._ends(call, "returned" if isinstance(outcome, Number) else type(outcome).__name__)
            return outcome  # type: ignore[return-value]  # an action may return an outcome instead

        return {"work": action_of("work", work)}

    def _begins(self, call: Call) -> None:
        self.tries[call.key] += 1
        if not self.ledger.deaf:
            self.calls.append(call)
            self.ledger.note("deed", call.key, call.attempt)

    def _ends(self, call: Call, outcome: str) -> None:
        if not self.ledger.deaf:
            call.outcome = outcome
            self.ledger.note("deed ends", call.key, call.attempt, outcome)

    async def _befalls(self, call: Call, die: Callable[[str], object] | None) -> Number | Fail | Retry:
        dice = Random(f"{self.seed} {call.key}")
        fate = dice.choices([*FATES], [*FATES.values()])[0]
        times, number, pause = dice.choice([1, 1, 2, 4]), dice.randrange(6), dice.expovariate(2)
        if self.tries[call.key] <= times:
            match fate:
                case "passing":
                    return Retry(Failure("BUSY", "It is busy."))
                case "fails":
                    return Fail(Failure("BROKEN", "It is broken."))
                case "raises":
                    raise RuntimeError("as it was fated")
                case "hangs":
                    await asyncio.sleep(1_000.0)
                case "dies" if die is not None:
                    die("in an action")
                    await asyncio.sleep(1_000.0)
                case "dawdles":
                    await asyncio.sleep(pause)
        call.n = number
        return Number(number)


class Juror(Bot):
    """Answers what workflows ask, and sometimes fails first."""

    tries: Counter[tuple[str, str]]
    timeout = "5s"
    attempts = 3

    @on(Ask)
    async def judge(self, ask: Ask, turn: Turn) -> Answer | None:
        name = type(self).name
        dice = Random(f"{name} {ask.question}")
        self.tries[name, str(turn.message.position)] += 1
        match dice.randrange(8):
            case 0 if self.tries[name, str(turn.message.position)] == 1:
                raise RuntimeError("a juror who hesitates")
            case 1:
                raise RuntimeError("a juror who never answers")
            case 2:
                return Answer(None, "It is not for me to say.")
            case 3:
                await asyncio.sleep(3.0)
        return Answer(dice.choice(["pay", "refuse"]))


def jury(tries: Counter[tuple[str, str]]) -> list[type[Bot]]:
    """Return the jurors of a life."""
    return [
        type(name.title(), (Juror,), {"name": name, "tries": tries, "__doc__": "A juror."}) for name in JURY
    ]
