"""The exchanges of messages and the runs that the programs of this folder carry out, and how they are timed.

Needs nothing but the standard library, so that each program can use it from its own environment: what is
sent, how many are in flight, how a round is timed and how its figures are put together is then the same for
all. A program brings only the part that differs: send one message, and return when it was handled; start one
run of ten steps, and return when it has ended.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypedDict

TEXT = "a short text"
ROUNDS = 3
SECONDS = 1.0
WARM_UP_SECONDS = 0.3
"""What runs before the first round and is not counted: caches fill, threads start, files grow."""
WARM_UP_RUNS = 10
"""No more runs at once than these to warm up: where one step takes long, a thousand of them take minutes."""
STEPS = 10
"""How many steps a run has; each adds 1 to what the one before it gave."""

SendAndWait = Callable[[int], Awaitable[None]]
"""Sends one message (or publication) for the lane of this number; returns when all its handlers are done. Or
has one run, and returns when it has ended."""


@dataclass
class Message:
    """What is sent, or what a step of a run takes and gives.

    The number of one that is sent also tells the measuring program which of its lanes waits for it.
    """

    number: int
    text: str = TEXT


@dataclass(frozen=True, slots=True)
class Exchange:
    """Who sends how much to whom, or how many runs there are at once."""

    name: str
    says: str
    recipients: int
    in_flight: int
    """How many lanes there are; each sends, waits until its message was handled, and sends the next."""
    deliveries: int = 1
    """How many handlers run for one that is sent."""
    steps: int = 0
    """How many steps a run has, where runs are had and no messages sent."""

    @property
    def kind(self) -> str:
        """What is exchanged: `messages`, or `steps` of runs."""
        return "steps" if self.steps else "messages"

    @property
    def counted(self) -> int:
        """How many are counted for one turn of a lane."""
        return self.steps or self.deliveries

    def recipient(self, lane: int) -> int:
        """Whom the lane of this number sends to, where one is sent to one."""
        return lane % self.recipients


EXCHANGES = {
    exchange.name: exchange
    for exchange in (
        Exchange("pairs_1", "one sender, one recipient, one message in flight", 1, 1),
        Exchange("pairs_100", "100 pairs side by side, one message in flight each", 100, 100),
        Exchange("window_100", "one pair, 100 messages in flight", 1, 100),
        Exchange("fanout_100", "one channel of 100 subscribers, 16 publications in flight", 100, 16, 100),
        Exchange("runs_1", "runs of ten steps, one at a time", 0, 1, steps=STEPS),
        Exchange("runs_100", "runs of ten steps, 100 at once", 0, 100, steps=STEPS),
        Exchange("runs_1000", "runs of ten steps, 1,000 at once", 0, 1_000, steps=STEPS),
    )
}


class Spread(TypedDict):
    """The lowest and the highest of the rounds whose median is reported."""

    low: float
    high: float


class Figures(TypedDict):
    """What one exchange gave."""

    per_s: float
    p50_ms: float
    p99_ms: float
    rounds: int
    spread_per_s: Spread
    in_flight: int


class Report(TypedDict):
    """What one program prints."""

    name: str
    version: str
    durability: str
    python: str
    exchanges: dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load gave."""

    latencies: list[float]
    """In seconds, one for each that was sent."""
    elapsed: float

    def per_s(self, exchange: Exchange) -> float:
        """Deliveries a second, or steps."""
        return len(self.latencies) * exchange.counted / self.elapsed


async def load(send_and_wait: SendAndWait, in_flight: int, seconds: float) -> Round:
    """Keep this many in flight for this long, then let those under way arrive; they count, as does that time.

    A round is therefore a little longer than asked, and much longer where one message takes longer than a
    round. To cut it off instead would count nothing at all there.
    """
    latencies: list[float] = []
    started = time.perf_counter()
    deadline = started + seconds

    async def lane(number: int) -> None:
        while (sent := time.perf_counter()) < deadline:
            await send_and_wait(number)
            latencies.append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as lanes:
        for number in range(in_flight):
            lanes.create_task(lane(number))
    return Round(latencies, time.perf_counter() - started)


