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
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

from callboard.actors import Child, Supervisor, Timers
from callboard.actors.journal import Journal, JournalActor
from callboard.app import COLLECT_AFTER
from callboard.bench.raw import TURNS_AT_MOST
from callboard.bench.report import Round
from callboard.bot import Bot, Memory, on, shape_of
from callboard.bot import Turn as Handling
from callboard.changes import RecordDelivery
from callboard.clock import SystemClock
from callboard.company.company import Company
from callboard.config import Limits
from callboard.ids import BotName, Position, SystemIds
from callboard.messages import Body, To
from callboard.store import Outcome, Receipt
from callboard.stores.sqlite import SqliteStore
from callboard.turn import Turn

TEXT = "a short text"
CHANNEL = "news"
WARM_UP_SECONDS = 0.3
"""What runs before a round and is not counted, as benchmarks/exchange.py has it."""
GRACE = 1.0


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


class Kept(msgspec.Struct):
    """The turns of a round as they were committed, batch by batch, for the raw limit to commit the same."""

    before: list[Sequence[Turn]]
    """Those of the warm-up and of what made the board: the tables that the round began with."""
    counted: list[Sequence[Turn]]


class WatchedStore(SqliteStore):
    """Tells whoever waits for a message that its deliveries are on disk, and keeps the turns."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.batches: list[int] = []
        self.kept = Kept([], [])
        self.handled = 0
        self._counting = False
        self._room = TURNS_AT_MOST
        self._early: dict[int, int] = {}
        self._open: dict[int, tuple[int, asyncio.Future[None]]] = {}

    def count(self) -> None:
        """Begin the round: what comes from here on is counted."""
        self._counting = True
        self.batches.clear()

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        outcomes = await super().commit(turns)
        self.batches.append(len(turns))
        if not self._counting:
            self.kept.before.append(turns)
        elif self._room > 0:
            self._room -= len(turns)
            self.kept.counted.append(turns)
        for turn, outcome in zip(turns, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                for position in handled(turn):
                    self._saw(position)
        return outcomes

    async def until_handled(self, position: Position, deliveries: int) -> None:
        """Return when so many bots' turns with this message are on disk; it may be so already."""
        missing = deliveries - self._early.pop(position, 0)
        if missing:
            done = asyncio.get_running_loop().create_future()
            self._open[position] = (missing, done)
            await done

    def _saw(self, position: int) -> None:
        self.handled += 1
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
    async with _house(store) as company:
        for number in range(exchange.bots):
            cls = _bot(number, listens=exchange.channel)
            await company.engage(cls, shape_of(cls))
        with _collecting_as_served():
            warm, _ = await _load(company, store, exchange, min(WARM_UP_SECONDS, seconds))
            store.count()
            latencies, took = await _load(company, store, exchange, seconds)
        await _check(store, exchange, len(warm) + len(latencies))
    return MessagesRound(len(latencies) * exchange.deliveries / took, latencies, store.batches, store.kept)


async def _load(
    company: Company, store: WatchedStore, exchange: Exchange, seconds: float
) -> tuple[list[float], float]:
    """Keep the lanes busy for so long, then let arrive what is under way; it counts, as does that time."""
    bus = company.bus
    latencies: list[float] = []
    began = time.perf_counter()
    until = began + seconds

    async def lane(number: int) -> None:
        sender, to, sent = f"sender-{number}", exchange.to(number), 0
        now = time.perf_counter()
        while now < until:
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


@contextlib.asynccontextmanager
async def _house(store: SqliteStore) -> AsyncIterator[Company]:
    """Put the house together as the server does, without a door."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as parts:
        await store.open()
        parts.push_async_callback(store.close)
        writer, timers = JournalActor(store, clock=clock), Timers(clock=clock)
        company = Company(
            *(store, Journal(writer.actor_ref, clock=clock), writer),
            clock=clock,
            ids=SystemIds(),
            message_bytes=Limits().message_bytes,
            grace=GRACE,
        )
        children = [Child("journal", lambda: writer, vital=True), Child("timers", lambda: timers, vital=True)]
        root = Supervisor(children, name="supervisor", clock=clock, grace=GRACE).launch()
        parts.push_async_callback(root.aclose)
        await company.join(root, timers.actor_ref)
        yield company


@contextlib.contextmanager
def _collecting_as_served() -> Iterator[None]:
    """Have garbage collected as rarely as the server does."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
