"""The housekeeper takes what retention no longer keeps, by the clock, and says so in the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from callboard.actors.housekeeper import Housekeeper
from callboard.actors.journal import Journal, JournalActor
from callboard.ids import Position
from callboard.messages import To
from callboard.store.port import Retention
from callboard.store.turn import Turn
from callboard.testing.clock import JumpClock
from tests.faulty import Disk, faulty_store


async def test_it_takes_what_is_old_every_hour_and_goes_on_after_a_fault(tmp_path: Path) -> None:
    """A look that fails is one look lost; one that finds nothing leaves no trace in the log."""
    clock, disk = JumpClock(), Disk()
    store = faulty_store(tmp_path / "callboard.db", disk)
    await store.open()
    writer = JournalActor(store, clock=clock).launch()
    journal = Journal(writer, clock=clock)

    def said() -> Turn:
        turn = journal.turn()
        turn.send(sender="desk", to=To("bot", "nobody"), type="note", body=1)
        return turn

    def retention() -> Retention:
        return Retention(messages_before=clock.now() - timedelta(hours=3))

    looked: list[float] = []

    async def expire() -> None:
        looked.append(clock.monotonic())

    keeper = Housekeeper(store, journal, retention, expire, clock=clock).launch()
    await journal.commit(said())
    await clock.sleep(2.5 * 3_600)
    assert [(e.position, e.kind) for e in await store.log(Position(0), 10)] == [(1, "message")]
    disk.break_at("BEGIN")
    await clock.sleep(3_600)
    assert [(e.position, e.kind) for e in await store.log(Position(0), 10)] == [(1, "message")]
    disk.mend()
    await clock.sleep(3_600)
    assert [(e.kind, e.type) for e in await store.log(Position(0), 10)] == [("action", "prune")]
    await keeper.aclose()
    await writer.aclose()
    await store.close()
    assert len(looked) >= 4, "it gives up what waited too long at each look, also where pruning fails"
    assert not clock.armed, "it left an alarm behind"