@dataclass(slots=True)
class Waiters:
    """Tells the lane that sent a message that all of its handlers are done.

    This is the measuring instrument, for systems that do not say it themselves: memory and one event loop
    only, so that it costs next to nothing beside what it measures.
    """

    deliveries: int = 0
    """How many handlers were done in all."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _open: dict[int, tuple[asyncio.Future[None], list[None]]] = field(default_factory=dict)

    def expect(self, deliveries: int = 1) -> tuple[int, asyncio.Future[None]]:
        """Return the number for a new message, and what is done when that many handlers have said so."""
        number = next(self._numbers)
        done = asyncio.get_running_loop().create_future()
        self._open[number] = (done, [None] * (deliveries - 1))
        return number, done

    def handled(self, number: int) -> None:
        """Say, on the event loop, that one handler of this message is done."""
        self.deliveries += 1
        done, missing = self._open[number]
        if missing:
            missing.pop()
            return
        del self._open[number]
        done.set_result(None)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def figures(exchange: Exchange, rounds: Sequence[Round]) -> Figures:
    """Put the rounds of one exchange together: the median rate, and the latencies of all rounds as one."""
    rates = [one.per_s(exchange) for one in rounds]
    latencies = [latency for one in rounds for latency in one.latencies]
    return Figures(
        per_s=round(statistics.median(rates), 1),
        p50_ms=round(quantile(latencies, 0.50) * 1e3, 4),
        p99_ms=round(quantile(latencies, 0.99) * 1e3, 4),
        rounds=len(rounds),
        spread_per_s=Spread(low=round(min(rates), 1), high=round(max(rates), 1)),
        in_flight=exchange.in_flight,
    )


Cast = Callable[[Exchange], AbstractAsyncContextManager[SendAndWait]]
"""Makes new recipients for an exchange, says how to send to them, and takes them down again."""


async def measure(cast: Cast, exchange: Exchange, seconds: float, rounds: int) -> Figures:
    """Run the rounds of one exchange, each with recipients of its own.

    New ones, because a system may slow down with what its recipients have received before (a log that is read
    from its start, an index of messages that were consumed): no round pays for the one before it.
    """
    found = []
    for _ in range(rounds):
        async with cast(exchange) as send_and_wait:
            lanes = min(exchange.in_flight, WARM_UP_RUNS) if exchange.steps else exchange.in_flight
            await load(send_and_wait, lanes, min(WARM_UP_SECONDS, seconds))
            found.append(await load(send_and_wait, exchange.in_flight, seconds))
    return figures(exchange, found)


@dataclass(frozen=True, slots=True)
class Options:
    """What a program of this folder was told to run."""

    exchanges: list[Exchange]
    seconds: float
    rounds: int
    flags: frozenset[str] = frozenset()
    """What this program alone can be told, and was."""


def options(
    says: str,
    *,
    kinds: Sequence[str] = ("messages", "steps"),
    flags: Mapping[str, str] = MappingProxyType({}),
) -> Options:
    """Read the command line that all programs have in common; a program may know only one kind."""
    able = {name: one for name, one in EXCHANGES.items() if one.kind in kinds}
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("--exchange", choices=able, help="run this one alone (default: all)")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="how long one round takes (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many rounds (%(default)s)")
    for flag, help_ in flags.items():
        parser.add_argument(flag, dest=flag, action="store_true", help=help_)
    told = parser.parse_args()
    if told.seconds <= 0 or told.rounds < 1:
        parser.error("A round must last longer than no time, and there must be at least one.")
    chosen = [one for one in able.values() if told.exchange in {None, one.name}]
    return Options(chosen, told.seconds, told.rounds, frozenset(flag for flag in flags if vars(told)[flag]))


def check(sent: int, remembered: int) -> None:
    """Refuse figures of a round in which what was sent is not what the recipients remember."""
    if sent != remembered:
        raise RuntimeError(f"{sent} deliveries were made, and the recipients remember {remembered}.")


def check_run(number: int) -> None:
    """Refuse figures of a run that did not count its steps."""
    if number != STEPS:
        raise RuntimeError(f"A run of {STEPS} steps that each add 1 came to {number}.")


def show(name: str, version: str, durability: str, exchanges: dict[str, Figures]) -> None:
    """Print the one JSON document that a program prints."""
    report = Report(
        name=name,
        version=version,
        durability=durability,
        python=platform.python_version(),
        exchanges=exchanges,
    )
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
