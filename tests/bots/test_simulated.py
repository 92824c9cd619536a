"""The example bots and workflows, all together, under seeds and deaths: as docs/testing.md tells authors."""

from __future__ import annotations

from pathlib import Path

from callboard.testing import House, simulate
from tests.proof import scaled

TREE = Path(__file__).parents[2]


def test_a_ticket_is_looked_at_once_whatever_dies() -> None:
    async def breaks_a_lamp(house: House) -> None:
        await house.publish("tickets.new", {"thing": "lamp"}, type="ticket", key="lamp")

    def it_is_looked_at_once(house: House) -> None:
        assert [one.body["thing"] for one in house.said("#tickets.done")] == ["lamp"]
        assert house.dead_letters() == []

    play, promise = breaks_a_lamp, it_is_looked_at_once
    simulate(project=TREE, play=play, promise=promise, seeds=range(scaled(4)))
