"""The journal: group commit, answers one by one, back-pressure, and what it does when the disk fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import msgspec
import pytest

from callboard.actors.journal import Journal, JournalActor
from callboard.errors import (
    BadInput,
    ConcurrencyConflict,
    ConstraintViolated,
    DiskFull,
    OutcomeUnknown,
    ShuttingDown,
    StoreReadOnly,
    StoreUnavailable,
    Unencodable,
)
from callboard.facts import fact
from callboard.ids import Position, StreamId, SystemIds, Version, WaitId
from callboard.store.changes import OpenWait
from callboard.store.turn import Turn
from callboard.stores.sqlite import SqliteStore
from callboard.testing.clock import JumpClock
from tests.faulty import Disk, disk_error, faulty_store
from tests.proof import scaled

STREAM = StreamId("story:one")


@fact("journal_test_noted")
class Noted(msgspec.Struct, frozen=True):
    text: str


class House:
    """A store on a disk that can fail, and a journal before it."""

    def __init__(self, folder: Path, *, queue: int = 1_000, batch: int = 1_000) -> None:
        self.disk = Disk()
        self.database = folder / "callboard.db"
        self.clock = JumpClock()
        self.store = faulty_store(self.database, self.disk)
        self.actor = JournalActor(self.store, queue=queue, batch=batch, clock=self.clock)
        self.journal = Journal(self.actor.actor_ref, clock=self.clock)

    async def __aenter__(self) -> Self:
        await self.store.open()
        self.actor.launch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.actor.actor_ref.aclose()
        await self.store.close()

    def note(self, text: str, expected: int = 0, stream: StreamId = STREAM) -> Turn:
        turn = self.journal.turn()
        turn.append(stream, "story", [Noted(text)], expected=Version(expected))
        return turn

    def fault(self) -> str | None:
        """Return the code of what keeps the journal from writing."""
        return self.actor.fault.code if self.actor.fault is not None else None

    async def texts(self) -> list[str]:
        """Read the notes of the stream as a restarted server would."""
        store = SqliteStore(self.database)
        await store.open()
        try:
            events = await store.events(STREAM, Version(0), 1_000)
        finally:
            await store.close()
        return [event.fact.text for event in events]  # type: ignore[attr-defined]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as house:
        yield house


async def until_waiting(task: asyncio.Task[object]) -> None:
    """Give everybody the loop until nothing more happens by itself."""
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()


# ── committing ───────────────────────────────────────────────────────────────────────────────────────────


async def test_turns_that_wait_together_are_committed_together(house: House) -> None:
    """A hundred turns handed in at once cost a commit or two, not a hundred."""
    before = house.disk.commits
    turns = [house.note("x", 0, StreamId(f"story:{n}")) for n in range(100)]
    receipts = await asyncio.gather(*(house.journal.commit(turn) for turn in turns))
    assert sorted(receipt.first for receipt in receipts) == list(range(1, 101))
    assert house.disk.commits - before <= 2


async def test_a_batch_holds_no_more_turns_than_it_may(tmp_path: Path) -> None:
    """The bound on a transaction is kept, so that nobody waits for an endless one."""
    async with House(tmp_path, batch=10) as house:
        before = house.disk.commits
        turns = [house.note("x", 0, StreamId(f"story:{n}")) for n in range(100)]
        await asyncio.gather(*(house.journal.commit(turn) for turn in turns))
        assert house.disk.commits - before >= 10


async def test_a_transaction_holds_no_more_bytes_than_it_may(house: House) -> None:
    """Large turns that wait together are committed in several parts; one that fails takes only its part."""
    turns = [house.journal.turn() for _ in range(12)]
    for turn in turns:
        turn.act("store", "much", "x" * 7_000_000)
    before = house.disk.commits
    receipts = await asyncio.gather(*(house.journal.commit(turn) for turn in turns))
    assert [receipt.first for receipt in receipts] == list(range(1, 13))
    assert house.disk.commits - before >= 3


async def test_of_a_batch_in_parts_only_the_part_in_doubt_waits(house: House) -> None:
    """The part behind it is refused, for sure, and nothing of it is there later."""
    turns = [house.journal.turn() for _ in range(8)]
    for turn in turns:
        turn.act("store", "much", "x" * 7_000_000)
    house.disk.break_at("COMMIT", after=True)
    callers = [asyncio.create_task(house.journal.commit(turn)) for turn in turns]
    await until_waiting(callers[0])
    refused = [caller for caller in callers if caller.done()]
    assert len(refused) == 4
    assert all(isinstance(caller.exception(), StoreUnavailable) for caller in refused)
    house.disk.mend()
    assert [(await caller).first for caller in callers[:4]] == [1, 2, 3, 4]
    assert (await house.store.head()).position == 4


async def test_one_bad_turn_among_a_hundred_is_refused_alone(house: House) -> None:
    """A constraint and a conflict are answered to those who caused them, and the rest is on disk."""
    turns = [house.note("x", 0, StreamId(f"story:{n}")) for n in range(100)]
    turns[40].change(OpenWait(WaitId(SystemIds().new()), StreamId("run:nobody"), "signal", "go"))
    turns[60] = house.note("x", 3, StreamId("story:60"))
    outcomes = await asyncio.gather(*(house.journal.commit(turn) for turn in turns), return_exceptions=True)
    refused = {n: type(outcome) for n, outcome in enumerate(outcomes) if isinstance(outcome, Exception)}
    assert refused == {40: ConstraintViolated, 60: ConcurrencyConflict}
    assert len(await house.store.log(Position(0), 200)) == 98


async def test_a_value_that_cannot_be_stored_raises_where_it_is_put_in(house: House) -> None:
    """It never reaches the journal, so no neighbour can be troubled by it."""
    turn = house.journal.turn()
    for wrong in (object(), float("nan"), {"deep": [float("inf")]}, "\ud800"):
        with pytest.raises(Unencodable):
            turn.act("try", "it", wrong)
    turn.act("try", "it", {"fine": None})
    await house.journal.commit(turn)


async def test_of_two_that_expect_the_same_version_exactly_one_wins(house: House) -> None:
    """A thousand times: one receipt, one conflict, and the stream has no gap."""
    rounds = scaled(200)
    for version in range(rounds):
        outcomes = await asyncio.gather(
            house.journal.commit(house.note("left", version)),
            house.journal.commit(house.note("right", version)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, ConcurrencyConflict) for outcome in outcomes) == 1
    assert (await house.store.stream(STREAM)).version == rounds


async def test_a_caller_that_gives_up_does_not_undo_its_turn(house: House) -> None:
    """What was handed in is written, whatever becomes of who handed it in."""
    caller = asyncio.create_task(house.journal.commit(house.note("kept")))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await house.journal.commit(house.note("next", 1))
    assert await house.texts() == ["kept", "next"]


async def test_a_full_queue_makes_callers_wait_and_loses_nothing(tmp_path: Path) -> None:
    """Ten times as many callers as there is room: each is answered, in the end."""
    async with House(tmp_path, queue=5, batch=2) as house:
        turns = [house.note("x", 0, StreamId(f"story:{n}")) for n in range(50)]
        receipts = await asyncio.gather(*(house.journal.commit(turn) for turn in turns))
        assert sorted(receipt.first for receipt in receipts) == list(range(1, 51))


async def test_a_caller_that_gives_up_before_there_was_room_leaves_nothing(tmp_path: Path) -> None:
    """It had not handed its turn in yet."""
    async with House(tmp_path, queue=1, batch=1) as house:
        callers = [
            asyncio.create_task(house.journal.commit(house.note("x", 0, StreamId(f"story:{n}"))))
            for n in range(9)
        ]
        late = asyncio.create_task(house.journal.commit(house.note("never")))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(*callers)
        assert await house.texts() == []


async def test_an_orderly_end_commits_what_was_accepted_and_refuses_the_rest(house: House) -> None:
    """Nobody is left without an answer."""
    callers = [
        asyncio.create_task(house.journal.commit(house.note("x", 0, StreamId(f"story:{n}"))))
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await house.actor.actor_ref.aclose()
    assert sorted(receipt.first for receipt in await asyncio.gather(*callers)) == list(range(1, 21))
    with pytest.raises(ShuttingDown):
        await house.journal.commit(house.note("late"))


# ── when the disk fails ──────────────────────────────────────────────────────────────────────────────────


async def test_a_write_that_fails_refuses_its_turns_and_says_not_ready(house: House) -> None:
    """Nothing was committed, so the answer is a sure no; the reason is the disk's."""
    full = disk_error(sqlite3.SQLITE_FULL, "SQLITE_FULL")
    house.disk.break_at("INSERT INTO workflow_events", error=full)
    with pytest.raises(DiskFull):
        await house.journal.commit(house.note("lost"))
    assert house.fault() == "DISK_FULL"
    house.disk.mend()
    await house.journal.commit(house.note("kept"))
    assert house.fault() is None
    assert await house.texts() == ["kept"]


