"""Bots outside and persons: what is served, what is acknowledged, who reads, in a house without a door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from callboard.authoring.bot import Bot, Turn, on
from callboard.company.asking import ASK
from callboard.company.outside import ATTEMPTS, Ack, Outgoing, Settled
from callboard.company.sitting import Delivered
from callboard.errors import ActorStopped, Conflict, NotFound, NotServed, ReaderConflict, RecipientUnknown
from callboard.facts.membership import bot_stream
from callboard.ids import LOCAL_USER, BotName, MessageId, Position, WaitId
from callboard.messages import Body, To
from callboard.store.boardrows import AuditQuery
from callboard.store.changes import OpenWait
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage

PRINTER = BotName("printer")


class Note(Body):
    text: str


class Clerk(Bot):
    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        turn.reply(Note(f"noted {note.text}"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


@pytest.fixture
async def house(file: Path) -> AsyncIterator[Stage]:
    async with stage(file, clock=JumpClock()) as found:
        await declare(found)
        yield found


async def declare(house: Stage, name: str = PRINTER, kind: str = "outside", *patterns: str) -> None:
    await house.bus.guests.declare(name, kind, "Prints.", list(patterns), principal=LOCAL_USER)


async def given(house: Stage, limit: int = 100, **more: Any) -> list[Delivered]:
    return (await house.bus.guests.read(PRINTER, limit=limit, **more)).given


async def read(house: Stage, limit: int = 100, **more: Any) -> list[str]:
    return [one.message.body["text"] for one in await given(house, limit, **more)]


async def ack(house: Stage, position: int, **more: Any) -> Settled:
    return await house.bus.guests.acknowledge(PRINTER, Ack(Position(position), **more))


def saying(to: To | None, text: str, reply_to: MessageId | None = None) -> Outgoing:
    return Outgoing(to, "note", f'{{"text":"{text}"}}', {}, reply_to, None, 0.0)


async def send(house: Stage, *texts: str, to: str = PRINTER) -> list[Position]:
    sent = [await house.send(to, Note(text)) for text in texts]
    return [one.position for one in sent if one.position is not None]


async def outcome(house: Stage, position: Position) -> str | None:
    found = await house.store.delivery(PRINTER, position)
    return None if found is None else found.outcome


# ── reading and acknowledging ────────────────────────────────────────────────────────────────────────────


async def test_reading_acknowledges_nothing_and_acknowledging_settles_up_to_it(house: Stage) -> None:
    a, b, c = await send(house, "a", "b", "c")
    assert await read(house) == await read(house) == ["a", "b", "c"]
    assert await ack(house, b) == Settled(2)
    assert await read(house) == ["c"]
    assert [await outcome(house, one) for one in (a, b, c)] == ["handled", "handled", None]
    assert (await house.store.cursor(PRINTER), await house.store.waiting(PRINTER, 9)) == (b, 1)


async def test_what_is_settled_is_not_settled_again_and_sends_nothing_again(house: Stage) -> None:
    await declare(house, "reader")
    a, b = await send(house, "a", "b")
    await read(house)
    says = [saying(To.bot("reader"), "done")]
    first = await ack(house, b, messages=says)
    assert (first.count, len(first.sent)) == (2, 1)
    assert (
        await ack(house, b, messages=says) == await ack(house, a, messages=says) == Settled(0, repeated=True)
    )
    said = await house.said(pair=("printer", "reader"))
    assert [(one.message.id, one.message.position) for one in said] == [
        (first.sent[0].id, first.sent[0].position)
    ]
    assert (said[0].message.cause, said[0].message.hops) == (b, 1)


async def test_more_than_was_served_is_refused_and_nothing_of_it_is_done(house: Stage) -> None:
    await declare(house, "reader")
    a, b = await send(house, "a", "b")
    assert await read(house, limit=1) == ["a"]
    for position in (b, b + 1, 10**9):
        with pytest.raises(NotServed):
            await ack(house, position, messages=[saying(To.bot("reader"), "no")])
    assert await house.said(pair=("printer", "reader")) == []
    assert await read(house) == ["a", "b"]
    assert (await ack(house, b)).count == 2
    assert a < b


async def test_a_reader_reads_on_without_acknowledging(house: Stage) -> None:
    a, b, c = await send(house, "a", "b", "c")
    assert await read(house, limit=1) == ["a"]
    assert await read(house, limit=1, after=a) == ["b"]
    assert await read(house, limit=1, after=b) == ["c"]
    assert await read(house, after=c) == []
    assert await read(house) == ["a", "b", "c"]


async def test_reading_on_leads_past_nothing_that_was_not_served(house: Stage) -> None:
    _, b, c = await send(house, "a", "b", "c")
    assert await read(house, limit=1, after=c) == ["a"]
    with pytest.raises(NotServed):
        await ack(house, c)
    assert await read(house, after=b) == ["b", "c"]


async def test_an_acknowledgement_that_is_refused_settles_nothing(house: Stage) -> None:
    (a,) = await send(house, "a")
    await read(house)
    with pytest.raises(RecipientUnknown):
        await ack(house, a, messages=[saying(To.bot("nobody"), "x")])
    unknown = MessageId(uuid4())
    with pytest.raises(NotFound):
        await ack(house, a, messages=[saying(To.channel("x"), "x", reply_to=unknown)])
    assert await read(house) == ["a"]


async def test_what_was_read_before_a_restart_can_be_acknowledged_after_it(file: Path) -> None:
    async with stage(file, clock=JumpClock()) as house:
        await declare(house)
        _, b = await send(house, "a", "b")
        assert await read(house) == ["a", "b"]
    async with stage(file, clock=JumpClock()) as house:
        (c,) = await send(house, "c")
        with pytest.raises(NotServed):
            await ack(house, c)
        assert (await ack(house, b)).count == 2
        assert await read(house) == ["c"]


async def test_very_many_are_settled_in_steps(house: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.company.outside.STEP", 10)
    positions = await send(house, *map(str, range(35)))
    await read(house)
    assert (await ack(house, positions[-1])).count == 35
    assert await house.store.waiting(PRINTER, 99) == 0
    assert {await outcome(house, one) for one in positions} == {"handled"}


# ── asks ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reply_in_the_acknowledgement_answers_an_ask(house: Stage) -> None:
    asking = asyncio.ensure_future(
        house.bus.ask(sender="local", to=To.bot(PRINTER), type="note", json='{"text":"?"}', seconds=30)
    )
    (one,) = await given(house, wait=10)
    says = [saying(To.bot("local"), "yes", reply_to=one.message.id)]
    await ack(house, one.message.position, messages=says)
    assert (await asking).body == {"text": "yes"}


async def test_one_outside_asks_a_bot_and_its_answer_is_handled_not_waiting(house: Stage) -> None:
    await house.engage(Clerk)
    answer = await house.bus.ask(
        sender=PRINTER, to=To.bot("clerk"), type="note", json='{"text":"x"}', seconds=30
    )
    assert answer.body == {"text": "noted x"}
    assert await outcome(house, answer.position) == "handled"
    assert await read(house) == []
    assert await house.store.waits(bot_stream(PRINTER)) == []


async def test_a_message_that_names_nobody_is_a_reply(house: Stage) -> None:
    a, b = await send(house, "a", "b")
    first, _ = await given(house)
    says = [saying(None, "to b"), saying(None, "to a", reply_to=first.message.id)]
    await ack(house, b, messages=says)
    replies = [row.message for row in await house.said(pair=("printer", "local"))][2:]
    assert [(one.to, one.reply_to == first.message.id) for one in replies] == [
        (To.bot("local"), False),
        (To.bot("local"), True),
    ]
    assert [one.cause for one in replies] == [b, b]
    assert a < b


async def test_what_was_asked_when_the_process_ended_is_waited_for_no_more(file: Path) -> None:
    async with stage(file, clock=JumpClock()) as house:
        await declare(house)
        services = house.bus.guests._services
        turn = services.journal.turn()
        turn.change(OpenWait(WaitId(uuid4()), bot_stream(PRINTER), ASK, str(uuid4())))
        await services.journal.commit(turn)
    async with stage(file, clock=JumpClock()) as house:
        assert await read(house) == []
        assert await house.store.waits(bot_stream(PRINTER)) == []


# ── catch-ups ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_catch_up_below_the_cursor_comes_first_and_each_message_once(house: Stage) -> None:
    old = await send(house, "old1", "old2", "old3", to="#news")
    (a,) = await send(house, "a")
    await read(house)
    await ack(house, a)
    (b,) = await send(house, "b")
    assert await read(house) == ["b"]
    await house.bus.subscribe(PRINTER, "news", since=Position(0))
    (c,) = await send(house, "c", to="#news")
    with pytest.raises(NotServed):
        await ack(house, old[0])
    assert await read(house) == ["old1", "old2", "old3", "b", "c"]
    assert (await ack(house, old[1])).count == 2
    assert (await ack(house, old[1])).repeated
    assert await read(house) == ["old3", "b", "c"]
    assert (await ack(house, b)).count == 2
    assert await read(house) == ["c"]
    await ack(house, c)
    assert await read(house) == []
    assert await house.store.catch_ups(PRINTER) == []


async def test_a_catch_up_that_was_not_served_is_not_settled_with_what_was(house: Stage) -> None:
    old = await send(house, "old", to="#news")
    (a,) = await send(house, "a")
    assert await read(house) == ["a"]
    await house.bus.subscribe(PRINTER, "news", since=Position(0))
    assert (await ack(house, a)).count == 1
    assert await outcome(house, old[0]) is None
    assert await read(house) == ["old"]


async def test_overlapping_subscriptions_give_a_message_once(house: Stage) -> None:
    await send(house, "x", "y", to="#news")
    await house.bus.subscribe(PRINTER, "news", since=Position(0))
    await house.bus.subscribe(PRINTER, "**", since=Position(0))
    (z,) = await send(house, "z", to="#news")
    assert await read(house) == ["x", "y", "z"]
    assert (await ack(house, z)).count == 3
    assert await read(house) == []


# ── failing ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_that_failed_holds_the_inbox_until_it_is_due(house: Stage) -> None:
    a, b, c = await send(house, "a", "b", "c")
    await read(house)
    failed = await ack(house, b, failed="no paper")
    assert (failed.count, failed.dead) == (1, False)
    assert failed.next_try_at is not None
    assert await outcome(house, a) == "handled"
    assert await read(house) == []
    with pytest.raises(NotServed, match="held"):
        await ack(house, c)
    assert (await ack(house, b, failed="no paper")).repeated
    again = await given(house, wait=10)
    assert [(one.message.position, one.attempt) for one in again] == [(b, 2), (c, 1)]
    assert house.clock.now() >= failed.next_try_at
    assert (await ack(house, c)).count == 2
    found = await house.store.delivery(PRINTER, b)
    assert found is not None
    assert (found.outcome, found.attempts) == ("handled", 2)


async def test_past_its_attempts_it_is_a_dead_letter_and_the_inbox_goes_on(house: Stage) -> None:
    a, b = await send(house, "a", "b")
    pauses, settled = [], Settled(0)
    for attempt in range(1, ATTEMPTS + 1):
        assert [one.attempt for one in await given(house, limit=1, wait=100)] == [attempt]
        settled = await ack(house, a, failed=f"fault {attempt}")
        if settled.next_try_at is not None:
            pauses.append((settled.next_try_at - house.clock.now()).total_seconds())
    assert settled.dead
    assert pauses == sorted(set(pauses))
    (letter,) = await house.store.dead_letters(bot=PRINTER)
    assert (letter.message, letter.reason, letter.error, letter.attempts) == (
        *(a, "FAILED", f"fault {ATTEMPTS}"),
        ATTEMPTS,
    )
    assert await read(house) == ["b"]
    await house.bus.redrive(letter.letter)
    redriven, following = await given(house)
    assert (redriven.message.position, redriven.redriven, redriven.attempt) == (a, True, 1)
    assert following.message.position == b
    assert (await ack(house, a)).count == 1
    assert (await ack(house, a)).repeated
    assert await read(house) == ["b"]


async def test_what_holds_the_inbox_still_holds_it_after_a_restart(file: Path) -> None:
    clock = JumpClock(autojump=False)
    async with stage(file, clock=clock) as house:
        await declare(house)
        a, b = await send(house, "a", "b")
        await read(house)
        await ack(house, a, failed="no")
    async with stage(file, clock=clock) as house:
        assert await read(house) == []
        with pytest.raises(NotServed):
            await ack(house, b)
        await clock.advance(1)
        assert [(one.message.position, one.attempt) for one in await given(house)] == [(a, 2), (b, 1)]


async def test_what_waited_too_long_is_given_up_and_the_inbox_goes_on(house: Stage) -> None:
    a, b = await send(house, "a", "b")
    await read(house)
    await ack(house, a, failed="no")
    await house.bus.expire(house.clock.now() + timedelta(seconds=1))
    await house.until(lambda: _is_dead(house, b))
    (c,) = await send(house, "c")
    assert await read(house) == ["c"]
    assert (await ack(house, c)).count == 1
    assert [one.reason for one in await house.store.dead_letters(bot=PRINTER)] == ["EXPIRED", "EXPIRED"]


async def _is_dead(house: Stage, position: Position) -> bool:
    return await outcome(house, position) == "dead"


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_long_poll_wakes_at_once_and_does_not_look_meanwhile(house: Stage) -> None:
    house.store._read = counting = _Counting(house.store._read)  # type: ignore[method-assign]
    began = house.clock.monotonic()
    reading = asyncio.ensure_future(read(house, wait=30))
    await house.clock.sleep(20)
    before = counting.calls
    await send(house, "a")
    assert await reading == ["a"]
    assert house.clock.monotonic() - began == 20
    assert before <= 5


class _Counting:
    """Counts what is asked of the store."""

    def __init__(self, read: Any) -> None:
        self.calls = 0
        self._read = read

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return await self._read(*args, **kwargs)


async def test_a_long_poll_in_which_nothing_comes_ends_empty(house: Stage) -> None:
    began = house.clock.monotonic()
    assert await read(house, wait=30) == []
    assert house.clock.monotonic() - began == 30


async def test_a_stream_gives_each_message_once_in_order_also_of_a_new_catch_up(house: Stage) -> None:
    await send(house, "old", to="#news")
    await send(house, "a", "b", "c")
    async with house.bus.guests.stream(PRINTER, limit=2, pause=15) as pages:
        seen: list[str] = []

        async def until(text: str) -> None:
            async for page in pages:
                seen.extend(one.message.body["text"] for one in page)
                if text in seen:
                    return

        await until("c")
        await house.bus.subscribe(PRINTER, "news", since=Position(0))
        await until("old")
        await send(house, "d")
        await until("d")
    assert seen == ["a", "b", "c", "old", "d"]
    assert await read(house) == ["old", "a", "b", "c", "d"]


async def test_a_quiet_stream_says_so_now_and_then(house: Stage) -> None:
    began = house.clock.monotonic()
    async with house.bus.guests.stream(PRINTER, limit=2, pause=15) as pages:
        assert await anext(pages) == []
    assert house.clock.monotonic() - began == 15


# ── one reader ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_second_reader_is_refused_while_the_first_reads(house: Stage) -> None:
    first = asyncio.ensure_future(read(house, wait=30))
    await house.clock.sleep(1)
    with pytest.raises(ReaderConflict, match="take_over"):
        await read(house)
    assert await read(house, take_over=True) == []
    with pytest.raises(ReaderConflict, match="took over"):
        await first


async def test_a_named_reader_keeps_the_inbox_for_a_minute(house: Stage) -> None:
    (a,) = await send(house, "a")
    assert await read(house, reader="ann") == await read(house, reader="ann") == ["a"]
    with pytest.raises(ReaderConflict, match="ann"):
        await read(house, reader="ben")
    with pytest.raises(ReaderConflict):
        await read(house)
    await house.clock.sleep(61)
    assert await read(house, reader="ben") == ["a"]
    with pytest.raises(ReaderConflict):
        await ack(house, a, reader="ann")
    who = await house.bus.guests.reader(PRINTER)
    assert who is not None
    assert (who.name, who.reading) == ("ben", False)
    assert (await ack(house, a, reader="ben")).count == 1


async def test_unnamed_readers_follow_each_other_freely(house: Stage) -> None:
    await send(house, "a")
    assert await read(house) == await read(house) == await read(house, reader="ann") == ["a"]


async def test_a_reader_that_went_away_leaves_the_inbox(house: Stage) -> None:
    first = asyncio.ensure_future(read(house, wait=30))
    await house.clock.sleep(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await read(house) == []


# ── who is there ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_name_is_of_one_kind(house: Stage) -> None:
    await house.engage(Clerk)
    with pytest.raises(Conflict, match="python"):
        await declare(house, "clerk")
    with pytest.raises(Conflict, match="outside"):
        await declare(house, PRINTER, "person")
    with pytest.raises(Conflict, match="python"):
        await house.bus.guests.read("clerk", limit=1)
    head = (await house.store.head()).position
    await declare(house)
    assert (await house.store.head()).position == head


async def test_declaring_it_again_changes_what_it_hears_only_if_that_is_said(house: Stage) -> None:
    await declare(house, PRINTER, "outside", "jobs.*")
    await house.bus.guests.declare(PRINTER, "outside", "Prints.", None, principal=LOCAL_USER)
    assert [one.pattern for one in house.bus.board.listens(PRINTER)] == ["jobs.*"]
    await declare(house, PRINTER, "outside", "jobs.new")
    assert [one.pattern for one in house.bus.board.listens(PRINTER)] == ["jobs.new"]


async def test_one_that_is_removed_is_read_no_more_and_what_waited_is_a_dead_letter(house: Stage) -> None:
    await send(house, "a")
    reading = asyncio.ensure_future(read(house, wait=30, after=Position(10**6)))
    await reading
    reading = asyncio.ensure_future(read(house, wait=30, after=(await given(house))[0].message.position))
    await house.clock.sleep(1)
    assert await house.bus.remove(PRINTER, principal=LOCAL_USER) == 1
    with pytest.raises((ActorStopped, NotFound)):
        await reading
    with pytest.raises(NotFound):
        await read(house)
    await declare(house)
    await send(house, "b")
    assert await read(house) == ["b"]
    assert [one.state for one in house.bus.listing()] == ["running"]
    audited = await house.store.audit(AuditQuery(bot=PRINTER))
    assert [[one.outcome for one in row.deliveries] for row in audited] == [["dead"], []]
