"""The audit equals what the recipients saw, for each pair, channel and conversation, under random traffic.

Wanted is what the ledger outside says. A message that reached no handler (its body did not fit, nobody took
its type) is known by what was sent; an answer, by who was given it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from callboard.ids import BotName, ChannelName, Position
from callboard.store.boardrows import Audited, AuditQuery
from callboard.testing.clock import JumpClock
from tests.proof import scaled
from tests.properties.traffic import (
    ATTEMPTS,
    BOTS,
    CHANNELS,
    Ledger,
    Seen,
    ask_from_outside,
    operate,
    troupe,
)
from tests.unit.company.stage import Stage, stage

Became = dict[Position, dict[str, tuple[str, int]]]
"""By message and bot: the outcome, and how often the handler ran."""


@pytest.mark.parametrize("seed", range(scaled(12)))
async def test_the_audit_is_what_the_recipients_saw(seed: int) -> None:
    ledger = Ledger(seed)
    in_memory = Path(":memory:")  # what the disk does is no part of it, and there are thousands of commits
    async with stage(in_memory, *troupe(ledger), clock=JumpClock()) as here:
        await asyncio.gather(operate(here, ledger, 60), ask_from_outside(here, ledger))
        await all_is_quiet(here)
        rows = await every(here)
        wanted = seen(ledger, rows)
        assert {one.message.position: told(one) for one in rows} == wanted
        assert [one.waiting for one in rows] == [[]] * len(rows)
        await pairs_tell(here, rows, wanted)
        await channels_and_conversations_tell(here, rows)
        in_order(ledger)


async def test_the_traffic_is_eventful() -> None:
    """Else the above would compare nothing with nothing."""
    became: Counter[object] = Counter()
    for seed in range(4):
        ledger = Ledger(seed)
        async with stage(Path(":memory:"), *troupe(ledger), clock=JumpClock()) as here:
            await asyncio.gather(operate(here, ledger, 60), ask_from_outside(here, ledger))
            await all_is_quiet(here)
            rows = await every(here)
            became.update(one.outcome for row in rows for one in row.deliveries)
            became.update(one.attempts for row in rows for one in row.deliveries)
            became.update(
                letter.reason for letter in await here.store.dead_letters(redriven=True, limit=1_000)
            )
            became.update(["several heard it" for row in rows if len(row.deliveries) > 1])
            became.update(["nobody heard it" for row in rows if not row.deliveries])
            became.update(["asked" for row in rows if row.message.asks])
    rare = (
        "handled",
        "dead",
        "refused",
        1,
        2,
        3,
        "FAILED",
        "NO_HANDLER",
        "BODY_INVALID",
        "HOP_LIMIT",
        "asked",
    )
    for what in (*rare, "several heard it", "nobody heard it"):
        assert became[what] >= 5, (what, became)


async def all_is_quiet(here: Stage) -> None:
    """Wait until nothing is to be handled, tried again or sent later, by anybody."""
    for _ in range(10_000):
        await here.clock.sleep(60)
        if await nothing_is_due(here):
            return
    pytest.fail("it never became quiet")


async def nothing_is_due(here: Stage) -> bool:
    if await here.store.timers(None, 1):
        return False
    for bot in map(BotName, BOTS):
        if await here.store.waiting(bot, 1) or await here.store.next_retry(bot) is not None:
            return False
    return True


async def every(here: Stage, **query: object) -> list[Audited]:
    return await here.store.audit(AuditQuery(limit=100_000, **query))  # type: ignore[arg-type]


def told(row: Audited) -> dict[str, tuple[str, int]]:
    return {str(one.bot): (one.outcome, one.attempts) for one in row.deliveries}


def seen(ledger: Ledger, rows: list[Audited]) -> Became:
    """Return what the audit must say of each message, by what the recipients recorded."""
    runs: dict[Position, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    messages = {row.message.position: row.message for row in rows}
    for one in ledger.seen:
        assert messages[one.message.position] == one.message, "it was given another message than was sent"
        runs[one.message.position][one.bot].append(one)
    answers = Counter(ledger.answers)
    asks = {message.id for message in messages.values() if message.asks}
    found: Became = {}
    for position, message in messages.items():
        became = {bot: outcome(attempts) for bot, attempts in runs[position].items()}
        to = message.to.name
        if message.to.kind == "bot" and to in BOTS and not became:
            if message.reply_to in asks:
                became[to] = ("handled" if answers[to, message.body["n"]] else "refused", 1)
            else:
                assert message.type == "unheard-of" or "wrong" in message.body, f"nobody saw {message}"
                became[to] = ("dead", 1)
        found[position] = became
    return found


def outcome(attempts: list[Seen]) -> tuple[str, int]:
    """Return how attempts ended; whoever returned is not run again, and a redriven one begins anew."""
    assert not any(one.returned for one in attempts[:-1]), "it was handled, and then again"
    count, over = 0, True
    for one in attempts:
        count = 1 if over else count + 1
        over = one.returned or one.past_the_hops or count == ATTEMPTS
    assert over, "it was given up before its last attempt"
    return ("handled" if attempts[-1].returned else "dead", count)


async def pairs_tell(here: Stage, rows: list[Audited], wanted: Became) -> None:
    for one, two in itertools.combinations_with_replacement((*BOTS, "local"), 2):
        expected = []
        for row in rows:
            sender, to = row.message.sender, row.message.to
            for me, other in {(one, two), (two, one)}:
                became = wanted[row.message.position].get(other)
                direct = to.kind == "bot" and to.name == other
                if sender == me and (direct or became):
                    expected.append((row.message, {} if became is None else {other: became}))
        said = [(row.message, told(row)) for row in await every(here, pair=(one, two))]
        assert said == expected, f"{one} and {two}"
        if two != "local":
            back = await every(here, pair=(two, one), newest_first=True)
            assert [row.message for row in back] == [message for message, _ in reversed(expected)]


async def channels_and_conversations_tell(here: Stage, rows: list[Audited]) -> None:
    for channel in CHANNELS:
        on_it = [row for row in rows if (row.message.to.kind, row.message.to.name) == ("channel", channel)]
        assert await every(here, channel=ChannelName(channel)) == on_it
    for conversation in {row.message.conversation for row in rows}:
        of_it = [row for row in rows if row.message.conversation == conversation]
        assert await every(here, conversation=conversation) == of_it
    for bot in BOTS:
        of_it = [
            row
            for row in rows
            if bot in (row.message.sender, row.message.to.kind == "bot" and row.message.to.name)
        ]
        assert await every(here, bot=BotName(bot)) == of_it
    for word in ("handled", "dead", "refused", "retrying"):
        such = [row for row in rows if any(one.outcome == word for one in row.deliveries)]
        assert await every(here, outcome=word) == such


def in_order(ledger: Ledger) -> None:
    """What was addressed to a bot it was first given in the order of the log."""
    for bot in BOTS:
        first: dict[Position, None] = {}
        for one in ledger.seen:
            if one.bot == bot and one.message.to.kind == "bot":
                first[one.message.position] = None
        assert list(first) == sorted(first)