async def test_readiness_returns_by_itself_when_the_fault_is_gone(house: House) -> None:
    """Nobody has to ask for anything: the journal tries again with growing pauses."""
    house.disk.break_at("INSERT", error=disk_error(sqlite3.SQLITE_READONLY, "SQLITE_READONLY"))
    with pytest.raises(StoreReadOnly):
        await house.journal.commit(house.note("lost"))
    house.disk.break_at("BEGIN")
    await house.clock.sleep(60)
    assert house.fault() is not None
    assert 10 < house.disk.tried < 30
    house.disk.mend()
    await house.clock.sleep(6)
    assert house.fault() is None


@pytest.mark.parametrize("there", [False, True])
async def test_a_commit_in_doubt_is_answered_only_after_it_was_looked_for(
    house: House, *, there: bool
) -> None:
    """Neither yes nor no while the disk fails; afterwards the truth, whichever it is."""
    house.disk.break_at("COMMIT", after=there)
    doubtful = asyncio.create_task(house.journal.commit(house.note("doubtful")))
    await until_waiting(doubtful)
    assert house.fault() is not None
    house.disk.break_at("BEGIN")
    with pytest.raises(StoreUnavailable):
        await house.journal.commit(house.note("refused", 1))
    assert not doubtful.done()
    house.disk.mend()
    if there:
        assert (await doubtful).first == 1
        await house.journal.commit(house.note("next", 1))
        assert await house.texts() == ["doubtful", "next"]
    else:
        with pytest.raises(StoreUnavailable):
            await doubtful
        await house.journal.commit(house.note("next", 0))
        assert await house.texts() == ["next"]
    assert house.fault() is None


