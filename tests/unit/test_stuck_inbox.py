"""An inbox outside while nothing can be written: its reader is told what to do, and others still see it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callboard.actors import Supervisor, Timers
from callboard.actors.children import Child
from callboard.actors.journal import Journal, JournalActor
from callboard.company.company import Company
from callboard.company.outside import Ack, Settled
from callboard.errors import AskTimeout
from callboard.ids import LOCAL_USER, BotName, Position, SystemIds
from callboard.messages import To
from callboard.testing.clock import JumpClock
from tests.faulty import Disk, faulty_store


async def test_an_acknowledgement_that_cannot_be_written_may_be_repeated(tmp_path: Path) -> None:
    clock, disk = JumpClock(), Disk()
    store = faulty_store(tmp_path / "callboard.db", disk)
    await store.open()
    writer, timers = JournalActor(store, clock=clock), Timers(clock=clock)
    children = [Child("journal", lambda: writer, vital=True), Child("timers", lambda: timers, vital=True)]
    root = Supervisor(children, name="supervisor", clock=clock, grace=5.0).launch()
    journal = Journal(writer.actor_ref, clock=clock)
    company = Company(store, journal, writer, clock=clock, ids=SystemIds(), message_bytes=1_000, grace=1.0)
    await company.join(root, timers.actor_ref)
    guests = company.bus.guests
    await guests.declare("printer", "outside", "", [], principal=LOCAL_USER)
    sent = await company.bus.send(sender="local", to=To.bot("printer"), type="note", json="1")
    assert sent.position is not None
    ack = Ack(Position(sent.position), reader="one")
    assert len((await guests.read("printer", limit=9, reader="one")).given) == 1
    disk.break_at("COMMIT", after=True)
    with pytest.raises(AskTimeout, match=r"`callboard doctor` tells; repeat the same acknowledgement"):
        await guests.acknowledge("printer", ack)
    reader = await guests.reader("printer")
    assert reader is not None and reader.name == "one"  # noqa: PT018 - the second half needs the first
    disk.mend()
    async with asyncio.timeout(20):
        assert await guests.acknowledge("printer", ack) == Settled(0, repeated=True)
    assert await store.waiting(BotName("printer"), 9) == 0
    await root.aclose()
    await store.close()
