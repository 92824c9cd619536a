"""Triggers that cannot be read for a while: nobody is told that they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard.errors import NotFound, StoreCorrupt, StoreUnavailable
from callboard.store.runrows import TriggerRow
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.clock import JumpClock
from callboard.triggers.delivery import deliver
from callboard.triggers.triggers import SETTLING
from tests.unit.triggers.house import ANN, house

HOOK = "name: w\non:\n  - webhook: in\nsteps: [{id: a, uses: core.echo}]\n"


class Unread(SqliteStore):
    """A store that cannot tell which triggers one workflow has."""

    broken = False

    async def triggers(self, *, workflow: str | None = None, **more: Any) -> list[TriggerRow]:
        if workflow == "w" and self.broken:
            raise StoreCorrupt("The disk did not read.")
        return await super().triggers(workflow=workflow, **more)


async def test_a_delivery_is_asked_to_come_again_until_it_is_known_where_it_belongs(tmp_path: Path) -> None:
    """Whoever is told that there is no such webhook gives up, and the delivery is lost to him."""
    clock = JumpClock()
    async with house(tmp_path / "db", HOOK, clock=clock) as h:
        trigger = (await h.trigger()).id
    store = Unread(tmp_path / "db", clock=clock, connect=inline)
    store.broken = True
    async with house(tmp_path / "db", clock=clock, store=store) as h:
        with pytest.raises(StoreUnavailable, match="ask again in a moment") as raised:
            await deliver(h.triggers, "in", {}, b"{}")
        assert (raised.value.status, raised.value.retryable) == (503, True)
        with pytest.raises(StoreUnavailable, match="ask again in a moment"):
            await h.triggers.fire(trigger, {}, principal=ANN)
        store.broken = False
        await h.until(lambda: h.triggers.keeps(trigger))
        assert (await deliver(h.triggers, "in", {}, b"{}")).run is not None
        with pytest.raises(NotFound, match="no such webhook"):
            await deliver(h.triggers, "elsewhere", {}, b"{}")


class Slow(SqliteStore):
    """A store on a disk that takes minutes for each workflow."""

    async def triggers(self, *, workflow: str | None = None, **more: Any) -> list[TriggerRow]:
        if workflow is not None:
            await self.clock.sleep(3 * SETTLING)
        return await super().triggers(workflow=workflow, **more)

    clock: JumpClock


async def test_a_slow_disk_makes_a_start_late_and_refuses_none(tmp_path: Path) -> None:
    clock = JumpClock()
    async with house(tmp_path / "db", HOOK, clock=clock) as h:
        trigger = (await h.trigger()).id
    store = Slow(tmp_path / "db", clock=clock, connect=inline)
    store.clock = clock
    began = clock.monotonic()
    async with house(tmp_path / "db", clock=clock, store=store, still=False) as h:
        assert h.triggers.keeps(trigger)
    assert clock.monotonic() - began >= 3 * SETTLING