@pytest.mark.parametrize("there", [False, True])
async def test_settling_may_fail_again_and_again_and_still_finds_the_truth(
    house: House, *, there: bool
) -> None:
    """The commit that settles can itself be in doubt; its traces are not mistaken for the turn's."""
    house.disk.break_at("COMMIT", after=there)
    doubtful = asyncio.create_task(house.journal.commit(house.note("doubtful")))
    await until_waiting(doubtful)
    for after in (True, False, True, True):
        house.disk.break_at("COMMIT", after=after)
        with pytest.raises(StoreUnavailable):
            await house.journal.commit(house.note("refused", 1))
        assert not doubtful.done()
    house.disk.mend()
    outcome = (await asyncio.gather(doubtful, return_exceptions=True))[0]
    assert isinstance(outcome, StoreUnavailable) is not there
    assert await house.texts() == (["doubtful"] if there else [])


@pytest.mark.parametrize("there", [False, True])
async def test_a_journal_that_ends_in_doubt_says_that_it_does_not_know(
    tmp_path: Path, *, there: bool
) -> None:
    """The caller is told to look, and what is there after the restart is what is true."""
    async with House(tmp_path) as house:
        house.disk.break_at("COMMIT", after=there)
        doubtful = asyncio.create_task(house.journal.commit(house.note("doubtful")))
        await until_waiting(doubtful)
        house.disk.break_at("BEGIN")
        await house.actor.actor_ref.aclose()
        with pytest.raises(OutcomeUnknown):
            await doubtful
    assert await house.texts() == (["doubtful"] if there else [])


async def test_a_settling_commit_that_cannot_be_read_back_settles_nothing(house: House) -> None:
    """A disk that says yes and keeps nothing is not believed."""
    house.disk.break_at("COMMIT", after=True)
    doubtful = asyncio.create_task(house.journal.commit(house.note("doubtful")))
    await until_waiting(doubtful)
    house.disk.forget_commits()
    with pytest.raises(StoreUnavailable, match="reading it back"):
        await house.journal.commit(house.note("refused", 1))
    assert not doubtful.done()
    house.disk.mend()
    assert (await doubtful).first == 1


async def test_a_turn_is_handed_in_once(house: House) -> None:
    """A second time it would happen twice; and nothing can be added to it behind its back."""
    turn = house.note("once")
    await house.journal.commit(turn)
    with pytest.raises(BadInput, match="already"):
        await house.journal.commit(turn)
    with pytest.raises(BadInput, match="already"):
        turn.act("add", "more")
    assert await house.texts() == ["once"]


async def test_a_journal_that_ends_while_the_disk_works_again_gives_the_true_answer(house: House) -> None:
    """The last thing it does is to look."""
    house.disk.break_at("COMMIT", after=True)
    doubtful = asyncio.create_task(house.journal.commit(house.note("doubtful")))
    await until_waiting(doubtful)
    house.disk.mend()
    await house.actor.actor_ref.aclose()
    assert (await doubtful).first == 1
