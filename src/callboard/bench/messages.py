"""Through the whole house: messages from `bus.send` until the turn of the bot that handled them is on disk.

    pairs_1      one sender and one bot, one message in flight
    pairs_100    100 such pairs side by side
    window_100   100 senders to the same bot, each waiting for its own message
    fanout_100   one channel with 100 subscribers, 16 publications in flight

benchmarks/exchange.py says the same four of other systems: who sends how many of what is equal there. The
house is the server's without its door: journal, timers, company and bots on a file. That a message is handled
is seen where its turn is committed, so what waits for it costs the bots nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import msgspec

from callboard.authoring.bot import Bot, Memory, on, shape_of
from callboard.authoring.bot import Turn as Handling
from callboard.bench.house import (
    WARM_UP_SECONDS,
    KeepingStore,
    Kept,
    collecting_as_served,
    for_a_while,
    house,
)
from callboard.bench.raw import TURNS_AT_MOST
from callboard.bench.report import Round
from callboard.company.company import Company
from callboard.ids import BotName, Position
from callboard.messages import Body, To
from callboard.store.changes import RecordDelivery
from callboard.store.turn import Turn

TEXT = "a short text"
CHANNEL = "news"


class Exchange(msgspec.Struct, frozen=True):
    """Who sends how much to whom."""

    bots: int
    in_flight: int
    """How many lanes there are; each sends, waits until its message was handled, and sends the next."""
    channel: bool = False

    @property
    def deliveries(self) -> int:
        """How many bots handle one that is sent."""
        return self.bots if self.channel else 1

    def to(self, lane: int) -> To:
        """Whom the lane of this number sends to."""
        return To.channel(CHANNEL) if self.channel else To.bot(_name(lane % self.bots))


EXCHANGES = {
    "pairs_1": Exchange(bots=1, in_flight=1),
    "pairs_100": Exchange(bots=100, in_flight=100),
    "window_100": Exchange(bots=1, in_flight=100),
    "fanout_100": Exchange(bots=100, in_flight=16, channel=True),
}


class Note(Body):
    """What is sent."""

    number: int
    text: str


class Tally(Memory):
    """What each bot keeps."""

    count: int = 0


class Counter(Bot):
    """Counts what it is sent."""

    memory: Tally

    @on(Note)
    async def take(self, note: Note, turn: Handling) -> None:  # noqa: ARG002 - a handler is given both
        """Count it."""
        self.memory.count += 1


class WatchedStore(KeepingStore):
    """Tells whoever waits for a message that its deliveries are on disk."""

    def __init__(self, file: Path, *, keeps: int = TURNS_AT_MOST) -> None:
        super().__init__(file, keeps=keeps)
        self.handled = 0
        self._early: dict[int, int] = {}
        self._open: dict[int, tuple[int, asyncio.Future[None]]] = {}

    def on_disk(self, turn: Turn) -> None:
        for position in handled(turn):
            self._saw(position)

    async def until_handled(self, position: Position, deliveries: int) -> None:
        """Return when so many bots' turns with this message are on disk; it may be so already."""
        missing = deliveries - self._early.pop(position, 0)
        if missing:
            done = asyncio.get_running_loop().create_future()
            self._open[position] = (missing, done)
            await done

    def _saw(self, position: int) -> None:
        self.handled += 1
        self.done += 1
        waiting = self._open.get(position)
        if waiting is None:  # committed before its sender learnt where it stands
            self._early[position] = self._early.get(position, 0) + 1
            return
        missing, done = waiting
        if missing > 1:
            self._open[position] = (missing - 1, done)
            return
        del self._open[position]
        done.set_result(None)


class MessagesRound(Round):
    """What one round gave, and the turns that it was made of."""

    kept: Kept


def handled(turn: Turn) -> Iterator[int]:
    """Return the positions of the messages that a turn says were handled."""
    for entry in turn.entries:
        if type(entry) is RecordDelivery and entry.outcome == "handled" and isinstance(entry.message, int):
            yield entry.message


async def measure(folder: Path, exchange: Exchange, seconds: float) -> MessagesRound:
    """Run one exchange for a while on a new file."""
    store = WatchedStore(folder / "messages.db")
    async with house(store) as parts:
        await cast(parts.company, exchange)
        with collecting_as_served():
            warm, _ = await _load(parts.company, store, exchange, min(WARM_UP_SECONDS, seconds))
            store.count()
            latencies, took = await _load(parts.company, store, exchange, seconds)
        await _check(store, exchange, len(warm) + len(latencies))
    return MessagesRound(len(latencies) * exchange.deliveries / took, latencies, store.batches, store.kept)


async def cast(company: Company, exchange: Exchange) -> None:
    """Engage the bots of an exchange."""
    for number in range(exchange.bots):
        cls = _bot(number, listens=exchange.channel)
        await company.engage(cls, shape_of(cls))


async def _load(
    company: Company, store: WatchedStore, exchange: Exchange, seconds: float
) -> tuple[list[float], float]:
    """Keep the lanes busy for so long, then let arrive what is under way; it counts, as does that time."""
    return await _fill(company, store, exchange, for_a_while(seconds))


async def send_many(company: Company, store: WatchedStore, exchange: Exchange, number: int) -> float:
    """Send so many, no more in flight than the exchange has; return the seconds until all were handled."""
    numbers = count()
    _, took = await _fill(company, store, exchange, lambda: next(numbers) < number)
    return took


async def _fill(
    company: Company, store: WatchedStore, exchange: Exchange, more: Callable[[], bool]
) -> tuple[list[float], float]:
    """Send as long as there is to be more, and let all of it arrive; return how long each took."""
    bus = company.bus
    latencies: list[float] = []
    began = time.perf_counter()

    async def lane(number: int) -> None:
        sender, to, sent = f"sender-{number}", exchange.to(number), 0
        now = time.perf_counter()
        while more():
            json = msgspec.json.encode(Note(sent, TEXT)).decode()
            message = await bus.send(sender=sender, to=to, type=Note.type, json=json)
            if message.position is None:
                raise RuntimeError("A message that was sent at once has no position.")
            await store.until_handled(message.position, exchange.deliveries)
            after = time.perf_counter()
            latencies.append(after - now)
            now, sent = after, sent + 1

    await asyncio.gather(*(lane(number) for number in range(exchange.in_flight)))
    return latencies, time.perf_counter() - began


async def _check(store: WatchedStore, exchange: Exchange, sent: int) -> None:
    """Refuse figures of a round in which what was sent is not what the bots remember."""
    remembered = 0
    for number in range(exchange.bots):
        row = await store.memory(_name(number))
        remembered += msgspec.json.decode(row.data, type=Tally).count if row else 0
    expected = sent * exchange.deliveries
    if not expected == remembered == store.handled:
        msg = f"{expected} deliveries were due, {store.handled} were committed, {remembered} are remembered."
        raise RuntimeError(msg)


def _name(number: int) -> BotName:
    return BotName(f"bot-{number}")


def _bot(number: int, *, listens: bool) -> type[Bot]:
    return type(
        f"Counter{number}", (Counter,), {"name": _name(number), "subscribes": (CHANNEL,) if listens else ()}
    )
